/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both stores say of some tickets and a user who wants to listen to them, asked in one pipeline
 * and one statement: the record knows, Redis tells whether to believe it, and stands in for it.
 */
#ifndef BELLHOP_PUSH_FACTS_H
#define BELLHOP_PUSH_FACTS_H

#include "chat/access.h"
#include "chat/message.h"
#include "push/begin.h"
#include "web/ids.h"

struct facts;
struct pg_call;
struct push;
struct redis_async_call;
struct ticket_list;

/* Somebody who types. */
struct facts_typist {
	char user[IDS_USER_MAX + 1];
	char name[IDS_NAME_MAX + 1]; /* empty: none */
	int64_t left_ms;	     /* as of the answer */
};

struct facts_ticket {
	struct str ticket;
	uint64_t key;	 /* in cursors */
	bool is_refused; /* for the owner: it is none of the user's; nothing more is asked of it */
	bool is_swept;	 /* its partition, if Redis answered */
	bool has_window; /* there is a stream in Redis */
	enum access_membership membership;
	int64_t redis_now_ms; /* as of has_window; 0 without an answer */
	int64_t epoch, last, last_public;
	int64_t kept_from; /* the oldest event that is kept; 0: not known */
	int64_t unread;	   /* -1: not known */
	char status[16];
	struct begin_first first; /* of the messages that `init` wants; seq 0: there are none */
	/* JSON for the event hello; NULL: not known. */
	char *read;
	char *typing;
	char (*lookers)[IDS_USER_MAX + 1]; /* who looked at the ticket; NULL: not known */
	size_t n_lookers;
	struct facts_typist *typists; /* whom `typing` names */
	size_t n_typists;
};

struct facts_opts {
	struct push *push;
	const struct ticket_list *tickets; /* borrowed as long as the facts are; 1 or more */
	struct str user;		   /* borrowed as well */
	enum message_viewer viewer;
	int64_t init; /* 0: not wanted */

	/* All has been answered, or failed. Never from inside facts_ask() and facts_ask_first(). */
	void (*done)(void *arg);
	void *arg;
};

struct facts {
	struct facts_opts opts;
	bool has_redis;	 /* it has answered */
	bool has_record; /* then all tickets are as it says */
	struct facts_ticket *tickets;
	size_t n;

	/* facts.c's own */
	struct redis_async_call *redis_call;
	struct pg_call *record_call;
	size_t next; /* the ticket whose window is asked for */
};

/* 0, or -1 when out of memory. The options are copied. */
int facts_init(struct facts *facts, const struct facts_opts *opts);

/* Asks both stores, afresh if it was done before. -1 where neither could be asked; `done` will not run. */
int facts_ask(struct facts *facts);

/*
 * With PostgreSQL away, the windows tell what the newest messages are: asks for `first` of all tickets
 * that were not refused. -1, as above, also where there is nothing to be asked.
 */
int facts_ask_first(struct facts *facts);

/* Gives up what is under way; `done` will not run. Fine at any time. */
void facts_deinit(struct facts *facts);

#endif
