/* SPDX-License-Identifier: BSD-2-Clause */
/* One FastCGI request over a unix socket, blocking with a deadline. */
#include "config.h"

#include "cli/fcgi_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scan.h"
#include "web/fcgi_record.h"

enum {
	ID = 1,
	ROLE_RESPONDER = 1,
	ANSWER_MAX = 65536,
};

/* Lengths below 128 take one byte; ours are all short (section 3.4). */
static void put_param(struct buf *params, const char *name, const char *value)
{
	buf_putc(params, (char)strlen(name));
	buf_putc(params, (char)strlen(value));
	buf_puts(params, name);
	buf_puts(params, value);
}

static void put_record(struct buf *out, enum fcgi_record_type type, struct str content)
{
	unsigned char head[FCGI_RECORD_HEAD_SIZE];

	fcgi_record_head(head, type, ID, content.n);
	buf_put(out, head, sizeof(head));
	buf_put_str(out, content);
}

static void put_request(struct buf *out, const char *uri)
{
	static const char begin[8] = {0, ROLE_RESPONDER};
	struct buf params;

	buf_init(&params);
	put_param(&params, "REQUEST_METHOD", "GET");
	put_param(&params, "REQUEST_URI", uri);
	put_param(&params, "SERVER_PROTOCOL", "HTTP/1.1");
	put_record(out, FCGI_RECORD_BEGIN_REQUEST, (struct str){begin, sizeof(begin)});
	put_record(out, FCGI_RECORD_PARAMS, buf_str(&params));
	put_record(out, FCGI_RECORD_PARAMS, (struct str){0});
	put_record(out, FCGI_RECORD_STDIN, (struct str){0});
	if (!buf_ok(&params))
		out->failed = true;
	buf_deinit(&params);
}

/* "Status: 200 OK" at the start of a line of the CGI header (RFC 3875, section 6.3.3). */
static int find_status(struct str text)
{
	struct str line;
	int64_t status;

	while (str_split(&text, '\n', &line)) {
		if (line.n == 0 || str_eq(line, STR("\r")))
			break;
		if (line.n < 7 || !str_eq_nocase((struct str){line.p, 7}, STR("Status:")))
			continue;
		line = str_trim((struct str){line.p + 7, line.n - 7});
		if (line.n >= 3 && str_to_i64((struct str){line.p, 3}, 100, 599, &status) == 0)
			return (int)status;
	}
	return 200;
}

/* Takes one record off the scan. 0, or -1 where it is not there yet. */
static int take_record(struct scan *s, uint8_t *type_r, struct str *content_r)
{
	struct scan ahead = *s;
	uint8_t version;
	uint8_t padding;
	uint16_t id;
	uint16_t length;

	if (scan_u8(&ahead, &version) != 0 || scan_u8(&ahead, type_r) != 0 ||
	    scan_u16be(&ahead, &id) != 0 || scan_u16be(&ahead, &length) != 0 ||
	    scan_u8(&ahead, &padding) != 0 || scan_skip(&ahead, 1) != 0 ||
	    scan_take(&ahead, length, content_r) != 0 || scan_skip(&ahead, padding) != 0)
		return -1;
	if (version != 1)
		*type_r = 0;
	*s = ahead;
	return 0;
}

int fcgi_client_parse(struct str answer, int *status_r)
{
	struct scan s;
	struct str content;
	struct buf text;
	uint8_t type;
	int result = 0;

	scan_init(&s, answer.p, answer.n);
	buf_init(&text);
	while (result == 0 && take_record(&s, &type, &content) == 0) {
		switch (type) {
		case FCGI_RECORD_STDOUT:
			buf_put_str(&text, content);
			break;
		case FCGI_RECORD_STDERR:
			break;
		case FCGI_RECORD_END_REQUEST:
			/* Byte 4 is the protocol's status (section 5.5). */
			result = content.n == 8 && content.p[4] == FCGI_RECORD_COMPLETE &&
						 text.len > 0 && buf_ok(&text)
					 ? 1
					 : -1;
			break;
		default:
			result = -1;
		}
	}
	if (result == 1)
		*status_r = find_status(buf_str(&text));
	buf_deinit(&text);
	return result;
}

/* Sends the request and reads the answer until it is whole. */
static enum err converse(int fd, const struct buf *request, int64_t deadline_ms, int *status_r,
			 struct buf *reason)
{
	char part[4096];
	struct buf answer;
	enum err err = ERR_PROTOCOL;
	int whole = 0;

	buf_init(&answer);
	answer.limit = ANSWER_MAX;
	/* It fits into any socket buffer. */
	if (send(fd, request->data, request->len, MSG_NOSIGNAL) != (ssize_t)request->len) {
		buf_puts(reason, strerror(errno));
		goto out;
	}
	while (whole == 0 && buf_ok(&answer)) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&pfd, 1, clock_wait_ms(deadline_ms)) == 0) {
			buf_puts(reason, "no answer in time");
			err = ERR_TIMEOUT;
			goto out;
		}
		n = recv(fd, part, sizeof(part), 0);
		if (n <= 0)
			break;
		buf_put(&answer, part, (size_t)n);
		whole = fcgi_client_parse(buf_str(&answer), status_r);
	}
	if (whole == 1)
		err = ERR_NONE;
	else if (answer.len == 0)
		buf_puts(reason, "it closed the connection without an answer");
	else
		buf_puts(reason, "the answer is not FastCGI");
out:
	buf_deinit(&answer);
	return err;
}

enum err fcgi_client_get(const char *socket_path, const char *uri, int64_t timeout_ms,
			 int *status_r, struct buf *reason)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct buf request;
	enum err err = ERR_UNAVAILABLE;
	int fd;

	if (strlen(socket_path) >= sizeof(address.sun_path) || strlen(uri) > 127) {
		buf_puts(reason, "the path is too long");
		return ERR_UNAVAILABLE;
	}
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	buf_init(&request);
	put_request(&request, uri);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		buf_puts(reason, strerror(errno));
	else if (buf_ok(&request))
		err = converse(fd, &request, clock_mono_ms() + timeout_ms, status_r, reason);
	else
		err = ERR_MEMORY;
	if (fd >= 0)
		close(fd);
	buf_deinit(&request);
	return err;
}
