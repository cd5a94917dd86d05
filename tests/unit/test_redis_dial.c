/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses of a server, one after the other. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "store/redis_dial.h"

/* ---- a resolver: the name is its addresses, with commas between them; "" cannot be resolved ---- */

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **found_r)
{
	struct addrinfo **end = found_r;
	const char *p = name;

	assert_int_equal(hints->ai_socktype, SOCK_STREAM);
	*found_r = NULL;
	while (*p != '\0') {
		struct sockaddr_in *address = calloc(1, sizeof(*address));
		size_t n = strcspn(p, ",");
		char text[64] = "";

		*end = calloc(1, sizeof(**end));
		assert_true(address != NULL && *end != NULL && n < sizeof(text));
		memcpy(text, p, n);
		address->sin_family = AF_INET;
		address->sin_port = htons((uint16_t)atoi(service));
		assert_int_equal(inet_pton(AF_INET, text, &address->sin_addr), 1);
		**end = (struct addrinfo){.ai_family = AF_INET,
					  .ai_addr = (struct sockaddr *)address,
					  .ai_addrlen = sizeof(*address)};
		end = &(*end)->ai_next;
		p += n + (p[n] == ',' ? 1 : 0);
	}
	return *found_r != NULL ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found)
{
	while (found != NULL) {
		struct addrinfo *next = found->ai_next;

		free(found->ai_addr);
		free(found);
		found = next;
	}
}

/* ---- a server at 127.0.0.1, and nobody at 127.0.0.2 ---- */

struct server {
	int fd;
	char port[8];
};

static void server_start(struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);

	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server->fd, 4), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
	snprintf(server->port, sizeof(server->port), "%u", ntohs(address.sin_port));
}

/* Whether the next address is connected to; `reason` says why not. */
static bool reaches(struct redis_dial *dial, char *reason, size_t size)
{
	int64_t until_ms;
	int error = 0, fd = redis_dial_next(dial, &until_ms);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t error_size = sizeof(error);

	if (fd == -1) {
		error = errno;
	} else {
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size), 0);
		close(fd);
	}
	snprintf(reason, size, "%s", strerror(error));
	return error == 0;
}

static void test_every_address_is_tried_in_its_turn(void **state)
{
	static const struct {
		const char *addresses;
		int number; /* of the one that is reached, 0: none */
		const char *reason;
	} rows[] = {
		{"127.0.0.1", 1, NULL},
		{"127.0.0.1,127.0.0.2", 1, NULL},
		{"127.0.0.2,127.0.0.1", 2, NULL},
		{"127.0.0.2,127.0.0.3,127.0.0.1,127.0.0.4", 3, NULL},
		{"127.0.0.2", 0, "Connection refused"},
		{"127.0.0.2,127.0.0.3", 0,
		 "127.0.0.2: Connection refused; 127.0.0.3: Connection refused"},
		/* The broadcast address, which connect(2) says at once. */
		{"255.255.255.255,127.0.0.1", 2, NULL},
	};
	struct server server;

	(void)state;
	server_start(&server);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct redis_target target = {.host = (char *)rows[i].addresses,
					      .port = server.port};
		struct redis_dial dial;
		char reason[128];
		int number = 0;
		bool is_reached;

		assert_int_equal(redis_dial_begin(&dial, &target, clock_mono_ms() + 10000), 0);
		do {
			number++;
			assert_true(redis_dial_has_more(&dial));
			is_reached = reaches(&dial, reason, sizeof(reason));
		} while (!is_reached && redis_dial_go_on(&dial, reason, sizeof(reason)));
		assert_int_equal(is_reached ? number : 0, rows[i].number);
		if (rows[i].reason != NULL)
			assert_string_equal(reason, rows[i].reason);
		redis_dial_end(&dial);
		assert_false(redis_dial_has_more(&dial));
	}
	close(server.fd);
}

static void test_the_time_is_shared_among_those_that_are_left(void **state)
{
	struct redis_target target = {.host = (char *)"127.0.0.1,127.0.0.1,127.0.0.1",
				      .port = (char *)"1"};
	int64_t deadline_ms = clock_mono_ms() + 900000;
	struct redis_dial dial;

	(void)state;
	assert_int_equal(redis_dial_begin(&dial, &target, deadline_ms), 0);
	for (int left = 3; left > 0; left--) {
		int64_t before_ms = clock_mono_ms(), after_ms, until_ms;
		int fd = redis_dial_next(&dial, &until_ms);

		after_ms = clock_mono_ms();
		assert_true(until_ms >= before_ms + (deadline_ms - before_ms) / left);
		assert_true(until_ms <= after_ms + (deadline_ms - after_ms) / left);
		if (fd != -1)
			close(fd);
		clock_shift_ms(100000);
	}
	assert_false(redis_dial_has_more(&dial));
	redis_dial_end(&dial);
	clock_shift_ms(-300000);
}

static void test_reasons_are_cut_to_fit(void **state)
{
	struct redis_target target = {.host = (char *)"127.0.0.1,127.0.0.2", .port = (char *)"1"};
	struct redis_dial dial;
	char reason[32];
	int64_t until_ms;

	(void)state;
	assert_int_equal(redis_dial_begin(&dial, &target, clock_mono_ms()), 0);
	for (int left = 1; left >= 0; left--) {
		int fd = redis_dial_next(&dial, &until_ms);

		if (fd != -1)
			close(fd);
		snprintf(reason, sizeof(reason), "number %d", left);
		assert_int_equal(redis_dial_go_on(&dial, reason, sizeof(reason)), left == 1);
	}
	assert_string_equal(reason, "127.0.0.1: number 1; 127.0.0.2:");
	redis_dial_end(&dial);
}

static void test_what_has_no_addresses(void **state)
{
	struct redis_target name = {.host = (char *)"", .port = (char *)"1"};
	struct redis_target path = {.path = (char *)"/nonexistent/socket"};
	struct redis_dial dial;
	char reason[64] = "the reason";
	int64_t until_ms;

	(void)state;
	assert_int_equal(redis_dial_begin(&dial, &name, 0), -1);
	assert_int_equal(errno, EHOSTUNREACH);
	assert_false(redis_dial_has_more(&dial));
	assert_false(redis_dial_go_on(&dial, reason, sizeof(reason)));
	assert_int_equal(redis_dial_begin(&dial, &path, 0), 0);
	assert_int_equal(redis_dial_next(&dial, &until_ms), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(redis_dial_go_on(&dial, reason, sizeof(reason)));
	assert_string_equal(reason, "the reason");
	redis_dial_end(&dial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_address_is_tried_in_its_turn),
		cmocka_unit_test(test_the_time_is_shared_among_those_that_are_left),
		cmocka_unit_test(test_reasons_are_cut_to_fit),
		cmocka_unit_test(test_what_has_no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
