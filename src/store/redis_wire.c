/* SPDX-License-Identifier: BSD-2-Clause */
/* What both Redis carriers share: addresses, commands as bytes, a bounded reply parser. */
#include "config.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/conf.h"
#include "store/redis_wire.h"

/* ---- targets ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A percent-decoded copy without NUL bytes; NULL if it is malformed or memory is out. */
static char *decode(struct str s)
{
	char *text = malloc(s.n + 1);
	size_t n = 0;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0 || high + low == 0) {
				free(text);
				return NULL;
			}
			c = (char)(high * 16 + low);
			i += 2;
		}
		text[n++] = c;
	}
	text[n] = '\0';
	return text;
}

/* Cuts the part before the last or first `c` off *s into *head_r; false if there is none. */
static bool cut(struct str *s, char c, bool is_last, struct str *head_r)
{
	const char *at = is_last ? memrchr(s->p, c, s->n) : memchr(s->p, c, s->n);

	if (at == NULL)
		return false;
	*head_r = (struct str){s->p, (size_t)(at - s->p)};
	*s = (struct str){at + 1, s->n - head_r->n - 1};
	return true;
}

/* "user:password@" off the front; the user may be empty, as in redis://:password@host. */
static int take_userinfo(struct str *s, struct redis_target *target)
{
	struct str info, user;

	/* A slash ends the authority; for a unix socket the path begins there. */
	const char *slash = memchr(s->p, '/', s->n);
	struct str authority = {s->p, slash != NULL ? (size_t)(slash - s->p) : s->n};

	if (!cut(&authority, '@', true, &info))
		return 0;
	*s = (struct str){info.p + info.n + 1, s->n - info.n - 1};
	if (!cut(&info, ':', false, &user)) {
		user = info;
		info = (struct str){NULL, 0};
	}
	if (user.n > 0 && (target->user = decode(user)) == NULL)
		return -1;
	if (info.n > 0 && (target->password = decode(info)) == NULL)
		return -1;
	return 0;
}

static int take_db(struct str s, struct redis_target *target)
{
	int64_t db;

	if (str_to_i64(s, 0, 65535, &db) != 0)
		return -1;
	target->db = (int)db;
	return 0;
}

/* "/path?db=N" */
static int parse_path(struct str s, struct redis_target *target)
{
	struct str path = s;

	if (cut(&s, '?', false, &path) &&
	    (!str_starts(s, STR("db=")) || take_db((struct str){s.p + 3, s.n - 3}, target) != 0))
		return -1;
	if (path.n < 2 || path.p[0] != '/' || path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -1;
	target->path = decode(path);
	return target->path != NULL ? 0 : -1;
}

/* "host:port/db" */
static int parse_host(struct str s, struct redis_target *target)
{
	struct str host = s, port = STR("6379"), rest;
	int64_t number;

	if (cut(&s, '/', false, &host) && s.n > 0 && take_db(s, target) != 0)
		return -1;
	if (host.n > 0 && host.p[0] == '[') {
		rest = (struct str){host.p + 1, host.n - 1};
		if (!cut(&rest, ']', false, &host))
			return -1;
		if (rest.n > 0 && rest.p[0] != ':')
			return -1;
		if (rest.n > 0)
			port = (struct str){rest.p + 1, rest.n - 1};
	} else {
		rest = host;
		if (cut(&rest, ':', false, &host))
			port = rest;
	}
	if (host.n == 0)
		host = STR("127.0.0.1");
	if (str_to_i64(port, 1, 65535, &number) != 0)
		return -1;
	target->host = decode(host);
	target->port = str_dup(port);
	return target->host != NULL && target->port != NULL ? 0 : -1;
}

/* Cuts the scheme off *s, its slashes included. */
static bool take_scheme(struct str *s, struct str *scheme_r)
{
	static const char *const schemes[] = {"redis://", "rediss://", "unix://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		*scheme_r = str_of(schemes[i]);
		if (!str_starts(*s, *scheme_r))
			continue;
		*s = (struct str){s->p + scheme_r->n, s->n - scheme_r->n};
		return true;
	}
	return false;
}

int redis_target_parse(const char *url, const char *password, struct redis_target *target_r,
		       struct buf *error)
{
	struct redis_target target = {0};
	struct str s = str_of(url);
	struct str scheme;
	bool is_path;

	if (!take_scheme(&s, &scheme)) {
		buf_puts(error, "a Redis URL begins with redis://, rediss:// or unix://\n");
		return -1;
	}
	is_path = str_eq_c(scheme, "unix://");
	target.is_tls = str_eq_c(scheme, "rediss://");
	if (target.is_tls && !redis_tls_is_built()) {
		buf_puts(error,
			 "rediss:// is not possible: built without OpenSSL; use a local stunnel, "
			 "as contrib/redis/README tells\n");
		return -1;
	}
	if (take_userinfo(&s, &target) != 0 ||
	    (is_path ? parse_path(s, &target) : parse_host(s, &target)) != 0) {
		buf_puts(error,
			 "a Redis URL reads redis://[user:password@]host[:port][/db], the same "
			 "with rediss://, or unix:///path[?db=N]\n");
		redis_target_deinit(&target);
		return -1;
	}
	if (target.password == NULL && password != NULL && *password != '\0') {
		target.password = strdup(password);
		if (target.password == NULL) {
			buf_puts(error, "out of memory\n");
			redis_target_deinit(&target);
			return -1;
		}
	}
	*target_r = target;
	return 0;
}

int redis_target_of_conf(const struct conf *conf, enum conf_key url, struct redis_target *target_r,
			 struct buf *error)
{
	struct redis_target target = {0};
	struct redis_tls_opts opts = {
		.ca_file = conf_str(conf, CONF_REDIS_CA),
		.cert_file = conf_str(conf, CONF_REDIS_CERT_FILE),
		.key_file = conf_str(conf, CONF_REDIS_KEY_FILE),
	};

	if (redis_target_parse(conf_str(conf, url), conf_str(conf, CONF_REDIS_PASSWORD), &target,
			       error) != 0)
		return -1;
	if (target.is_tls) {
		opts.host = target.host;
		target.tls = redis_tls_ctx_new(&opts, error);
		if (target.tls == NULL) {
			redis_target_deinit(&target);
			return -1;
		}
	}
	*target_r = target;
	return 0;
}

static int copy_text(const char *from, char **to_r)
{
	*to_r = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to_r != NULL ? 0 : -1;
}

int redis_target_copy(const struct redis_target *target, struct redis_target *copy_r)
{
	struct redis_target copy = {
		.db = target->db,
		.is_tls = target->is_tls,
		.tls = redis_tls_ctx_share(target->tls),
	};

	if (copy_text(target->host, &copy.host) != 0 || copy_text(target->port, &copy.port) != 0 ||
	    copy_text(target->path, &copy.path) != 0 || copy_text(target->user, &copy.user) != 0 ||
	    copy_text(target->password, &copy.password) != 0) {
		redis_target_deinit(&copy);
		return -1;
	}
	*copy_r = copy;
	return 0;
}

void redis_target_forget_password(struct redis_target *target)
{
	if (target->password != NULL)
		sodium_memzero(target->password, strlen(target->password));
	free(target->password);
	target->password = NULL;
}

void redis_target_deinit(struct redis_target *target)
{
	redis_target_forget_password(target);
	free(target->host);
	free(target->port);
	free(target->path);
	free(target->user);
	redis_tls_ctx_free(target->tls);
	*target = (struct redis_target){0};
}

void redis_target_text(const struct redis_target *target, char text_r[REDIS_TARGET_TEXT_SIZE])
{
	if (target->path != NULL)
		snprintf(text_r, REDIS_TARGET_TEXT_SIZE, "%s", target->path);
	else
		snprintf(text_r, REDIS_TARGET_TEXT_SIZE, "%s:%s/%d", target->host, target->port,
			 target->db);
}

/* ---- commands ---- */

void redis_wire_begin(struct buf *b, size_t n)
{
	buf_putc(b, '*');
	buf_put_i64(b, (int64_t)n);
	buf_put(b, "\r\n", 2);
}

void redis_wire_arg(struct buf *b, struct str arg)
{
	buf_putc(b, '$');
	buf_put_i64(b, (int64_t)arg.n);
	buf_put(b, "\r\n", 2);
	buf_put(b, arg.p, arg.n);
	buf_put(b, "\r\n", 2);
}

void redis_wire_arg_i64(struct buf *b, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	redis_wire_arg(b, (struct str){text, (size_t)n});
}

void redis_wire_put(struct buf *b, size_t n, const struct str *args)
{
	redis_wire_begin(b, n);
	for (size_t i = 0; i < n; i++)
		redis_wire_arg(b, args[i]);
}

void redis_wire_putc(struct buf *b, ...)
{
	va_list args;
	const char *arg;
	size_t n = 0;

	va_start(args, b);
	while (va_arg(args, const char *) != NULL)
		n++;
	va_end(args);
	redis_wire_begin(b, n);
	va_start(args, b);
	while ((arg = va_arg(args, const char *)) != NULL)
		redis_wire_arg(b, str_of(arg));
	va_end(args);
}

size_t redis_wire_hello(struct buf *b, const struct redis_target *target, const char *client_name)
{
	size_t n = 1;

	if (target->password != NULL) {
		if (target->user != NULL)
			redis_wire_putc(b, "AUTH", target->user, target->password, NULL);
		else
			redis_wire_putc(b, "AUTH", target->password, NULL);
		n++;
	}
	if (target->db != 0) {
		redis_wire_begin(b, 2);
		redis_wire_arg(b, STR("SELECT"));
		redis_wire_arg_i64(b, target->db);
		n++;
	}
	redis_wire_putc(b, "CLIENT", "SETNAME", client_name, NULL);
	return n;
}

/* ---- replies ---- */

static redisReplyObjectFunctions guarded;
static void *(*create_array)(const redisReadTask *, int);

/* hiredis 0.14 allocates whatever length an array claims to have. */
static void *create_bounded_array(const redisReadTask *task, int elements)
{
	return elements <= REDIS_WIRE_ELEMENTS_MAX ? create_array(task, elements) : NULL;
}

redisReader *redis_wire_reader_new(void)
{
	redisReader *reader = redisReaderCreate();

	if (reader == NULL)
		return NULL;
	if (create_array == NULL) {
		guarded = *reader->fn;
		create_array = guarded.createArray;
		guarded.createArray = create_bounded_array;
	}
	reader->fn = &guarded;
	/* Else it gives its buffer back to malloc after each reply of 16 KiB. */
	reader->maxbuf = 0;
	return reader;
}
