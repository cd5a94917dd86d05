/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward migrations: files sql/NNNN_name.sql, each applied once and whole. A file is plain SQL
 * without BEGIN and COMMIT and records its own version, so that
 * `psql -1 -v ON_ERROR_STOP=1 -f FILE` does the same; only the checksum is added here.
 *
 * The connection has to be an unchecked one (pg_opts.is_unchecked).
 */
#ifndef BELLHOP_STORE_MIGRATE_H
#define BELLHOP_STORE_MIGRATE_H

#include "store/pg_conn.h"

enum { MIGRATE_CHECKSUM_SIZE = 64 + 1 }; /* hexadecimal BLAKE2b-256 and a NUL */

struct migrate_applied {
	int64_t version;
	char name[64];
	char checksum[MIGRATE_CHECKSUM_SIZE]; /* "" where psql applied it */
};

/*
 * What the database has, ascending by version; an empty database has none. *list_r is freed by the
 * caller with free().
 */
enum err migrate_list(struct pg_conn *c, int64_t deadline_ms, struct migrate_applied **list_r,
		      size_t *count_r);

/* The checksum of a file's bytes. */
void migrate_checksum(struct str sql, char checksum_r[MIGRATE_CHECKSUM_SIZE]);

/*
 * Applies one file in one transaction, under an advisory lock that only migrations take.
 * ERR_REFUSED: the SQL failed and nothing was changed (pg_conn_error says why); also where somebody
 * else has applied it meanwhile: list again.
 */
enum err migrate_apply(struct pg_conn *c, int64_t version, struct str sql, int64_t deadline_ms);

/* Takes note of the checksum of a version that psql applied. */
enum err migrate_adopt(struct pg_conn *c, int64_t version, struct str sql, int64_t deadline_ms);

/* Who a connection is, and where. */
struct migrate_place {
	char role[64];
	char database[64];
	int64_t system; /* of the server: its system_identifier */
};

enum err migrate_find_place(struct pg_conn *c, int64_t deadline_ms, struct migrate_place *place_r);

/*
 * Runs sql/grants.sql, whose bytes `sql` are, in one transaction under the same lock: `role` may do from
 * then on what it says there. Outcomes as of migrate_apply().
 */
enum err migrate_grant(struct pg_conn *c, const char *role, struct str sql, int64_t deadline_ms);

#endif
