/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a whole request to an answer: finds the route, checks what every route checks alike (who is
 * asking, where from, the body's size, type and form), and runs the handler.
 */
#ifndef BELLHOP_API_DISPATCH_H
#define BELLHOP_API_DISPATCH_H

#include "api/call.h"

/*
 * Answers the call: afterwards its reply is complete. fault and detail are what request_finish()
 * said. Leaves a line in the log.
 */
void dispatch(struct call *call, enum problem fault, const char *detail);

#endif
