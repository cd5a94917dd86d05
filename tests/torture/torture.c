/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked into a copy of a unit test in which all of bellhop's own calls to the functions below go to
 * torture_*() (the tests and the libraries keep theirs; tests/torture/run does that): with TORTURE set
 * the program runs once to count the calls, and then once for every N, in a child that was forked
 * before main(), with the Nth of them failing.
 *
 * A run is good if it ends in time, by itself, without a report of a sanitizer, and, where every
 * assertion still held, without a leak. That an assertion fails is fine: the test expected a success.
 *
 *	TORTURE		 which calls fail: alloc, system or library; and how:
 *			 alloc, system, library	 the Nth fails, and no other
 *			 alloc+, system+	 the Nth and all after it
 *			 soft			 the Nth is interrupted or has nothing to do (EINTR, EAGAIN)
 *			 short			 the Nth read or write moves a single byte
 *	TORTURE_RUNS	 at most so many runs; then they are spread over the calls
 *	TORTURE_SECONDS	 no run begins later than that; runs are spread so that it will do
 *	TORTURE_ONLY	 this N alone, with its output shown
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

enum kind { ALLOC = 1, SYSTEM = 2, LIBRARY = 4, SOFT = 8, SHORT = 16 };

/* Between a run and its parent, and with what the run itself forks. */
struct shared {
	atomic_long calls;
	long fail_at;
	const char *name; /* of the call that failed; the same address in every process */
	bool goes_on;	  /* calls after it fail, too */
};

static struct shared *shared;
static unsigned kinds; /* which calls count */

/* Counts a call. Whether it is to fail. */
static bool hit(unsigned kind, const char *name)
{
	long n;

	if ((kinds & kind) == 0)
		return false;
	n = atomic_fetch_add(&shared->calls, 1) + 1;
	if (n == shared->fail_at)
		shared->name = name;
	return shared->fail_at > 0 &&
	       (n == shared->fail_at || (shared->goes_on && n > shared->fail_at));
}

/* The same, with the reason. */
static bool fails(unsigned kind, const char *name, int error)
{
	if (!hit(kind, name))
		return false;
	errno = error;
	return true;
}

#define WRAP(kind, type, name, params, args, failure, error) \
	type torture_##name params;                          \
	type torture_##name params                           \
	{                                                    \
		if (fails(kind, #name, error))               \
			return failure;                      \
		return name args;                            \
	}

/* ---- memory */

WRAP(ALLOC, void *, malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(ALLOC, void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(ALLOC, void *, realloc, (void *p, size_t n), (p, n), NULL, ENOMEM)
WRAP(ALLOC, void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL, ENOMEM)
WRAP(ALLOC, char *, strdup, (const char *s), (s), NULL, ENOMEM)
WRAP(ALLOC, char *, strndup, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(ALLOC, void *, sodium_malloc, (size_t n), (n), NULL, ENOMEM)

int torture_asprintf(char **text_r, const char *format, ...) __attribute__((format(printf, 2, 3)));
int torture_asprintf(char **text_r, const char *format, ...)
{
	va_list args;
	int n;

	if (fails(ALLOC, "asprintf", ENOMEM))
		return -1;
	va_start(args, format);
	n = vasprintf(text_r, format, args);
	va_end(args);
	return n;
}

/* ---- the system, failing for good */

/* Of calls that can also be interrupted, or have nothing to do for now. */
#define WRAP_SOFT(type, name, params, args, error, soft_error)                     \
	type torture_##name params;                                                \
	type torture_##name params                                                 \
	{                                                                          \
		if (fails(SYSTEM, #name, error) || fails(SOFT, #name, soft_error)) \
			return -1;                                                 \
		return name args;                                                  \
	}

/* And of those that move bytes, perhaps fewer than they could. */
#define WRAP_SHORT(type, name, params, args, n, error)                        \
	type torture_##name params;                                           \
	type torture_##name params                                            \
	{                                                                     \
		if (fails(SYSTEM, #name, error) || fails(SOFT, #name, EINTR)) \
			return -1;                                            \
		if (n > 1 && hit(SHORT, #name))                               \
			n = 1;                                                \
		return name args;                                             \
	}

WRAP_SHORT(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), n, EIO)
WRAP_SHORT(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), n, EIO)
WRAP_SHORT(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), n, ECONNRESET)
WRAP_SHORT(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), n,
	   ECONNRESET)
WRAP_SHORT(ssize_t, sendto,
	   (int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t size),
	   (fd, p, n, flags, to, size), n, ECONNREFUSED)
WRAP_SOFT(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), EPIPE, EAGAIN)
WRAP_SOFT(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags),
	  (fd, from, size, flags), EMFILE, ECONNABORTED)
WRAP_SOFT(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size),
	  ECONNREFUSED, EAGAIN)
WRAP_SOFT(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), ENOMEM, EINTR)
WRAP_SOFT(int, epoll_wait, (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms),
	  EBADF, EINTR)
WRAP_SOFT(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), ECHILD,
	  EINTR)
WRAP_SOFT(int, flock, (int fd, int operation), (fd, operation), ENOLCK, EINTR)
WRAP(SYSTEM, int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1,
     EMFILE)
WRAP(SYSTEM, int, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), -1,
     EADDRINUSE)
WRAP(SYSTEM, int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE)
WRAP(SYSTEM, int, shutdown, (int fd, int how), (fd, how), -1, ENOTCONN)
WRAP(SYSTEM, int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), -1, ENOBUFS)
WRAP(SYSTEM, int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size), -1, ENOBUFS)
WRAP(SYSTEM, int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAP(SYSTEM, int, epoll_ctl, (int fd, int operation, int which, struct epoll_event *event),
     (fd, operation, which, event), -1, ENOSPC)
WRAP(SYSTEM, int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags), -1,
     EMFILE)
WRAP(SYSTEM, int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE)
WRAP(SYSTEM, int, dup2, (int from, int to), (from, to), -1, EBADF)
WRAP(SYSTEM, pid_t, fork, (void), (), -1, EAGAIN)
WRAP(SYSTEM, void *, mmap, (void *at, size_t n, int protection, int flags, int fd, off_t from),
     (at, n, protection, flags, fd, from), MAP_FAILED, ENOMEM)
WRAP(SYSTEM, int, fstat, (int fd, struct stat *stat_r), (fd, stat_r), -1, EIO)
WRAP(SYSTEM, int, stat, (const char *path, struct stat *stat_r), (path, stat_r), -1, EACCES)
WRAP(SYSTEM, int, lstat, (const char *path, struct stat *stat_r), (path, stat_r), -1, EACCES)
WRAP(SYSTEM, int, chmod, (const char *path, mode_t mode), (path, mode), -1, EPERM)
WRAP(SYSTEM, int, chown, (const char *path, uid_t user, gid_t group), (path, user, group), -1,
     EPERM)
WRAP(SYSTEM, int, unlink, (const char *path), (path), -1, EACCES)
WRAP(SYSTEM, int, fsync, (int fd), (fd), -1, EIO)
WRAP(SYSTEM, int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list_r),
     (host, port, hints, list_r), EAI_MEMORY, ENOMEM)

int torture_open(const char *path, int flags, ...);
int torture_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	if (fails(SYSTEM, "open", EMFILE))
		return -1;
	va_start(args, flags);
	mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open(path, flags, mode);
}

int torture_fcntl(int fd, int command, ...);
int torture_fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	if (fails(SYSTEM, "fcntl", EINVAL))
		return -1;
	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return fcntl(fd, command, argument);
}

/* ---- libraries, which run out of memory or descriptors themselves */

WRAP(LIBRARY, struct event_base *, event_base_new, (void), (), NULL, ENOMEM)
WRAP(LIBRARY, struct event *, event_new,
     (struct event_base * base, evutil_socket_t fd, short what, event_callback_fn run, void *arg),
     (base, fd, what, run, arg), NULL, ENOMEM)
WRAP(LIBRARY, int, event_add, (struct event * event, const struct timeval *wait), (event, wait), -1,
     ENOMEM)
WRAP(LIBRARY, struct bufferevent *, bufferevent_socket_new,
     (struct event_base * base, evutil_socket_t fd, int options), (base, fd, options), NULL, ENOMEM)
WRAP(LIBRARY, int, bufferevent_enable, (struct bufferevent * b, short what), (b, what), -1, ENOMEM)
WRAP(LIBRARY, int, evbuffer_add, (struct evbuffer * b, const void *p, size_t n), (b, p, n), -1,
     ENOMEM)
WRAP(LIBRARY, unsigned char *, evbuffer_pullup, (struct evbuffer * b, ev_ssize_t n), (b, n), NULL,
     ENOMEM)
WRAP(LIBRARY, redisReader *, redisReaderCreate, (void), (), NULL, ENOMEM)
WRAP(LIBRARY, yajl_handle, yajl_alloc,
     (const yajl_callbacks *callbacks, yajl_alloc_funcs *memory, void *arg),
     (callbacks, memory, arg), NULL, ENOMEM)
WRAP(LIBRARY, PGconn *, PQconnectStartParams,
     (const char *const *keys, const char *const *values, int expand), (keys, values, expand), NULL,
     ENOMEM)
WRAP(LIBRARY, PostgresPollingStatusType, PQconnectPoll, (PGconn * conn), (conn),
     PGRES_POLLING_FAILED, ENOMEM)
WRAP(LIBRARY, int, PQsetnonblocking, (PGconn * conn, int on), (conn, on), -1, ENOMEM)
WRAP(LIBRARY, int, PQsendQuery, (PGconn * conn, const char *text), (conn, text), 0, ENOMEM)
WRAP(LIBRARY, int, PQflush, (PGconn * conn), (conn), -1, ENOMEM)
WRAP(LIBRARY, int, PQconsumeInput, (PGconn * conn), (conn), 0, ENOMEM)

/* Its own failures are in the reader, as where it ran out of memory (hiredis's read.c). */
int torture_redisReaderGetReply(redisReader *reader, void **reply_r);
int torture_redisReaderGetReply(redisReader *reader, void **reply_r)
{
	if (hit(LIBRARY, "redisReaderGetReply")) {
		reader->err = REDIS_ERR_OOM;
		snprintf(reader->errstr, sizeof(reader->errstr), "Out of memory");
		*reply_r = NULL;
		return REDIS_ERR;
	}
	return redisReaderGetReply(reader, reply_r);
}

/* ---- the runs */

enum { RUN_MS = 20000, OUTPUT_MAX = 1 << 18 };

struct result {
	int status;
	bool is_late;
	char output[OUTPUT_MAX];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* In the child: becomes the program, with the call fail_at failing. */
static void become(long fail_at, bool goes_on, int output)
{
	setpgid(0, 0);
	if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0))
		die("dup2");
	/* The first assertion that fails ends it: what a test left behind by that is not looked at. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	/* As startup_begin() does for every program. */
	signal(SIGPIPE, SIG_IGN);
	atomic_store(&shared->calls, 0);
	shared->fail_at = fail_at;
	shared->goes_on = goes_on;
	shared->name = "";
}

static void await(pid_t pid, struct result *result)
{
	const int64_t end_ms = now_ms() + RUN_MS;
	siginfo_t info = {0};

	result->is_late = false;
	/* Left unreaped until its group is gone: the number must not be somebody else's by then. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0) {
		if (now_ms() > end_ms) {
			result->is_late = true;
			break;
		}
		poll(NULL, 0, 1);
	}
	kill(-pid, SIGKILL);
	if (waitpid(pid, &result->status, 0) != pid)
		die("waitpid");
}

/* True in the child, which goes on to main(). */
static bool run(long fail_at, bool goes_on, struct result *result)
{
	int output = memfd_create("torture", MFD_CLOEXEC);
	pid_t pid;
	ssize_t n;

	if (output < 0)
		die("memfd_create");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		become(fail_at, goes_on, output);
		return true;
	}
	await(pid, result);
	n = pread(output, result->output, OUTPUT_MAX - 1, 0);
	result->output[n > 0 ? n : 0] = '\0';
	close(output);
	return false;
}

/*
 * Whether the innermost frame of a report that is not a library's is a test's: it took a failure for a
 * success without an assertion, which is no fault of what it tests.
 */
static bool is_of_a_test(const char *report)
{
	static const char *const rooms[] = {"/src/base/",    "/src/web/", "/src/store/",
					    "/src/chat/",    "/src/api/", "/src/push/",
					    "/src/archive/", "/src/cli/"};
	const char *test = strstr(report, "/tests/unit/"), *ours;

	for (size_t i = 0; test != NULL && i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		ours = strstr(report, rooms[i]);
		if (ours != NULL && ours < test)
			test = NULL;
	}
	return test != NULL;
}

/* The line on which text stands. */
static const char *line_of(const char *output, const char *text)
{
	while (text > output && text[-1] != '\n')
		text--;
	return text;
}

/* What is wrong with a run, or NULL. */
static const char *judge(const struct result *result)
{
	static const char *const reports[] = {
		"ERROR: AddressSanitizer:", "runtime error:", "Test failed with exception"};
	bool has_failed = strstr(result->output, "Failure!") != NULL;

	if (result->is_late)
		return "hangs";
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		const char *report = strstr(result->output, reports[i]);

		if (report != NULL)
			return is_of_a_test(line_of(result->output, report)) ? NULL : "crashes";
	}
	if (WIFSIGNALED(result->status) && !(has_failed && WTERMSIG(result->status) == SIGABRT))
		return "is killed by a signal";
	if (!has_failed && strstr(result->output, "[  ERROR   ]") == NULL &&
	    strstr(result->output, "ERROR: LeakSanitizer") != NULL)
		return "leaks";
	return NULL;
}

static long number_of(const char *name, long fallback)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? strtol(text, NULL, 10) : fallback;
}

static bool parse_mode(const char *mode, bool *goes_on_r)
{
	static const struct {
		const char *name;
		unsigned kinds;
	} modes[] = {{"alloc", ALLOC},
		     {"system", SYSTEM},
		     {"library", LIBRARY},
		     {"soft", SOFT},
		     {"short", SHORT}};
	size_t n = strcspn(mode, "+");

	*goes_on_r = mode[n] == '+';
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strlen(modes[i].name) == n && strncmp(mode, modes[i].name, n) == 0)
			kinds = modes[i].kinds;
	}
	return kinds != 0;
}

static void show(const char *program, const char *mode, long n, const char *verdict,
		 const char *output)
{
	const char *report = strstr(output, "ERROR: ");

	if (report == NULL)
		report = strstr(output, "runtime error:");
	if (report == NULL)
		report = strlen(output) > 1500 ? output + strlen(output) - 1500 : output;
	printf("%s: %s call %ld (%s) fails, and it %s\n%.3000s\n", program, mode, n, shared->name,
	       verdict, report);
}

/* Before main(); in a child it returns, and main() runs the tests. */
static void __attribute__((constructor)) torture(int argc, char **argv)
{
	static struct result result;
	const char *mode = getenv("TORTURE"), *program = strrchr(argv[0], '/');
	long only = number_of("TORTURE_ONLY", 0), max = number_of("TORTURE_RUNS", 1000000);
	int64_t seconds = number_of("TORTURE_SECONDS", 1000000);
	int64_t began_ms = now_ms(), once_ms;
	long calls, step, runs = 0, bad = 0;
	bool goes_on;

	(void)argc;
	if (mode == NULL)
		return;
	program = program != NULL ? program + 1 : argv[0];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || !parse_mode(mode, &goes_on))
		die("TORTURE");
	if (only > 0) {
		become(only, goes_on, -1);
		return;
	}
	if (run(0, false, &result))
		return;
	if (judge(&result) != NULL || result.status != 0) {
		printf("%s: fails untortured\n%s\n", program, result.output);
		exit(1);
	}
	calls = atomic_load(&shared->calls);
	/* As many as there is time for, so that a short time, too, is spread over all calls. */
	once_ms = now_ms() - began_ms + 1;
	if (seconds * 1000 / once_ms < max)
		max = seconds * 1000 / once_ms + 1;
	step = calls > max ? (calls + max - 1) / max : 1;
	for (long n = 1; n <= calls && now_ms() < began_ms + seconds * 1000; n += step) {
		const char *verdict;

		if (run(n, goes_on, &result))
			return;
		runs++;
		verdict = judge(&result);
		if (verdict == NULL)
			continue;
		if (++bad <= 3)
			show(program, mode, n, verdict, result.output);
	}
	printf("%-24s %-8s %6ld calls %6ld runs %4ld bad\n", program, mode, calls, runs, bad);
	exit(bad > 0);
}
