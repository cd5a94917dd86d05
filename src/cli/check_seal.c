/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: the keys of texts, and whether the newest texts are sealed with them. */
#include "config.h"

#include "base/clock.h"
#include "base/conf.h"
#include "chat/seal.h"
#include "cli/checks.h"
#include "store/pg_conn.h"
#include "store/record_seal.h"

enum { TIMEOUT_MS = 5000 };

static const char what[] = "sealing";

/* One kind of texts among the newest. */
static void check_use(struct checks *checks, const struct seal *seal, struct str head,
		      int64_t count)
{
	char key[SEAL_ID_TEXT_SIZE];

	seal_id_text(seal_id_of(head), key);
	if (head.p == NULL) {
		if (seal != NULL)
			checks_add(checks, CHECK_WARNING, what,
				   "%lld of the newest %d messages are not sealed: run bellhop "
				   "reseal --all",
				   (long long)count, RECORD_LIMIT_MAX);
	} else if (!seal_has_key(seal, seal_id_of(head))) {
		checks_add(checks, CHECK_ERROR, what,
			   "%lld of the newest %d messages are sealed with key %s, which is not in "
			   "BELLHOP_SEAL_KEYS_FILE: nobody can read them",
			   (long long)count, RECORD_LIMIT_MAX, key);
	} else if (seal_id_of(head) != seal_key_id(seal, seal_count(seal) - 1)) {
		checks_add(checks, CHECK_OK, what,
			   "%lld of the newest %d messages are sealed with the older key %s",
			   (long long)count, RECORD_LIMIT_MAX, key);
	}
}

/* Where PostgreSQL does not answer, check_postgres() says so. */
static void check_sample(struct checks *checks, const struct conf *conf, const struct seal *seal)
{
	struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	struct pg_stmt stmt;
	PGresult *result = NULL;
	struct pg_conn *pg;
	struct str head;
	int64_t count;

	opts.is_unchecked = true;
	pg = pg_conn_new(&opts);
	record_seal_put_sample(&stmt);
	if (pg != NULL &&
	    pg_conn_exec(pg, &stmt, clock_mono_ms() + TIMEOUT_MS, &result) == ERR_NONE) {
		for (size_t i = 0; i < record_seal_count(result); i++) {
			if (record_seal_parse_sample(result, i, &head, &count) == 0)
				check_use(checks, seal, head, count);
		}
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	pg_conn_free(pg);
}

void check_seal(struct checks *checks, const struct conf *conf)
{
	struct buf error = BUF_INIT;
	struct seal *seal = NULL;
	char key[SEAL_ID_TEXT_SIZE];

	if (seal_load(conf_str(conf, CONF_SEAL_KEYS_FILE), &seal, &error) != 0) {
		checks_add_lines(checks, CHECK_ERROR, what, &error);
	} else {
		if (seal == NULL) {
			checks_add(checks, CHECK_OK, what,
				   "off: texts are stored as they are, for BELLHOP_SEAL_KEYS_FILE "
				   "is not set");
		} else {
			seal_id_text(seal_key_id(seal, seal_count(seal) - 1), key);
			checks_add(checks, CHECK_OK, what, "%zu keys, of which %s seals",
				   seal_count(seal), key);
		}
		check_sample(checks, conf, seal);
	}
	seal_free(seal);
	buf_deinit(&error);
}
