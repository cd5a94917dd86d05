-- SPDX-License-Identifier: BSD-2-Clause
--
-- Retention: the oldest events of a ticket are erased, a prefix of its numbers. The ticket's row stays
-- and says what is kept from (first_seq) and how many messages were below that, so that numbers go on
-- and every count stays true.

-- The seq that would be the oldest one kept if events dated before p_before went, at most p_limit of them.
CREATE FUNCTION bellhop.erase_end(t bellhop.ticket, p_before timestamptz, p_limit bigint)
RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT e.seq FROM bellhop.event e
		  WHERE e.ticket_id = t.ticket_id AND e.seq >= t.first_seq
		    AND e.seq < t.first_seq + p_limit AND e.sent_at >= p_before
		  ORDER BY e.seq LIMIT 1),
		least(t.first_seq + p_limit, t.last_seq + 1))
$$;

-- Erases the oldest events of a ticket that are older than p_age_s seconds, at most p_limit of them: one
-- batch, one transaction. Nothing happens on legal hold, where the ticket's status is not p_status
-- any more, or while somebody else is at it.
-- o_first_seq: the oldest event that is kept afterwards. is_done false: there is more to erase.
CREATE FUNCTION bellhop.erase(
	p_ticket text, p_status text, p_age_s bigint, p_limit bigint,
	OUT erased bigint, OUT o_first_seq bigint, OUT is_done boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	before CONSTANT timestamptz := now() - p_age_s * interval '1 second';
	t bellhop.ticket%ROWTYPE;
	kept bigint;
BEGIN
	erased := 0;
	is_done := true;
	IF NOT pg_try_advisory_xact_lock(hashtextextended('bellhop.erase ' || p_ticket, 0)) THEN
		RETURN;
	END IF;
	SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	o_first_seq := t.first_seq;
	IF NOT FOUND OR t.hold OR t.status <> p_status OR t.first_seq > t.last_seq THEN
		RETURN;
	END IF;
	kept := bellhop.erase_end(t, before, p_limit);
	IF kept = t.first_seq THEN
		RETURN;
	END IF;
	UPDATE bellhop.ticket x
	   SET first_seq = kept, first_n = e.n, first_n_public = e.n_public
	  FROM bellhop.event e
	 WHERE x.ticket_id = p_ticket AND e.ticket_id = p_ticket AND e.seq = kept - 1;
	DELETE FROM bellhop.revision x WHERE x.ticket_id = p_ticket AND x.seq < kept;
	DELETE FROM bellhop.event x WHERE x.ticket_id = p_ticket AND x.seq < kept;
	erased := kept - t.first_seq;
	o_first_seq := kept;
	is_done := erased < p_limit;
END
$$;

-- As in 0001, and: an edit or deletion that outlives its message speaks of one that is gone, since then
-- as far as anybody can tell.
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
  LEFT JOIN bellhop.event m ON m.ticket_id = e.ticket_id AND m.seq = e.target;

INSERT INTO bellhop.migration (version, name) VALUES (4, 'retention');
