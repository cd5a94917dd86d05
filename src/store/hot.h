/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Redis commands and replies. The hot_put_* functions append commands to a buffer and return how many
 * replies they will bring; a carrier (redis_conn, redis_async) moves them; the hot_parse_* functions
 * read the replies, in the same order. Nothing here does I/O. Parsers never trust a reply: whatever
 * has not the expected shape is HOT_ODD or -1, never a crash.
 *
 * Everything in Redis can be rebuilt from the record. How a window is kept right:
 *
 *	push	after a commit. HOT_OK, HOT_DUP: done. HOT_GAP, HOT_EMPTY: read the events after `last`
 *		(or, where there are more than HOT_LOAD_MAX, and on EMPTY: the newest HOT_LOAD_MAX) from
 *		PostgreSQL and load them. HOT_CLASH: PostgreSQL went back in time: bump the epoch.
 *	load	must have been read from PostgreSQL after Redis gave the time that is passed as `asked_at`
 *		(from HOT_GAP, HOT_EMPTY, hot_open or TIME): an older one is refused (HOT_LATE), so
 *		that a delayed load cannot create a stream behind the sweep's back.
 *
 * store/feed.h does both over the blocking carriers.
 */
#ifndef BELLHOP_STORE_HOT_H
#define BELLHOP_STORE_HOT_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "store/event.h"
#include "store/redis_keys.h"

#define HOT_LIBRARY	   "bellhop_2" /* function library; its functions are called <it>_push ... */
#define HOT_LIBRARY_FILE   "bellhop_2.lua" /* below BELLHOP_SQL_DIR/redis */
#define HOT_LOAD_MAX	   200		   /* events of one load */
#define HOT_SWEPT_MAX_MS   3000		   /* an older mark means that the window is not trusted */
#define HOT_WAKE_EXPIRE_S  3600
#define HOT_XREAD_KEYS_MAX 64

/* ---- writing ---- */

enum hot_push {
	HOT_OK,	     /* it is in the stream now */
	HOT_DUP,     /* it (or later ones) had been there before */
	HOT_GAP,     /* events between the tail and this one are missing; nothing was written */
	HOT_EMPTY,   /* there is no stream; nothing was written */
	HOT_CLASH,   /* another event has this seq; nothing was written */
	HOT_LATE,    /* load only: the range was read too long ago; nothing was written */
	HOT_TROUBLE, /* an error reply: see hot_trouble() */
	HOT_ODD,     /* not a reply of these functions */
};

struct hot_pushed {
	enum hot_push outcome;
	int64_t last;	     /* GAP: seq of the tail; else 0 */
	int64_t asked_at_ms; /* GAP, EMPTY: Redis time, for a load that follows */
};

struct hot_participant {
	struct str user_id;
	struct str role; /* "requester", "agent", "service", "admin" or "removed" */
};

/*
 * Pushes one committed event, and tells the people of the ticket. join_role: what the sender of a message becomes in `who` if the send
 * made it a participant, absent if not. One reply, for hot_parse_push().
 */
size_t hot_put_push(struct buf *b, const struct redis_keys *keys, const struct ticket_event *event,
		    struct str join_role);

struct hot_load {
	struct str ticket;
	const struct ticket_event *events; /* ascending, contiguous, 1 .. HOT_LOAD_MAX */
	size_t nevents;
	/*
	 * All participants, removed ones included, read before (or together with) the events. They become
	 * the `who` of the ticket; participant events of the range are applied after them.
	 */
	const struct hot_participant *people;
	size_t npeople;
	/* As they are now, for meta; absent leaves what is there. */
	struct str status;
	struct str title;
	int64_t asked_at_ms; /* Redis time from before the read */
	int64_t news_from;   /* of events from that on people are told; 0: of none */
	bool is_fresh_start; /* drop a stream that is there: what is missing is more than HOT_LOAD_MAX */
};

/* One reply, for hot_parse_push(): OK, DUP (nothing was missing), GAP (a hole before the range), CLASH, LATE. */
size_t hot_put_load(struct buf *b, const struct redis_keys *keys, const struct hot_load *load);

void hot_parse_push(const redisReply *reply, struct hot_pushed *pushed_r);

/* ---- reading ---- */

/* A ticket as Redis knows it, with all that decides whether to believe it. */
struct hot_open {
	bool has_stream;
	bool is_swept;	     /* the partition's mark is there and not older than HOT_SWEPT_MAX_MS */
	int64_t now_ms;	     /* Redis time; the asked_at_ms of a load that follows */
	int64_t swept_at_ms; /* Redis time; 0 if there is no mark */
	int64_t first_seq; /* the oldest event in the stream; this and the rest are 0 without a stream */
	int64_t last_seq;
	int64_t last_public;
	int64_t n;
	int64_t n_public;
	struct str status; /* "open" or "closed"; borrowed from the replies */
	struct str title;  /* absent: none */
	struct str role;   /* what `who` says of the user: a role, "removed", or absent */
	bool knows_people; /* `who` is whole: only then does it mean anything that a user is absent */
};

#define HOT_OPEN_REPLIES 5

/* Believe the window only if this holds. */
static inline bool hot_is_usable(const struct hot_open *open)
{
	return open->has_stream && open->is_swept;
}

/* Everything about a ticket and a user in one pipeline. HOT_OPEN_REPLIES replies. */
size_t hot_put_open(struct buf *b, const struct redis_keys *keys, struct str ticket,
		    struct str user);

/* 0; or -1 on any error reply or odd shape (*open_r is then all zero; hot_trouble_of() tells). */
int hot_parse_open(redisReply *const *replies, struct hot_open *open_r);

/* How far a ticket's stream goes, for comparing. HOT_TAIL_REPLIES replies. */
struct hot_tail {
	int64_t last_seq; /* 0: no stream; the rest is then 0, too */
	int64_t first_seq;
	int64_t bytes;
	struct str last_uid; /* of the event last_seq, empty where it has none; borrowed */
};

#define HOT_TAIL_REPLIES 2

size_t hot_put_tail(struct buf *b, const struct redis_keys *keys, struct str ticket);
int hot_parse_tail(redisReply *const *replies, struct hot_tail *tail_r);

/* Redis' own time in milliseconds. One reply. */
size_t hot_put_time(struct buf *b);
int hot_parse_time(const redisReply *reply, int64_t *now_ms_r);

struct hot_range {
	struct str ticket;
	int64_t from, to; /* inclusive, from <= to */
	int count;
	bool newest_first;
};

/* Events of the stream. One reply, for hot_parse_events(). */
size_t hot_put_range(struct buf *b, const struct redis_keys *keys, const struct hot_range *range);

/*
 * Reads a list of entries (of XRANGE, XREVRANGE, or one stream of XREAD) into events_r, at most
 * `max`. Events borrow from the reply and from `ticket`. The number of events, or -1 if any entry is
 * malformed or its id is not <seq>-0. An absent list is none.
 */
int hot_parse_events(const redisReply *entries, struct str ticket, int64_t epoch,
		     struct ticket_event *events_r, size_t max);

/* ---- waiting ---- */

struct hot_position {
	struct str ticket;
	int64_t after_seq; /* 0 or more */
};

#define HOT_STREAM_ID_SIZE 44 /* a wake stream's "<ms>-<n>" and its NUL */

struct hot_wait {
	const struct hot_position *positions;
	size_t npositions; /* with the wake stream at most HOT_XREAD_KEYS_MAX */
	struct str node;   /* of the reader's wake stream */
	int64_t reader;
	const char *wake_after; /* "0-0" at first, then what hot_parse_wake() gave */
	int count;		/* entries a stream */
	int64_t block_ms;	/* 1 or more */
};

/* A blocking XREAD. One reply: nil after block_ms, else streams for hot_parse_stream(). */
size_t hot_put_wait(struct buf *b, const struct redis_keys *keys, const struct hot_wait *wait);

/* How many streams the reply has; 0 for nil, -1 if it is none or an error. */
int hot_count_streams(const redisReply *reply);

struct hot_stream {
	struct str ticket; /* absent: the wake stream */
	const redisReply *entries;
};

/* Stream i of the reply. 0, or -1 if it is malformed. */
int hot_parse_stream(const redisReply *reply, size_t i, const struct redis_keys *keys,
		     struct hot_stream *stream_r);

/* The id of the newest wake, from the wake stream's entries. 0, or -1 if malformed. */
int hot_parse_wake(const redisReply *entries, char id_r[HOT_STREAM_ID_SIZE]);

/* Wakes a reader out of its XREAD, or makes its next one return at once. HOT_WAKE_REPLIES replies. */
#define HOT_WAKE_REPLIES 2
size_t hot_put_wake(struct buf *b, const struct redis_keys *keys, struct str node, int64_t reader);

/* ---- deployment copy ---- */

/* Writes, reads the copy of (epoch, partitions). One reply each. */
size_t hot_put_deployment(struct buf *b, const struct redis_keys *keys);
size_t hot_put_deployment_read(struct buf *b, const char *prefix);

/* 0; -1 where there is none, or on an error. */
int hot_parse_deployment(const redisReply *reply, const char *prefix, struct redis_keys *keys_r);

/* ---- marks ---- */

/* How far a partition was compared with the record, as the archiver wrote it. One reply. */
struct hot_mark {
	bool exists;
	int64_t until_us; /* PostgreSQL time */
	int64_t at_ms;	  /* Redis time */
};

size_t hot_put_mark_read(struct buf *b, const struct redis_keys *keys, unsigned int partition);
int hot_parse_mark(const redisReply *reply, struct hot_mark *mark_r);

/*
 * Takes a partition's mark away: its windows may lack something that Redis has just refused to take, and
 * are believed by nobody until the archiver has compared them. It takes no memory, so a full Redis does
 * it, too. One reply: a number, or an error.
 */
size_t hot_put_unmark(struct buf *b, const struct redis_keys *keys, unsigned int partition);

/* ---- error replies ---- */

enum hot_trouble {
	HOT_TROUBLE_NONE,     /* not an error reply */
	HOT_TROUBLE_FUNCTION, /* Function not found: the archiver will load it; treat Redis as away */
	HOT_TROUBLE_AWAY, /* LOADING BUSY READONLY MASTERDOWN NOREPLICAS CLUSTERDOWN: may pass by itself */
	HOT_TROUBLE_FULL,   /* OOM MISCONF: takes no writes until somebody acts; reads work */
	HOT_TROUBLE_DENIED, /* NOPERM NOAUTH WRONGPASS: settings are wrong */
	HOT_TROUBLE_MOVED,  /* MOVED ASK CROSSSLOT: a Cluster that we do not speak to */
	HOT_TROUBLE_RETRY,  /* TRYAGAIN UNBLOCKED: ask again */
	HOT_TROUBLE_DATA,   /* WRONGTYPE and our own BADARG: this key or call only */
	HOT_TROUBLE_OTHER,
};

enum hot_trouble hot_trouble(const redisReply *reply);

/* The first trouble among n replies. */
enum hot_trouble hot_trouble_of(redisReply *const *replies, size_t n);

/* A short text for logs; never NULL. */
const char *hot_trouble_text(enum hot_trouble trouble);

#endif
