/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a new file beside the old one, and puts it into its place. */
#include "config.h"

#include "cli/seal_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "chat/seal.h"

/* Reports a line of reason, without its end. */
static int fail_with(const struct invocation *in, struct buf *reason)
{
	buf_truncate(reason, reason->len > 0 ? reason->len - 1 : 0);
	return command_fail(in, "%s",
			    buf_cstr(reason) != NULL ? buf_cstr(reason) : "out of memory");
}

/* The lines that are there, if they are keys; of a file that is not there the first comment. */
static int read_keys(const struct invocation *in, const char *path, struct buf *lines)
{
	struct buf error = BUF_INIT;
	struct secret file = {0};
	struct seal *seal = NULL;
	int status = COMMAND_OK;

	if (access(path, F_OK) != 0 && errno == ENOENT) {
		buf_puts(lines, "# keys of message texts: the last one seals, all open");
	} else if (secret_load(path, 0, &file, &error) != 0 ||
		   seal_parse((struct str){(const char *)file.data, file.len}, path, &seal,
			      &error) != 0) {
		status = fail_with(in, &error);
	} else {
		buf_reserve(lines, file.len + 256); /* at once: no copy is left behind unwiped */
		buf_put(lines, file.data, file.len);
	}
	buf_putc(lines, '\n');
	seal_free(seal);
	secret_wipe(&file);
	buf_deinit(&error);
	return status;
}

/* Writes all of it into a file that is nobody else's to read. 0, or -1 with errno. */
static int write_file(const char *path, const char *old_path, struct str text)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int saved;

	if (fd < 0)
		return -1;
	/* Of a new one, the umask may have taken rights away that the owner needs. */
	if (stat(old_path, &st) != 0 ? fchmod(fd, 0600) == 0
				     : fchown(fd, st.st_uid, st.st_gid) == 0 &&
					       fchmod(fd, st.st_mode & 07777) == 0) {
		if (write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0) {
			close(fd);
			return 0;
		}
	}
	saved = errno;
	close(fd);
	unlink(path);
	errno = saved;
	return -1;
}

/* A key that a power cut takes back would be missed by all that was sealed with it meanwhile. */
static void keep_directory(const char *path)
{
	char *copy = str_dup(str_of(path));
	int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		/* Not every file system can; what could be done was done. */
		(void)!fsync(fd);
		close(fd);
	}
	free(copy);
}

static int replace(const struct invocation *in, const char *path, struct str text)
{
	struct buf new_path = BUF_INIT;
	int status = COMMAND_OK;

	buf_printf(&new_path, "%s.new", path);
	if (buf_cstr(&new_path) == NULL)
		status = command_fail(in, "out of memory");
	else if (write_file(buf_cstr(&new_path), path, text) != 0)
		status = command_fail(in, "could not write %s: %s", buf_cstr(&new_path),
				      strerror(errno));
	else if (rename(buf_cstr(&new_path), path) != 0)
		status = command_fail(in, "could not replace %s: %s", path, strerror(errno));
	else
		keep_directory(path);
	buf_deinit(&new_path);
	return status;
}

/* The setting, and what to do so that the key is used. */
static void print_setting(const char *path, size_t n)
{
	char *absolute = realpath(path, NULL);

	if (n > 1)
		printf("# %zu keys, the last of them new: reload bellhop-push, then bellhop-api, then "
		       "run bellhop reseal\n",
		       n);
	printf("BELLHOP_SEAL_KEYS_FILE=%s\n", absolute != NULL ? absolute : path);
	free(absolute);
}

int seal_keys_add(const struct invocation *in, const char *path)
{
	struct buf lines = BUF_INIT, error = BUF_INIT;
	struct seal *seal = NULL;
	/* What a link leads to is replaced, and not the link: others may go by its own name. */
	char *linked = realpath(path, NULL);
	const char *file = linked != NULL ? linked : path;
	int status = read_keys(in, file, &lines);

	if (status != COMMAND_OK)
		goto out;
	if (seal_put_new_key(&lines) != 0) {
		status = command_fail(in, "out of memory");
		goto out;
	}
	buf_putc(&lines, '\n');
	/* What is written has to be read again by everybody: not one key too many, for one. */
	if (seal_parse(buf_str(&lines), file, &seal, &error) != 0)
		status = fail_with(in, &error);
	else
		status = replace(in, file, buf_str(&lines));
	if (status == COMMAND_OK)
		print_setting(file, seal_count(seal));
out:
	if (lines.data != NULL)
		sodium_memzero(lines.data, lines.cap);
	seal_free(seal);
	buf_deinit(&lines);
	buf_deinit(&error);
	free(linked);
	return status;
}
