/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: the way in through the web server, where its address is known. */
#include "config.h"

#include "base/conf.h"
#include "cli/checks.h"
#include "cli/http.h"

enum { TIMEOUT_MS = 5000 };

void check_url(struct checks *checks, const struct conf *conf)
{
	struct http_opts opts = {
		.url = conf_str(conf, CONF_URL),
		.ca_file = conf_str(conf, CONF_CA),
		.timeout_ms = TIMEOUT_MS,
	};
	struct http_request request = {.path = "/v1/healthz"};
	struct http_answer answer;
	struct http *http;
	enum err err;

	if (!conf_is_set(conf, CONF_URL))
		return;
	http = http_new(&opts);
	if (http == NULL) {
		checks_add(checks, CHECK_ERROR, "web", "%s is no address", opts.url);
		return;
	}
	http_answer_init(&answer);
	err = http_call(http, &request, &answer);
	if (err != ERR_NONE)
		checks_add(checks, CHECK_ERROR, "web", "%s: %s", opts.url,
			   answer.trouble[0] ? answer.trouble : err_text(err));
	else if (answer.status != 200)
		checks_add(checks, CHECK_ERROR, "web", "%s answers %ld", opts.url, answer.status);
	else if (answer.mode[0] == '\0')
		checks_add(checks, CHECK_WARNING, "web",
			   "%s answers, but the header Bellhop-Mode is lost on the way", opts.url);
	else
		checks_add(checks, CHECK_OK, "web", "%s answers, mode %s", opts.url, answer.mode);
	http_answer_deinit(&answer);
	http_free(http);
}
