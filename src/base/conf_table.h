/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All settings, in one table that drives parsing, defaults, reload, `bellhop config`, the sample
 * file and the drift check of the manuals. To add one: a key here, a row in conf_table.c.
 */
#ifndef BELLHOP_BASE_CONF_TABLE_H
#define BELLHOP_BASE_CONF_TABLE_H

#include "base/str.h"

enum conf_key {
	/* general */
	CONF_BASE_PATH,
	CONF_LOG_LEVEL,
	CONF_LOG_FORMAT,
	CONF_RUN_AS,
	/* identity */
	CONF_JWT_KEY_FILE,
	CONF_JWT_KID,
	CONF_JWT_KEYS_DIR,
	CONF_JWT_ISSUER,
	CONF_JWT_AUDIENCE,
	CONF_TOKEN_MAX_DAYS,
	CONF_SECRET_FILE,
	CONF_SEAL_KEYS_FILE,
	CONF_TRUST_PARAMS,
	CONF_ALLOWED_ORIGINS,
	CONF_CORS_ORIGINS,
	/* stores */
	CONF_REDIS_URL,
	CONF_REDIS_PASSWORD,
	CONF_REDIS_CONNECT_TIMEOUT,
	CONF_REDIS_ADMIN_URL,
	CONF_REDIS_CA,
	CONF_REDIS_CERT_FILE,
	CONF_REDIS_KEY_FILE,
	CONF_REDIS_PREFIX,
	CONF_REDIS_TIMEOUT_MS,
	CONF_DATABASE_URL,
	CONF_DATABASE_OWNER_URL,
	CONF_PG_TIMEOUT_MS,
	CONF_PG_POOLED,
	/* sockets */
	CONF_API_SOCKET,
	CONF_PUSH_SOCKET,
	CONF_SOCKET_MODE,
	CONF_SOCKET_GROUP,
	CONF_SOCKET_PEERS,
	CONF_SOCKET_BACKLOG,
	/* api */
	CONF_API_WORKERS,
	CONF_IO_TIMEOUT_MS,
	CONF_LIMIT_BODY,
	CONF_STOP_TIMEOUT_MS,
	CONF_HANG_TIMEOUT_MS,
	/* limits */
	CONF_LIMIT_SENDS,
	CONF_LIMIT_CALLS,
	CONF_LIMIT_DRY_RUN,
	/* push */
	CONF_HEARTBEAT_MS,
	CONF_RETRY_MS,
	CONF_LIMIT_STREAMS,
	CONF_LIMIT_STREAM_TICKETS,
	CONF_SLOW_BYTES,
	CONF_RING_EVENTS,
	CONF_PUSH_CONNECTIONS,
	/* archive */
	CONF_SWEEP_MS,
	CONF_WINDOW_EVENTS,
	CONF_WINDOW_HOURS,
	CONF_WINDOW_BYTES,
	CONF_WINDOW_MIN,
	CONF_IDLE_MINUTES,
	CONF_KEEP_OPEN_DAYS,
	CONF_KEEP_CLOSED_DAYS,
	/* command */
	CONF_SQL_DIR,
	CONF_URL,
	CONF_PLAIN_URL,
	CONF_CA,
	CONF_TOKEN,
	CONF_TOKEN_AGENT,
	CONF_TOKEN_REQUESTER,
	CONF_TOKEN_SERVICE,
	CONF_TOKEN_ADMIN,

	CONF_COUNT
};

enum conf_type {
	CONF_TYPE_TEXT,
	CONF_TYPE_INT,	    /* decimal, min..max */
	CONF_TYPE_MODE,	    /* octal file mode, min..max */
	CONF_TYPE_BOOL,	    /* yes no, true false, on off, 1 0 */
	CONF_TYPE_CHOICE,   /* one of the words in `choices` */
	CONF_TYPE_PATH,	    /* of a file; a relative one is taken from the working directory */
	CONF_TYPE_URL_PATH, /* begins with a slash and does not end with one, but for "/" */
	CONF_TYPE_LIST,	    /* words separated by spaces */
	CONF_TYPE_RATE,	    /* N/S, N in S seconds; 0: no limit */
};

enum conf_flag {
	CONF_RELOADABLE = 1 << 0, /* SIGHUP brings a new value into force */
	CONF_SECRET = 1 << 1,	  /* never printed; NAME_FILE may give it */

	/* Who reads it. The drift check demands it in these manual pages. */
	CONF_BY_API = 1 << 2,
	CONF_BY_PUSH = 1 << 3,
	CONF_BY_ARCHIVE = 1 << 4,
	CONF_BY_COMMAND = 1 << 5,
};

struct conf_item {
	const char *name;     /* of the environment variable and in the file */
	const char *fallback; /* default, as one would write it; "" means not set */
	const char *choices;  /* CONF_TYPE_CHOICE: space-separated */
	const char *section;
	const char *help; /* one line */
	int64_t min, max;
	enum conf_type type;
	unsigned int flags; /* enum conf_flag */
};

/* The row of a key. */
const struct conf_item *conf_table_item(enum conf_key key);

/* The key of a name, or -1. */
int conf_table_find(struct str name);

#endif
