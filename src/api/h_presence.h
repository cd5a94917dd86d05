/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is there: what clients say of themselves, and what others may know. */
#ifndef BELLHOP_API_H_PRESENCE_H
#define BELLHOP_API_H_PRESENCE_H

struct call;

void h_presence_put(struct call *call);
void h_presence_read(struct call *call);
void h_presence_online(struct call *call);
void h_presence_roster(struct call *call);

#endif
