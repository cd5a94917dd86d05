-- SPDX-License-Identifier: BSD-2-Clause
--
-- Since when the public may know of a participant: since the first message of his that is no note, or since
-- somebody has added him, which is an event. NULL: who joined by a note, of which nothing may be told.

ALTER TABLE bellhop.participant ADD COLUMN public_at timestamptz;

UPDATE bellhop.participant p
   SET public_at = CASE
	WHEN e.sent_at IS NULL OR p.joined_at < e.sent_at OR e.is_public THEN p.joined_at
	ELSE (SELECT m.sent_at FROM bellhop.event m
	       WHERE m.ticket_id = p.ticket_id AND m.sender_id = p.user_id AND m.kind = 'm' AND m.is_public
	       ORDER BY m.seq LIMIT 1) END
  FROM bellhop.participant x
  LEFT JOIN LATERAL (SELECT m.sent_at, m.is_public FROM bellhop.event m
	 WHERE m.ticket_id = x.ticket_id AND m.sender_id = x.user_id AND m.kind = 'm'
	 ORDER BY m.seq LIMIT 1) e ON true
 WHERE x.ticket_id = p.ticket_id AND x.user_id = p.user_id;

-- When a ticket began, as the public may know it: the time of its first public event that is kept.
CREATE FUNCTION bellhop.created_public_at(t bellhop.ticket) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT e.sent_at FROM bellhop.event e
		WHERE e.ticket_id = t.ticket_id AND e.seq >= t.first_seq AND e.is_public
		ORDER BY e.seq LIMIT 1), t.created_at)
$$;

-- As in 0001, and: the first public message of a participant makes him known.
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

-- As in 0005, and: whoever is added is known from then on.
CREATE OR REPLACE FUNCTION bellhop.participant_put(
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
		INSERT INTO bellhop.participant AS x (ticket_id, user_id, role, joined_at, removed_at,
			public_at)
		VALUES (p_ticket, p_user, coalesce(p_role, 'requester'), made_at,
			CASE WHEN p_role IS NULL THEN made_at END, made_at)
		ON CONFLICT (ticket_id, user_id) DO UPDATE
		   SET role = coalesce(p_role, x.role),
		       joined_at = CASE WHEN p_role IS NOT NULL AND x.removed_at IS NOT NULL
				THEN made_at ELSE x.joined_at END,
		       public_at = CASE WHEN p_role IS NOT NULL AND x.removed_at IS NOT NULL
				THEN made_at ELSE coalesce(x.public_at, made_at) END,
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

INSERT INTO bellhop.migration (version, name) VALUES (12, 'public_participants');
