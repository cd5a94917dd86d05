/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that have not sent the head of a request yet. libfcgi would block on them; here they
 * wait without holding the worker, so that no number of silent or dawdling peers holds a request of
 * another one.
 *
 * A head is whole once its empty FCGI_PARAMS record has come (FastCGI 1.0, section 6.2). It is only
 * looked at and stays in the socket, for libfcgi to read; so only the first 64 bytes can be awaited
 * here, and half a head that is longer counts as a whole one.
 */
#ifndef BELLHOP_API_LOBBY_H
#define BELLHOP_API_LOBBY_H

#include <stdbool.h>
#include <stdint.h>

struct lobby;

/*
 * Watches its connections with epoll_fd, which the caller keeps: an event of one has its descriptor
 * in data.fd. NULL with errno.
 */
struct lobby *lobby_new(int epoll_fd);

/* Closes all that still wait. */
void lobby_free(struct lobby *lobby);

/*
 * Takes over a connected socket. True if its head is here, at once or within a moment: then it is
 * the caller's again. Else it waits until deadline_ms (clock_mono_ms) at most; deadlines of later
 * connections are assumed to be later.
 */
bool lobby_admit(struct lobby *lobby, int fd, int64_t deadline_ms);

/*
 * Something happened to a waiting connection. True if its head is here: then it has left the lobby
 * and is the caller's. A connection that its peer has closed is closed; a descriptor that does not
 * wait here is ignored.
 */
bool lobby_wake(struct lobby *lobby, int fd);

/* Closes those whose deadline has passed. */
void lobby_expire(struct lobby *lobby);

/* When lobby_expire() is due again, INT64_MAX if nobody waits. */
int64_t lobby_deadline(const struct lobby *lobby);

#endif
