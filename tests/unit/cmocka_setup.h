/* SPDX-License-Identifier: BSD-2-Clause */
/* cmocka's header with what it needs before it. */
#ifndef BELLHOP_TESTS_CMOCKA_SETUP_H
#define BELLHOP_TESTS_CMOCKA_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
