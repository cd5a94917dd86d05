-- SPDX-License-Identifier: BSD-2-Clause
--
-- The ticket's card: status and title change by events of kind t, which carry both as they are then.
-- Legal hold is no event: nobody in the conversation learns of it by a number.

-- Changes status and title; begins the ticket if there is none yet, which is a change, too. One call,
-- one transaction. Nothing is written unless the outcome is c.
-- outcome: c changed, u nothing to change, p not a participant.
-- o_ticket: afterwards; o_event: c alone.
-- p_status NULL: as it is. p_sets_title false: the title stays; true: NULL takes it away.
-- p_grant as in send(). That p_user is staff is the caller's to see to.
CREATE FUNCTION bellhop.card_put(
	p_ticket text, p_user text, p_grant integer, p_status text, p_sets_title boolean,
	p_title text,
	OUT outcome "char", OUT o_epoch bigint, OUT o_ticket bellhop.ticket,
	OUT o_event bellhop.event_now)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	t bellhop.ticket%ROWTYPE;
	is_member boolean;
	is_removed boolean;
	made_at timestamptz;
	new_status text;
	new_title text;
BEGIN
	SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	IF NOT FOUND AND p_grant > 0 THEN
		INSERT INTO bellhop.ticket (ticket_id) VALUES (p_ticket) ON CONFLICT DO NOTHING;
		SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	END IF;
	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL
	  INTO o_epoch, is_member, is_removed
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_user
	 WHERE d.is_only;
	new_status := coalesce(p_status, t.status);
	new_title := CASE WHEN p_sets_title THEN p_title ELSE t.title END;

	outcome := CASE
		WHEN p_grant < 2 AND (is_removed OR p_grant = 0 AND NOT is_member) THEN 'p'
		WHEN t.last_seq > 0 AND new_status = t.status
			AND new_title IS NOT DISTINCT FROM t.title THEN 'u'
		ELSE 'c' END;
	IF outcome = 'c' THEN
		made_at := clock_timestamp();
		INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, sent_at, kind,
			is_public, sender_id, detail)
		VALUES (p_ticket, t.last_seq + 1, t.n, t.n_public, t.last_public, made_at, 't',
			true, p_user,
			json_build_object('status', new_status, 'title', new_title)::text);
		UPDATE bellhop.ticket x
		   SET last_seq = t.last_seq + 1, last_public = t.last_seq + 1, updated_at = made_at,
		       status = new_status, title = new_title
		 WHERE x.ticket_id = p_ticket
		RETURNING * INTO t;
		SELECT * INTO o_event FROM bellhop.event_now x
		 WHERE x.ticket_id = p_ticket AND x.seq = t.last_seq;
	END IF;
	IF outcome <> 'p' THEN
		o_ticket := t;
	END IF;
END
$$;

-- Puts a ticket on legal hold, or takes it off. Whatever deletes from a ticket looks at the hold while
-- it has the lock on the row, which is taken here, too: once this has committed nothing is deleted.
-- c changed, u it was so before, a there is no such ticket.
CREATE FUNCTION bellhop.hold_put(p_ticket text, p_hold boolean) RETURNS "char"
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	was boolean;
BEGIN
	SELECT x.hold INTO was FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	IF was IS NULL THEN
		RETURN 'a';
	ELSIF was = p_hold THEN
		RETURN 'u';
	END IF;
	UPDATE bellhop.ticket x SET hold = p_hold WHERE x.ticket_id = p_ticket;
	RETURN 'c';
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (3, 'ticket_card');
