/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements as they are built, rows as they are read, errors as they are understood. */
#include "config.h"

#include "store/pg_sql.h"

#include <string.h>

#include "cmocka_setup.h"

static const struct pg_query query = {.name = "q", .sql = "SELECT 1"};

static void assert_param(const struct pg_stmt *stmt, int i, const void *bytes, int n,
			 bool is_binary)
{
	assert_int_equal(stmt->params[i].length, n);
	assert_int_equal(stmt->params[i].is_binary, is_binary);
	assert_memory_equal(stmt->bytes.data + stmt->params[i].offset, bytes, (size_t)n);
	/* libpq reads text up to its NUL. */
	assert_int_equal(stmt->bytes.data[stmt->params[i].offset + (size_t)n], '\0');
}

static void parameters(void **state)
{
	static const struct str texts[] = {STR("T-1"), STR("a\"b\\c"), STR("")};
	static const int64_t ints[] = {1, INT64_MIN, INT64_MAX};
	struct pg_stmt stmt;

	(void)state;
	pg_stmt_init(&stmt, &query);
	pg_stmt_text(&stmt, STR("text"));
	pg_stmt_text(&stmt, (struct str){0});
	pg_stmt_bytes(&stmt, (struct str){"\0\1\2", 3});
	pg_stmt_bytes(&stmt, (struct str){0});
	pg_stmt_int(&stmt, INT64_MIN);
	pg_stmt_bool(&stmt, true);
	pg_stmt_bool(&stmt, false);
	pg_stmt_text(&stmt, STR(""));
	pg_stmt_time(&stmt, INT64_C(946684800000001));
	pg_stmt_time(&stmt, 0);
	pg_stmt_text_array(&stmt, texts, LENGTH(texts));
	pg_stmt_int_array(&stmt, ints, LENGTH(ints));
	pg_stmt_text_array(&stmt, NULL, 0);
	assert_true(pg_stmt_ok(&stmt));
	assert_int_equal(stmt.count, 13);
	assert_param(&stmt, 0, "text", 4, false);
	assert_int_equal(stmt.params[1].length, -1);
	assert_param(&stmt, 2, "\0\1\2", 3, true);
	assert_int_equal(stmt.params[3].length, -1);
	assert_param(&stmt, 4, "-9223372036854775808", 20, false);
	assert_param(&stmt, 5, "t", 1, false);
	assert_param(&stmt, 6, "f", 1, false);
	assert_param(&stmt, 7, "", 0, false);
	assert_param(&stmt, 8, "\0\0\0\0\0\0\0\1", 8, true);
	/* 1970: thirty years of microseconds before PostgreSQL's origin. */
	assert_param(&stmt, 9, "\xff\xfc\xa2\xfe\xc4\xc8\x20\x00", 8, true);
	assert_param(&stmt, 10, "{\"T-1\",\"a\\\"b\\\\c\",\"\"}", 20, false);
	assert_param(&stmt, 11, "{1,-9223372036854775808,9223372036854775807}", 44, false);
	assert_param(&stmt, 12, "{}", 2, false);
	pg_stmt_deinit(&stmt);
}

static void statements_that_must_not_be_sent(void **state)
{
	const struct str nul = {"a\0b", 3};
	struct pg_stmt stmt;

	(void)state;
	pg_stmt_init(&stmt, &query);
	pg_stmt_text(&stmt, nul);
	assert_false(pg_stmt_ok(&stmt));
	pg_stmt_deinit(&stmt);
	pg_stmt_init(&stmt, &query);
	pg_stmt_text_array(&stmt, &nul, 1);
	assert_false(pg_stmt_ok(&stmt));
	pg_stmt_deinit(&stmt);
	for (int kind = 0; kind < 2; kind++) {
		pg_stmt_init(&stmt, &query);
		for (int i = 0; i < PG_PARAMS_MAX; i++)
			pg_stmt_int(&stmt, i);
		assert_true(pg_stmt_ok(&stmt));
		if (kind == 0)
			pg_stmt_int(&stmt, 1);
		else
			pg_stmt_null(&stmt);
		assert_false(pg_stmt_ok(&stmt));
		pg_stmt_deinit(&stmt);
	}
}

/* One row of the given columns; length -1 is NULL. */
struct column {
	const char *bytes;
	int length;
};

static PGresult *make_row(const struct column *columns, int count)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[8] = {0};
	char name[] = "c";

	assert_true(count <= 8);
	for (int i = 0; i < count; i++) {
		attributes[i].name = name;
		attributes[i].format = 1;
	}
	assert_int_equal(PQsetResultAttrs(result, count, attributes), 1);
	for (int i = 0; i < count; i++)
		assert_int_equal(PQsetvalue(result, 0, i, (char *)(uintptr_t)columns[i].bytes,
					    columns[i].length),
				 1);
	return result;
}

static void rows(void **state)
{
	static const struct column columns[] = {
		{"\xff\xfe", 2},
		{"\x00\x00\x00\x07", 4},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 8},
		{NULL, -1},
		{"\1", 1},
		{"m", 1},
		{"te\0xt", 5},
		{"\xff\xfc\xa2\xfe\xc4\xc8\x2b\x67", 8}, /* 2919 us into 1970 */
	};
	PGresult *result = make_row(columns, LENGTH(columns));
	struct pg_row r = pg_row_of(result, 0);

	(void)state;
	assert_int_equal(pg_row_int(&r), -2);
	assert_int_equal(pg_row_int(&r), 7);
	assert_int_equal(pg_row_int(&r), -1);
	assert_true(pg_row_is_null(&r));
	assert_int_equal(pg_row_int(&r), 0);
	assert_true(pg_row_bool(&r));
	assert_int_equal(pg_row_letter(&r), 'm');
	assert_true(str_eq(pg_row_str(&r), (struct str){"te\0xt", 5}));
	assert_int_equal(pg_row_time_us(&r), 2919);
	assert_false(r.failed);
	assert_true(pg_row_is_null(&r));
	assert_null(pg_row_str(&r).p);
	assert_true(r.failed);

	r = pg_row_of(result, 0);
	pg_row_skip(&r, 3);
	assert_null(pg_row_str(&r).p);
	assert_false(r.failed);
	pg_row_skip(&r, 5);
	assert_true(r.failed);
	r = pg_row_of(result, 1);
	assert_true(r.failed);
	assert_true(pg_row_is_null(&r));
	r = pg_row_of(result, -1);
	assert_true(r.failed);
	PQclear(result);
}

/* Every width that no type of ours has, read as every type. */
static void rows_that_make_no_sense(void **state)
{
	static const char bytes[] = "\1\1\1\1\1\1\1\1\1\1";

	(void)state;
	for (int length = 0; length <= 10; length++) {
		const struct column column = {bytes, length};
		PGresult *result = make_row(&column, 1);
		struct pg_row r = pg_row_of(result, 0);

		pg_row_int(&r);
		assert_int_equal(r.failed, length != 2 && length != 4 && length != 8);
		r = pg_row_of(result, 0);
		pg_row_bool(&r);
		assert_int_equal(r.failed, length != 1);
		r = pg_row_of(result, 0);
		pg_row_letter(&r);
		assert_int_equal(r.failed, length != 1);
		PQclear(result);
	}
	for (int i = 0; i < 2; i++) {
		const struct column infinity = {i == 0 ? "\x7f\xff\xff\xff\xff\xff\xff\xff"
						       : "\x80\x00\x00\x00\x00\x00\x00\x00",
						8};
		PGresult *result = make_row(&infinity, 1);
		struct pg_row r = pg_row_of(result, 0);

		assert_int_equal(pg_row_time_us(&r), 0);
		assert_true(r.failed);
		PQclear(result);
	}
}

static void the_deployment(void **state)
{
	struct column columns[] = {{"\0\0\0\0\0\0\0\3", 8}, {"\0\0\1\0", 4}, {"\1", 1}, {"\0", 1}};
	struct pg_deployment deployment = {0};
	PGresult *result = make_row(columns, LENGTH(columns));

	(void)state;
	assert_int_equal(pg_sql_parse_deployment(result, &deployment), 0);
	assert_int_equal(deployment.epoch, 3);
	assert_int_equal(deployment.partitions, 256);
	assert_true(deployment.is_timeline_new);
	assert_false(deployment.is_epoch_new);
	PQclear(result);
	for (int count = 1; count < (int)LENGTH(columns); count++) {
		result = make_row(columns, count);
		assert_int_equal(pg_sql_parse_deployment(result, &deployment), -1);
		PQclear(result);
	}
	columns[0].bytes = "\0\0\0\0\0\0\0\0";
	result = make_row(columns, LENGTH(columns));
	assert_int_equal(pg_sql_parse_deployment(result, &deployment), -1);
	PQclear(result);
	assert_int_equal(deployment.epoch, 3);
}

static void errors(void **state)
{
	static const struct {
		const char *sqlstate;
		enum err write, read;
		bool is_end;
	} table[] = {
		{NULL, ERR_UNCERTAIN, ERR_TIMEOUT, true},
		{"08006", ERR_UNCERTAIN, ERR_TIMEOUT, true},
		{"08P01", ERR_UNCERTAIN, ERR_TIMEOUT, true},
		{"57P01", ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
		{"57P03", ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
		{"57014", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"55P03", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"53300", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"53100", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"25006", ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
		{"40001", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"40P01", ERR_UNAVAILABLE, ERR_UNAVAILABLE, false},
		{"26000", ERR_UNAVAILABLE, ERR_UNAVAILABLE, true},
		{"22021", ERR_INVALID, ERR_INVALID, false},
		{"23505", ERR_INVALID, ERR_INVALID, false},
		{"42501", ERR_REFUSED, ERR_REFUSED, false},
		{"42P01", ERR_REFUSED, ERR_REFUSED, false},
		{"P0001", ERR_REFUSED, ERR_REFUSED, false},
		{"", ERR_REFUSED, ERR_REFUSED, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(table); i++) {
		const char *sqlstate = table[i].sqlstate;

		assert_int_equal(pg_sql_classify(sqlstate, true, false), table[i].write);
		assert_int_equal(pg_sql_classify(sqlstate, false, false), table[i].read);
		/* The statement had succeeded, so the error is about its commit. */
		assert_int_equal(pg_sql_classify(sqlstate, true, true), ERR_UNCERTAIN);
		assert_int_equal(pg_sql_ends_connection(sqlstate), table[i].is_end);
	}
}

static void faults(void **state)
{
	struct pg_fault fault;
	char long_text[600];

	(void)state;
	pg_fault_set(&fault, "could not connect \r\nHINT: second line");
	assert_string_equal(fault.text, "could not connect");
	assert_string_equal(fault.sqlstate, "");
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	pg_fault_set(&fault, long_text);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
	pg_fault_of_connection(&fault, NULL);
	assert_string_equal(fault.text, "out of memory");
}

static void preparing(void **state)
{
	static struct pg_query queries[PG_PREPARED_MAX + 1];
	struct pg_prepared prepared = {0};

	(void)state;
	pg_sql_note_prepared(&prepared, &queries[0]);
	pg_sql_note_prepared(&prepared, &queries[0]);
	assert_int_equal(prepared.count, 1);
	for (size_t i = 0; i < LENGTH(queries); i++)
		pg_sql_note_prepared(&prepared, &queries[i]);
	assert_int_equal(prepared.count, PG_PREPARED_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),
		cmocka_unit_test(statements_that_must_not_be_sent),
		cmocka_unit_test(rows),
		cmocka_unit_test(rows_that_make_no_sense),
		cmocka_unit_test(the_deployment),
		cmocka_unit_test(errors),
		cmocka_unit_test(faults),
		cmocka_unit_test(preparing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
