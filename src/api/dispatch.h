/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a whole request to an answer: finds the route, checks what every route checks alike (who is
 * asking, where from, the body's size, type and form), and runs the handler.
 */
#ifndef BELLHOP_API_DISPATCH_H
#define BELLHOP_API_DISPATCH_H

#include "api/call.h"

/*
 * Finds the route and who is asking; fault and detail are what request_finish() said. False: the
 * reply is complete, a refusal, and dispatch() is not to be called.
 */
bool dispatch_admit(struct call *call, enum problem fault, const char *detail);

/* The longest body to be read for a call after dispatch_admit(), whatever that said; 0 = any. */
size_t dispatch_body_limit(const struct call *call);

/* Answers an admitted call whose body was read: afterwards its reply is complete. */
void dispatch(struct call *call);

#endif
