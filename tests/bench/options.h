/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of bellhop-bench. */
#ifndef BELLHOP_BENCH_OPTIONS_H
#define BELLHOP_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum options_mode {
	OPTIONS_FAN_OUT,   /* send while streams listen */
	OPTIONS_SEND_ONLY, /* send alone */
	OPTIONS_HISTORY,   /* read pages */
	OPTIONS_LIST,	   /* read pages of a list of conversations */
	OPTIONS_HELLO,	   /* open streams of many tickets */
};

struct options {
	const char *url;
	const char *ca_file;  /* NULL: the system's authorities */
	const char *key_file; /* signs the tokens */
	const char *kid;
	const char *role;
	const char *user;   /* whose list is read; NULL unless mode is OPTIONS_LIST */
	const char *ticket; /* history of a ticket that exists; NULL: of tickets filled before */
	enum options_mode mode;
	long senders;
	long tickets;
	long streams;
	long messages;
	long size;	  /* bytes of a message's content */
	long requests;	  /* pages to read, streams to open */
	long many;	  /* tickets of a stream that is opened */
	long limit;	  /* messages of a page */
	long patience_ms; /* so long may nothing happen */
	double rate;	  /* messages a second in all; 0: as fast as they go */
	bool http2;
	bool json;
};

/* Returned by options_parse() where the program should go on. */
#define OPTIONS_GO_ON -1

/*
 * Fills *options_r from the arguments and, where they do not say, from BELLHOP_URL, BELLHOP_CA,
 * BELLHOP_JWT_KEY_FILE and BELLHOP_JWT_KID. OPTIONS_GO_ON, or an exit status: 0 after --help, 2 for
 * wrong usage.
 */
int options_parse(int argc, char **argv, struct options *options_r);

#endif
