/* SPDX-License-Identifier: BSD-2-Clause */
/* What every connection of the bench needs: tokens that it signs itself, and curl handles. */
#ifndef BELLHOP_BENCH_CLIENT_H
#define BELLHOP_BENCH_CLIENT_H

#include <curl/curl.h>

#include "base/buf.h"
#include "options.h"
#include "web/keyring.h"

struct client {
	const struct options *options;
	struct keyring *ring;
	const struct keyring_key *key;
	size_t url_length; /* of options->url without a slash at its end */
};

/* 0, or -1 with a line of reason in *error. */
int client_init(struct client *client, const struct options *options, struct buf *error);
void client_deinit(struct client *client);

/*
 * Headers of a user's requests: Authorization with a token for every ticket, and Content-Type. NULL
 * if it could not be made; freed with curl_slist_free_all().
 */
struct curl_slist *client_headers(const struct client *client, const char *user);

/* A handle with all that is the same in every call; NULL if out of memory. */
CURL *client_easy(const struct client *client, const struct curl_slist *headers);

/* Sets the URL of a path that begins with "/v1/". */
void client_set_path(const struct client *client, CURL *easy, const char *path);

#endif
