/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people and for programs, from the same calls. */
#include "config.h"

#include "report.h"

#include <stdio.h>

#include "web/json_write.h"

/* Writes either form; in text, `label` begins a line and values follow. */
struct printer {
	struct json_write *json; /* NULL: text */
};

static void begin(struct printer *p, const char *label)
{
	if (p->json != NULL)
		json_write_member_object(p->json, label);
	else
		printf("%-12s", label);
}

static void end(struct printer *p)
{
	if (p->json != NULL)
		json_write_close(p->json);
	else
		putchar('\n');
}

static void put_count(struct printer *p, const char *name, size_t value)
{
	if (p->json != NULL)
		json_write_member_int(p->json, name, (int64_t)value);
	else
		printf("  %s %zu", name, value);
}

/* A number with two decimals; JSON numbers are written with them too. */
static void put_real(struct printer *p, const char *name, double value)
{
	char text[40];
	int n = snprintf(text, sizeof(text), "%.2f", value);

	if (p->json != NULL) {
		json_write_key(p->json, name);
		json_write_raw(p->json, (struct str){text, (size_t)n});
	} else {
		printf("  %s %s", name, text);
	}
}

static void put_latencies(struct printer *p, const char *label, struct samples *samples)
{
	samples_sort(samples);
	begin(p, label);
	put_real(p, "p50", samples_percentile_ms(samples, 50));
	put_real(p, "p95", samples_percentile_ms(samples, 95));
	put_real(p, "p99", samples_percentile_ms(samples, 99));
	put_real(p, "max", samples_percentile_ms(samples, 100));
	end(p);
}

static double seconds(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (double)(to_us - from_us) / 1e6 : 0;
}

static double per_second(size_t n, double s)
{
	return s > 0 ? (double)n / s : 0;
}

static bool put_senders(struct printer *p, const struct report *report)
{
	const struct sender_counts *counts = senders_counts(report->senders);
	double s = seconds(counts->begun_us, counts->ended_us);

	begin(p, "sends");
	put_count(p, "answered", counts->answered);
	put_count(p, "spooled", counts->spooled);
	put_count(p, "failed", counts->failed);
	put_count(p, "retried", counts->retried);
	put_real(p, "seconds", s);
	put_real(p, "per_second", per_second(counts->answered + counts->spooled, s));
	end(p);
	put_latencies(p, "send_ms", senders_latencies(report->senders));
	if (counts->first_failure[0] != '\0')
		fprintf(stderr, "bellhop-bench: first failed send: %s\n", counts->first_failure);
	return counts->failed == 0 && senders_are_done(report->senders);
}

static bool put_streams(struct printer *p, const struct report *report)
{
	const struct stream_counts *counts = streams_counts(report->streams);
	double s = seconds(senders_counts(report->senders)->begun_us, counts->last_us);
	size_t missing = streams_missing(report->streams);

	begin(p, "streams");
	put_count(p, "open", streams_greeted(report->streams));
	put_real(p, "seconds", report->opening_s);
	put_count(p, "reopened", counts->reopened);
	put_count(p, "refused", counts->refused);
	end(p);
	begin(p, "deliveries");
	put_count(p, "delivered", counts->delivered);
	put_count(p, "missing", missing);
	put_count(p, "lost", counts->lost);
	put_count(p, "repeated", counts->repeated);
	put_count(p, "unchained", counts->unchained);
	put_count(p, "gaps", counts->gaps);
	put_real(p, "seconds", s);
	put_real(p, "per_second", per_second(counts->delivered, s));
	end(p);
	put_latencies(p, "event_ms", streams_latencies(report->streams));
	if (counts->first_trouble[0] != '\0')
		fprintf(stderr, "bellhop-bench: first trouble of a stream: %s\n",
			counts->first_trouble);
	return missing + counts->lost + counts->repeated + counts->unchained + counts->gaps == 0;
}

static bool put_ledger(struct printer *p, const struct ledger *ledger)
{
	begin(p, "numbers");
	put_count(p, "conflicts", ledger->conflicts);
	put_count(p, "strangers", ledger->strangers);
	put_count(p, "dense", ledger_is_dense(ledger));
	end(p);
	return ledger->conflicts + ledger->strangers == 0 && ledger_is_dense(ledger);
}

static bool put_history(struct printer *p, const struct report *report)
{
	const struct pages_counts *counts = pages_counts(report->pages);
	double s = seconds(counts->begun_us, counts->ended_us);

	begin(p, "pages");
	put_count(p, "read", counts->read);
	put_count(p, "wrong", counts->wrong);
	put_count(p, "refused", counts->refused);
	put_real(p, "seconds", s);
	put_real(p, "per_second", per_second(counts->read, s));
	end(p);
	put_latencies(p, "newest_ms", pages_newest(report->pages));
	put_latencies(p, "older_ms", pages_older(report->pages));
	if (counts->first_trouble[0] != '\0')
		fprintf(stderr, "bellhop-bench: first wrong page: %s\n", counts->first_trouble);
	return counts->wrong + counts->refused == 0;
}

static bool put_lists(struct printer *p, const struct report *report)
{
	const struct lists_counts *counts = lists_counts(report->lists);
	double s = seconds(counts->begun_us, counts->ended_us);

	begin(p, "lists");
	put_count(p, "read", counts->read);
	put_count(p, "tickets", counts->tickets);
	put_count(p, "wrong", counts->wrong);
	put_count(p, "refused", counts->refused);
	put_real(p, "seconds", s);
	put_real(p, "per_second", per_second(counts->read, s));
	end(p);
	put_latencies(p, "list_ms", lists_latencies(report->lists));
	if (counts->first_trouble[0] != '\0')
		fprintf(stderr, "bellhop-bench: first wrong page: %s\n", counts->first_trouble);
	return counts->wrong + counts->refused == 0;
}

static bool put_openings(struct printer *p, const struct report *report)
{
	const struct openings_counts *counts = openings_counts(report->openings);
	double s = seconds(counts->begun_us, counts->ended_us);

	begin(p, "openings");
	put_count(p, "greeted", counts->greeted);
	put_count(p, "wrong", counts->wrong);
	put_count(p, "refused", counts->refused);
	put_real(p, "seconds", s);
	put_real(p, "per_second", per_second(counts->greeted, s));
	end(p);
	put_latencies(p, "hello_ms", openings_latencies(report->openings));
	if (counts->first_trouble[0] != '\0')
		fprintf(stderr, "bellhop-bench: first trouble of a stream: %s\n",
			counts->first_trouble);
	return counts->wrong + counts->refused == 0;
}

static bool put_all(struct printer *p, const struct report *report)
{
	bool good = !report->stalled;

	if (report->senders != NULL) {
		good = put_senders(p, report) && good;
		good = put_ledger(p, report->ledger) && good;
	}
	if (report->streams != NULL)
		good = put_streams(p, report) && good;
	if (report->pages != NULL)
		good = put_history(p, report) && good;
	if (report->lists != NULL)
		good = put_lists(p, report) && good;
	if (report->openings != NULL)
		good = put_openings(p, report) && good;
	return good;
}

static bool print_json(const struct report *report)
{
	struct json_write w;
	struct buf text;
	struct printer p = {.json = &w};
	bool good;

	buf_init(&text);
	json_write_init(&w, &text);
	json_write_open_object(&w);
	good = put_all(&p, report);
	json_write_member_bool(&w, "good", good);
	json_write_close(&w);
	if (json_write_finish(&w) == 0)
		printf("%.*s\n", STR_ARG(buf_str(&text)));
	else
		good = false;
	buf_deinit(&text);
	return good;
}

bool report_print(const struct report *report)
{
	struct printer p = {0};
	bool good;

	if (report->stalled)
		fprintf(stderr, "bellhop-bench: nothing happened for %ld s, given up\n",
			report->options->patience_ms / 1000);
	if (report->options->json)
		return print_json(report);
	good = put_all(&p, report);
	puts(good ? "good: everything came once and in order" : "NOT GOOD");
	return good;
}
