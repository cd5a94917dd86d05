-- SPDX-License-Identifier: BSD-2-Clause
--
-- Edits and deletions of messages. Each is an event of its own, kind e or d, that names the message as
-- its target; the message's row holds the present text, bellhop.revision the former ones. A deletion
-- takes the content out of both, and leaves who did it and when.

CREATE TABLE bellhop.revision (
	ticket_id  text COLLATE "C" NOT NULL,
	seq        bigint NOT NULL,         -- of the message
	rev        integer NOT NULL,        -- that this text was
	content    bytea NOT NULL,
	edited_at  timestamptz NOT NULL,    -- when and by whom it was replaced
	edited_by  text COLLATE "C" NOT NULL,
	PRIMARY KEY (ticket_id, seq, rev)
) PARTITION BY HASH (ticket_id);

-- As many as the events have (0001).
CREATE TABLE bellhop.revision_0 PARTITION OF bellhop.revision FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE bellhop.revision_1 PARTITION OF bellhop.revision FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE bellhop.revision_2 PARTITION OF bellhop.revision FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE bellhop.revision_3 PARTITION OF bellhop.revision FOR VALUES WITH (MODULUS 4, REMAINDER 3);

-- Writes the event of a change that was made to message m while its ticket's row t is locked, and
-- numbers it. n and n_public stay: no message has come. Returns the event's number.
CREATE FUNCTION bellhop.change_number(
	t bellhop.ticket, m bellhop.event, p_kind "char", p_user text, p_at timestamptz)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, target, sent_at, rev,
		kind, is_public, sender_id)
	VALUES (t.ticket_id, t.last_seq + 1, t.n, t.n_public, t.last_public, m.seq, p_at, m.rev,
		p_kind, m.is_public, p_user);
	UPDATE bellhop.ticket
	   SET last_seq = last_seq + 1, updated_at = p_at,
	       last_public = CASE WHEN m.is_public THEN last_seq + 1 ELSE last_public END
	 WHERE ticket_id = t.ticket_id;
	RETURN t.last_seq + 1;
END
$$;

-- Edits a message, or deletes it where p_content is NULL: one call, one transaction. Nothing is
-- written unless the outcome is c.
-- outcome: c changed, u nothing to change (the text is the same, or it was deleted before), p not a
-- participant, a no such message for this role, f forbidden, g gone (deleted), s another revision, h on hold.
-- o_event: c the event, u the message, as they are told now; o_ticket: afterwards. For the others neither
-- says anything.
-- p_grant as in send(). p_rev: NULL, or the revision that the caller has seen.
--
-- That the text is the same is asked before p_rev, so that a repeated edit whose first answer was lost
-- is told that it succeeded (RFC 9110, section 13.1.1).
CREATE FUNCTION bellhop.change(
	p_ticket text, p_seq bigint, p_user text, p_role text, p_content bytea, p_grant integer,
	p_rev bigint,
	OUT outcome "char", OUT o_epoch bigint, OUT o_ticket bellhop.ticket,
	OUT o_event bellhop.event_now)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	t bellhop.ticket%ROWTYPE;
	m bellhop.event%ROWTYPE;
	is_edit CONSTANT boolean := p_content IS NOT NULL;
	is_member boolean;
	is_removed boolean;
	is_allowed boolean;
	made_at timestamptz;
	told bigint := p_seq;
BEGIN
	SELECT * INTO t FROM bellhop.ticket x WHERE x.ticket_id = p_ticket FOR NO KEY UPDATE;
	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL
	  INTO o_epoch, is_member, is_removed
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_user
	 WHERE d.is_only;
	SELECT * INTO m FROM bellhop.event x
	 WHERE x.ticket_id = p_ticket AND x.seq = p_seq AND x.kind = 'm'
	   AND (x.is_public OR p_role <> 'requester');
	is_allowed := m.sender_id = p_user OR p_role = 'admin' OR p_role = 'agent' AND NOT is_edit;

	outcome := CASE
		WHEN p_grant < 2 AND (is_removed OR p_grant = 0 AND NOT is_member) THEN 'p'
		WHEN m.seq IS NULL THEN 'a'
		WHEN NOT is_allowed THEN 'f'
		WHEN m.deleted_at IS NOT NULL THEN CASE WHEN is_edit THEN 'g' ELSE 'u' END
		WHEN is_edit AND m.content = p_content THEN 'u'
		WHEN m.rev <> p_rev THEN 's'
		WHEN t.hold AND NOT is_edit THEN 'h'
		ELSE 'c' END;
	IF outcome NOT IN ('c', 'u') THEN
		RETURN;
	END IF;

	IF outcome = 'c' THEN
		made_at := clock_timestamp();
		IF is_edit THEN
			INSERT INTO bellhop.revision (ticket_id, seq, rev, content, edited_at, edited_by)
			VALUES (p_ticket, p_seq, m.rev, m.content, made_at, p_user);
			m.rev := m.rev + 1;
			UPDATE bellhop.event x SET content = p_content, rev = m.rev, edited_at = made_at
			 WHERE x.ticket_id = p_ticket AND x.seq = p_seq;
		ELSE
			DELETE FROM bellhop.revision x WHERE x.ticket_id = p_ticket AND x.seq = p_seq;
			UPDATE bellhop.event x
			   SET content = NULL, digest = NULL, deleted_at = made_at, deleted_by = p_user
			 WHERE x.ticket_id = p_ticket AND x.seq = p_seq;
		END IF;
		told := bellhop.change_number(t, m, (CASE WHEN is_edit THEN 'e' ELSE 'd' END)::"char",
			p_user, made_at);
	END IF;
	SELECT * INTO o_ticket FROM bellhop.ticket x WHERE x.ticket_id = p_ticket;
	SELECT * INTO o_event FROM bellhop.event_now x WHERE x.ticket_id = p_ticket AND x.seq = told;
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (2, 'edits');
