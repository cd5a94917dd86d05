/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One attempt to reach a server, by both carriers: the addresses that its name stands for, one after the
 * other, in the order of getaddrinfo(3) (RFC 6724). That a connect(2) under way comes to nothing is told
 * only later, so a carrier comes back for the next address until one has answered.
 */
#ifndef BELLHOP_STORE_REDIS_DIAL_H
#define BELLHOP_STORE_REDIS_DIAL_H

#include "store/redis_wire.h"

struct addrinfo;

/* {0} is no attempt. */
struct redis_dial {
	const struct redis_target *target; /* borrowed */
	struct addrinfo *found;		   /* NULL: a unix socket, or no attempt */
	struct addrinfo *next;
	size_t count, left; /* addresses; left: not tried yet */
	int64_t deadline_ms;
	struct buf reasons; /* one for each address tried */
};

/*
 * Finds the addresses, for all of which there is time until deadline_ms (clock_mono_ms). A name is resolved
 * with getaddrinfo(3), which may block on DNS: use an address or a name from /etc/hosts. 0, or -1 with
 * errno and nothing to end.
 */
int redis_dial_begin(struct redis_dial *dial, const struct redis_target *target,
		     int64_t deadline_ms);

/*
 * Takes the next address, of which there must be one: creates a non-blocking close-on-exec socket and
 * calls connect(2). The descriptor (connected, or in progress), or -1 with errno. *until_ms_r: what is left
 * of the time is shared among the addresses that are left, and until then this one may take to answer.
 */
int redis_dial_next(struct redis_dial *dial, int64_t *until_ms_r);

/*
 * The address taken last came to nothing, for this reason. Is there another one? If not, and there were
 * several, then `reason` becomes those of all of them, cut to fit, each after its address.
 */
bool redis_dial_go_on(struct redis_dial *dial, char *reason, size_t size);

/* Has it begun, with an address that was not tried yet? */
bool redis_dial_has_more(const struct redis_dial *dial);

/* {0} is fine, and is what it leaves. */
void redis_dial_end(struct redis_dial *dial);

#endif
