-- SPDX-License-Identifier: BSD-2-Clause
--
-- What the daemons' role may do, where another one owns the schema. `bellhop migrate` runs this after the
-- migrations, as the owner; so does
--     PGOPTIONS='-c bellhop.runtime_role=bellhop' psql -1 -v ON_ERROR_STOP=1 -f grants.sql
-- A new table needs a line here. Nobody else may do anything, unless he was told so by name.

DO $$
DECLARE
	runtime CONSTANT name := current_setting('bellhop.runtime_role');
	base CONSTANT name := current_database();
	line text;
BEGIN
	IF runtime = current_user THEN
		RAISE EXCEPTION 'the owner has all rights: %', runtime;
	END IF;
	FOREACH line IN ARRAY ARRAY[
		'REVOKE ALL ON SCHEMA bellhop FROM PUBLIC, %1$I',
		'REVOKE ALL ON ALL TABLES IN SCHEMA bellhop FROM PUBLIC, %1$I',
		'REVOKE ALL ON ALL SEQUENCES IN SCHEMA bellhop FROM PUBLIC, %1$I',
		'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bellhop FROM PUBLIC, %1$I',

		'GRANT USAGE ON SCHEMA bellhop TO %1$I',
		'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bellhop TO %1$I',
		-- Whatever a backup reads, which is everything.
		'GRANT SELECT ON ALL TABLES IN SCHEMA bellhop TO %1$I',
		'GRANT SELECT ON ALL SEQUENCES IN SCHEMA bellhop TO %1$I',

		'GRANT UPDATE ON bellhop.deployment, bellhop.activity TO %1$I',
		'GRANT INSERT, UPDATE ON bellhop.ticket, bellhop.participant, bellhop.receipt,'
			' bellhop.user_seen TO %1$I',
		'GRANT INSERT, DELETE ON bellhop.revocation TO %1$I',
		-- An event is what it is for ever, but for its text.
		'GRANT INSERT, UPDATE (rev, content, digest, edited_at, deleted_at, deleted_by)'
			' ON bellhop.event TO %1$I',
		-- A deletion takes the former texts of one message along; bellhop reseal seals them anew.
		'GRANT INSERT, DELETE, UPDATE (content) ON bellhop.revision TO %1$I'
	] LOOP
		EXECUTE format(line, runtime);
	END LOOP;
	-- A database of ours is open to nobody else. In somebody else's this is not for us to say.
	IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = base), 'USAGE') THEN
		EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', base, runtime);
		EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', base, runtime);
	END IF;
END
$$;

-- Retention deletes events, and nobody else does: the oldest ones of a ticket that is not on hold. So the
-- function has that right, and not whoever calls it.
ALTER FUNCTION bellhop.erase(text, text, bigint, bigint) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
