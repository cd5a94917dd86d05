/* SPDX-License-Identifier: BSD-2-Clause */
/* A key ring of one new key, for tests that seal. */
#ifndef BELLHOP_TESTS_SEAL_RING_H
#define BELLHOP_TESTS_SEAL_RING_H

#include "chat/seal.h"
#include "cmocka_setup.h"

/* Fails the test where it cannot be made. To be freed with seal_free(). */
static inline struct seal *seal_ring_new(void)
{
	struct buf line = BUF_INIT, error = BUF_INIT;
	struct seal *seal;

	assert_int_equal(seal_put_new_key(&line), 0);
	assert_int_equal(seal_parse(buf_str(&line), "keys", &seal, &error), 0);
	buf_deinit(&line);
	return seal;
}

#endif
