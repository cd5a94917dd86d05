-- SPDX-License-Identifier: BSD-2-Clause
--
-- The record. One transaction, plain SQL: `bellhop migrate` applies it, and so does
--     psql -1 -v ON_ERROR_STOP=1 -f 0001_first_light.sql
--
-- Every durable event of a ticket is one row of bellhop.event and takes the ticket's next number.
-- The ticket's row is the sequencer: whoever holds its lock numbers, so numbers are dense and
-- their order is the order of commits. Nothing else hands out numbers.

CREATE SCHEMA bellhop;

-- ---------------------------------------------------------------------------------------------
-- What was applied
-- ---------------------------------------------------------------------------------------------

CREATE TABLE bellhop.migration (
	version     integer PRIMARY KEY,
	name        text NOT NULL,
	checksum    text,                   -- of the file; NULL where psql applied it
	applied_at  timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------
-- The deployment: which history this is
-- ---------------------------------------------------------------------------------------------

-- epoch grows whenever the record went back in time; cursors and Redis keys carry it.
-- system_identifier and timeline are those of the server that wrote last.
CREATE TABLE bellhop.deployment (
	is_only            boolean PRIMARY KEY DEFAULT true CHECK (is_only),
	epoch              bigint NOT NULL CHECK (epoch > 0),
	partitions         integer NOT NULL CHECK (partitions BETWEEN 1 AND 65536), -- of Redis keys
	system_identifier  bigint NOT NULL,
	timeline           bigint NOT NULL,
	created_at         timestamptz NOT NULL DEFAULT now()
);

-- The timeline that the server writes now. The control file would tell the one of its last
-- checkpoint, which lags behind a promotion. Fails on a standby, which must not be written anyway.
CREATE FUNCTION bellhop.server_timeline() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
$$;

CREATE TYPE bellhop.deployment_state AS (
	epoch bigint, partitions integer, is_timeline_new boolean, is_epoch_new boolean
);

-- Asked on every new connection. Another cluster than the one that wrote last means a restored
-- backup: the epoch rises at once. A new timeline alone may have lost nothing; it is only reported.
CREATE FUNCTION bellhop.deployment_check() RETURNS bellhop.deployment_state
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	here CONSTANT bigint := (SELECT c.system_identifier FROM pg_control_system() c);
	is_epoch_new boolean := false;
	d bellhop.deployment%ROWTYPE;
BEGIN
	IF pg_is_in_recovery() THEN
		RAISE read_only_sql_transaction USING MESSAGE = 'this server is a standby';
	END IF;
	SELECT * INTO STRICT d FROM bellhop.deployment;
	IF d.system_identifier <> here THEN
		-- Several connections may find it at once; the row lock lets one of them act.
		UPDATE bellhop.deployment
		   SET epoch = epoch + 1, system_identifier = here,
		       timeline = bellhop.server_timeline()
		 WHERE system_identifier <> here;
		is_epoch_new := FOUND;
		SELECT * INTO STRICT d FROM bellhop.deployment;
	END IF;
	RETURN ROW(d.epoch, d.partitions, d.timeline <> bellhop.server_timeline(),
		is_epoch_new)::bellhop.deployment_state;
END
$$;

-- Raises the epoch if it still is p_epoch, so that several who find one fault raise it once.
CREATE FUNCTION bellhop.epoch_bump(p_epoch bigint) RETURNS bellhop.deployment_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE bellhop.deployment
	   SET epoch = epoch + 1, timeline = bellhop.server_timeline()
	 WHERE epoch = p_epoch;
	RETURN bellhop.deployment_check();
END
$$;

-- For whoever compared all tails after a fail-over and found nothing lost.
CREATE FUNCTION bellhop.timeline_adopt() RETURNS bellhop.deployment_state
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE bellhop.deployment SET timeline = bellhop.server_timeline();
	RETURN bellhop.deployment_check();
END
$$;

INSERT INTO bellhop.deployment (epoch, partitions, system_identifier, timeline)
SELECT 1, 256, c.system_identifier, bellhop.server_timeline() FROM pg_control_system() c;

-- ---------------------------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------------------------

-- Rows are never deleted. No index on a column that a send changes, and room in the page, so that
-- the update of every send stays within the page (HOT).
CREATE TABLE bellhop.ticket (
	ticket_id       text COLLATE "C" NOT NULL,
	last_seq        bigint NOT NULL DEFAULT 0,
	last_public     bigint NOT NULL DEFAULT 0,  -- seq of the newest public event
	n               bigint NOT NULL DEFAULT 0,  -- messages
	n_public        bigint NOT NULL DEFAULT 0,  -- of them, those that are not notes
	first_seq       bigint NOT NULL DEFAULT 1,  -- oldest event that retention kept
	first_n         bigint NOT NULL DEFAULT 0,  -- messages below first_seq
	first_n_public  bigint NOT NULL DEFAULT 0,
	created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	hold            boolean NOT NULL DEFAULT false,
	status          text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
	title           text,
	PRIMARY KEY (ticket_id)
) PARTITION BY HASH (ticket_id);

-- kind: m message, e edit, d deletion, p participant change, t ticket change.
-- message_kind: t text, n note, s system; only of messages.
-- A message's row holds its present text; an edit or deletion is a row that names its target.
-- n, n_public and prev_public are fixed at insert, for all kinds; own and own_public for messages.
CREATE TABLE bellhop.event (
	ticket_id     text COLLATE "C" NOT NULL,
	seq           bigint NOT NULL,
	n             bigint NOT NULL,
	n_public      bigint NOT NULL,
	prev_public   bigint NOT NULL,
	target        bigint,
	sent_at       timestamptz NOT NULL,
	edited_at     timestamptz,
	deleted_at    timestamptz,
	rev           integer NOT NULL DEFAULT 0,
	own           integer,              -- messages of this sender here, up to and with this one
	own_public    integer,              -- of them, those that are not notes
	kind          "char" NOT NULL CHECK (kind IN ('m', 'e', 'd', 'p', 't')),
	message_kind  "char" CHECK (message_kind IN ('t', 'n', 's')),
	is_public     boolean NOT NULL,
	sender_id     text COLLATE "C" NOT NULL,
	uid           text COLLATE "C",
	sender_name   text,
	deleted_by    text COLLATE "C",
	digest        bytea,                -- of kind and content as first sent; erased on deletion
	content       bytea,                -- NULL once deleted
	detail        text,                 -- of participant and ticket changes: a JSON object
	PRIMARY KEY (ticket_id, seq),
	CHECK ((kind = 'm') = (message_kind IS NOT NULL)),
	CHECK ((kind = 'm') = (uid IS NOT NULL AND own IS NOT NULL AND own_public IS NOT NULL)),
	CHECK ((kind IN ('e', 'd')) = (target IS NOT NULL))
) PARTITION BY HASH (ticket_id);

-- A send that is repeated finds its first result.
CREATE UNIQUE INDEX event_uid ON bellhop.event (ticket_id, sender_id, uid) WHERE kind = 'm';
-- One's own messages after a mark are counted by subtraction too, and need to be found.
CREATE INDEX event_own ON bellhop.event (ticket_id, sender_id, seq) WHERE kind = 'm';
CREATE INDEX event_deleted ON bellhop.event (ticket_id, seq) INCLUDE (sender_id, is_public)
	WHERE deleted_at IS NOT NULL;
-- The sweep: what was committed lately, in all tickets. Not BRIN: a summary that was interrupted (by a
-- crash, or by a manual VACUUM that wanted the lock) stays a placeholder for ever, and PostgreSQL 15
-- then reads all pages behind it: a sweep of 1,300,000 rows took 706 ms instead of 1. Sends pay the
-- same CPU time for either within the noise (272 us and 277 us).
CREATE INDEX event_sent_at ON bellhop.event (sent_at);

CREATE TABLE bellhop.participant (
	ticket_id   text COLLATE "C" NOT NULL,
	user_id     text COLLATE "C" NOT NULL,
	role        text NOT NULL CHECK (role IN ('requester', 'agent', 'service', 'admin')),
	joined_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	removed_at  timestamptz,            -- set: may not act here, whatever a token says
	PRIMARY KEY (ticket_id, user_id)
) PARTITION BY HASH (ticket_id);

CREATE INDEX participant_user ON bellhop.participant (user_id, ticket_id);

-- How far a user has read, with the counts at that place, so that unread is a subtraction.
CREATE TABLE bellhop.receipt (
	ticket_id  text COLLATE "C" NOT NULL,
	user_id    text COLLATE "C" NOT NULL,
	seq        bigint NOT NULL,
	n          bigint NOT NULL,
	n_public   bigint NOT NULL,
	read_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (ticket_id, user_id)
) PARTITION BY HASH (ticket_id);

-- How many partitions, measured with pgbench: 8 connections, synchronous_commit on (fdatasync 45 us),
-- 2 cores under a load of 10 from other work (alone: 4,100 and 3,600 sends/s with 1 and with 4),
-- 2,000 tickets in 2,000,000 rows; and the CPU time of one send.
--
--     partitions      1      4      8     16     32
--     sends/s      1290   1100   1090   1030    850
--     CPU us/send   254    300    322    348    407
--
-- Each one costs, because a generic plan locks them all. Four keep vacuum and indexes of a large
-- record in workable pieces for a price that a small one does not notice.
DO $$
DECLARE
	partitions CONSTANT integer := 4;
	parent text;
	storage text;
BEGIN
	FOR parent, storage IN VALUES
		('ticket', 'fillfactor = 50'), ('event', 'fillfactor = 95'),
		('participant', 'fillfactor = 90'), ('receipt', 'fillfactor = 50')
	LOOP
		FOR i IN 0 .. partitions - 1 LOOP
			EXECUTE format(
				'CREATE TABLE bellhop.%I PARTITION OF bellhop.%I'
				' FOR VALUES WITH (MODULUS %s, REMAINDER %s) WITH (%s)',
				parent || '_' || i, parent, partitions, i, storage);
		END LOOP;
	END LOOP;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Reading
-- ---------------------------------------------------------------------------------------------

-- Events as they are told now: an edit or deletion speaks of its message in its present state.
CREATE VIEW bellhop.event_now AS
SELECT e.ticket_id, e.seq, e.n, e.n_public, e.prev_public,
       e.target, m.n AS target_n, m.n_public AS target_n_public,
       coalesce(m.rev, e.rev) AS rev,
       e.kind, coalesce(m.message_kind, e.message_kind) AS message_kind, e.is_public,
       coalesce(m.sender_id, e.sender_id) AS sender_id,
       CASE WHEN m.seq IS NULL THEN e.sender_name ELSE m.sender_name END AS sender_name,
       coalesce(m.content, e.content) AS content,
       coalesce(m.uid, e.uid) AS uid,
       coalesce(m.sent_at, e.sent_at) AS sent_at,
       coalesce(m.edited_at, e.edited_at) AS edited_at,
       coalesce(m.deleted_at, e.deleted_at) AS deleted_at,
       coalesce(m.deleted_by, e.deleted_by) AS deleted_by,
       e.detail
  FROM bellhop.event e
  LEFT JOIN bellhop.event m ON m.ticket_id = e.ticket_id AND m.seq = e.target;

-- The tickets that have events dated p_since or later. The planner has to know p_since, and must not
-- believe that the table is better read whole, for this runs twice a second for ever.
CREATE FUNCTION bellhop.sweep(
	p_since timestamptz, OUT ticket_id text, OUT first_seq bigint, OUT last_seq bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT e.ticket_id, min(e.seq), max(e.seq)
	  FROM bellhop.event e WHERE e.sent_at >= p_since GROUP BY e.ticket_id;
END
$$;

-- ---------------------------------------------------------------------------------------------
-- Sending
-- ---------------------------------------------------------------------------------------------

-- outcome: c created, r replayed, m mismatch, p not a participant, x closed, n newer.
-- The event's columns are filled for c and r alone, the ticket's for all but p.
CREATE TYPE bellhop.sent AS (
	outcome "char", newer bigint,
	epoch bigint, first_seq bigint, last_seq bigint, last_public bigint, n bigint,
	n_public bigint, first_n bigint, first_n_public bigint, hold boolean, status text, title text,
	event_seq bigint, event_n bigint, event_n_public bigint, prev_public bigint, rev integer,
	message_kind "char", is_public boolean, sender_id text, sender_name text, content bytea,
	uid text, sent_at timestamptz, edited_at timestamptz, deleted_at timestamptz, deleted_by text
);

-- Numbers and stores one message: one call, one transaction. Nothing is written unless the outcome
-- is c. p_grant: 0 participants only, 1 anybody who was not removed, 2 anybody.
-- p_guard: NULL, or the seq after which nobody else may have said anything that p_role can see.
--
-- Everything after the lock on the ticket's row sees every send to the ticket before this one,
-- because each statement here takes its own snapshot (READ COMMITTED, see roles.sql).
CREATE FUNCTION bellhop.send(
	p_ticket text, p_sender text, p_name text, p_role text, p_kind "char", p_content bytea,
	p_uid text, p_digest bytea, p_grant integer, p_guard bigint)
RETURNS bellhop.sent
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
	t bellhop.ticket%ROWTYPE;
	e bellhop.event%ROWTYPE;
	v_epoch bigint;
	v_outcome "char";
	v_newer bigint;
	v_is_staff CONSTANT boolean := p_role <> 'requester';
	v_is_public CONSTANT boolean := p_kind <> 'n';
	v_is_member boolean;
	v_is_removed boolean;
	v_own integer;
	v_own_public integer;
BEGIN
	SELECT * INTO t FROM bellhop.ticket WHERE ticket_id = p_ticket FOR NO KEY UPDATE;
	IF NOT FOUND AND p_grant > 0 THEN
		INSERT INTO bellhop.ticket (ticket_id) VALUES (p_ticket) ON CONFLICT DO NOTHING;
		SELECT * INTO t FROM bellhop.ticket WHERE ticket_id = p_ticket FOR NO KEY UPDATE;
	END IF;

	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL, m.seq, m.digest
	  INTO v_epoch, v_is_member, v_is_removed, e.seq, e.digest
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_sender
	  LEFT JOIN bellhop.event m
	    ON m.ticket_id = p_ticket AND m.sender_id = p_sender AND m.uid = p_uid AND m.kind = 'm'
	 WHERE d.is_only;

	IF e.seq IS NOT NULL THEN
		-- A deleted message has lost its digest; what was sent can no longer be told.
		IF e.digest <> p_digest THEN
			v_outcome := 'm';
		ELSE
			v_outcome := 'r';
			SELECT * INTO e FROM bellhop.event WHERE ticket_id = p_ticket AND seq = e.seq;
		END IF;
	ELSIF p_grant < 2 AND (v_is_removed OR p_grant = 0 AND NOT v_is_member) THEN
		v_outcome := 'p';
	ELSIF t.status = 'closed' AND p_role <> 'service' THEN
		v_outcome := 'x';
	ELSE
		IF p_guard IS NOT NULL THEN
			SELECT m.seq INTO v_newer FROM bellhop.event m
			 WHERE m.ticket_id = p_ticket AND m.seq > p_guard AND m.kind = 'm'
			   AND m.sender_id <> p_sender AND (v_is_staff OR m.is_public)
			 ORDER BY m.seq DESC LIMIT 1;
		END IF;
		v_outcome := CASE WHEN v_newer IS NULL THEN 'c' ELSE 'n' END;
	END IF;

	IF v_outcome = 'p' THEN
		t := NULL; -- who may not act is not told whether the ticket exists
	ELSIF v_outcome = 'c' THEN
		SELECT m.own, m.own_public INTO v_own, v_own_public FROM bellhop.event m
		 WHERE m.ticket_id = p_ticket AND m.sender_id = p_sender AND m.kind = 'm'
		 ORDER BY m.seq DESC LIMIT 1;
		INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, sent_at, rev, own,
			own_public, kind, message_kind, is_public, sender_id, uid, sender_name,
			digest, content)
		VALUES (p_ticket, t.last_seq + 1, t.n + 1, t.n_public + v_is_public::integer,
			t.last_public, clock_timestamp(), 1, coalesce(v_own, 0) + 1,
			coalesce(v_own_public, 0) + v_is_public::integer, 'm', p_kind, v_is_public,
			p_sender, p_uid, p_name, p_digest, p_content)
		RETURNING * INTO e;
		UPDATE bellhop.ticket
		   SET last_seq = e.seq, n = e.n, n_public = e.n_public,
		       last_public = CASE WHEN v_is_public THEN e.seq ELSE last_public END,
		       updated_at = e.sent_at
		 WHERE ticket_id = p_ticket
		RETURNING * INTO t;
		IF NOT v_is_member AND p_role <> 'service' THEN
			INSERT INTO bellhop.participant (ticket_id, user_id, role)
			VALUES (p_ticket, p_sender, p_role) ON CONFLICT DO NOTHING;
		END IF;
	END IF;

	RETURN ROW(v_outcome, v_newer, v_epoch, t.first_seq, t.last_seq, t.last_public, t.n,
		t.n_public, t.first_n, t.first_n_public, t.hold, t.status, t.title, e.seq, e.n,
		e.n_public, e.prev_public, e.rev, e.message_kind, e.is_public, e.sender_id,
		e.sender_name, e.content, e.uid, e.sent_at, e.edited_at, e.deleted_at,
		e.deleted_by)::bellhop.sent;
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (1, 'first_light');
