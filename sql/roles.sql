-- SPDX-License-Identifier: BSD-2-Clause
--
-- The two roles of bellhop, and the limits that one of them has on every connection. Run by a superuser,
-- before the first migration, and again whenever you like:
--     psql -v ON_ERROR_STOP=1 -f roles.sql
--     createdb --owner bellhop_owner bellhop
-- bellhop_owner owns everything and changes the schema: `bellhop migrate` connects as it
-- (DATABASE_OWNER_URL), and contrib/backup to restore. bellhop is all others (DATABASE_URL); grants.sql
-- says what it may do. They have no passwords here: set them with \password NAME, or let them in by peer
-- authentication.
--
-- Where one role has been both so far, give what it owns to the other one, in bellhop's database:
--     psql -v ON_ERROR_STOP=1 -d bellhop -c 'REASSIGN OWNED BY bellhop TO bellhop_owner'
-- then set DATABASE_OWNER_URL and run `bellhop migrate`.

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['bellhop_owner', 'bellhop'] LOOP
		BEGIN
			EXECUTE format('CREATE ROLE %I LOGIN', name);
		EXCEPTION WHEN duplicate_object THEN
			NULL;
		END;
	END LOOP;
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
-- And in the order of an index: of a long ticket's events a page is wanted, not all, to be sorted then.
ALTER ROLE bellhop SET enable_bitmapscan = off;
ALTER ROLE bellhop SET jit = off;
