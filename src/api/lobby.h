/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of a worker: all those whose request is not whole yet, and those whose answer was
 * not taken yet. They wait here without holding the worker, so that no number of silent, dawdling or
 * deaf peers holds a request of another one.
 *
 * A connection serves one request and is closed after it, also where the web server offered to keep
 * it. Each of its parts, head, body and answer, has the time-out for itself, in total, however the
 * bytes dribble. How many may wait is bounded, and all that they hold together, heads included; beyond
 * that the oldest goes, or who alone has too much.
 */
#ifndef BELLHOP_API_LOBBY_H
#define BELLHOP_API_LOBBY_H

#include "api/intake.h"

struct lobby;
struct guest;

enum {
	/*
	 * A worker that runs while the others wait for the machine takes all of a burst, however many
	 * they are. Each is a descriptor, and takes about 1 KiB beside what it holds: all of them
	 * 33 MiB at most, and once what the latest brings.
	 */
	LOBBY_GUESTS_MAX = 1024,
	LOBBY_HELD_MAX = 32 * 1024 * 1024 /* bytes of heads, bodies and answers that wait */
};

/*
 * Watches its connections with epoll_fd, which the caller keeps: an event of one has it in data.ptr,
 * never NULL. At most guests_max of them, 1 or more, wait. NULL with errno.
 */
struct lobby *lobby_new(int epoll_fd, unsigned guests_max);

/* Closes all that still wait. */
void lobby_free(struct lobby *lobby);

/* From now on: what each part may take, and the longest body without being asked for. */
void lobby_limit(struct lobby *lobby, int64_t timeout_ms, size_t body_limit);

/* Nobody is waited for beyond end_ms (clock_mono_ms), whatever his part may take. */
void lobby_end_by(struct lobby *lobby, int64_t end_ms);

/*
 * Takes over a connected non-blocking socket. A guest whose request waits for its answer, or is over
 * the limit on bodies (intake_is_over()): the caller calls lobby_answer() or lobby_go_on() next. NULL
 * where nothing is to be done for now.
 */
struct guest *lobby_admit(struct lobby *lobby, int fd);

/* Closes the one that has waited longest, for a descriptor or the memory of another. False if nobody waits. */
bool lobby_make_room(struct lobby *lobby);

/*
 * Something happened to a waiting connection; the result as of lobby_admit(). Any call here may close
 * any of them, so this one comes first after the event was fetched, and no other was fetched with it.
 */
struct guest *lobby_wake(struct lobby *lobby, struct guest *guest);

/* The request of a guest that was just handed out. */
struct intake *lobby_intake(struct guest *guest);

/* The rest of the body is waited for: intake_may_go_on() was true. */
void lobby_go_on(struct lobby *lobby, struct guest *guest);

/*
 * Sends an answer in CGI form, now as far as the peer takes it, the rest when it does. For the caller
 * the guest is gone afterwards.
 */
void lobby_answer(struct lobby *lobby, struct guest *guest, struct str cgi);

/*
 * Closes those whose time is over; not for the time in which the worker was held by another request: whose
 * request has come wholly by now is the result, as of lobby_admit(). To be called again until that is NULL, after
 * lobby_answer() or lobby_go_on().
 */
struct guest *lobby_expire(struct lobby *lobby);

/* When lobby_expire() is due again (clock_mono_ms), INT64_MAX if nobody waits. */
int64_t lobby_deadline(const struct lobby *lobby);

/* A web server connects and then sends: who came so lately may be about to. */
enum { LOBBY_GRACE_MS = 100 };

/*
 * Closes those who have not sent a whole head, read or not, and did not come within LOBBY_GRACE_MS. To be
 * called again, after each lobby_wake() and so much later. Whether any other is left, to be served to its
 * end.
 */
bool lobby_close_idle(struct lobby *lobby);

#endif
