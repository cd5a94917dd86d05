/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of the bench, from one table. */
#include "config.h"

#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum {
	URL = 1,
	CA,
	KEY,
	KID,
	ROLE,
	SENDERS,
	TICKETS,
	STREAMS,
	MESSAGES,
	SIZE,
	RATE,
	HTTP2,
	SEND_ONLY,
	HISTORY,
	LIST,
	HELLO,
	MANY,
	TICKET,
	REQUESTS,
	LIMIT,
	PATIENCE,
	JSON,
	HELP,
};

struct row {
	int id;
	const char *name;
	const char *argument;
	const char *help;
};

static const struct row rows[] = {
	{URL, "url", "URL", "where the API is (BELLHOP_URL)"},
	{CA, "ca", "FILE", "certificate authorities to trust (BELLHOP_CA)"},
	{KEY, "key", "FILE", "key that signs the tokens (BELLHOP_JWT_KEY_FILE)"},
	{KID, "kid", "KID", "its name (BELLHOP_JWT_KID, main)"},
	{ROLE, "role", "ROLE", "role of senders and listeners (agent)"},
	{SENDERS, "senders", "N", "send over N connections at a time (8)"},
	{TICKETS, "tickets", "N", "spread over N tickets (20)"},
	{STREAMS, "streams", "N", "listen with N streams (200)"},
	{MESSAGES, "messages", "N", "send N messages (1000)"},
	{SIZE, "size", "BYTES", "of so many bytes each (100)"},
	{RATE, "rate", "R", "send R messages a second; 0: as fast as they go (0)"},
	{HTTP2, "http2", NULL, "use HTTP/2 where the server does"},
	{SEND_ONLY, "send-only", NULL, "send without streams"},
	{HISTORY, "history", NULL, "fill the tickets, then read pages of their history"},
	{TICKET, "ticket", "TICKET", "with --history: read this ticket and fill none"},
	{LIST, "list", "USER", "read pages of the list of conversations of a user who has some"},
	{HELLO, "hello", NULL, "fill the tickets, then open streams of many, up to their hello"},
	{MANY, "many", "N", "with --hello: of N tickets each (64)"},
	{REQUESTS, "requests", "N",
	 "with --history, --list, --hello: read N pages, open N streams (1000)"},
	{LIMIT, "limit", "N", "with --history, --list: pages of N messages, tickets (50)"},
	{PATIENCE, "patience", "SECONDS", "give up when nothing happens for so long (10)"},
	{JSON, "json", NULL, "print the result as JSON"},
	{HELP, "help", NULL, "show this help"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void help(void)
{
	char left[40];

	puts("Usage: bellhop-bench [OPTION]...\n"
	     "Sends messages to a bellhop server, listens to them and checks that every stream sees\n"
	     "every message of its ticket once and in order; prints rates and latencies.\n");
	for (size_t i = 0; i < ROWS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		printf("  %-20s %s\n", left, rows[i].help);
	}
}

/* A whole number within bounds into *value_r; what is wrong goes to *fault. */
static void take_number(const char *text, long min, long max, long *value_r, bool *fault)
{
	int64_t value;

	if (str_to_i64(str_of(text), min, max, &value) == 0)
		*value_r = (long)value;
	else
		*fault = true;
}

static void take_rate(const char *text, double *rate_r, bool *fault)
{
	char *end;
	double rate = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(rate >= 0 && rate <= 1e6))
		*fault = true;
	else
		*rate_r = rate;
}

static bool take_text(struct options *o, int id, const char *text)
{
	switch (id) {
	case URL:
		o->url = text;
		return true;
	case CA:
		o->ca_file = text;
		return true;
	case KEY:
		o->key_file = text;
		return true;
	case KID:
		o->kid = text;
		return true;
	case ROLE:
		o->role = text;
		return true;
	case LIST:
		o->mode = OPTIONS_LIST;
		o->user = text;
		return true;
	case TICKET:
		o->ticket = text;
		return true;
	default:
		return false;
	}
}

static bool take_flag(struct options *o, int id)
{
	switch (id) {
	case HTTP2:
		o->http2 = true;
		return true;
	case JSON:
		o->json = true;
		return true;
	case SEND_ONLY:
		o->mode = OPTIONS_SEND_ONLY;
		return true;
	case HISTORY:
		o->mode = OPTIONS_HISTORY;
		return true;
	case HELLO:
		o->mode = OPTIONS_HELLO;
		return true;
	default:
		return false;
	}
}

static bool take_option(struct options *o, int id, const char *text)
{
	bool fault = false;

	if (take_text(o, id, text) || take_flag(o, id))
		return true;
	switch (id) {
	case SENDERS:
		take_number(text, 1, 10000, &o->senders, &fault);
		break;
	case TICKETS:
		take_number(text, 1, 1000000, &o->tickets, &fault);
		break;
	case STREAMS:
		take_number(text, 1, 50000, &o->streams, &fault);
		break;
	case MESSAGES:
		take_number(text, 1, 100000000, &o->messages, &fault);
		break;
	case SIZE:
		take_number(text, 1, 16384, &o->size, &fault);
		break;
	case REQUESTS:
		take_number(text, 1, 100000000, &o->requests, &fault);
		break;
	case MANY:
		take_number(text, 1, 128, &o->many, &fault);
		break;
	case LIMIT:
		take_number(text, 1, 200, &o->limit, &fault);
		break;
	case PATIENCE:
		take_number(text, 1, 86400, &o->patience_ms, &fault);
		o->patience_ms *= 1000;
		break;
	case RATE:
		take_rate(text, &o->rate, &fault);
		break;
	}
	return !fault;
}

static int usage(const char *what, const char *about)
{
	fprintf(stderr, "bellhop-bench: %s%s\nTry 'bellhop-bench --help'.\n", what, about);
	return 2;
}

static const char *name_of(int id)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].id == id)
			return rows[i].name;
	return "?";
}

int options_parse(int argc, char **argv, struct options *options_r)
{
	struct option longs[ROWS + 1] = {0};
	struct options o = {
		.url = getenv("BELLHOP_URL"),
		.ca_file = getenv("BELLHOP_CA"),
		.key_file = getenv("BELLHOP_JWT_KEY_FILE"),
		.kid = getenv("BELLHOP_JWT_KID"),
		.role = "agent",
		.senders = 8,
		.tickets = 20,
		.streams = 200,
		.messages = 1000,
		.size = 100,
		.requests = 1000,
		.many = 64,
		.limit = 50,
		.patience_ms = 10000,
	};
	int id;

	for (size_t i = 0; i < ROWS; i++)
		longs[i] =
			(struct option){rows[i].name, rows[i].argument != NULL, NULL, rows[i].id};
	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (id == HELP) {
			help();
			return 0;
		}
		if (id == '?') {
			fputs("Try 'bellhop-bench --help'.\n", stderr);
			return 2;
		}
		if (!take_option(&o, id, optarg))
			return usage("out of range: --", name_of(id));
	}
	if (optind < argc)
		return usage("not expected: ", argv[optind]);
	if (o.url == NULL)
		return usage("where is the API? Give --url or set BELLHOP_URL", "");
	if (o.key_file == NULL)
		return usage("no key: give --key or set BELLHOP_JWT_KEY_FILE", "");
	if (o.kid == NULL)
		o.kid = "main";
	*options_r = o;
	return OPTIONS_GO_ON;
}
