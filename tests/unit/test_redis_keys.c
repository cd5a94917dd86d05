/* SPDX-License-Identifier: BSD-2-Clause */
/* Key names. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "store/redis_keys.h"

static struct redis_keys keys_of(const char *prefix, int64_t epoch, unsigned int partitions)
{
	struct redis_keys keys;

	assert_int_equal(redis_keys_init(&keys, prefix, epoch, partitions), 0);
	return keys;
}

static void assert_name(const struct redis_key *key, const char *name)
{
	assert_string_equal(key->text, name);
	assert_int_equal(key->name.n, strlen(name));
	assert_ptr_equal(key->name.p, key->text);
}

/* FNV-1a-32 as published: "" 811c9dc5, "a" e40c292c, "foobar" bf9cf968. */
static void test_partition_is_fnv1a(void **state)
{
	struct redis_keys keys = keys_of("", 1, 256);
	struct redis_keys many = keys_of("", 1, 4096);

	(void)state;
	assert_int_equal(redis_keys_partition(&keys, STR("a")), 0x2c);
	assert_int_equal(redis_keys_partition(&keys, STR("foobar")), 0x68);
	assert_int_equal(redis_keys_partition(&many, STR("foobar")), 0x968);
	assert_int_equal(redis_keys_partition(&keys, STR("")), 0xc5);
}

static void test_names(void **state)
{
	struct redis_keys keys = keys_of("bellhop:", 3, 256);
	struct redis_key key;

	(void)state;
	redis_keys_ticket(&keys, REDIS_KEY_CHAT, STR("foobar"), &key);
	assert_name(&key, "bellhop:3:{104}:chat:foobar");
	redis_keys_ticket(&keys, REDIS_KEY_META, STR("foobar"), &key);
	assert_name(&key, "bellhop:3:{104}:meta:foobar");
	redis_keys_ticket(&keys, REDIS_KEY_WHO, STR("foobar"), &key);
	assert_name(&key, "bellhop:3:{104}:who:foobar");
	redis_keys_ticket(&keys, REDIS_KEY_TYPING, STR("foobar"), &key);
	assert_name(&key, "bellhop:{104}:typing:foobar");
	redis_keys_ticket(&keys, REDIS_KEY_READ, STR("foobar"), &key);
	assert_name(&key, "bellhop:{104}:read:foobar");
	redis_keys_ticket(&keys, REDIS_KEY_HERE, STR("foobar"), &key);
	assert_name(&key, "bellhop:{104}:here:foobar");
	redis_keys_rate("bellhop:", STR("sends"), STR("ann@x"), &key);
	assert_name(&key, "bellhop:rate:sends:ann@x");
	redis_keys_swept(&keys, 7, &key);
	assert_name(&key, "bellhop:3:{7}:swept");
	redis_keys_channel("bellhop:", REDIS_CHANNEL_LIVE, STR("foobar"), &key);
	assert_name(&key, "bellhop:live:foobar");
	redis_keys_channel("bellhop:", REDIS_CHANNEL_USER, STR("a@b"), &key);
	assert_name(&key, "bellhop:user:a@b");
	redis_keys_channel("bellhop:", REDIS_CHANNEL_SYSTEM, STR("ignored"), &key);
	assert_name(&key, "bellhop:system");
	redis_keys_wake(&keys, STR("node"), 12, &key);
	assert_name(&key, "bellhop:wake:node:12");
	redis_keys_watched(&keys, 7, &key);
	assert_name(&key, "bellhop:{7}:watched");
	redis_keys_nodes(&keys, 7, &key);
	assert_name(&key, "bellhop:{7}:nodes");
	redis_keys_presence(&keys, STR("foobar"), &key);
	assert_name(&key, "bellhop:{u8}:presence:foobar");
	redis_keys_shard(&keys, REDIS_SHARD_ONLINE, 8, &key);
	assert_name(&key, "bellhop:{u8}:online");
	redis_keys_shard(&keys, REDIS_SHARD_DUE, 0, &key);
	assert_name(&key, "bellhop:{u0}:due");
	redis_keys_shard(&keys, REDIS_SHARD_AWAY, 15, &key);
	assert_name(&key, "bellhop:{u15}:away");
	redis_keys_shard(&keys, REDIS_SHARD_GONE, 15, &key);
	assert_name(&key, "bellhop:{u15}:gone");
	redis_keys_deployment("bellhop:", &key);
	assert_name(&key, "bellhop:deployment");
	redis_keys_epoch_pattern(&keys, &key);
	assert_name(&key, "bellhop:[1-9]*:{*}:*");
}

/* The longest of everything fits without being cut. */
static void test_longest_names_fit(void **state)
{
	char prefix[REDIS_KEYS_PREFIX_MAX + 1], ticket[REDIS_KEYS_TICKET_MAX];
	struct redis_keys keys;
	struct redis_key key;

	(void)state;
	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	memset(ticket, 't', sizeof(ticket));
	keys = keys_of(prefix, INT64_MAX, REDIS_KEYS_PARTITION_MAX);
	redis_keys_ticket(&keys, REDIS_KEY_CHAT, (struct str){ticket, sizeof(ticket)}, &key);
	assert_true(key.name.n < REDIS_KEY_SIZE - 1);
	assert_true(str_eq(redis_keys_ticket_of(&keys, key.name),
			   (struct str){ticket, sizeof(ticket)}));
	redis_keys_wake(&keys, (struct str){ticket, sizeof(ticket)}, INT64_MIN, &key);
	assert_true(key.name.n < REDIS_KEY_SIZE - 1);
}

static void test_ticket_of(void **state)
{
	struct redis_keys keys = keys_of("b:", 3, 256);
	static const char *const others[] = {
		"",
		"b:",
		"b:3",
		"b:3:{104}:chat:",
		"b:3:{105}:chat:foobar", /* not its partition */
		"b:4:{104}:chat:foobar",
		"b:03:{104}:chat:foobar",
		"c:3:{104}:chat:foobar",
		"b:3:{104}:meta:foobar",
		"b:3:{104:chat:foobar",
		"b:3:{}:chat:foobar",
		"b:99999999999999999999:{104}:chat:foobar",
		"b:wake:node:1",
	};

	(void)state;
	assert_true(
		str_eq(redis_keys_ticket_of(&keys, STR("b:3:{104}:chat:foobar")), STR("foobar")));
	for (size_t i = 0; i < LENGTH(others); i++)
		assert_null(redis_keys_ticket_of(&keys, str_of(others[i])).p);
}

static void test_epoch_of(void **state)
{
	struct redis_keys keys = keys_of("b:", 3, 256);

	(void)state;
	assert_int_equal(redis_keys_epoch_of(&keys, STR("b:2:{104}:chat:foobar")), 2);
	assert_int_equal(redis_keys_epoch_of(&keys, STR("b:17:{1}:swept")), 17);
	assert_int_equal(redis_keys_epoch_of(&keys, STR("b:{1}:read:foobar")), 0);
	assert_int_equal(redis_keys_epoch_of(&keys, STR("b:deployment")), 0);
	assert_int_equal(redis_keys_epoch_of(&keys, STR("b:2x:{1}:swept")), 0);
}

static void test_init_refuses(void **state)
{
	static const char *const prefixes[] = {"a b", "a{", "}",    "a*",      "a?",
					       "[",   "\\", "\x7f", "\xc3\xa4"};
	char longest[REDIS_KEYS_PREFIX_MAX + 2];
	struct redis_keys keys;

	(void)state;
	for (size_t i = 0; i < LENGTH(prefixes); i++) {
		assert_false(redis_keys_prefix_is_valid(prefixes[i]));
		assert_int_equal(redis_keys_init(&keys, prefixes[i], 1, 256), -1);
	}
	memset(longest, 'p', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(redis_keys_init(&keys, longest, 1, 256), -1);
	assert_int_equal(redis_keys_init(&keys, "b:", 0, 256), -1);
	assert_int_equal(redis_keys_init(&keys, "b:", 1, 0), -1);
	assert_int_equal(redis_keys_init(&keys, "b:", 1, REDIS_KEYS_PARTITION_MAX + 1), -1);
	assert_int_equal(redis_keys_init(&keys, "", 1, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partition_is_fnv1a), cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest_names_fit),  cmocka_unit_test(test_ticket_of),
		cmocka_unit_test(test_epoch_of),	   cmocka_unit_test(test_init_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
