/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: is this installation in order? The exit status is the worst thing found. */
#include "config.h"

#include "base/conf.h"
#include "cli/checks.h"
#include "cli/commands.h"

enum { OPTION_JSON = OPTION_LONG };

static const struct command_option options[] = {
	{OPTION_JSON, "json", NULL, "print the findings as JSON"},
	{0},
};

/* The settings come first: without them there is nothing to look at. */
static void check_all(struct checks *checks, const char *config_file)
{
	struct conf *conf;
	struct buf report;

	buf_init(&report);
	conf = conf_load(config_file, &report);
	checks_add_lines(checks, conf ? CHECK_WARNING : CHECK_ERROR, "settings", &report);
	if (conf != NULL) {
		if (report.len == 0)
			checks_add(checks, CHECK_OK, "settings", "complete and well-formed");
		check_keys(checks, conf);
		check_postgres(checks, conf);
		check_redis(checks, conf);
		check_seal(checks, conf);
		check_sockets(checks, conf);
		check_url(checks, conf);
	}
	buf_deinit(&report);
	conf_free(conf);
}

static int run(struct invocation *in)
{
	struct checks checks;
	bool json = false;
	int status;
	int id;

	while ((id = command_option(in)) > 0)
		json = json || id == OPTION_JSON;
	if (id < 0)
		return in->status;
	if (in->argc != 0)
		return command_usage(in, "it takes no operand");
	checks_init(&checks, json);
	check_all(&checks, in->config_file);
	status = (int)checks_finish(&checks);
	checks_deinit(&checks);
	return status;
}

const struct command cmd_check = {
	.name = "check",
	.operands = "",
	.summary = "look whether settings, stores, sockets and the web server are in order",
	.options = options,
	.run = run,
};
