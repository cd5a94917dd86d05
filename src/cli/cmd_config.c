/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop config: the settings in force and where each comes from, or a sample file. */
#include "config.h"

#include <stdio.h>

#include "base/conf.h"
#include "cli/commands.h"

enum { OPTION_SAMPLE = OPTION_LONG };

static const struct command_option options[] = {
	{OPTION_SAMPLE, "sample", NULL, "print a commented settings file with the defaults"},
	{0},
};

static int run(struct invocation *in)
{
	struct conf *conf = NULL;
	struct buf text;
	bool sample = false;
	int status = COMMAND_FAILED;
	int id;

	while ((id = command_option(in)) > 0)
		sample = sample || id == OPTION_SAMPLE;
	if (id < 0)
		return in->status;
	if (in->argc != 0)
		return command_usage(in, "it takes no operand");
	buf_init(&text);
	if (sample) {
		conf_sample(&text);
	} else {
		conf = command_conf(in);
		if (conf == NULL)
			goto out;
		conf_print(conf, &text);
	}
	if (!buf_ok(&text)) {
		command_fail(in, "out of memory");
		goto out;
	}
	fwrite(text.data, 1, text.len, stdout);
	status = COMMAND_OK;
out:
	conf_free(conf);
	buf_deinit(&text);
	return status;
}

const struct command cmd_config = {
	.name = "config",
	.operands = "",
	.summary = "show the settings in force and where each comes from",
	.options = options,
	.run = run,
};
