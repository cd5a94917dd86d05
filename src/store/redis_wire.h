/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both Redis carriers share: where a server is, how a command is put into bytes (RESP2,
 * https://redis.io/docs/reference/protocol-spec/), what is said first on a connection, and a reply
 * parser that a hostile or broken server cannot make allocate without bound.
 */
#ifndef BELLHOP_STORE_REDIS_WIRE_H
#define BELLHOP_STORE_REDIS_WIRE_H

#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/conf_table.h"
#include "base/err.h"
#include "store/redis_tls.h"

#define REDIS_WIRE_ELEMENTS_MAX 1000000		   /* of one array */
#define REDIS_WIRE_REPLY_MAX	(64 * 1024 * 1024) /* bytes of one reply */

/* A server, from REDIS_URL. Owns its strings. */
struct redis_target {
	char *host; /* NULL for a unix socket */
	char *port;
	char *path;	/* of the unix socket, else NULL */
	char *user;	/* NULL: none */
	char *password; /* NULL: none */
	int db;
	bool is_tls;		   /* rediss:// */
	struct redis_tls_ctx *tls; /* where is_tls; without it nothing connects */
};

struct conf;

/*
 * Parses redis://[user:password@]host[:port][/db], rediss://, which is the same by TLS, or
 * unix://[user:password@]/path[?db=N]; user and password may be percent-encoded, an IPv6 address stands
 * in brackets. `password` (REDIS_PASSWORD; NULL or "" is none) is used where the URL has none. 0, or -1
 * with a line of reason, without any secret, appended to *error. `tls` remains NULL.
 */
int redis_target_parse(const char *url, const char *password, struct redis_target *target_r,
		       struct buf *error);

/*
 * The same by the settings, with all that TLS needs: `url` is CONF_REDIS_URL or CONF_REDIS_ADMIN_URL.
 * Reads the files of REDIS_CA, REDIS_CERT_FILE and REDIS_KEY_FILE where they are wanted.
 */
int redis_target_of_conf(const struct conf *conf, enum conf_key url, struct redis_target *target_r,
			 struct buf *error);

/* A deep copy. 0, or -1 if out of memory. */
int redis_target_copy(const struct redis_target *target, struct redis_target *copy_r);

/* Wipes the password, so that there is none. */
void redis_target_forget_password(struct redis_target *target);

/* {0} is fine. Wipes the password. */
void redis_target_deinit(struct redis_target *target);

/* "127.0.0.1:6379/0" or "/run/redis.sock", for logs; cut to fit. */
#define REDIS_TARGET_TEXT_SIZE 160
void redis_target_text(const struct redis_target *target, char text_r[REDIS_TARGET_TEXT_SIZE]);

/* Appends one command of n arguments. */
void redis_wire_put(struct buf *b, size_t n, const struct str *args);

/* Appends one command of NUL-terminated arguments, the last followed by NULL. */
void redis_wire_putc(struct buf *b, ...) __attribute__((sentinel));

/* Appends the first line of a command of n arguments, each to be added by redis_wire_arg*(). */
void redis_wire_begin(struct buf *b, size_t n);
void redis_wire_arg(struct buf *b, struct str arg);
void redis_wire_arg_i64(struct buf *b, int64_t value);

/*
 * Appends what a new connection says first: AUTH where there is a password, SELECT where db is not 0,
 * CLIENT SETNAME. Returns the number of replies; each must be a status.
 */
size_t redis_wire_hello(struct buf *b, const struct redis_target *target, const char *client_name);

/* hiredis's parser with the limits above. NULL if out of memory; redisReaderFree() frees it. */
redisReader *redis_wire_reader_new(void);

#endif
