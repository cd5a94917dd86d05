-- SPDX-License-Identifier: BSD-2-Clause
--
-- The list of a user's tickets, newest activity first. Looking up each ticket of a user with thousands
-- costs a query three times what the page itself does, and an index on the ticket's time would end
-- HOT updates for every send. So each participant's row carries the ticket's newest activity, and sends
-- leave it alone: the archiver brings it up to date when a ticket has gone quiet (activity_round()), and
-- whoever reads a list asks the tickets themselves for the few that may not have been (activity_recent()).
-- That makes the list exact at any moment. Without the archiver it becomes slower, never wrong.

ALTER TABLE bellhop.participant
	ADD COLUMN active_at timestamptz,         -- of the newest event
	ADD COLUMN active_public_at timestamptz;  -- of the newest public event

-- Both as they are now. Where retention took the newest public event the time that is known of it stays.
CREATE VIEW bellhop.activity_now AS
SELECT p.ticket_id, p.user_id, t.updated_at AS active_at,
       CASE WHEN t.last_public = 0 THEN t.created_at
	    ELSE coalesce(e.sent_at, greatest(p.active_public_at, t.created_at))
	    END AS active_public_at
  FROM bellhop.participant p
  JOIN bellhop.ticket t ON t.ticket_id = p.ticket_id
  LEFT JOIN bellhop.event e ON e.ticket_id = p.ticket_id AND e.seq = t.last_public
 WHERE p.removed_at IS NULL;

UPDATE bellhop.participant p
   SET active_at = a.active_at, active_public_at = a.active_public_at
  FROM bellhop.activity_now a
 WHERE a.ticket_id = p.ticket_id AND a.user_id = p.user_id;
UPDATE bellhop.participant
   SET active_at = joined_at, active_public_at = joined_at WHERE active_at IS NULL;

-- A row comes with an event of its ticket, so what it begins with does not matter for long.
ALTER TABLE bellhop.participant
	ALTER COLUMN active_at SET DEFAULT clock_timestamp(),
	ALTER COLUMN active_at SET NOT NULL,
	ALTER COLUMN active_public_at SET DEFAULT clock_timestamp(),
	ALTER COLUMN active_public_at SET NOT NULL;

CREATE INDEX participant_active ON bellhop.participant (user_id, active_at DESC, ticket_id)
	WHERE removed_at IS NULL;
CREATE INDEX participant_active_public ON bellhop.participant (user_id, active_public_at DESC, ticket_id)
	WHERE removed_at IS NULL;

-- The columns are exact for every ticket without an event dated `since` or later.
CREATE TABLE bellhop.activity (
	is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
	since    timestamptz NOT NULL
);

-- An event may be dated 7 s before its commit (as for the sweep).
INSERT INTO bellhop.activity (since) VALUES (now() - interval '7 s');

-- Brings the participants of these tickets up to date, but for those tickets that were active at
-- p_before or later. Returns how many rows it wrote. Whoever calls it holds the lock that
-- activity_round() takes, lest two wait for each other's rows.
CREATE FUNCTION bellhop.activity_write(p_tickets text[], p_before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	written bigint;
BEGIN
	UPDATE bellhop.participant p
	   SET active_at = a.active_at, active_public_at = a.active_public_at
	  FROM unnest(p_tickets) w(ticket_id) CROSS JOIN LATERAL
		(SELECT * FROM bellhop.activity_now x
		  WHERE x.ticket_id = w.ticket_id AND x.active_at < p_before OFFSET 0) a
	 WHERE p.ticket_id = w.ticket_id AND p.user_id = a.user_id
	   AND (p.active_at, p.active_public_at) IS DISTINCT FROM (a.active_at, a.active_public_at);
	GET DIAGNOSTICS written = ROW_COUNT;
	RETURN written;
END
$$;

-- One round: takes the events from the mark on, at most about p_limit of them and none that may still
-- get a predecessor, brings up to date whom they concern, and moves the mark. is_done false: there is
-- more. Tickets that go on being active are left for the round that finds them quiet.
CREATE FUNCTION bellhop.activity_round(
	p_overlap_ms bigint, p_limit bigint, OUT written bigint, OUT is_done boolean)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
DECLARE
	was timestamptz;
	upto timestamptz := now() - p_overlap_ms * interval '1 ms';
	full_at timestamptz;
BEGIN
	written := 0;
	is_done := true;
	-- Another archiver is at it, or an import.
	IF NOT pg_try_advisory_xact_lock(hashtextextended('bellhop.activity', 0)) THEN
		RETURN;
	END IF;
	SELECT a.since INTO STRICT was FROM bellhop.activity a;
	IF was >= upto THEN
		RETURN;
	END IF;
	SELECT e.sent_at INTO full_at FROM bellhop.event e
	 WHERE e.sent_at >= was AND e.sent_at < upto
	 ORDER BY e.sent_at OFFSET p_limit LIMIT 1;
	IF full_at IS NOT NULL THEN
		is_done := false;
		-- So many at one moment were imported. They go together, or there would be no end.
		upto := CASE WHEN full_at > was THEN full_at ELSE coalesce(
			(SELECT min(e.sent_at) FROM bellhop.event e
			  WHERE e.sent_at > was AND e.sent_at < upto), upto) END;
	END IF;
	written := bellhop.activity_write(
		(SELECT array_agg(DISTINCT e.ticket_id) FROM bellhop.event e
		  WHERE e.sent_at >= was AND e.sent_at < upto), upto);
	UPDATE bellhop.activity SET since = upto;
END
$$;

-- After an import, which writes events of any date.
CREATE FUNCTION bellhop.activity_import(p_tickets text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('bellhop.activity', 0));
	RETURN bellhop.activity_write(p_tickets, 'infinity');
END
$$;

-- Of a user's tickets those whose columns may be behind, with their activity as it is. Who has few
-- tickets gets them all, for that is cheaper than to look at what all others have done; so does
-- everybody while the mark stays behind.
CREATE FUNCTION bellhop.activity_recent(
	p_user text, OUT ticket_id text, OUT active_at timestamptz, OUT active_public_at timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
	few CONSTANT bigint := 100;
	many CONSTANT bigint := 5000;
	since timestamptz;
	changed text[];
BEGIN
	IF (SELECT count(*) FROM (SELECT FROM bellhop.participant p
		WHERE p.user_id = p_user AND p.removed_at IS NULL LIMIT few) x) = few
	THEN
		SELECT a.since INTO STRICT since FROM bellhop.activity a;
		changed := ARRAY(SELECT e.ticket_id FROM bellhop.event e
			WHERE e.sent_at >= since ORDER BY e.sent_at DESC LIMIT many);
	END IF;
	IF cardinality(changed) < many THEN
		RETURN QUERY
		SELECT a.ticket_id, a.active_at, a.active_public_at
		  FROM (SELECT DISTINCT c.ticket_id FROM unnest(changed) c(ticket_id)) c
		  CROSS JOIN LATERAL (SELECT * FROM bellhop.activity_now x
			WHERE x.ticket_id = c.ticket_id AND x.user_id = p_user OFFSET 0) a;
	ELSE
		RETURN QUERY
		SELECT a.ticket_id, a.active_at, a.active_public_at
		  FROM bellhop.activity_now a WHERE a.user_id = p_user;
	END IF;
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (7, 'activity');
