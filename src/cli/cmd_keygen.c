/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop keygen: makes a key for tokens. An HS256 secret is printable, so that it can be pasted
 * into the configuration of the host application; an Ed25519 pair is written as PEM, the private
 * half as PKCS#8, the public half as SubjectPublicKeyInfo (RFC 8410).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/commands.h"
#include "cli/seal_keys.h"

enum {
	OPTION_ED25519 = OPTION_LONG,
	OPTION_KID,
	OPTION_SEAL,
	SECRET_CHARACTERS = 64, /* 6 random bits each */
};

static const struct command_option options[] = {
	{OPTION_ED25519, "ed25519", NULL, "make an Ed25519 pair instead of an HS256 secret"},
	{OPTION_KID, "kid", "KID", "the name the key will have (main)"},
	{OPTION_SEAL, "seal", NULL, "make a key for texts, and keep those that FILE has"},
	{0},
};

/* What precedes the 32 bytes of an Ed25519 key in DER: RFC 8410, sections 4 and 7. */
static const unsigned char private_prefix[] = {
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
	0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
};
static const unsigned char public_prefix[] = {
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
};

/* Writes a new file of ours; never touches one that is there. 0, or -1 after reporting. */
static int create_file(const struct invocation *in, const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		command_fail(in, "could not create %s: %s", path, strerror(errno));
		return -1;
	}
	/* The umask may have taken rights away that the owner needs. */
	if (fchmod(fd, 0600) != 0 || write(fd, text, length) != (ssize_t)length || fsync(fd) != 0) {
		command_fail(in, "could not write %s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

static int make_secret(const struct invocation *in, const char *path)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[SECRET_CHARACTERS + 2];
	int result;

	for (size_t i = 0; i < SECRET_CHARACTERS; i++)
		text[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
	text[SECRET_CHARACTERS] = '\n';
	text[SECRET_CHARACTERS + 1] = '\0';
	result = create_file(in, path, text);
	sodium_memzero(text, sizeof(text));
	return result;
}

/* PEM (RFC 7468) of prefix and key; both kinds fit on one line of base64. */
static void put_pem(struct buf *out, const char *label, struct str prefix, const unsigned char *key)
{
	unsigned char der[sizeof(private_prefix) + crypto_sign_SEEDBYTES];
	char base64[sodium_base64_ENCODED_LEN(sizeof(der), sodium_base64_VARIANT_ORIGINAL)];

	memcpy(der, prefix.p, prefix.n);
	memcpy(der + prefix.n, key, crypto_sign_SEEDBYTES);
	sodium_bin2base64(base64, sizeof(base64), der, prefix.n + crypto_sign_SEEDBYTES,
			  sodium_base64_VARIANT_ORIGINAL);
	buf_printf(out, "-----BEGIN %s KEY-----\n%s\n-----END %s KEY-----\n", label, base64, label);
	sodium_memzero(der, sizeof(der));
	sodium_memzero(base64, sizeof(base64));
}

static int make_pair(const struct invocation *in, const char *path, const char *public_path)
{
	unsigned char seed[crypto_sign_SEEDBYTES];
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
	struct buf private_pem;
	struct buf public_pem;
	int result = -1;

	buf_init(&private_pem);
	buf_init(&public_pem);
	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	buf_reserve(&private_pem, 256); /* at once, so that no copy is left behind unwiped */
	put_pem(&private_pem, "PRIVATE",
		(struct str){(const char *)private_prefix, sizeof(private_prefix)}, seed);
	put_pem(&public_pem, "PUBLIC",
		(struct str){(const char *)public_prefix, sizeof(public_prefix)}, public_key);
	if (buf_cstr(&private_pem) == NULL || buf_cstr(&public_pem) == NULL) {
		command_fail(in, "out of memory");
		goto out;
	}
	if (create_file(in, public_path, buf_cstr(&public_pem)) != 0)
		goto out;
	result = create_file(in, path, buf_cstr(&private_pem));
	if (result != 0)
		unlink(public_path);
out:
	if (private_pem.data != NULL)
		sodium_memzero(private_pem.data, private_pem.cap);
	buf_deinit(&private_pem);
	buf_deinit(&public_pem);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(secret_key, sizeof(secret_key));
	return result;
}

/* The lines that bring the key into force, ready to be appended to the settings file. */
static void print_settings(const char *path, const char *kid)
{
	char *absolute = realpath(path, NULL);

	printf("BELLHOP_JWT_KEY_FILE=%s\nBELLHOP_JWT_KID=%s\n", absolute ? absolute : path, kid);
	free(absolute);
}

static int keygen_pair(struct invocation *in, const char *path, const char *kid)
{
	struct buf public_path;
	int status = COMMAND_FAILED;

	buf_init(&public_path);
	buf_printf(&public_path, "%s.pub", path);
	if (buf_cstr(&public_path) == NULL) {
		command_fail(in, "out of memory");
	} else if (make_pair(in, path, buf_cstr(&public_path)) == 0) {
		printf("# %s signs tokens and stays where they are made;\n"
		       "# bellhop needs the public half only:\n",
		       path);
		print_settings(buf_cstr(&public_path), kid);
		status = COMMAND_OK;
	}
	buf_deinit(&public_path);
	return status;
}

static int run(struct invocation *in)
{
	const char *kid = "main";
	bool ed25519 = false, is_seal = false;
	int id;

	while ((id = command_option(in)) > 0) {
		switch (id) {
		case OPTION_ED25519:
			ed25519 = true;
			break;
		case OPTION_KID:
			kid = in->value;
			break;
		case OPTION_SEAL:
			is_seal = true;
			break;
		}
	}
	if (id < 0)
		return in->status;
	if (in->argc != 1)
		return command_usage(in, "it takes one FILE");
	if (is_seal && ed25519)
		return command_usage(in, "--seal and --ed25519 exclude each other");
	if (is_seal)
		return seal_keys_add(in, in->argv[0]);
	if (ed25519)
		return keygen_pair(in, in->argv[0], kid);
	if (make_secret(in, in->argv[0]) != 0)
		return COMMAND_FAILED;
	print_settings(in->argv[0], kid);
	return COMMAND_OK;
}

const struct command cmd_keygen = {
	.name = "keygen",
	.operands = "FILE",
	.summary = "make a key for signing tokens, or for sealing texts",
	.options = options,
	.run = run,
};
