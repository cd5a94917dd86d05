/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uthash, which ends the process where memory runs out, unless it is told not to. To be included instead
 * of it. After HASH_ADD_KEYPTR(hh, table, …, element) without memory the table is as it was, and
 * hash_has_added(element) is false.
 */
#ifndef BELLHOP_BASE_HASH_H
#define BELLHOP_BASE_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define hash_has_added(element) ((element)->hh.tbl != NULL)

#endif
