/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and other secrets from files, kept in memory that is locked, guarded and wiped
 * (libsodium's sodium_malloc).
 */
#ifndef BELLHOP_BASE_SECRET_H
#define BELLHOP_BASE_SECRET_H

#include "base/buf.h"

struct secret {
	unsigned char *data; /* NULL when there is none */
	size_t len;
};

#define SECRET_MAX_BYTES 65536

/*
 * Reads a regular file of min to SECRET_MAX_BYTES bytes, less one trailing newline (\n or \r\n).
 * A file that others may read or write, or that its group may write, is refused; FIFOs, devices and
 * directories too. 0, or -1 with one line of reason appended to *error, which names the file but
 * never what is in it. What *secret_r held is left alone on failure and not freed on success: start
 * from {0}.
 */
int secret_load(const char *path, size_t min, struct secret *secret_r, struct buf *error);

/* A copy of bytes that came from somewhere else. 0, or -1 if out of memory. */
int secret_copy(const void *bytes, size_t n, struct secret *secret_r);

/* Wipes and frees; {0} is fine, and what it leaves. */
void secret_wipe(struct secret *secret);

#endif
