/* SPDX-License-Identifier: BSD-2-Clause */
/* base64url: one text for each sequence of bytes, and no other. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/base64url.h"

/* RFC 4648, section 10, without its padding, and RFC 7515, appendix C. */
static const struct {
	const char *bytes;
	size_t n;
	const char *text;
} vectors[] = {
	{"", 0, ""},
	{"f", 1, "Zg"},
	{"fo", 2, "Zm8"},
	{"foo", 3, "Zm9v"},
	{"foob", 4, "Zm9vYg"},
	{"fooba", 5, "Zm9vYmE"},
	{"foobar", 6, "Zm9vYmFy"},
	{"\x03\xec\xff\xe0\xc1", 5, "A-z_4ME"},
};

static void vectors_both_ways(void **state)
{
	unsigned char bytes[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < LENGTH(vectors); i++) {
		struct buf out = BUF_INIT;

		base64url_encode(&out, vectors[i].bytes, vectors[i].n);
		assert_string_equal(buf_cstr(&out), vectors[i].text);
		assert_int_equal(
			base64url_decode(str_of(vectors[i].text), bytes, sizeof(bytes), &n), 0);
		assert_int_equal(n, vectors[i].n);
		assert_memory_equal(bytes, vectors[i].bytes, n);
		buf_deinit(&out);
	}
}

static void other_texts_are_refused(void **state)
{
	static const struct str bad[] = {
		{"Zg==", 4},
		{"Zm8=", 4},
		{"Zg=", 3},
		{"=", 1},
		{"Z", 1},
		{"Zm9vY", 5},
		{"Zm 8", 4},
		{" Zm8", 4},
		{"Zm8 ", 4},
		{"Zm8\n", 4},
		{"Zm\r\n8", 5},
		{"A+z/", 4},
		{"Zm9v\0", 5},
		{"Zm9v\xc3\xa4", 6},
		{"Zm.v", 4},
		/* unused bits that are not zero */
		{"Zh", 2},
		{"Zm9", 3},
		{"Zn9", 3},
		{"__", 2},
	};
	unsigned char bytes[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(base64url_decode(bad[i], bytes, sizeof(bytes), &n), -1);
}

/* Every byte alone, those beyond ASCII too: libsodium takes them for an underscore. */
static void only_the_alphabet_is_taken(void **state)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[3];
	size_t n;

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char text[4] = {'A', 'A', 'A', (char)c};
		bool is_good = c != 0 && strchr(alphabet, c) != NULL;

		assert_int_equal(base64url_decode((struct str){text, 4}, bytes, sizeof(bytes), &n),
				 is_good ? 0 : -1);
	}
}

static void capacity_is_respected(void **state)
{
	unsigned char bytes[7] = {0};
	size_t n;

	(void)state;
	assert_int_equal(base64url_decode(STR("Zm9vYmFy"), bytes, 6, &n), 0);
	assert_int_equal(base64url_decode(STR("Zm9vYmFy"), bytes, 5, &n), -1);
	assert_int_equal(bytes[6], 0);
}

static void long_inputs_join_without_a_seam(void **state)
{
	unsigned char in[1500], back[1500];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 7);
	for (size_t len = 380; len < sizeof(in); len += 61) {
		struct buf out = BUF_INIT;
		size_t n;

		base64url_encode(&out, in, len);
		assert_int_equal(out.len, BASE64URL_LEN(len));
		assert_int_equal(base64url_decode(buf_str(&out), back, sizeof(back), &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(in, back, n);
		buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_both_ways),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(only_the_alphabet_is_taken),
		cmocka_unit_test(capacity_is_respected),
		cmocka_unit_test(long_inputs_join_without_a_seam),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
