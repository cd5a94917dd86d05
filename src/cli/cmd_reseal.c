/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop reseal: seals everything with the newest key, and says which keys are still needed. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/reseal.h"
#include "web/ids.h"

enum { OPTION_ALL = 'a', OPTION_DRY = 'n' };

static const struct command_option options[] = {
	{OPTION_ALL, "all", NULL, "seal the texts of all tickets"},
	{OPTION_DRY, "dry-run", NULL, "count texts by key, and change nothing"},
	{0},
};

static int64_t texts_of(const struct reseal *r, bool is_plain, uint32_t key_id)
{
	for (size_t i = 0; i < r->nuses; i++) {
		if (r->uses[i].is_plain == is_plain && r->uses[i].key_id == key_id)
			return r->uses[i].texts;
	}
	return 0;
}

static void print_key(const struct reseal *r, uint32_t key_id, const char *remark)
{
	char id[SEAL_ID_TEXT_SIZE];

	seal_id_text(key_id, id);
	printf("key %s: %lld texts%s\n", id, (long long)texts_of(r, false, key_id), remark);
}

/* Of one ticket nothing follows for the others: then no key is said to be dispensable. */
static const char *remark_of(const struct reseal *r, uint32_t key_id, bool is_newest)
{
	if (is_newest)
		return ", the newest";
	if (r->ticket.n > 0 || (r->is_dry && r->windows > 0) || texts_of(r, false, key_id) > 0)
		return "";
	return ", needed no more";
}

static void print_result(const struct reseal *r)
{
	const struct seal *seal = r->stores.seal;
	const size_t n = seal_count(seal);

	printf(r->is_dry ? "%lld texts to be sealed, %lld tickets to be loaded into Redis again\n"
			 : "%lld texts sealed, %lld tickets loaded into Redis again\n",
	       (long long)r->changed, (long long)r->windows);
	for (size_t i = n; i > 0; i--)
		print_key(r, seal_key_id(seal, i - 1),
			  remark_of(r, seal_key_id(seal, i - 1), i == n));
	for (size_t i = 0; i < r->nuses; i++) {
		if (r->uses[i].is_plain)
			printf("without a key: %lld texts\n", (long long)r->uses[i].texts);
		else if (!seal_has_key(seal, r->uses[i].key_id))
			print_key(r, r->uses[i].key_id, ", not in the file");
	}
}

static int reseal(struct reseal *r)
{
	if (r->stores.seal == NULL)
		return command_fail(r->stores.in, "BELLHOP_SEAL_KEYS_FILE is not set");
	if (reseal_record(r) != 0 || reseal_windows(r) != 0) {
		command_note(r->stores.in, "not all was done; run it again, and it goes on");
		return COMMAND_FAILED;
	}
	print_result(r);
	if (r->unopened > 0)
		return command_fail(r->stores.in,
				    "%lld texts could not be opened, and stay as they are",
				    (long long)r->unopened);
	return COMMAND_OK;
}

static int run(struct invocation *in)
{
	struct reseal r = {.ticket = STR("")};
	bool is_all = false;
	int status;
	int id;

	while ((id = command_option(in)) > 0) {
		is_all = is_all || id == OPTION_ALL;
		r.is_dry = r.is_dry || id == OPTION_DRY;
	}
	if (id < 0)
		return in->status;
	if (is_all ? in->argc != 0 : in->argc != 1)
		return command_usage(in, "it takes one ticket, or --all");
	if (!is_all && !ids_is_ticket(r.ticket = str_of(in->argv[0])))
		return command_usage(in, "'%s' is not a ticket id", in->argv[0]);
	in->progress = &r.progress;
	status = stores_open(&r.stores, in, true);
	if (status == COMMAND_OK)
		status = stores_load_keys(&r.stores);
	if (status == COMMAND_OK)
		status = reseal(&r);
	stores_close(&r.stores);
	return status;
}

const struct command cmd_reseal = {
	.name = "reseal",
	.operands = "TICKET | --all",
	.summary = "seal all texts with the newest key",
	.options = options,
	.run = run,
};
