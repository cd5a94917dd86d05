/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts in lines of JSON. */
#include "config.h"

#include "cli/text_line.h"

#include <sodium.h>
#include <string.h>

#include "cli/json_get.h"
#include "web/json_write.h"

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };

/* The bytes as a JSON string in base64, which needs no escapes. */
static void put_base64(struct buf *out, struct str bytes)
{
	size_t size = sodium_base64_ENCODED_LEN(bytes.n, VARIANT);

	buf_putc(out, '"');
	if (buf_reserve(out, size) != 0)
		return;
	sodium_bin2base64(out->data + out->len, size, (const unsigned char *)bytes.p, bytes.n,
			  VARIANT);
	out->len += size - 1;
	buf_putc(out, '"');
}

/* 0, or -1 where it is not base64 as we write it, or memory ran out. */
static int get_base64(struct str text, struct buf *bytes)
{
	const char *end = NULL;
	size_t n = 0;

	if (buf_reserve(bytes, text.n) != 0 ||
	    sodium_base642bin((unsigned char *)bytes->data, text.n, text.p, text.n, NULL, &n, &end,
			      VARIANT) != 0 ||
	    end != text.p + text.n)
		return -1;
	bytes->len = n;
	return 0;
}

void text_line_put(struct buf *out, struct str row, struct str stored)
{
	struct json_write j;

	/* The object goes on where it ended. */
	buf_put(out, row.p, row.n > 0 ? row.n - 1 : 0);
	if (seal_is_sealed(stored)) {
		buf_puts(out, ", \"sealed\": ");
		put_base64(out, stored);
	} else {
		buf_puts(out, ", \"content\": ");
		json_write_init(&j, out);
		json_write_str(&j, stored);
		out->failed = out->failed || json_write_finish(&j) != 0;
	}
	buf_putc(out, '}');
}

/* The object without its member `content`. NULL, or what is wrong. */
static const char *put_without_content(struct buf *out, const struct json_read_value *root)
{
	const struct json_read_value *member;
	const char *fault = NULL;
	struct json_write j;

	json_write_init(&j, out);
	json_write_open_object(&j);
	for (member = json_read_first(root); member != NULL; member = json_read_next(member)) {
		if (str_eq_c(json_read_key(member), "content"))
			continue;
		json_write_key_str(&j, json_read_key(member));
		switch (json_read_type(member)) {
		case JSON_READ_NULL:
			json_write_null(&j);
			break;
		case JSON_READ_BOOL:
			json_write_bool(&j, json_read_bool(member));
			break;
		case JSON_READ_NUMBER:
			json_write_raw(&j, json_read_str(member));
			break;
		case JSON_READ_STRING:
			json_write_str(&j, json_read_str(member));
			break;
		case JSON_READ_ARRAY:
		case JSON_READ_OBJECT:
			fault = "a row has no member of members";
			json_write_null(&j);
			break;
		}
	}
	json_write_close(&j);
	out->failed = out->failed || json_write_finish(&j) != 0;
	return fault;
}

/* A plain text, which is to be stored sealed. */
static const char *seal_line(const struct seal *seal, const struct seal_place *place,
			     const struct json_read_value *root, struct buf *out)
{
	struct buf row = BUF_INIT, sealed = BUF_INIT;
	const char *fault = NULL;

	if (place->uid.p == NULL || place->sender.p == NULL)
		fault = "it does not say whose text it is, so it cannot be sealed: import it with "
			"BELLHOP_SEAL_KEYS_FILE empty, then run bellhop reseal";
	else if (seal_put(seal, place, json_get_str(root, "content"), &sealed) != 0)
		fault = "its text cannot be sealed";
	else
		fault = put_without_content(&row, root);
	if (fault == NULL && buf_ok(&row))
		text_line_put(out, buf_str(&row), buf_str(&sealed));
	out->failed = out->failed || !buf_ok(&row);
	buf_deinit(&row);
	buf_deinit(&sealed);
	return fault;
}

static const char *check_sealed(const struct seal *seal, const struct seal_place *place,
				struct str base64)
{
	struct buf bytes = BUF_INIT, out = BUF_INIT;
	const char *fault = "its member sealed is no sealed text";
	struct str text;

	if (get_base64(base64, &bytes) == 0 && seal_is_sealed(buf_str(&bytes))) {
		switch (seal_open(seal, place, buf_str(&bytes), &out, &text)) {
		case SEAL_OPENED:
			fault = NULL;
			break;
		case SEAL_UNKNOWN_KEY:
			fault = "its text is sealed with a key that is not in "
				"BELLHOP_SEAL_KEYS_FILE";
			break;
		case SEAL_TAMPERED:
			fault = "its sealed text was changed, or belongs to another message";
			break;
		case SEAL_MALFORMED:
			break;
		case SEAL_MEMORY:
			fault = "out of memory";
			break;
		}
	}
	buf_deinit(&bytes);
	buf_deinit(&out);
	return fault;
}

const char *text_line_take(const struct seal *seal, const struct json_read_value *root,
			   struct str line, struct buf *out)
{
	const struct seal_place place = {json_get_str(root, "ticket_id"), json_get_str(root, "uid"),
					 json_get_str(root, "sender_id")};
	const struct str content = json_get_str(root, "content");
	const struct str sealed = json_get_str(root, "sealed");
	const char *fault = NULL;

	if (content.p != NULL && sealed.p != NULL)
		return "it has its text twice";
	if (seal_is_sealed(content))
		return "its text begins with a control character";
	if (content.p != NULL && seal != NULL)
		return seal_line(seal, &place, root, out);
	if (sealed.p != NULL)
		fault = check_sealed(seal, &place, sealed);
	if (fault == NULL)
		buf_put_str(out, line);
	return fault;
}
