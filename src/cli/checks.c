/* SPDX-License-Identifier: BSD-2-Clause */
/* Collecting and printing findings. */
#include "config.h"

#include "cli/checks.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "cli/escape.h"

static const char *const level_texts[] = {
	[CHECK_OK] = "ok",
	[CHECK_WARNING] = "warning",
	[CHECK_ERROR] = "error",
};

void checks_init(struct checks *checks, bool json)
{
	checks->json = json;
	checks->worst = CHECK_OK;
	buf_init(&checks->text);
	json_write_init(&checks->w, &checks->text);
	json_write_open_object(&checks->w);
	json_write_member_array(&checks->w, "checks");
}

void checks_deinit(struct checks *checks)
{
	buf_deinit(&checks->text);
}

static void add(struct checks *checks, enum check_level level, const char *what, struct str detail)
{
	struct buf line;

	if (level > checks->worst)
		checks->worst = level;
	/* Details may quote what servers said. */
	buf_init(&line);
	escape_text(&line, detail, NULL);
	if (checks->json) {
		json_write_open_object(&checks->w);
		json_write_member_cstr(&checks->w, "level", level_texts[level]);
		json_write_member_cstr(&checks->w, "what", what);
		json_write_member_str(&checks->w, "detail", buf_str(&line));
		json_write_close(&checks->w);
	} else {
		printf("%-7s  %s: %.*s\n", level_texts[level], what, STR_ARG(buf_str(&line)));
		fflush(stdout);
	}
	buf_deinit(&line);
}

void checks_add(struct checks *checks, enum check_level level, const char *what, const char *format,
		...)
{
	char detail[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	add(checks, level, what, str_of(detail));
}

void checks_add_lines(struct checks *checks, enum check_level level, const char *what,
		      const struct buf *lines)
{
	struct str rest = buf_str(lines);
	struct str line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			add(checks, level, what, line);
}

bool checks_is_loopback(struct str host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (host.n >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(host));
	if (inet_pton(AF_INET, text, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, text, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return str_eq_c(host, "localhost");
}

enum check_level checks_finish(struct checks *checks)
{
	if (!checks->json)
		return checks->worst;
	json_write_close(&checks->w);
	json_write_member_cstr(&checks->w, "status", level_texts[checks->worst]);
	json_write_close(&checks->w);
	if (json_write_finish(&checks->w) == 0) {
		printf("%.*s\n", STR_ARG(buf_str(&checks->text)));
	} else {
		fputs("bellhop check: out of memory\n", stderr);
		checks->worst = CHECK_ERROR;
	}
	return checks->worst;
}
