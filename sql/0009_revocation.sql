-- SPDX-License-Identifier: BSD-2-Clause
--
-- Tokens that are not to be believed any more: one by its jti, or all that a user has been given until now.

CREATE TABLE bellhop.revocation (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	jti         text COLLATE "C",
	user_id     text COLLATE "C",
	revoked_at  timestamptz NOT NULL,
	expires_at  timestamptz NOT NULL,   -- by then no such token can be valid
	CHECK ((jti IS NULL) <> (user_id IS NULL))
);

-- Whoever follows the list asks for what came after the last id he has. So ids are given under a lock that
-- is held until the commit: a smaller one never appears behind a larger one.
CREATE FUNCTION bellhop.revoke(p_jti text, p_user text, p_days integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	made_at timestamptz;
	made_id bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('bellhop.revoke', 0));
	made_at := clock_timestamp();
	INSERT INTO bellhop.revocation (jti, user_id, revoked_at, expires_at)
	VALUES (p_jti, p_user, made_at,
		CASE WHEN p_days > 0 THEN made_at + p_days * interval '1 day' ELSE 'infinity' END)
	RETURNING id INTO made_id;
	RETURN made_id;
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (9, 'revocation');
