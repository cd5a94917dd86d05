-- SPDX-License-Identifier: BSD-2-Clause
--
-- The role that bellhop connects as, and the limits that it has on every connection. Run once by a
-- superuser, before the first migration, and again whenever you like:
--     psql -v ON_ERROR_STOP=1 -f roles.sql
--     createdb --owner bellhop bellhop
-- It has no password here: set one with \password bellhop, or let it in by peer authentication.

DO $$
BEGIN
	CREATE ROLE bellhop LOGIN;
EXCEPTION WHEN duplicate_object THEN
	NULL;
END
$$;

-- Shorter than BELLHOP_PG_TIMEOUT_MS (2000), so that the server says what became of a statement
-- before the client stops waiting for it.
ALTER ROLE bellhop SET statement_timeout = '1500ms';
-- A ticket's row is locked for as long as one send takes.
ALTER ROLE bellhop SET lock_timeout = '1s';
ALTER ROLE bellhop SET idle_in_transaction_session_timeout = '5s';
-- send() reads what was committed while it waited for the lock; other levels would refuse instead.
ALTER ROLE bellhop SET default_transaction_isolation = 'read committed';
-- A 201 says that the message is on disk.
ALTER ROLE bellhop SET synchronous_commit = 'on';
-- Every statement names the keys that it wants: a plan made once fits all, and planning costs more
-- than running. It is made early, though, when a table is so small that reading it whole looks
-- cheap, and would be kept while the table grows.
ALTER ROLE bellhop SET plan_cache_mode = 'force_generic_plan';
ALTER ROLE bellhop SET enable_seqscan = off;
ALTER ROLE bellhop SET jit = off;
