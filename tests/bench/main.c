/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop-bench: load for a bellhop server, and a judge. It plays senders and listeners in one
 * thread, measures, and above all checks that every stream saw every message of its ticket exactly
 * once, in order and without a hole. See README beside this file.
 */
#include "config.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "report.h"

struct bench {
	struct options options;
	struct client client;
	struct ledger ledger;
	struct engine *engine;
	struct senders *senders;
	struct streams *streams;
	struct pages *pages;
	struct openings *openings;
	struct lists *lists;
	double opening_s;
	bool stalled;
};

/* Grows whenever anything happens. */
static size_t progress(const struct bench *b)
{
	size_t n = 0;

	if (b->senders != NULL) {
		const struct sender_counts *counts = senders_counts(b->senders);

		n += counts->answered + counts->spooled + counts->failed;
		n += senders_are_connected(b->senders);
	}
	if (b->streams != NULL)
		n += streams_greeted(b->streams) + streams_counts(b->streams)->delivered;
	if (b->pages != NULL)
		n += pages_counts(b->pages)->read;
	if (b->lists != NULL)
		n += lists_counts(b->lists)->read;
	if (b->openings != NULL)
		n += openings_counts(b->openings)->greeted + openings_counts(b->openings)->refused;
	return n;
}

/* Turns the engine until is_done(), or until nothing has happened for too long. 0, or -1. */
static int run_until(struct bench *b, bool (*is_done)(const struct bench *b), bool sending)
{
	int64_t deadline_ms = clock_mono_ms() + b->options.patience_ms;
	size_t before = progress(b);

	while (!is_done(b)) {
		int wait_ms = sending ? senders_turn(b->senders) : 1000;

		if (wait_ms < 0 || (b->streams != NULL && streams_turn(b->streams) != 0) ||
		    engine_turn(b->engine, wait_ms < 100 ? wait_ms : 100) != 0) {
			fputs("bellhop-bench: the engine failed\n", stderr);
			return -1;
		}
		if (progress(b) != before) {
			before = progress(b);
			deadline_ms = clock_mono_ms() + b->options.patience_ms;
		} else if (clock_wait_ms(deadline_ms) == 0) {
			b->stalled = true;
			return -1;
		}
	}
	return 0;
}

static bool are_connected(const struct bench *b)
{
	return senders_are_connected(b->senders);
}

static bool are_listening(const struct bench *b)
{
	return streams_greeted(b->streams) == (size_t)b->options.streams;
}

static bool are_sent(const struct bench *b)
{
	return senders_are_done(b->senders);
}

static bool are_delivered(const struct bench *b)
{
	return senders_are_done(b->senders) && streams_are_done(b->streams);
}

static bool are_read(const struct bench *b)
{
	return pages_is_done(b->pages);
}

static bool are_greeted(const struct bench *b)
{
	return openings_is_done(b->openings);
}

static int connect_senders(struct bench *b)
{
	b->senders = senders_new(&b->client, b->engine, &b->ledger);
	if (b->senders == NULL || senders_connect(b->senders) != 0) {
		fputs("bellhop-bench: could not make the senders\n", stderr);
		return -1;
	}
	return run_until(b, are_connected, false);
}

static int open_streams(struct bench *b)
{
	int64_t begun_us = clock_mono_us();

	b->streams = streams_new(&b->client, b->engine, &b->ledger);
	if (b->streams == NULL || streams_open(b->streams) != 0) {
		fputs("bellhop-bench: could not make the streams\n", stderr);
		return -1;
	}
	if (run_until(b, are_listening, false) != 0)
		return -1;
	b->opening_s = (double)(clock_mono_us() - begun_us) / 1e6;
	return 0;
}

static int read_history(struct bench *b)
{
	b->pages = pages_new(&b->client, b->engine, &b->ledger);
	if (b->pages == NULL || pages_start(b->pages) != 0) {
		fputs("bellhop-bench: could not make the readers\n", stderr);
		return -1;
	}
	return run_until(b, are_read, false);
}

static bool are_listed(const struct bench *b)
{
	return lists_is_done(b->lists);
}

static int read_lists(struct bench *b)
{
	b->lists = lists_new(&b->client, b->engine);
	if (b->lists == NULL || lists_start(b->lists) != 0) {
		fputs("bellhop-bench: could not make the readers\n", stderr);
		return -1;
	}
	return run_until(b, are_listed, false);
}

static int open_many(struct bench *b)
{
	b->openings = openings_new(&b->client, b->engine, &b->ledger);
	if (b->openings == NULL || openings_start(b->openings) != 0) {
		fputs("bellhop-bench: could not make the streams\n", stderr);
		return -1;
	}
	return run_until(b, are_greeted, false);
}

static int play(struct bench *b)
{
	switch (b->options.mode) {
	case OPTIONS_FAN_OUT:
		if (connect_senders(b) != 0 || open_streams(b) != 0)
			return -1;
		return run_until(b, are_delivered, true);
	case OPTIONS_SEND_ONLY:
		if (connect_senders(b) != 0)
			return -1;
		return run_until(b, are_sent, true);
	case OPTIONS_HISTORY:
		if (b->options.ticket == NULL &&
		    (connect_senders(b) != 0 || run_until(b, are_sent, true) != 0))
			return -1;
		return read_history(b);
	case OPTIONS_LIST:
		return read_lists(b);
	case OPTIONS_HELLO:
		if (connect_senders(b) != 0 || run_until(b, are_sent, true) != 0)
			return -1;
		return open_many(b);
	}
	return -1;
}

static int prepare(struct bench *b)
{
	struct buf error;
	int result;

	buf_init(&error);
	daemon_raise_nofile();
	result = client_init(&b->client, &b->options, &error);
	if (result != 0)
		fprintf(stderr, "bellhop-bench: %.*s\n", STR_ARG(str_trim(buf_str(&error))));
	buf_deinit(&error);
	if (result == 0)
		result = ledger_init(&b->ledger, (size_t)b->options.tickets,
				     (size_t)b->options.messages);
	if (result == 0)
		b->engine = engine_new(b->options.senders + b->options.streams + 8);
	return b->engine != NULL ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct bench b = {.stalled = false};
	int status = options_parse(argc, argv, &b.options);
	bool good = false;

	if (status != OPTIONS_GO_ON)
		return status;
	if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		fputs("bellhop-bench: could not initialise the libraries\n", stderr);
		return 1;
	}
	if (prepare(&b) == 0) {
		int result = play(&b);
		struct report report = {
			.options = &b.options,
			.ledger = &b.ledger,
			.senders = b.senders,
			.streams = b.streams,
			.pages = b.pages,
			.openings = b.openings,
			.lists = b.lists,
			.opening_s = b.opening_s,
			.stalled = b.stalled,
		};

		good = report_print(&report) && result == 0;
	}
	openings_free(b.openings);
	lists_free(b.lists);
	pages_free(b.pages);
	streams_free(b.streams);
	senders_free(b.senders);
	engine_free(b.engine);
	ledger_deinit(&b.ledger);
	client_deinit(&b.client);
	curl_global_cleanup();
	return good ? 0 : 1;
}
