/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets from files into guarded memory. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

static int check_file(const char *path, const struct stat *st, struct buf *error)
{
	if (!S_ISREG(st->st_mode)) {
		buf_printf(error, "could not use %s: not a regular file\n", path);
		return -1;
	}
	if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0) {
		buf_printf(error,
			   "could not use %s: others may read or change it (mode %04o, make it "
			   "0600)\n",
			   path, (unsigned int)st->st_mode & 07777);
		return -1;
	}
	if (st->st_size > SECRET_MAX_BYTES) {
		buf_printf(error, "could not use %s: longer than %d bytes\n", path,
			   SECRET_MAX_BYTES);
		return -1;
	}
	return 0;
}

/* Reads up to n bytes; -1 with errno. */
static ssize_t read_all(int fd, unsigned char *data, size_t n)
{
	size_t len = 0;

	while (len < n) {
		ssize_t got = read(fd, data + len, n - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

static size_t without_newline(const unsigned char *data, size_t n)
{
	if (n > 0 && data[n - 1] == '\n')
		n--;
	else
		return n;
	if (n > 0 && data[n - 1] == '\r')
		n--;
	return n;
}

int secret_load(const char *path, size_t min, struct secret *secret_r, struct buf *error)
{
	struct stat st;
	struct secret raw = {0};
	ssize_t got;
	size_t len;
	int fd, result = -1;

	/* O_NONBLOCK, so that a FIFO is refused instead of waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		buf_printf(error, "could not open %s: %s\n", path, strerror(errno));
		goto out;
	}
	if (check_file(path, &st, error) < 0)
		goto out;
	raw.len = (size_t)st.st_size;
	raw.data = sodium_init() < 0 ? NULL : sodium_malloc(raw.len + 1);
	if (raw.data == NULL) {
		buf_printf(error, "could not read %s: out of lockable memory\n", path);
		goto out;
	}
	got = read_all(fd, raw.data, raw.len);
	if (got < 0) {
		buf_printf(error, "could not read %s: %s\n", path, strerror(errno));
		goto out;
	}
	len = without_newline(raw.data, (size_t)got);
	if (len < min) {
		buf_printf(error, "could not use %s: %zu bytes, at least %zu are needed\n", path,
			   len, min);
		goto out;
	}
	if (secret_copy(raw.data, len, secret_r) < 0) {
		buf_printf(error, "could not read %s: out of lockable memory\n", path);
		goto out;
	}
	result = 0;
out:
	secret_wipe(&raw);
	if (fd >= 0)
		close(fd);
	return result;
}

int secret_copy(const void *bytes, size_t n, struct secret *secret_r)
{
	unsigned char *data;

	/* Does nothing when libsodium is initialised already. */
	if (sodium_init() < 0)
		return -1;
	data = sodium_malloc(n > 0 ? n : 1);
	if (data == NULL)
		return -1;
	if (n > 0)
		memcpy(data, bytes, n);
	secret_r->data = data;
	secret_r->len = n;
	return 0;
}

void secret_wipe(struct secret *secret)
{
	/* sodium_free() wipes, and takes NULL. */
	sodium_free(secret->data);
	*secret = (struct secret){0};
}
