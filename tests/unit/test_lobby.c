/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that wait, over real sockets. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/lobby.h"
#include "base/daemon.h"
#include "base/log.h"
#include "cmocka_setup.h"
#include "fcgi_bytes.h"
#include "wait_for.h"

enum { TIMEOUT_MS = 5000, LIMIT = 1000, GUESTS = 256 };

struct house {
	int epoll_fd;
	struct lobby *lobby;
	struct buf post; /* a whole request */
};

static int open_house(void **state)
{
	struct house *house = calloc(1, sizeof(*house));

	assert_non_null(house);
	log_setup("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	house->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	house->lobby = lobby_new(house->epoll_fd, GUESTS);
	assert_non_null(house->lobby);
	lobby_limit(house->lobby, TIMEOUT_MS, LIMIT);
	fcgi_bytes_post(&house->post, "2", STR("{}"));
	*state = house;
	return 0;
}

static int close_house(void **state)
{
	struct house *house = *state;

	lobby_free(house->lobby);
	close(house->epoll_fd);
	buf_deinit(&house->post);
	free(house);
	return 0;
}

/* The web server's end; *guest_r as of lobby_admit(). What is sent before comes with it. */
static int connect_with(struct house *house, const char *bytes, size_t n, struct guest **guest_r)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(write(fds[0], bytes, n), n);
	*guest_r = lobby_admit(house->lobby, fds[1]);
	return fds[0];
}

/* Handles what happens for now. The last guest that asked for something. */
static struct guest *settle(struct house *house)
{
	struct guest *asking = NULL;
	struct epoll_event event;

	while (asking == NULL && epoll_wait(house->epoll_fd, &event, 1, 0) == 1)
		asking = lobby_wake(house->lobby, event.data.ptr);
	return asking;
}

/* Whether the lobby has closed the other end, all that it sent being thrown away. */
static bool is_closed(int fd)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		;
	return n == 0 || errno != EAGAIN;
}

static void a_request_that_is_there_at_once(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, house->post.len, &guest);

	assert_non_null(guest);
	assert_int_equal(lobby_intake(guest)->state, INTAKE_DONE);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_true(is_closed(fd));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	close(fd);
}

static void a_request_byte_by_byte(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, 0, &guest);

	for (size_t at = 0; at < house->post.len; at++) {
		assert_null(guest);
		assert_int_equal(write(fd, house->post.data + at, 1), 1);
		guest = settle(house);
	}
	assert_non_null(guest);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_true(is_closed(fd));
	close(fd);
}

/* An answer larger than any socket takes at once waits without holding anybody. */
static void an_answer_that_is_read_slowly(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, house->post.len, &guest);
	size_t n = 3000000, got = 0;
	char *cgi = calloc(1, n), bytes[10000];
	ssize_t once;

	assert_non_null(cgi);
	lobby_answer(house->lobby, guest, (struct str){cgi, n});
	free(cgi);
	assert_true(lobby_deadline(house->lobby) != INT64_MAX);
	while ((once = read(fd, bytes, sizeof(bytes))) != 0) {
		assert_true(once > 0 || errno == EAGAIN);
		got += once > 0 ? (size_t)once : 0;
		assert_null(settle(house));
	}
	assert_true(got > n);
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	close(fd);
}

static void each_part_has_its_time(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, house->post.len - 20, &guest);

	assert_null(guest);
	clock_shift_ms(TIMEOUT_MS - 1000);
	assert_null(lobby_expire(house->lobby));
	assert_false(is_closed(fd));
	/* A byte more of the same part is no reason to wait longer. */
	assert_int_equal(write(fd, house->post.data + house->post.len - 20, 1), 1);
	assert_null(settle(house));
	clock_shift_ms(1001);
	assert_null(lobby_expire(house->lobby));
	assert_true(is_closed(fd));
	close(fd);
}

static void the_body_has_a_time_of_its_own(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, 20, &guest);

	assert_null(guest);
	clock_shift_ms(TIMEOUT_MS - 1000);
	assert_true(write(fd, house->post.data + 20, house->post.len - 38) > 0);
	assert_null(settle(house));
	clock_shift_ms(2000);
	assert_null(lobby_expire(house->lobby));
	assert_false(is_closed(fd));
	close(fd);
}

/* The worker was held by another request: what is here by then has come in time, as far as anybody knows. */
static void what_lies_unread_when_its_time_is_over(void **state)
{
	struct house *house = *state;
	const char *bytes = house->post.data;
	const size_t n = house->post.len;
	struct guest *guest;
	int whole = connect_with(house, bytes, 20, &guest);
	int body = connect_with(house, bytes, n - 12, &guest);
	int more = connect_with(house, bytes, n - 12, &guest);
	int silent = connect_with(house, bytes, n - 12, &guest);

	assert_int_equal(write(whole, bytes + 20, n - 20), n - 20);
	assert_int_equal(write(body, bytes + n - 12, 12), 12);
	assert_int_equal(write(more, bytes + n - 12, 11), 11);
	clock_shift_ms(TIMEOUT_MS);
	for (int i = 0; i < 2; i++) {
		guest = lobby_expire(house->lobby);
		assert_non_null(guest);
		assert_int_equal(lobby_intake(guest)->state, INTAKE_DONE);
		lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	}
	assert_null(lobby_expire(house->lobby));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	assert_true(read(whole, (char[100]){0}, 100) > 0);
	assert_true(read(body, (char[100]){0}, 100) > 0);
	assert_int_equal(read(more, (char[100]){0}, 100), 0);
	assert_int_equal(read(silent, (char[100]){0}, 100), 0);
	close(whole);
	close(body);
	close(more);
	close(silent);
}

/* A head that comes so late is whole: its body has a time of its own, as ever. */
static void a_head_that_lies_unread_when_its_time_is_over(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, 20, &guest);

	assert_true(write(fd, house->post.data + 20, house->post.len - 38) > 0);
	clock_shift_ms(TIMEOUT_MS);
	assert_null(lobby_expire(house->lobby));
	assert_false(is_closed(fd));
	clock_shift_ms(TIMEOUT_MS);
	assert_null(lobby_expire(house->lobby));
	assert_true(is_closed(fd));
	close(fd);
}

/* Who could not send on, since nobody read, is given time anew: for as long as he makes use of it. */
static void a_body_that_was_not_read_in_its_time(void **state)
{
	enum { CHUNK = 40000, CHUNKS = 5 };
	struct house *house = *state;
	struct buf bytes = BUF_INIT;
	char *chunk = calloc(1, CHUNK);
	struct guest *guest;
	int fd;

	assert_non_null(chunk);
	lobby_limit(house->lobby, TIMEOUT_MS, CHUNK * CHUNKS);
	fcgi_bytes_post(&bytes, "200000", STR(""));
	fd = connect_with(house, bytes.data, bytes.len - 16, &guest);
	buf_reset(&bytes);
	fcgi_bytes_record(&bytes, FCGI_RECORD_STDIN, 1, (struct str){chunk, CHUNK});
	for (int i = 0; i < CHUNKS; i++) {
		assert_null(guest);
		assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
		clock_shift_ms(TIMEOUT_MS);
		guest = lobby_expire(house->lobby);
	}
	assert_null(guest);
	assert_false(is_closed(fd));
	clock_shift_ms(TIMEOUT_MS);
	assert_null(lobby_expire(house->lobby));
	assert_true(is_closed(fd));
	close(fd);
	free(chunk);
	buf_deinit(&bytes);
}

/* So is an answer that the peer would have taken, had it been given on. */
static void an_answer_that_was_not_given_on_in_its_time(void **state)
{
	enum { ANSWER = 3000000 };
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, house->post.len, &guest);
	char *cgi = calloc(1, ANSWER);
	size_t got = 0;
	ssize_t n;

	assert_non_null(cgi);
	lobby_answer(house->lobby, guest, (struct str){cgi, ANSWER});
	for (;;) {
		while ((n = read(fd, cgi, ANSWER)) > 0)
			got += (size_t)n;
		if (n == 0)
			break;
		assert_int_equal(errno, EAGAIN);
		clock_shift_ms(TIMEOUT_MS);
		assert_null(lobby_expire(house->lobby));
	}
	assert_true(got > ANSWER);
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	close(fd);

	/* Who takes nothing is not waited for. */
	fd = connect_with(house, house->post.data, house->post.len, &guest);
	lobby_answer(house->lobby, guest, (struct str){cgi, ANSWER});
	clock_shift_ms(TIMEOUT_MS);
	assert_null(lobby_expire(house->lobby));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	close(fd);
	free(cgi);
}

/* However little time is left: what is whole is served, all others go, at once. */
static void an_end_for_all(void **state)
{
	struct house *house = *state;
	const size_t n = house->post.len;
	struct guest *guest;
	int half = connect_with(house, house->post.data, n - 12, &guest);
	int whole = connect_with(house, house->post.data, n - 12, &guest);
	int deaf = connect_with(house, house->post.data, n, &guest);
	char *cgi = calloc(1, 3000000);

	assert_non_null(cgi);
	lobby_answer(house->lobby, guest, (struct str){cgi, 3000000});
	free(cgi);
	lobby_end_by(house->lobby, clock_mono_ms() + 1000);
	assert_null(lobby_expire(house->lobby));
	assert_true(lobby_deadline(house->lobby) <= clock_mono_ms() + 1000);
	assert_int_equal(write(whole, house->post.data + n - 12, 12), 12);
	assert_false(is_closed(deaf));
	clock_shift_ms(1000);
	guest = lobby_expire(house->lobby);
	assert_non_null(guest);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_null(lobby_expire(house->lobby));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	assert_true(read(whole, (char[100]){0}, 100) > 0);
	assert_true(is_closed(half));
	assert_true(is_closed(deaf));
	close(half);
	close(whole);
	close(deaf);
}

static void a_peer_that_goes(void **state)
{
	struct house *house = *state;

	for (size_t at = 0; at < house->post.len; at++) {
		struct guest *guest;
		int fd = connect_with(house, house->post.data, at, &guest);

		assert_null(guest);
		close(fd);
		assert_null(settle(house));
		assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	}
}

static void a_peer_that_goes_before_its_answer(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int fd = connect_with(house, house->post.data, house->post.len, &guest);

	assert_non_null(guest);
	close(fd);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
}

/* Its head is here: it may end, when the worker was told to stop. Others go. */
static void closing_the_idle(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int half = connect_with(house, house->post.data, house->post.len - 5, &guest), silent, rest;

	silent = connect_with(house, house->post.data, 0, &guest);
	rest = connect_with(house, house->post.data, 20, &guest);
	assert_true(lobby_close_idle(house->lobby));
	assert_false(is_closed(silent));
	assert_false(is_closed(rest));
	clock_shift_ms(LOBBY_GRACE_MS);
	assert_true(lobby_close_idle(house->lobby));
	assert_true(is_closed(silent));
	assert_true(is_closed(rest));
	assert_false(is_closed(half));
	assert_int_equal(write(half, house->post.data + house->post.len - 5, 5), 5);
	guest = settle(house);
	assert_non_null(guest);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_false(lobby_close_idle(house->lobby));
	close(half);
	close(silent);
	close(rest);
}

/* What is here is served, read or not; who sends the rest of a head later is not waited for longer. */
static void closing_the_idle_with_bytes_unread(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int whole = connect_with(house, house->post.data, 0, &guest);
	int cut = connect_with(house, house->post.data, 0, &guest);

	assert_int_equal(write(whole, house->post.data, house->post.len), house->post.len);
	assert_int_equal(write(cut, house->post.data, 10), 10);
	clock_shift_ms(LOBBY_GRACE_MS);
	assert_true(lobby_close_idle(house->lobby));
	guest = settle(house);
	assert_non_null(guest);
	lobby_answer(house->lobby, guest, STR("Status: 200 OK\r\n\r\n"));
	assert_null(settle(house));
	assert_false(lobby_close_idle(house->lobby));
	assert_true(is_closed(whole));
	assert_true(is_closed(cut));
	close(whole);
	close(cut);
}

/* The number of those who wait is bounded: the oldest goes. */
static void a_crowd(void **state)
{
	enum { CROWD = 300 };
	struct house *house = *state;
	int fds[CROWD], n_closed = 0;
	struct guest *guest;

	for (int i = 0; i < CROWD; i++)
		fds[i] = connect_with(house, house->post.data, 1, &guest);
	for (int i = 0; i < CROWD; i++)
		n_closed += is_closed(fds[i]) ? 1 : 0;
	assert_int_equal(n_closed, CROWD - GUESTS);
	assert_true(is_closed(fds[0]));
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
	assert_null(settle(house));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
}

/* Where the system has no descriptor left, the oldest gives his. */
static void room_for_another(void **state)
{
	struct house *house = *state;
	struct guest *guest;
	int oldest = connect_with(house, house->post.data, 1, &guest);
	int other = connect_with(house, house->post.data, 1, &guest);

	assert_true(lobby_make_room(house->lobby));
	assert_true(is_closed(oldest));
	assert_false(is_closed(other));
	assert_true(lobby_make_room(house->lobby));
	assert_false(lobby_make_room(house->lobby));
	close(oldest);
	close(other);
}

/* What they hold is bounded by itself, whatever part of a request it is. */
static void a_crowd_with_large_heads(void **state)
{
	enum { CROWD = 600, VALUE = 15000 };
	struct house *house = *state;
	struct buf bytes = BUF_INIT, params = BUF_INIT;
	char value[VALUE];
	int fds[CROWD], n_closed = 0;
	struct guest *guest;

	assert_true(daemon_raise_nofile() > CROWD * 2 + 20);
	lobby_free(house->lobby);
	house->lobby = lobby_new(house->epoll_fd, LOBBY_GUESTS_MAX);
	assert_non_null(house->lobby);
	lobby_limit(house->lobby, TIMEOUT_MS, LIMIT);
	memset(value, 'x', sizeof(value));
	for (int i = 0; i < 4; i++)
		fcgi_bytes_pair(&params,
				(const char *[]){"HTTP_COOKIE", "HTTP_AUTHORIZATION",
						 "HTTP_USER_AGENT", "HTTP_IF_MATCH"}[i],
				(struct str){value, VALUE}, false);
	fcgi_bytes_begin(&bytes);
	fcgi_bytes_record(&bytes, FCGI_RECORD_PARAMS, 1, buf_str(&params));
	for (int i = 0; i < CROWD; i++) {
		fds[i] = connect_with(house, bytes.data, bytes.len, &guest);
		assert_null(guest);
	}
	for (int i = 0; i < CROWD; i++) {
		n_closed += is_closed(fds[i]) ? 1 : 0;
		close(fds[i]);
	}
	assert_in_range(n_closed, CROWD - LOBBY_HELD_MAX / (4 * VALUE), CROWD - 300);
	buf_deinit(&bytes);
	buf_deinit(&params);
}

/* So is what waits for them. */
static void a_deaf_crowd(void **state)
{
	enum { CROWD = 20, ANSWER = 4 * 1024 * 1024 };
	struct house *house = *state;
	char *cgi = calloc(1, ANSWER);
	int fds[CROWD], n_closed = 0;
	struct guest *guest;

	assert_non_null(cgi);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = connect_with(house, house->post.data, house->post.len, &guest);
		assert_non_null(guest);
		lobby_answer(house->lobby, guest, (struct str){cgi, ANSWER});
	}
	free(cgi);
	for (int i = 0; i < CROWD; i++) {
		n_closed += is_closed(fds[i]) ? 1 : 0;
		close(fds[i]);
	}
	assert_in_range(n_closed, CROWD - 32 / 4, CROWD - 1);
}

/* One body that is more than may wait, where bodies have no limit, costs nobody else his place. */
static void a_body_without_end(void **state)
{
	enum { CHUNK = 60000, ENOUGH = 40 * 1024 * 1024 };
	struct house *house = *state;
	struct buf bytes = BUF_INIT;
	char *chunk = calloc(1, CHUNK);
	struct guest *guest;
	int other, fd;

	assert_non_null(chunk);
	lobby_limit(house->lobby, TIMEOUT_MS, 0);
	other = connect_with(house, house->post.data, house->post.len - 12, &guest);
	fcgi_bytes_post(&bytes, "100000000", STR("{"));
	fd = connect_with(house, bytes.data, bytes.len - 8, &guest);
	buf_reset(&bytes);
	fcgi_bytes_record(&bytes, FCGI_RECORD_STDIN, 1, (struct str){chunk, CHUNK});
	for (size_t sent = 0; sent < ENOUGH && send(fd, bytes.data, bytes.len, MSG_NOSIGNAL) > 0;
	     sent += CHUNK)
		assert_null(settle(house));
	assert_true(is_closed(fd));
	assert_false(is_closed(other));
	close(fd);
	close(other);
	free(chunk);
	buf_deinit(&bytes);
}

/* Refused before its end: the answer is sent, the rest is thrown away, and only then it is closed. */
static void a_body_that_is_too_large(void **state)
{
	struct house *house = *state;
	struct buf bytes = BUF_INIT;
	char body[3000] = {0};
	struct guest *guest;
	int fd;

	fcgi_bytes_post(&bytes, "3000", (struct str){body, sizeof(body)});
	fd = connect_with(house, bytes.data, 500, &guest);
	assert_non_null(guest);
	assert_int_equal(intake_body(lobby_intake(guest)), INTAKE_BODY_LARGE);
	lobby_answer(house->lobby, guest, STR("Status: 413 Too Large\r\n\r\n"));
	assert_true(write(fd, bytes.data + 500, bytes.len - 500) > 0);
	assert_null(settle(house));
	assert_true(read(fd, body, sizeof(body)) > 0);
	assert_int_equal(read(fd, body, sizeof(body)), 0);
	assert_true(lobby_deadline(house->lobby) != INT64_MAX);
	close(fd);
	assert_null(settle(house));
	assert_true(lobby_deadline(house->lobby) == INT64_MAX);
	buf_deinit(&bytes);
}

/* What is no request gets what the protocol answers by itself, and is closed. */
static void another_protocol(void **state)
{
	struct house *house = *state;
	struct buf bytes = BUF_INIT;
	struct guest *guest;
	char got[64];
	int fd = connect_with(house, "GET / HTTP/1.1\r\n\r\n", 18, &guest);

	assert_null(guest);
	assert_true(is_closed(fd));
	close(fd);

	fcgi_bytes_record(&bytes, FCGI_RECORD_BEGIN_REQUEST, 1, STR("\0\2\0\0\0\0\0\0"));
	fd = connect_with(house, bytes.data, bytes.len, &guest);
	assert_null(guest);
	assert_int_equal(read(fd, got, sizeof(got)), 16);
	assert_int_equal(got[1], FCGI_RECORD_END_REQUEST);
	assert_int_equal(got[12], FCGI_RECORD_UNKNOWN_ROLE);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	close(fd);
	buf_deinit(&bytes);
}

#define IN_A_HOUSE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_HOUSE(a_request_that_is_there_at_once),
		IN_A_HOUSE(a_request_byte_by_byte),
		IN_A_HOUSE(an_answer_that_is_read_slowly),
		IN_A_HOUSE(each_part_has_its_time),
		IN_A_HOUSE(the_body_has_a_time_of_its_own),
		IN_A_HOUSE(what_lies_unread_when_its_time_is_over),
		IN_A_HOUSE(a_head_that_lies_unread_when_its_time_is_over),
		IN_A_HOUSE(a_body_that_was_not_read_in_its_time),
		IN_A_HOUSE(an_answer_that_was_not_given_on_in_its_time),
		IN_A_HOUSE(an_end_for_all),
		IN_A_HOUSE(a_peer_that_goes),
		IN_A_HOUSE(a_peer_that_goes_before_its_answer),
		IN_A_HOUSE(closing_the_idle),
		IN_A_HOUSE(closing_the_idle_with_bytes_unread),
		IN_A_HOUSE(a_crowd),
		IN_A_HOUSE(room_for_another),
		IN_A_HOUSE(a_crowd_with_large_heads),
		IN_A_HOUSE(a_deaf_crowd),
		IN_A_HOUSE(a_body_without_end),
		IN_A_HOUSE(a_body_that_is_too_large),
		IN_A_HOUSE(another_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
