/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS that ends: what the server said before that counts, and nobody waits for more. */
#include "config.h"

#include "cmocka_setup.h"

#ifdef HAVE_OPENSSL

#include <event2/event.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis_async.h"
#include "store/redis_conn.h"
#include "tempdir.h"
#include "wait_for.h"

#define HELLO "+OK\r\n"
#define HOST  "redis.test"

enum { TIMEOUT_MS = WAIT_FOR_MS / 2 };

static struct tempdir dir;
static SSL_CTX *server_ctx;
static char ca_file[192];

/* ---- the server's certificate ---- */

static X509 *sign_own(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:" HOST);

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)HOST, -1, -1,
				   0);
	X509_set_issuer_name(cert, name);
	X509_set_version(cert, 2);
	X509_add_ext(cert, names, -1);
	X509_EXTENSION_free(names);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

static int setup(void **state)
{
	EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;
	X509 *cert;
	FILE *file;

	(void)state;
	tempdir_init(&dir);
	assert_int_equal(EVP_PKEY_keygen_init(making), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(making, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_keygen(making, &key), 1);
	cert = sign_own(key);
	snprintf(ca_file, sizeof(ca_file), "%s", tempdir_name(&dir, "ca.pem"));
	file = fopen(ca_file, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, cert), 1);
	fclose(file);
	server_ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(server_ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server_ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(making);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	SSL_CTX_free(server_ctx);
	tempdir_deinit(&dir);
	return 0;
}

/* ---- the server ---- */

struct server {
	struct redis_target target;
	pid_t pid;
};

static void pass_on(SSL *ssl, int fd)
{
	char bytes[65536];
	int n = BIO_read(SSL_get_wbio(ssl), bytes, sizeof(bytes));

	if (n > 0 && send(fd, bytes, (size_t)n, MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* What it hears next; the handshake goes on by the way. */
static void hear(SSL *ssl, int fd)
{
	char bytes[65536];
	ssize_t n;

	while (SSL_read(ssl, bytes, sizeof(bytes)) <= 0) {
		pass_on(ssl, fd);
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			_exit(0);
		BIO_write(SSL_get_rbio(ssl), bytes, (int)n);
	}
}

/* The answer and the end of TLS are sent as one, and then the connection stays open. */
static void play(int fd, const char *answer)
{
	SSL *ssl = SSL_new(server_ctx);
	char bytes[1024];

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(ssl);
	hear(ssl, fd);
	SSL_write(ssl, HELLO, (int)strlen(HELLO));
	pass_on(ssl, fd);
	hear(ssl, fd);
	SSL_write(ssl, answer, (int)strlen(answer));
	SSL_shutdown(ssl);
	pass_on(ssl, fd);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		continue;
	SSL_free(ssl);
}

/* Each connection hears the next answer, up to NULL. */
static void serve(struct server *server, const char *const *answers)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct redis_tls_opts opts = {
		.host = HOST, .ca_file = ca_file, .cert_file = "", .key_file = ""};
	struct buf error = BUF_INIT;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *path = tempdir_name(&dir, "s");

	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	*server = (struct server){.target = {.path = strdup(path), .is_tls = true}};
	server->target.tls = redis_tls_ctx_new(&opts, &error);
	assert_non_null(server->target.tls);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
	server->pid = fork();
	if (server->pid == 0) {
		for (; *answers != NULL; answers++) {
			int fd = accept(listener, NULL, NULL);

			play(fd, *answers);
			close(fd);
		}
		_exit(0);
	}
	close(listener);
}

static void stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	redis_target_deinit(&server->target);
}

static struct buf two_pings(void)
{
	struct buf b = BUF_INIT;

	redis_wire_putc(&b, "PING", NULL);
	redis_wire_putc(&b, "PING", NULL);
	return b;
}

/* ---- the blocking carrier ---- */

/* A carrier for a server that gives these answers, to be stopped after it. */
static struct redis_conn *conn_to(struct server *server, const char *const *answers)
{
	struct redis_conn *conn;

	serve(server, answers);
	conn = redis_conn_new(&server->target, "test", TIMEOUT_MS);
	assert_non_null(conn);
	return conn;
}

static enum err exec_two(struct redis_conn *conn, redisReply **replies)
{
	struct buf b = two_pings();
	enum err err = redis_conn_exec(conn, &b, 2, clock_mono_ms() + TIMEOUT_MS, replies);

	buf_deinit(&b);
	return err;
}

static void what_came_before_the_end_counts(void **state)
{
	static const char *const answers[] = {"+PONG\r\n+PONG\r\n", "+PONG\r\n+AGAIN\r\n", NULL};
	redisReply *replies[2];
	struct server server;
	struct redis_conn *conn;

	(void)state;
	conn = conn_to(&server, answers);
	assert_int_equal(exec_two(conn, replies), ERR_NONE);
	assert_string_equal(replies[1]->str, "PONG");
	redis_conn_release(replies, 2);
	/* Nothing is sent into a connection that has ended. */
	assert_int_equal(exec_two(conn, replies), ERR_NONE);
	assert_string_equal(replies[1]->str, "AGAIN");
	assert_int_equal(redis_conn_generation(conn), 2);
	redis_conn_release(replies, 2);
	redis_conn_free(conn);
	stop(&server);
}

static void what_is_missing_then_is_not_waited_for(void **state)
{
	static const char *const answers[] = {"+PONG\r\n", NULL};
	redisReply *replies[2];
	struct server server;
	struct redis_conn *conn;

	(void)state;
	conn = conn_to(&server, answers);
	assert_int_equal(exec_two(conn, replies), ERR_UNCERTAIN);
	assert_string_equal(redis_conn_reason(conn), "the server closed the connection");
	redis_conn_free(conn);
	stop(&server);
}

/* ---- the event-driven carrier ---- */

struct seen {
	struct redis_async *ra;
	bool is_asked;
	int calls, downs;
	enum err err;
	char reason[80];
};

static void on_answer(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct seen *seen = arg;

	(void)replies;
	(void)n;
	seen->calls++;
	seen->err = err;
}

static void on_state(void *arg, bool is_up, const char *reason)
{
	struct seen *seen = arg;
	struct buf b;

	if (!is_up) {
		seen->downs++;
		snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
	} else if (!seen->is_asked) {
		b = two_pings();
		seen->is_asked = true;
		assert_non_null(redis_async_submit(
			seen->ra, &(struct redis_async_request){.commands = &b,
								.nreplies = 2,
								.timeout_ms = TIMEOUT_MS,
								.cb = on_answer,
								.arg = seen}));
		buf_deinit(&b);
	}
}

static void the_loop_hears_it_too(void **state)
{
	static const struct {
		const char *answers[2];
		enum err err;
	} rows[] = {
		{{"+PONG\r\n+PONG\r\n", NULL}, ERR_NONE},
		{{"+PONG\r\n", NULL}, ERR_UNCERTAIN},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct event_base *base = event_base_new();
		int64_t deadline_ms = clock_mono_ms() + TIMEOUT_MS;
		struct seen seen = {0};
		struct server server;

		serve(&server, rows[i].answers);
		seen.ra = redis_async_new(
			base, &(struct redis_async_opts){.target = &server.target,
							 .name = "test",
							 .connect_timeout_ms = TIMEOUT_MS,
							 .on_state = on_state,
							 .arg = &seen});
		assert_non_null(seen.ra);
		while ((seen.calls == 0 || seen.downs == 0) && clock_mono_ms() < deadline_ms)
			event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(seen.calls, 1);
		assert_int_equal(seen.err, rows[i].err);
		assert_string_equal(seen.reason, "the server closed the connection");
		redis_async_close(seen.ra);
		event_base_free(base);
		stop(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_before_the_end_counts),
		cmocka_unit_test(what_is_missing_then_is_not_waited_for),
		cmocka_unit_test(the_loop_hears_it_too),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

#else

int main(void)
{
	return 0;
}

#endif
