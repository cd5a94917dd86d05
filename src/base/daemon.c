/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets, peers, signals, systemd. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"

#define SYSTEMD_FIRST_FD    3
#define PREDECESSOR_MS	    INT64_C(1000)
#define PREDECESSOR_STEP_MS 50

/* ---- the listening socket ---- */

static bool is_listening(int fd)
{
	int listening = 0, type = 0;
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
		return false;
	size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int make_quiet(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return 0;
}

/* Moves the socket away from fd 0, so that nothing takes it for standard input. */
static int take_stdin(struct buf *error)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, SYSTEMD_FIRST_FD + 1);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || make_quiet(fd) < 0) {
		buf_printf(error, "could not take the socket on fd 0: %s\n", strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	if (null >= 0)
		close(null);
	return fd;
}

/* Does systemd hand a socket to this very process? (sd_listen_fds(3)) */
static bool has_systemd_socket(void)
{
	const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
	int64_t pid, count;

	return str_to_i64(str_of(pid_text), 1, INT_MAX, &pid) == 0 && pid == getpid() &&
	       str_to_i64(str_of(count_text), 1, INT_MAX, &count) == 0;
}

static int take_systemd(struct buf *error)
{
	int64_t count = 0;

	str_to_i64(str_of(getenv("LISTEN_FDS")), 1, INT_MAX, &count);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count != 1 || !is_listening(SYSTEMD_FIRST_FD)) {
		buf_puts(error, "could not use the socket on fd 3: exactly one listening stream "
				"socket is needed\n");
		return -1;
	}
	if (make_quiet(SYSTEMD_FIRST_FD) < 0) {
		buf_printf(error, "could not use the socket on fd 3: %s\n", strerror(errno));
		return -1;
	}
	return SYSTEMD_FIRST_FD;
}

static int set_address(struct sockaddr_un *address, const char *path, struct buf *error)
{
	size_t n = strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n >= sizeof(address->sun_path)) {
		buf_printf(error, "could not listen on %s: a socket's path has at most %zu bytes\n",
			   path, sizeof(address->sun_path) - 1);
		return -1;
	}
	memcpy(address->sun_path, path, n);
	return 0;
}

/* Is somebody listening there? A full backlog (EAGAIN) says yes as well. */
static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool answered;

	if (fd < 0)
		return true;
	answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		   (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return answered;
}

/*
 * Makes the path free for bind(): removes a stale socket, gives a live one a moment to go, never
 * touches anything else.
 */
static int clear_path(const struct sockaddr_un *address, struct buf *error)
{
	const char *path = address->sun_path;
	int64_t deadline_ms = clock_mono_ms() + PREDECESSOR_MS;
	struct stat st;

	while (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			buf_printf(error, "could not listen on %s: it is there, and no socket\n",
				   path);
			return -1;
		}
		if (!is_answered(address)) {
			if (unlink(path) == 0 || errno == ENOENT)
				break;
			buf_printf(error, "could not remove the stale socket %s: %s\n", path,
				   strerror(errno));
			return -1;
		}
		if (clock_wait_ms(deadline_ms) == 0) {
			buf_printf(error, "could not listen on %s: another process does\n", path);
			return -1;
		}
		poll(NULL, 0, PREDECESSOR_STEP_MS);
	}
	return 0;
}

/*
 * Locks the socket's directory, so that of two starting processes one finds the other's socket
 * complete. Returns the descriptor to close, or -1.
 */
static int lock_directory(const char *path, struct buf *error)
{
	int64_t deadline_ms = clock_mono_ms() + 2 * PREDECESSOR_MS;
	char *copy = str_dup(str_of(path));
	const char *directory = copy != NULL ? dirname(copy) : ".";
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		buf_printf(error, "could not listen on %s: %s: %s\n", path, directory,
			   strerror(errno));
		goto out;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_wait_ms(deadline_ms) == 0) {
			buf_printf(error, "could not lock %s: %s\n", directory, strerror(errno));
			close(fd);
			fd = -1;
			goto out;
		}
		poll(NULL, 0, PREDECESSOR_STEP_MS);
	}
out:
	free(copy);
	return fd;
}

static int find_group(const char *group, gid_t *gid_r)
{
	struct group *entry = getgrnam(group);
	int64_t gid;

	if (entry != NULL) {
		*gid_r = entry->gr_gid;
		return 0;
	}
	if (str_to_i64(str_of(group), 0, UINT32_MAX - 1, &gid) < 0)
		return -1;
	*gid_r = (gid_t)gid;
	return 0;
}

static int find_user(struct str name, uid_t *uid_r)
{
	char *text = str_dup(name);
	struct passwd *entry = text != NULL ? getpwnam(text) : NULL;
	int64_t uid;

	free(text);
	if (entry != NULL) {
		*uid_r = entry->pw_uid;
		return 0;
	}
	if (str_to_i64(name, 0, UINT32_MAX - 1, &uid) < 0)
		return -1;
	*uid_r = (uid_t)uid;
	return 0;
}

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* Whom the settings give the socket to; -1 of what they leave. */
static int find_owners(const struct daemon_listen_opts *opts, uid_t *uid_r, gid_t *gid_r,
		       struct buf *error)
{
	*uid_r = (uid_t)-1;
	*gid_r = (gid_t)-1;
	if (is_set(opts->owner) && find_user(str_of(opts->owner), uid_r) < 0) {
		buf_printf(error, "could not listen on %s: there is no user %s\n", opts->path,
			   opts->owner);
		return -1;
	}
	if (is_set(opts->group) && find_group(opts->group, gid_r) < 0) {
		buf_printf(error, "could not listen on %s: there is no group %s\n", opts->path,
			   opts->group);
		return -1;
	}
	return 0;
}

/*
 * Gives the socket away. Never by its name: the directory may be somebody else's, who could have put a link
 * to any file in its place.
 */
static int set_owners(const struct daemon_listen_opts *opts, struct stat *st_r, struct buf *error)
{
	int fd = open(opts->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int result = -1;
	uid_t uid;
	gid_t gid;

	*st_r = (struct stat){0};
	if (fd < 0 || fstat(fd, st_r) < 0)
		buf_printf(error, "could not listen on %s: %s\n", opts->path, strerror(errno));
	else if (!S_ISSOCK(st_r->st_mode))
		buf_printf(error, "could not listen on %s: somebody has replaced it\n", opts->path);
	else if (find_owners(opts, &uid, &gid, error) < 0)
		goto out;
	else if ((uid != (uid_t)-1 || gid != (gid_t)-1) &&
		 (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 || fstat(fd, st_r) < 0))
		buf_printf(error, "could not give %s to %s %s: %s\n", opts->path,
			   is_set(opts->owner) ? opts->owner : "group",
			   is_set(opts->group) ? opts->group : "", strerror(errno));
	else
		result = 0;
out:
	if (fd >= 0)
		close(fd);
	return result;
}

/* Where it was bound, *st_r tells what lies there. */
static int bind_and_listen(int fd, const struct sockaddr_un *address,
			   const struct daemon_listen_opts *opts, struct stat *st_r,
			   struct buf *error)
{
	/* Nobody connects before it listens. */
	mode_t umask_before = umask(0777 & ~opts->mode);
	int result = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	int bind_errno = errno;

	umask(umask_before);
	if (result < 0) {
		buf_printf(error, "could not listen on %s: %s\n", opts->path, strerror(bind_errno));
		return -1;
	}
	if (set_owners(opts, st_r, error) < 0) {
		if (S_ISSOCK(st_r->st_mode))
			unlink(opts->path);
		return -1;
	}
	if (listen(fd, opts->backlog) < 0) {
		buf_printf(error, "could not listen on %s: %s\n", opts->path, strerror(errno));
		unlink(opts->path);
		return -1;
	}
	return 0;
}

static int listen_own(const struct daemon_listen_opts *opts, struct daemon_socket *sock,
		      struct buf *error)
{
	struct sockaddr_un address;
	struct stat st;
	int fd = -1, lock = -1, result = -1;

	if (set_address(&address, opts->path, error) < 0)
		return -1;
	lock = lock_directory(opts->path, error);
	if (lock < 0)
		return -1;
	if (clear_path(&address, error) < 0)
		goto out;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	sock->path = str_dup(str_of(opts->path));
	if (fd < 0 || sock->path == NULL) {
		buf_printf(error, "could not make a socket: %s\n", strerror(errno));
		goto out;
	}
	if (bind_and_listen(fd, &address, opts, &st, error) < 0)
		goto out;
	sock->dev = st.st_dev;
	sock->inode = st.st_ino;
	sock->changed = st.st_ctim;
	sock->owner = getpid();
	sock->fd = fd;
	result = 0;
out:
	if (result < 0) {
		free(sock->path);
		sock->path = NULL;
		if (fd >= 0)
			close(fd);
	}
	close(lock);
	return result;
}

int daemon_listen(const struct daemon_listen_opts *opts, struct daemon_socket *socket_r,
		  struct buf *error)
{
	*socket_r = (struct daemon_socket){.fd = -1};
	if (is_listening(STDIN_FILENO)) {
		socket_r->origin = DAEMON_FROM_STDIN;
		socket_r->fd = take_stdin(error);
	} else if (has_systemd_socket()) {
		socket_r->origin = DAEMON_FROM_SYSTEMD;
		socket_r->fd = take_systemd(error);
	} else {
		socket_r->origin = DAEMON_OWN;
		return listen_own(opts, socket_r, error);
	}
	return socket_r->fd >= 0 ? 0 : -1;
}

/* Is what lies at the path what this process has bound? */
static bool is_ours(const struct daemon_socket *sock)
{
	struct stat st;

	return sock->path != NULL && sock->owner == getpid() && lstat(sock->path, &st) == 0 &&
	       st.st_dev == sock->dev && st.st_ino == sock->inode &&
	       st.st_ctim.tv_sec == sock->changed.tv_sec &&
	       st.st_ctim.tv_nsec == sock->changed.tv_nsec;
}

void daemon_close(struct daemon_socket *sock)
{
	if (is_ours(sock))
		unlink(sock->path);
	if (sock->fd >= 0)
		close(sock->fd);
	free(sock->path);
	*sock = (struct daemon_socket){.fd = -1};
}

/* ---- who may connect ---- */

struct daemon_peers {
	size_t n;
	uid_t uids[];
};

struct daemon_peers *daemon_peers_new(const char *list, struct buf *error)
{
	struct str rest = str_of(list), word;
	struct daemon_peers *peers;
	size_t count = 0;

	while (str_word(&rest, &word))
		count++;
	peers = malloc(sizeof(*peers) + count * sizeof(peers->uids[0]));
	if (peers == NULL) {
		buf_puts(error, "could not note the peers: out of memory\n");
		return NULL;
	}
	peers->n = 0;
	rest = str_of(list);
	while (str_word(&rest, &word)) {
		if (find_user(word, &peers->uids[peers->n]) < 0) {
			buf_printf(error, "there is no user %.*s\n", STR_ARG(word));
			free(peers);
			return NULL;
		}
		peers->n++;
	}
	return peers;
}

void daemon_peers_free(struct daemon_peers *peers)
{
	free(peers);
}

bool daemon_peer_allowed(const struct daemon_peers *peers, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (peers == NULL || peers->n == 0)
		return true;
	/* Over TCP the call succeeds with pid 0 and uid -1. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid == 0)
		return false;
	if (peer.uid == 0)
		return true;
	for (size_t i = 0; i < peers->n; i++) {
		if (peers->uids[i] == peer.uid)
			return true;
	}
	return false;
}

/* ---- signals ---- */

int daemon_signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int daemon_signals_next(int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

/* ---- systemd ---- */

void daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size;
	size_t n;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	n = strlen(path);
	if (n >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, n);
	/* @ stands for the NUL byte that begins a name of the abstract namespace. */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nothing can be done about a supervisor that does not listen. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
	close(fd);
}

void daemon_notify_reloading(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)clock_mono_us());
	daemon_notify(state);
}

int64_t daemon_watchdog_ms(void)
{
	const char *pid_text = getenv("WATCHDOG_PID");
	int64_t pid, period_us;

	if (str_to_i64(str_of(getenv("WATCHDOG_USEC")), 2000, INT64_MAX, &period_us) < 0)
		return 0;
	if (pid_text != NULL &&
	    (str_to_i64(str_of(pid_text), 1, INT_MAX, &pid) < 0 || pid != getpid()))
		return 0;
	return period_us / 2000;
}

/* ---- resources ---- */

int64_t daemon_raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}
