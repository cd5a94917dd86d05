-- SPDX-License-Identifier: BSD-2-Clause
--
-- Each partial index of messages is for one question, and its condition is that question's own column: the
-- planner, which knows nothing of a new table, and of a long ticket among short ones nothing either, took
-- event_own for looking up a uid, and for pages, with all of a sender's or a ticket's messages read and
-- sorted. What is not asked by such a column is found by the primary key, whose order is that of the answer.
-- event_uid is made last, for of two that look equally good the newer is taken.

DROP INDEX bellhop.event_own;
DROP INDEX bellhop.event_uid;
CREATE INDEX event_own ON bellhop.event (ticket_id, sender_id, seq) WHERE own IS NOT NULL;
CREATE UNIQUE INDEX event_uid ON bellhop.event (ticket_id, sender_id, uid) WHERE uid IS NOT NULL;

-- As in 0004, and: each target is looked up by its key, which LIMIT makes sure of. The planner took all events
-- of the ticket to look for it among them.
CREATE OR REPLACE VIEW bellhop.event_now AS
SELECT e.ticket_id, e.seq, e.n, e.n_public, e.prev_public,
       e.target, m.n AS target_n, m.n_public AS target_n_public,
       coalesce(m.rev, e.rev) AS rev,
       e.kind,
       coalesce(m.message_kind, e.message_kind,
		CASE WHEN e.target IS NOT NULL THEN
			CASE WHEN e.is_public THEN 't'::"char" ELSE 'n'::"char" END
		END) AS message_kind,
       e.is_public,
       coalesce(m.sender_id, e.sender_id) AS sender_id,
       CASE WHEN m.seq IS NULL THEN e.sender_name ELSE m.sender_name END AS sender_name,
       coalesce(m.content, e.content) AS content,
       coalesce(m.uid, e.uid) AS uid,
       coalesce(m.sent_at, e.sent_at) AS sent_at,
       coalesce(m.edited_at, e.edited_at) AS edited_at,
       CASE WHEN e.target IS NOT NULL AND m.seq IS NULL THEN e.sent_at
	    ELSE coalesce(m.deleted_at, e.deleted_at) END AS deleted_at,
       coalesce(m.deleted_by, e.deleted_by) AS deleted_by,
       e.detail
  FROM bellhop.event e
  LEFT JOIN LATERAL (
	SELECT * FROM bellhop.event x WHERE x.ticket_id = e.ticket_id AND x.seq = e.target LIMIT 1) m ON true;

-- As in 0012, and: asks by uid and by own.
CREATE OR REPLACE FUNCTION bellhop.send(
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
	v_is_known boolean;
	v_own integer;
	v_own_public integer;
BEGIN
	SELECT * INTO t FROM bellhop.ticket WHERE ticket_id = p_ticket FOR NO KEY UPDATE;
	IF NOT FOUND AND p_grant > 0 THEN
		INSERT INTO bellhop.ticket (ticket_id) VALUES (p_ticket) ON CONFLICT DO NOTHING;
		SELECT * INTO t FROM bellhop.ticket WHERE ticket_id = p_ticket FOR NO KEY UPDATE;
	END IF;

	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL,
	       p.public_at IS NOT NULL, m.seq, m.digest
	  INTO v_epoch, v_is_member, v_is_removed, v_is_known, e.seq, e.digest
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_sender
	  LEFT JOIN bellhop.event m
	    ON m.ticket_id = p_ticket AND m.sender_id = p_sender AND m.uid = p_uid
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
		 WHERE m.ticket_id = p_ticket AND m.sender_id = p_sender AND m.own IS NOT NULL
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
			INSERT INTO bellhop.participant (ticket_id, user_id, role, public_at)
			VALUES (p_ticket, p_sender, p_role, CASE WHEN v_is_public THEN e.sent_at END)
			ON CONFLICT DO NOTHING;
		ELSIF v_is_member AND v_is_public AND NOT v_is_known THEN
			UPDATE bellhop.participant SET public_at = e.sent_at
			 WHERE ticket_id = p_ticket AND user_id = p_sender;
		END IF;
	END IF;

	RETURN ROW(v_outcome, v_newer, v_epoch, t.first_seq, t.last_seq, t.last_public, t.n,
		t.n_public, t.first_n, t.first_n_public, t.hold, t.status, t.title, e.seq, e.n,
		e.n_public, e.prev_public, e.rev, e.message_kind, e.is_public, e.sender_id,
		e.sender_name, e.content, e.uid, e.sent_at, e.edited_at, e.deleted_at,
		e.deleted_by)::bellhop.sent;
END
$$;

-- As in 0006, and: asks by own.
CREATE OR REPLACE FUNCTION bellhop.unread(
	p_ticket text, p_user text, p_seq bigint, p_n bigint, p_n_public bigint)
RETURNS TABLE (unread bigint, unread_public bigint)
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT p_n - coalesce(newest.own - oldest.own + 1, 0) - gone.n,
	       p_n_public - gone.n_public
		- coalesce(newest.own_public - oldest.own_public + oldest.is_public::integer, 0)
	  FROM (SELECT count(*) AS n, count(*) FILTER (WHERE x.is_public) AS n_public
		  FROM bellhop.event x
		 WHERE p_n > 0 AND x.ticket_id = p_ticket AND x.seq > p_seq AND x.sender_id <> p_user
		   AND x.deleted_at IS NOT NULL) gone
	  LEFT JOIN LATERAL (
		SELECT x.own, x.own_public FROM bellhop.event x
		 WHERE p_n > 0 AND x.ticket_id = p_ticket AND x.sender_id = p_user
		   AND x.seq > p_seq AND x.own IS NOT NULL
		 ORDER BY x.seq DESC LIMIT 1) newest ON true
	  LEFT JOIN LATERAL (
		SELECT x.own, x.own_public, x.is_public FROM bellhop.event x
		 WHERE newest.own IS NOT NULL AND x.ticket_id = p_ticket AND x.sender_id = p_user
		   AND x.seq > p_seq AND x.own IS NOT NULL
		 ORDER BY x.seq LIMIT 1) oldest ON true
$$;

INSERT INTO bellhop.migration (version, name) VALUES (13, 'index_by_column');
