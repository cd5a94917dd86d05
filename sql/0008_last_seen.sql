-- SPDX-License-Identifier: BSD-2-Clause
--
-- When users were last there, for those of whom Redis knows nothing any more. Written in batches by
-- the archiver, after the last lease of a user has ended; times only grow, so that several archivers
-- and late batches do no harm.

CREATE TABLE bellhop.user_seen (
	user_id  text COLLATE "C" PRIMARY KEY,
	seen_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

INSERT INTO bellhop.migration (version, name) VALUES (8, 'last_seen');
