/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens and handles. */
#include "config.h"

#include "client.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "web/json_write.h"
#include "web/jwt.h"

enum {
	TOKEN_LIFE_S = 86400,
	URL_MAX = 9216,
};

int client_init(struct client *client, const struct options *options, struct buf *error)
{
	struct keyring_source source = {.key_file = options->key_file, .kid = options->kid};

	memset(client, 0, sizeof(*client));
	client->options = options;
	client->url_length = strlen(options->url);
	while (client->url_length > 0 && options->url[client->url_length - 1] == '/')
		client->url_length--;
	client->ring = keyring_load(&source, error);
	if (client->ring == NULL)
		return -1;
	client->key = keyring_find(client->ring, str_of(options->kid));
	return client->key != NULL ? 0 : -1;
}

void client_deinit(struct client *client)
{
	keyring_free(client->ring);
}

static int put_token(const struct client *client, const char *user, struct buf *out)
{
	int64_t now_s = clock_real_ms() / 1000;
	struct json_write w;
	struct buf payload;
	int result = -1;

	buf_init(&payload);
	json_write_init(&w, &payload);
	json_write_open_object(&w);
	json_write_member_cstr(&w, "sub", user);
	json_write_member_cstr(&w, "role", client->options->role);
	json_write_member_cstr(&w, "tickets", "*");
	json_write_member_int(&w, "iat", now_s);
	json_write_member_int(&w, "exp", now_s + TOKEN_LIFE_S);
	json_write_close(&w);
	if (json_write_finish(&w) == 0)
		result =
			jwt_sign(client->key, str_of(client->options->kid), buf_str(&payload), out);
	buf_deinit(&payload);
	return result;
}

struct curl_slist *client_headers(const struct client *client, const char *user)
{
	struct curl_slist *list = NULL;
	struct curl_slist *longer = NULL;
	struct buf line;

	buf_init(&line);
	buf_puts(&line, "Authorization: Bearer ");
	if (put_token(client, user, &line) == 0 && buf_cstr(&line) != NULL)
		list = curl_slist_append(NULL, buf_cstr(&line));
	if (list != NULL)
		longer = curl_slist_append(list, "Content-Type: application/json");
	if (longer == NULL)
		curl_slist_free_all(list);
	buf_deinit(&line);
	return longer;
}

CURL *client_easy(const struct client *client, const struct curl_slist *headers)
{
	const struct options *options = client->options;
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, options->patience_ms);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 options->http2 ? (long)CURL_HTTP_VERSION_2TLS
					: (long)CURL_HTTP_VERSION_1_1);
	/* With HTTP/2, wait for a connection to share instead of making one more. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, options->http2 ? 1L : 0L);
	if (options->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
	return easy;
}

void client_set_path(const struct client *client, CURL *easy, const char *path)
{
	char url[URL_MAX];

	snprintf(url, sizeof(url), "%.*s%s", (int)client->url_length, client->options->url, path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
}
