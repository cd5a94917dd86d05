/* SPDX-License-Identifier: BSD-2-Clause */
/* The server of the live tests, and the relay in front of it. */
#include "config.h"

#include "live_pg.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "tempdir.h"

enum { PAIRS_MAX = 16, DEADLINE_MS = 20000 };

/* live_pg.sh says where: the socket's directory. */
static const char *server_dir(void)
{
	const char *dir = getenv("LIVE_PG_DIR");

	assert_non_null(dir);
	return dir;
}

static void put_url(char *url, size_t size, const char *dir, const char *user)
{
	snprintf(url, size, "host=%s port=5432 user=%s dbname=bellhop", dir, user);
}

struct pg_opts live_pg_opts(void)
{
	static char url[256];

	put_url(url, sizeof(url), server_dir(), "bellhop");
	return (struct pg_opts){.url = url, .application = "live test", .connect_timeout_ms = 5000};
}

int64_t live_pg_deadline(void)
{
	return clock_mono_ms() + DEADLINE_MS;
}

/* One connection for all, made on first use and kept until the test program ends. */
__attribute__((format(printf, 1, 0))) static PGresult *super_exec(const char *format, va_list args)
{
	static PGconn *pg;
	PGresult *result;
	char url[256], *sql;

	if (pg == NULL) {
		put_url(url, sizeof(url), server_dir(), "postgres");
		pg = PQconnectdb(url);
	}
	assert_true(vasprintf(&sql, format, args) >= 0);
	result = PQexec(pg, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	free(sql);
	return result;
}

void live_pg_run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	PQclear(super_exec(format, args));
	va_end(args);
}

int64_t live_pg_number(const char *format, ...)
{
	PGresult *result;
	int64_t number;
	va_list args;

	va_start(args, format);
	result = super_exec(format, args);
	va_end(args);
	assert_int_equal(PQntuples(result), 1);
	number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return number;
}

PGresult *live_pg_exec(struct pg_conn *c, struct pg_stmt *stmt)
{
	PGresult *result;
	enum err err = pg_conn_exec(c, stmt, live_pg_deadline(), &result);

	pg_stmt_deinit(stmt);
	if (err != ERR_NONE)
		fail_msg("%s: %s", err_text(err), pg_conn_error(c));
	return result;
}

/* ---- the relay ---- */

struct pair {
	int client, server;
};

struct relay {
	struct tempdir dir;
	char url[256];
	int listener;
	int stop[2]; /* a pipe: closing its end stops the thread */
	pthread_t thread;
	atomic_int mode;
	struct pair pairs[PAIRS_MAX];
	int npairs;
};

static int unix_socket(const char *dir, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/.s.PGSQL.5432", dir);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void hang_up(struct pair *pair)
{
	close(pair->client);
	close(pair->server);
	pair->client = pair->server = -1;
}

static void take_client(struct relay *relay)
{
	struct sockaddr_un address;
	struct pair pair = {.client = accept(relay->listener, NULL, NULL)};

	pair.server = unix_socket(server_dir(), &address);
	if (pair.client < 0 || relay->mode == RELAY_REFUSE || relay->npairs == PAIRS_MAX ||
	    connect(pair.server, (struct sockaddr *)&address, sizeof(address)) != 0)
		hang_up(&pair);
	else
		relay->pairs[relay->npairs++] = pair;
}

/* Moves what there is. False at either end of the stream. */
static bool move(int from, int to)
{
	char bytes[65536];
	ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve_pair(struct relay *relay, struct pair *pair, short client, short server)
{
	if (client != 0 && !move(pair->client, pair->server)) {
		hang_up(pair);
		return;
	}
	if (server == 0)
		return;
	if (relay->mode == RELAY_CUT || !move(pair->server, pair->client))
		hang_up(pair);
}

static void *relay_run(void *arg)
{
	struct relay *relay = arg;

	for (;;) {
		struct pollfd fds[2 + 2 * PAIRS_MAX] = {{relay->stop[0], POLLIN, 0},
							{relay->listener, POLLIN, 0}};
		int count = relay->npairs;

		for (int i = 0; i < count; i++) {
			bool is_stalled = relay->mode == RELAY_STALL;

			fds[2 + 2 * i] = (struct pollfd){relay->pairs[i].client, POLLIN, 0};
			fds[3 + 2 * i] = (struct pollfd){is_stalled ? -1 : relay->pairs[i].server,
							 POLLIN, 0};
		}
		/* Comes back soon where the mode has changed meanwhile. */
		poll(fds, (nfds_t)(2 + 2 * count), 20);
		if (fds[0].revents != 0)
			return NULL;
		if (fds[1].revents != 0)
			take_client(relay);
		for (int i = 0; i < count; i++) {
			if (relay->pairs[i].client >= 0)
				serve_pair(relay, &relay->pairs[i], fds[2 + 2 * i].revents,
					   fds[3 + 2 * i].revents);
		}
	}
}

struct relay *relay_start(void)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	struct sockaddr_un address;

	assert_non_null(relay);
	tempdir_init(&relay->dir);
	put_url(relay->url, sizeof(relay->url), relay->dir.path, "bellhop");
	relay->listener = unix_socket(relay->dir.path, &address);
	assert_int_equal(bind(relay->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(relay->listener, PAIRS_MAX), 0);
	assert_int_equal(pipe(relay->stop), 0);
	assert_int_equal(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
	return relay;
}

void relay_stop(struct relay *relay)
{
	close(relay->stop[1]);
	pthread_join(relay->thread, NULL);
	close(relay->stop[0]);
	close(relay->listener);
	for (int i = 0; i < relay->npairs; i++) {
		if (relay->pairs[i].client >= 0)
			hang_up(&relay->pairs[i]);
	}
	tempdir_deinit(&relay->dir);
	free(relay);
}

void relay_set(struct relay *relay, enum relay_mode mode)
{
	relay->mode = (int)mode;
}

struct pg_opts relay_opts(const struct relay *relay)
{
	struct pg_opts opts = live_pg_opts();

	opts.url = relay->url;
	return opts;
}
