/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets of all three origins, peers, signals, systemd's notifications. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "cmocka_setup.h"
#include "tempdir.h"

static struct tempdir dir;
static char path[128];
static struct buf error;

static int setup(void **state)
{
	(void)state;
	tempdir_init(&dir);
	snprintf(path, sizeof(path), "%s", tempdir_name(&dir, "sock"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&error);
	tempdir_deinit(&dir);
	return 0;
}

static int listen_at(const char *where, unsigned int mode, const char *group,
		     struct daemon_socket *sock)
{
	const struct daemon_listen_opts opts = {
		.path = where, .mode = mode, .group = group, .backlog = 128};

	buf_reset(&error);
	return daemon_listen(&opts, sock, &error);
}

static int connect_to(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", where);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Between bind() and what follows, whoever owns the directory is quicker (the linker wraps it). */
static const char *replacement; /* what the path is a link to then; NULL: he is not there */

int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int result = __real_bind(fd, address, size);

	if (replacement != NULL && (unlink(path) != 0 || symlink(replacement, path) != 0))
		fail_msg("could not replace %s", path);
	return result;
}

/* Runs a function in a process of its own; its result is the exit status. */
static int in_child(int (*function)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(function());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void own_socket(void **state)
{
	static const unsigned int modes[] = {0660, 0600, 0666};

	(void)state;
	for (size_t i = 0; i < LENGTH(modes); i++) {
		struct daemon_socket sock;
		struct stat st;
		int client;

		assert_int_equal(listen_at(path, modes[i], NULL, &sock), 0);
		assert_int_equal(sock.origin, DAEMON_OWN);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_true(fcntl(sock.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(sock.fd, F_GETFD) & FD_CLOEXEC);
		client = connect_to(path);
		assert_true(client >= 0);
		close(client);
		daemon_close(&sock);
		assert_int_equal(stat(path, &st), -1);
		daemon_close(&sock);
	}
}

static void group(void **state)
{
	struct daemon_socket sock;
	struct stat st;
	char number[16];

	(void)state;
	snprintf(number, sizeof(number), "%u", (unsigned int)getegid());
	assert_int_equal(listen_at(path, 0660, number, &sock), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, getegid());
	daemon_close(&sock);
	assert_int_equal(listen_at(path, 0660, "no-such-group", &sock), -1);
	assert_non_null(strstr(buf_cstr(&error), "there is no group no-such-group"));
	assert_int_equal(stat(path, &st), -1);
}

static void live_socket_stays(void **state)
{
	struct daemon_socket first, second;
	struct stat before, after;
	int client;

	(void)state;
	assert_int_equal(listen_at(path, 0600, NULL, &first), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(listen_at(path, 0600, NULL, &second), -1);
	assert_non_null(strstr(buf_cstr(&error), "another process does"));
	assert_int_equal(second.fd, -1);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	client = connect_to(path);
	assert_true(client >= 0);
	close(client);
	daemon_close(&first);
}

static void stale_socket_goes(void **state)
{
	struct daemon_socket first, second;

	(void)state;
	assert_int_equal(listen_at(path, 0600, NULL, &first), 0);
	/* As after a crash: closed, not unlinked. */
	close(first.fd);
	first.fd = -1;
	assert_int_equal(listen_at(path, 0600, NULL, &second), 0);
	/* The first one's path is the second one's now, who must keep it. */
	daemon_close(&first);
	assert_int_equal(access(path, F_OK), 0);
	daemon_close(&second);
}

/* A forked child that closes what it has inherited does not take the path away. */
static struct daemon_socket shared;

static int close_inherited(void)
{
	daemon_close(&shared);
	return 0;
}

static void children_do_not_unlink(void **state)
{
	(void)state;
	assert_int_equal(listen_at(path, 0600, NULL, &shared), 0);
	assert_int_equal(in_child(close_inherited), 0);
	assert_int_equal(access(path, F_OK), 0);
	daemon_close(&shared);
}

static void other_things_stay(void **state)
{
	struct daemon_socket sock;
	char longest[200];

	(void)state;
	tempdir_file(&dir, "sock", "precious", 8, 0600);
	assert_int_equal(listen_at(path, 0600, NULL, &sock), -1);
	assert_non_null(strstr(buf_cstr(&error), "it is there, and no socket"));
	assert_int_equal(access(path, F_OK), 0);

	assert_int_equal(listen_at("/nonexistent/dir/sock", 0600, NULL, &sock), -1);
	assert_non_null(strstr(buf_cstr(&error), "No such file or directory"));

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(listen_at(longest, 0600, NULL, &sock), -1);
	assert_non_null(strstr(buf_cstr(&error), "a socket's path has at most"));
}

static void what_lies_behind_a_link_stays(void **state)
{
	char victim[192], number[16];
	struct daemon_socket sock;
	struct stat before, after;

	(void)state;
	snprintf(victim, sizeof(victim), "%s", tempdir_file(&dir, "victim", "precious", 8, 0600));
	snprintf(number, sizeof(number), "%u", (unsigned int)getegid());
	assert_int_equal(stat(victim, &before), 0);
	replacement = victim;
	assert_int_equal(listen_at(path, 0666, number, &sock), -1);
	replacement = NULL;
	assert_non_null(strstr(buf_cstr(&error), "somebody has replaced it"));
	assert_int_equal(stat(victim, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_true(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	/* What is not ours is not ours to remove. */
	assert_int_equal(lstat(path, &after), 0);
}

/* A listening TCP socket on a port of the kernel's choice. */
static int tcp_listener(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)address, &size) < 0)
		return -1;
	return fd;
}

static int take_fd_0(void)
{
	struct sockaddr_in address;
	struct daemon_socket sock;
	int listener = tcp_listener(&address);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	dup2(listener, 0);
	close(listener);
	if (listen_at("/nowhere", 0600, NULL, &sock) < 0 || sock.origin != DAEMON_FROM_STDIN)
		return 1;
	if (sock.fd < 3 || !(fcntl(sock.fd, F_GETFL) & O_NONBLOCK))
		return 2;
	if (connect(client, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    accept(sock.fd, NULL, NULL) < 0)
		return 3;
	/* fd 0 is harmless now. */
	if (read(0, &address, 1) != 0)
		return 4;
	daemon_close(&sock);
	return 0;
}

static int systemd_environment(const char *count, bool for_us)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid() + (for_us ? 0 : 1));
	return setenv("LISTEN_PID", pid, 1) | setenv("LISTEN_FDS", count, 1);
}

static int take_fd_3(void)
{
	struct sockaddr_in address;
	struct daemon_socket sock;
	int listener = tcp_listener(&address);

	if (listener != 3)
		dup2(listener, 3);
	systemd_environment("1", true);
	if (listen_at("/nowhere", 0600, NULL, &sock) < 0 || sock.origin != DAEMON_FROM_SYSTEMD)
		return 1;
	if (sock.fd != 3 || !(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 2;
	return getenv("LISTEN_FDS") == NULL ? 0 : 3;
}

static int refuse_two_fds(void)
{
	struct sockaddr_in address;
	struct daemon_socket sock;

	dup2(tcp_listener(&address), 3);
	systemd_environment("2", true);
	return listen_at(path, 0600, NULL, &sock) < 0 ? 0 : 1;
}

static int refuse_no_socket(void)
{
	struct daemon_socket sock;

	dup2(open("/dev/null", O_RDONLY), 3);
	systemd_environment("1", true);
	return listen_at(path, 0600, NULL, &sock) < 0 ? 0 : 1;
}

static int ignore_fds_of_others(void)
{
	struct sockaddr_in address;
	struct daemon_socket sock;

	dup2(tcp_listener(&address), 3);
	systemd_environment("1", false);
	if (listen_at(path, 0600, NULL, &sock) < 0 || sock.origin != DAEMON_OWN)
		return 1;
	daemon_close(&sock);
	return 0;
}

static void handed_in(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_fd_0), 0);
	assert_int_equal(in_child(take_fd_3), 0);
	assert_int_equal(in_child(refuse_two_fds), 0);
	assert_int_equal(in_child(refuse_no_socket), 0);
	assert_int_equal(in_child(ignore_fds_of_others), 0);
}

static int connect_as_nobody(void)
{
	int fd;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 1;
	fd = connect_to(path);
	return fd < 0;
}

/* Is the connection of the helper above let in by this list? */
static bool allowed_by(const char *list, int fd)
{
	struct daemon_peers *peers = daemon_peers_new(list, &error);
	bool allowed;

	assert_non_null(peers);
	allowed = daemon_peer_allowed(peers, fd);
	daemon_peers_free(peers);
	return allowed;
}

static void peers_by_uid(void **state)
{
	uid_t uid = geteuid() == 0 ? 65534 : geteuid();
	struct daemon_socket sock;
	char list[64];
	int fd;

	(void)state;
	assert_int_equal(chmod(dir.path, 0755), 0);
	assert_int_equal(listen_at(path, 0666, NULL, &sock), 0);
	assert_int_equal(in_child(connect_as_nobody), 0);
	fd = accept(sock.fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_true(allowed_by("", fd));
	assert_true(daemon_peer_allowed(NULL, fd));
	assert_false(allowed_by("root", fd));
	assert_false(allowed_by("0 12345", fd));
	snprintf(list, sizeof(list), "root  %u", (unsigned int)uid);
	assert_true(allowed_by(list, fd));
	close(fd);
	daemon_close(&sock);
	buf_reset(&error);
	assert_null(daemon_peers_new("root no-such-user", &error));
	assert_string_equal(buf_cstr(&error), "there is no user no-such-user\n");
	assert_null(daemon_peers_new("-1", &error));
}

static void peers_over_tcp(void **state)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int fd;

	(void)state;
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	fd = accept(listener, NULL, NULL);
	assert_true(allowed_by("", fd));
	assert_false(allowed_by("root", fd));
	close(fd);
	close(client);
	close(listener);
}

static int signals_in_order(void)
{
	int fd = daemon_signals_open();

	if (fd < 0 || daemon_signals_next(fd) != 0)
		return 1;
	raise(SIGHUP);
	if (daemon_signals_next(fd) != SIGHUP || daemon_signals_next(fd) != 0)
		return 2;
	raise(SIGTERM);
	raise(SIGUSR2);
	/* One call each, whatever the order. */
	if (daemon_signals_next(fd) == 0 || daemon_signals_next(fd) == 0 ||
	    daemon_signals_next(fd) != 0)
		return 3;
	return 0;
}

static void signals(void **state)
{
	(void)state;
	assert_int_equal(in_child(signals_in_order), 0);
}

static void notify_through(const struct sockaddr_un *address, socklen_t size, const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char got[128] = "";

	assert_int_equal(bind(fd, (const struct sockaddr *)address, size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	daemon_notify("READY=1");
	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), 7);
	assert_string_equal(got, "READY=1");
	daemon_notify_reloading();
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_int_equal(strncmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	close(fd);
	/* Nobody listens any more: no error, no signal. */
	daemon_notify("STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	daemon_notify("STOPPING=1");
}

static void notifying(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	int n;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	notify_through(&address, sizeof(address), path);

	n = snprintf(name, sizeof(name), "@bellhop-test-%d", (int)getpid());
	memset(address.sun_path, 0, sizeof(address.sun_path));
	memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
	notify_through(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n),
		       name);
}

static void watchdog(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_true(daemon_watchdog_ms() == 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_true(daemon_watchdog_ms() == 15000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_true(daemon_watchdog_ms() == 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_true(daemon_watchdog_ms() == 15000);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_true(daemon_watchdog_ms() == 0);
}

static int raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	limit.rlim_cur = 64;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 2;
	return daemon_raise_nofile() == (int64_t)limit.rlim_max ? 0 : 3;
}

static void descriptors(void **state)
{
	(void)state;
	assert_int_equal(in_child(raise_nofile), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own_socket),
		TEST(group),
		TEST(live_socket_stays),
		TEST(stale_socket_goes),
		TEST(children_do_not_unlink),
		TEST(other_things_stay),
		TEST(what_lies_behind_a_link_stays),
		TEST(handed_in),
		TEST(peers_by_uid),
		TEST(peers_over_tcp),
		TEST(signals),
		TEST(notifying),
		TEST(watchdog),
		TEST(descriptors),
	};

	/* Standard input might be a socket where the tests run. */
	if (freopen("/dev/null", "r", stdin) == NULL)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
