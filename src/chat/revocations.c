/* SPDX-License-Identifier: BSD-2-Clause */
/* Two hash tables. */
#include "config.h"

#include "chat/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "web/authn.h"

enum { FORGET_MAX = 1000 }; /* entries of a table that are looked at after one answer */

struct entry {
	UT_hash_handle hh;
	int64_t at_us;
	int64_t end_us; /* 0: it was not told, and so has none */
	size_t n;
	char id[];
};

struct table {
	struct entry *first;
	struct entry *next; /* whether it is over is looked at next; NULL: from the first */
};

struct revocations {
	struct table tokens;
	struct table users;
	int64_t epoch, last_id; /* of the record that was read */
};

struct revocations *revocations_new(void)
{
	return calloc(1, sizeof(struct revocations));
}

static void table_free(struct entry *table)
{
	struct entry *entry, *next;

	HASH_ITER(hh, table, entry, next) {
		HASH_DEL(table, entry);
		free(entry);
	}
}

void revocations_free(struct revocations *all)
{
	if (all == NULL)
		return;
	table_free(all->tokens.first);
	table_free(all->users.first);
	free(all);
}

static struct entry *table_find(const struct table *table, struct str id)
{
	struct entry *entry;

	HASH_FIND(hh, table->first, id.p, id.n, entry);
	return entry;
}

static int table_add(struct table *table, struct str id, int64_t at_us, int64_t end_us)
{
	struct entry *entry = table_find(table, id);

	if (entry == NULL) {
		entry = malloc(sizeof(*entry) + id.n);
		if (entry == NULL)
			return -1;
		*entry = (struct entry){.at_us = at_us, .n = id.n};
		memcpy(entry->id, id.p, id.n);
		HASH_ADD_KEYPTR(hh, table->first, entry->id, entry->n, entry);
		if (!hash_has_added(entry)) {
			free(entry);
			return -1;
		}
	}
	if (at_us > entry->at_us)
		entry->at_us = at_us;
	if (end_us > entry->end_us)
		entry->end_us = end_us;
	return 0;
}

/* A few at a time: those that are over may stay for a while. */
static void table_forget(struct table *table, int64_t now_us)
{
	struct entry *entry = table->next != NULL ? table->next : table->first;

	for (int i = 0; i < FORGET_MAX && entry != NULL; i++) {
		struct entry *next = entry->hh.next;

		if (entry->end_us != 0 && entry->end_us < now_us) {
			HASH_DEL(table->first, entry);
			free(entry);
		}
		entry = next;
	}
	table->next = entry;
}

int revocations_add_token(struct revocations *all, struct str jti)
{
	return table_add(&all->tokens, jti, 0, 0);
}

int revocations_add_user(struct revocations *all, struct str user, int64_t at_us)
{
	return table_add(&all->users, user, at_us, 0);
}

/* ---- following the record ---- */

static int add(struct revocations *all, const struct record_revocation *revocation)
{
	if (revocation->jti.p != NULL)
		return table_add(&all->tokens, revocation->jti, 0, revocation->end_us);
	return table_add(&all->users, revocation->user, revocation->at_us, revocation->end_us);
}

void revocations_put_ask(const struct revocations *all, struct pg_stmt *stmt)
{
	record_revoke_put_list(stmt, all->last_id);
}

enum revocations_taken revocations_take(struct revocations *all, const PGresult *result,
					bool *grown_r)
{
	struct record_revocations answer;

	*grown_r = false;
	if (record_revoke_parse_list(result, &answer) != 0)
		return REVOCATIONS_BAD;
	if (answer.epoch != all->epoch) {
		/* Perhaps a record that was restored, whose ids mean others: all of it is read. */
		all->epoch = answer.epoch;
		if (all->last_id > 0) {
			all->last_id = 0;
			return REVOCATIONS_MORE;
		}
	}
	for (size_t i = 0; i < answer.count; i++) {
		struct record_revocation revocation;

		if (record_revoke_parse(result, i, &revocation) != 0 || add(all, &revocation) != 0)
			return REVOCATIONS_BAD;
		all->last_id = revocation.id;
		*grown_r = true;
	}
	if (answer.count == RECORD_REVOKE_LIMIT)
		return REVOCATIONS_MORE;
	/* Not before all is there: what comes may prolong what there is. */
	table_forget(&all->tokens, answer.now_us);
	table_forget(&all->users, answer.now_us);
	return REVOCATIONS_ALL;
}

int revocations_take_copy(struct revocations *all, const redisReply *reply)
{
	int64_t count = record_revoke_count_copy(reply);

	for (int64_t i = 0; i < count; i++) {
		struct record_revocation revocation;

		if (record_revoke_parse_copy(reply, (size_t)i, &revocation) == 0 &&
		    add(all, &revocation) != 0)
			return -1;
	}
	return count >= 0 ? 0 : -1;
}

/* ---- asking ---- */

bool revocations_cover(const struct revocations *all, const struct identity *who, int64_t began_us)
{
	const struct entry *user = table_find(&all->users, who->user_id);

	if (who->token_id.p != NULL && table_find(&all->tokens, who->token_id) != NULL)
		return true;
	if (user == NULL)
		return false;
	if (who->via == AUTHN_PARAMS)
		return began_us <= user->at_us;
	return who->iat_s < 0 || who->iat_s <= user->at_us / 1000000;
}
