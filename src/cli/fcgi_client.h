/* SPDX-License-Identifier: BSD-2-Clause */
/* A FastCGI client (FastCGI 1.0) that asks one thing: does the daemon behind a socket answer? */
#ifndef BELLHOP_CLI_FCGI_CLIENT_H
#define BELLHOP_CLI_FCGI_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Asks GET uri of the FastCGI application at a unix socket. ERR_NONE: *status_r is the HTTP status.
 * ERR_UNAVAILABLE: nobody listens, or not for us. ERR_TIMEOUT. ERR_PROTOCOL: the answer is not
 * FastCGI, or the connection was closed without one. All but ERR_NONE append a reason to *reason.
 */
enum err fcgi_client_get(const char *socket_path, const char *uri, int64_t timeout_ms,
			 int *status_r, struct buf *reason);

/*
 * Reads what came so far: 1 and *status_r once the request has ended well, 0 if more is to come,
 * -1 if it is not the answer of a FastCGI responder.
 */
int fcgi_client_parse(struct str answer, int *status_r);

#endif
