/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS to Redis (rediss://), TLS 1.2 or newer (RFC 5246, RFC 8446), by OpenSSL where bellhop is built with
 * it. It knows no socket: a carrier puts in what it wants to say and what has come, and takes out what is
 * to be sent and what was said. So nothing here waits, and both carriers work as they do without it.
 *
 * The server must show a certificate that is valid now, leads to an authority that is trusted, and names
 * the host of the URL, by its name or its address (RFC 6125).
 */
#ifndef BELLHOP_STORE_REDIS_TLS_H
#define BELLHOP_STORE_REDIS_TLS_H

#include "base/buf.h"

struct redis_tls_ctx; /* what is trusted and shown; shared by connections */
struct redis_tls;     /* one connection */

struct redis_tls_opts {
	const char *host;
	const char *ca_file;   /* PEM; "": the system's authorities */
	const char *cert_file; /* PEM, our own certificate and those above it; "": none */
	const char *key_file;  /* PEM, its key, "": in cert_file; refused if others may read it */
};

/* Whether there is any of this in here. */
bool redis_tls_is_built(void);

/*
 * Reads the files. NULL with a line of reason appended to *error: a file that cannot be used, a key that is
 * not the certificate's, out of memory, or built without OpenSSL.
 */
struct redis_tls_ctx *redis_tls_ctx_new(const struct redis_tls_opts *opts, struct buf *error);

/* The same one, for one more owner. NULL is fine. */
struct redis_tls_ctx *redis_tls_ctx_share(struct redis_tls_ctx *ctx);

/* By each owner. NULL is fine. */
void redis_tls_ctx_free(struct redis_tls_ctx *ctx);

/* A connection that has said nothing yet. NULL if out of memory, or if ctx is NULL. */
struct redis_tls *redis_tls_new(const struct redis_tls_ctx *ctx);
void redis_tls_free(struct redis_tls *tls); /* NULL is fine */

/*
 * Takes what is to be said to the server (plain), or what came from it (sealed); it is copied. After
 * either there may be something to send. 0, or -1 once the connection is of no use.
 */
int redis_tls_put(struct redis_tls *tls, struct str plain);
int redis_tls_feed(struct redis_tls *tls, struct str sealed);

/* Moves up to `size` bytes of what is to be sent to `bytes`; how many. */
size_t redis_tls_drain(struct redis_tls *tls, char *bytes, size_t size);
bool redis_tls_has_output(const struct redis_tls *tls);

/* Moves up to `size` bytes of what the server said to `bytes`; how many, 0: no more yet, -1: as above. */
int redis_tls_read(struct redis_tls *tls, char *bytes, int size);

/*
 * Whether the server has said that it says no more (close_notify: RFC 8446, section 6.1), and all that it did
 * say was read. Whoever waits for more does so in vain. NULL has not ended.
 */
bool redis_tls_has_ended(const struct redis_tls *tls);

/* Why it is of no use, for logs; no secret. */
const char *redis_tls_reason(const struct redis_tls *tls);

#endif
