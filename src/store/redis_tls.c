/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS between two buffers in memory. */
#include "config.h"

#include "store/redis_tls.h"

#ifdef HAVE_OPENSSL

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct redis_tls_ctx {
	SSL_CTX *ssl;
	char *host;
	unsigned int owners;
};

struct redis_tls {
	SSL *ssl;
	BIO *in, *out;	   /* owned by ssl */
	struct buf unsaid; /* until the handshake is over */
	bool has_ended;
	char reason[128];
};

bool redis_tls_is_built(void)
{
	return true;
}

/* The newest error of OpenSSL's, which then forgets them all. */
static const char *last_error(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return text != NULL ? text : "unknown error";
}

/* ---- what is trusted and shown ---- */

/* Otherwise OpenSSL would ask the terminal for the password of a key that has one. */
static int no_password(char *bytes, int size, int is_writing, void *arg)
{
	(void)bytes;
	(void)size;
	(void)is_writing;
	(void)arg;
	return 0;
}

static EVP_PKEY *read_key(const char *path, struct buf *error)
{
	struct secret text = {0};
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;

	if (secret_load(path, 1, &text, error) != 0)
		return NULL;
	bio = BIO_new_mem_buf(text.data, (int)text.len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (key == NULL)
		buf_printf(error, "could not use the key in %s: %s\n", path, last_error());
	BIO_free(bio);
	secret_wipe(&text);
	return key;
}

static int show_certificate(SSL_CTX *ssl, const struct redis_tls_opts *opts, struct buf *error)
{
	const char *key_file = opts->key_file[0] != '\0' ? opts->key_file : opts->cert_file;
	EVP_PKEY *key;
	int status = 0;

	if (SSL_CTX_use_certificate_chain_file(ssl, opts->cert_file) != 1) {
		buf_printf(error, "could not use the certificate in %s: %s\n", opts->cert_file,
			   last_error());
		return -1;
	}
	key = read_key(key_file, error);
	if (key == NULL)
		return -1;
	if (SSL_CTX_use_PrivateKey(ssl, key) != 1) {
		buf_printf(error, "the key in %s is not that of the certificate in %s: %s\n",
			   key_file, opts->cert_file, last_error());
		status = -1;
	}
	EVP_PKEY_free(key);
	return status;
}

static int set_up(SSL_CTX *ssl, const struct redis_tls_opts *opts, struct buf *error)
{
	int is_trusting;

	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
		buf_printf(error, "could not set up TLS: %s\n", last_error());
		return -1;
	}
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	/* A connection that has nothing to do gives its buffers back: push has many. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	is_trusting = opts->ca_file[0] != '\0'
			      ? SSL_CTX_load_verify_locations(ssl, opts->ca_file, NULL)
			      : SSL_CTX_set_default_verify_paths(ssl);
	if (is_trusting != 1) {
		buf_printf(error, "could not read the authorities in %s: %s\n",
			   opts->ca_file[0] != '\0' ? opts->ca_file : "the system's files",
			   last_error());
		return -1;
	}
	return opts->cert_file[0] != '\0' ? show_certificate(ssl, opts, error) : 0;
}

struct redis_tls_ctx *redis_tls_ctx_new(const struct redis_tls_opts *opts, struct buf *error)
{
	struct redis_tls_ctx *ctx = calloc(1, sizeof(*ctx));

	if (ctx != NULL) {
		ctx->owners = 1;
		ctx->host = strdup(opts->host);
		ctx->ssl = SSL_CTX_new(TLS_client_method());
	}
	if (ctx == NULL || ctx->host == NULL || ctx->ssl == NULL)
		buf_puts(error, "out of memory\n");
	else if (set_up(ctx->ssl, opts, error) == 0)
		return ctx;
	redis_tls_ctx_free(ctx);
	return NULL;
}

struct redis_tls_ctx *redis_tls_ctx_share(struct redis_tls_ctx *ctx)
{
	if (ctx != NULL)
		ctx->owners++;
	return ctx;
}

void redis_tls_ctx_free(struct redis_tls_ctx *ctx)
{
	if (ctx == NULL || --ctx->owners > 0)
		return;
	SSL_CTX_free(ctx->ssl);
	free(ctx->host);
	free(ctx);
}

/* ---- a connection ---- */

static bool is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whom the certificate has to name; a server of several names is told which one is meant. */
static int expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ? 0 : -1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
			       SSL_set_tlsext_host_name(ssl, host) == 1
		       ? 0
		       : -1;
}

struct redis_tls *redis_tls_new(const struct redis_tls_ctx *ctx)
{
	struct redis_tls *tls;

	if (ctx == NULL)
		return NULL;
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return NULL;
	buf_init(&tls->unsaid);
	tls->ssl = SSL_new(ctx->ssl);
	if (tls->ssl != NULL) {
		tls->in = BIO_new(BIO_s_mem());
		tls->out = BIO_new(BIO_s_mem());
	}
	if (tls->in == NULL || tls->out == NULL) {
		BIO_free(tls->in);
		BIO_free(tls->out);
		redis_tls_free(tls);
		return NULL;
	}
	/* Empty is «not yet», and not the end. */
	BIO_set_mem_eof_return(tls->in, -1);
	BIO_set_mem_eof_return(tls->out, -1);
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_connect_state(tls->ssl);
	if (expect_host(tls->ssl, ctx->host) != 0) {
		redis_tls_free(tls);
		return NULL;
	}
	return tls;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->len);
	buf_deinit(b);
	buf_init(b);
}

void redis_tls_free(struct redis_tls *tls)
{
	if (tls == NULL)
		return;
	wipe(&tls->unsaid);
	SSL_free(tls->ssl);
	ERR_clear_error();
	free(tls);
}

const char *redis_tls_reason(const struct redis_tls *tls)
{
	return tls->reason;
}

/* What became of a call of OpenSSL's: 0 if it only waits for more bytes, else -1 with the reason noted. */
static int judge(struct redis_tls *tls, int result)
{
	long verdict = SSL_get_verify_result(tls->ssl);

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(tls->reason, sizeof(tls->reason), "the server closed the connection");
		return -1;
	default:
		snprintf(tls->reason, sizeof(tls->reason), "TLS: %s",
			 verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
					      : last_error());
		ERR_clear_error();
		return -1;
	}
}

/* Goes on with the handshake; once it is over, says what was put in meanwhile. */
static int go_on(struct redis_tls *tls)
{
	int result;

	ERR_clear_error();
	if (!SSL_is_init_finished(tls->ssl)) {
		result = SSL_do_handshake(tls->ssl);
		if (result != 1)
			return judge(tls, result);
	}
	if (tls->unsaid.len == 0)
		return 0;
	result = SSL_write(tls->ssl, tls->unsaid.data, (int)tls->unsaid.len);
	if (result <= 0)
		return judge(tls, result);
	wipe(&tls->unsaid);
	return 0;
}

int redis_tls_put(struct redis_tls *tls, struct str plain)
{
	if (plain.n > INT32_MAX - tls->unsaid.len) {
		snprintf(tls->reason, sizeof(tls->reason), "too much to be said");
		return -1;
	}
	buf_put_str(&tls->unsaid, plain);
	if (!buf_ok(&tls->unsaid)) {
		snprintf(tls->reason, sizeof(tls->reason), "out of memory");
		return -1;
	}
	return go_on(tls);
}

int redis_tls_feed(struct redis_tls *tls, struct str sealed)
{
	if (sealed.n > INT32_MAX || BIO_write(tls->in, sealed.p, (int)sealed.n) != (int)sealed.n) {
		snprintf(tls->reason, sizeof(tls->reason), "out of memory");
		return -1;
	}
	return go_on(tls);
}

bool redis_tls_has_output(const struct redis_tls *tls)
{
	return BIO_pending(tls->out) > 0;
}

size_t redis_tls_drain(struct redis_tls *tls, char *bytes, size_t size)
{
	int n = BIO_read(tls->out, bytes, (int)(size < INT32_MAX ? size : INT32_MAX));

	return n > 0 ? (size_t)n : 0;
}

int redis_tls_read(struct redis_tls *tls, char *bytes, int size)
{
	int n;

	if (!SSL_is_init_finished(tls->ssl))
		return 0;
	ERR_clear_error();
	n = SSL_read(tls->ssl, bytes, size);
	if (n > 0)
		return n;
	/* Not a failure yet: what the server said before that is still to be looked at. */
	tls->has_ended = SSL_get_error(tls->ssl, n) == SSL_ERROR_ZERO_RETURN;
	return tls->has_ended ? 0 : judge(tls, n);
}

bool redis_tls_has_ended(const struct redis_tls *tls)
{
	return tls != NULL && tls->has_ended;
}

#else /* built without */

bool redis_tls_is_built(void)
{
	return false;
}

struct redis_tls_ctx *redis_tls_ctx_new(const struct redis_tls_opts *opts, struct buf *error)
{
	(void)opts;
	buf_puts(error, "built without OpenSSL\n");
	return NULL;
}

struct redis_tls_ctx *redis_tls_ctx_share(struct redis_tls_ctx *ctx)
{
	return ctx;
}

void redis_tls_ctx_free(struct redis_tls_ctx *ctx)
{
	(void)ctx;
}

/* There is no ctx, so there is no connection either, and nobody calls the rest. */
struct redis_tls *redis_tls_new(const struct redis_tls_ctx *ctx)
{
	(void)ctx;
	return NULL;
}

void redis_tls_free(struct redis_tls *tls)
{
	(void)tls;
}

int redis_tls_put(struct redis_tls *tls, struct str plain)
{
	(void)tls;
	(void)plain;
	return -1;
}

int redis_tls_feed(struct redis_tls *tls, struct str sealed)
{
	(void)tls;
	(void)sealed;
	return -1;
}

bool redis_tls_has_output(const struct redis_tls *tls)
{
	(void)tls;
	return false;
}

size_t redis_tls_drain(struct redis_tls *tls, char *bytes, size_t size)
{
	(void)tls;
	(void)bytes;
	(void)size;
	return 0;
}

int redis_tls_read(struct redis_tls *tls, char *bytes, int size)
{
	(void)tls;
	(void)bytes;
	(void)size;
	return -1;
}

bool redis_tls_has_ended(const struct redis_tls *tls)
{
	(void)tls;
	return false;
}

const char *redis_tls_reason(const struct redis_tls *tls)
{
	(void)tls;
	return "built without OpenSSL";
}

#endif
