-- SPDX-License-Identifier: BSD-2-Clause
--
-- Participants: adding, changing and removing them are events of kind p, public, whose detail names the
-- user and the role, "removed" for one who was. (Joining by a first message is no event of its own: the
-- message says it.)

-- Makes p_user a participant in p_role, or removes the user where that is NULL: one call, one
-- transaction. Nothing is written unless the outcome is c. Adding begins the ticket if there is none yet;
-- it also lifts a removal, and nothing else does. Whoever is removed need not have been a participant:
-- the row that is left keeps out a token that names the ticket.
-- outcome: c changed, u nothing to change, p not a participant (p_by), a no such ticket (removing).
-- o_event: c alone; o_joined_at: c and u.
-- p_grant as in send(). That p_by is staff is the caller's to see to.
CREATE FUNCTION bellhop.participant_put(
	p_ticket text, p_by text, p_grant integer, p_user text, p_role text,
	OUT outcome "char", OUT o_epoch bigint, OUT o_joined_at timestamptz,
	OUT o_event bellhop.event_now)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	t bellhop.ticket%ROWTYPE;
	was bellhop.participant%ROWTYPE;
	is_member boolean;
	is_removed boolean;
	made_at timestamptz;
BEGIN
	SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	IF NOT FOUND AND p_grant > 0 AND p_role IS NOT NULL THEN
		INSERT INTO bellhop.ticket (ticket_id) VALUES (p_ticket) ON CONFLICT DO NOTHING;
		SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	END IF;
	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL
	  INTO o_epoch, is_member, is_removed
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_by
	 WHERE d.is_only;
	SELECT * INTO was FROM bellhop.participant x
	 WHERE x.ticket_id = p_ticket AND x.user_id = p_user;

	outcome := CASE
		WHEN p_grant < 2 AND (is_removed OR p_grant = 0 AND NOT is_member) THEN 'p'
		WHEN t.ticket_id IS NULL OR p_role IS NULL AND t.last_seq = 0 THEN 'a'
		WHEN p_role IS NULL AND was.removed_at IS NOT NULL THEN 'u'
		WHEN was.role = p_role AND was.removed_at IS NULL THEN 'u'
		ELSE 'c' END;
	IF outcome = 'u' THEN
		o_joined_at := was.joined_at;
	ELSIF outcome = 'c' THEN
		made_at := clock_timestamp();
		INSERT INTO bellhop.participant AS x (ticket_id, user_id, role, joined_at, removed_at)
		VALUES (p_ticket, p_user, coalesce(p_role, 'requester'), made_at,
			CASE WHEN p_role IS NULL THEN made_at END)
		ON CONFLICT (ticket_id, user_id) DO UPDATE
		   SET role = coalesce(p_role, x.role),
		       joined_at = CASE WHEN p_role IS NOT NULL AND x.removed_at IS NOT NULL
				THEN made_at ELSE x.joined_at END,
		       removed_at = excluded.removed_at
		RETURNING x.joined_at INTO o_joined_at;
		INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, sent_at, kind,
			is_public, sender_id, detail)
		VALUES (p_ticket, t.last_seq + 1, t.n, t.n_public, t.last_public, made_at, 'p',
			true, p_by, json_build_object('user_id', p_user,
				'role', coalesce(p_role, 'removed'))::text);
		UPDATE bellhop.ticket x
		   SET last_seq = t.last_seq + 1, last_public = t.last_seq + 1, updated_at = made_at
		 WHERE x.ticket_id = p_ticket;
		SELECT * INTO o_event FROM bellhop.event_now x
		 WHERE x.ticket_id = p_ticket AND x.seq = t.last_seq + 1;
	END IF;
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (5, 'participants');
