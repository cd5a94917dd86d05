-- SPDX-License-Identifier: BSD-2-Clause
--
-- Read marks: how far a user has read, which never moves back, and unread, which is a difference of
-- counts. A requester's world consists of public events alone: he is told the newest public number that is
-- not above a mark, and when that one moved, for the time of a mark on a note would tell of the note.

ALTER TABLE bellhop.receipt
	ADD COLUMN public_seq bigint NOT NULL DEFAULT 0,    -- newest public event not above seq
	ADD COLUMN public_at  timestamptz;                  -- since when; NULL where there is none

UPDATE bellhop.receipt r
   SET public_seq = CASE WHEN e.is_public THEN e.seq ELSE e.prev_public END,
       public_at = CASE WHEN e.is_public OR e.prev_public > 0 THEN r.read_at END
  FROM bellhop.event e
 WHERE e.ticket_id = r.ticket_id AND e.seq = r.seq;

-- Unread messages of p_user above p_seq, for staff and for the public, where p_n and p_n_public messages
-- came after it in all: less the user's own, by the counts that the first and the last of them carry, and
-- less those of others that were deleted. Three short looks at an index, none where nothing came.
-- One statement, so that it becomes part of the query that calls it, and sees what that sees.
CREATE FUNCTION bellhop.unread(
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
		   AND x.seq > p_seq AND x.kind = 'm'
		 ORDER BY x.seq DESC LIMIT 1) newest ON true
	  LEFT JOIN LATERAL (
		SELECT x.own, x.own_public, x.is_public FROM bellhop.event x
		 WHERE newest.own IS NOT NULL AND x.ticket_id = p_ticket AND x.sender_id = p_user
		   AND x.seq > p_seq AND x.kind = 'm'
		 ORDER BY x.seq LIMIT 1) oldest ON true
$$;

-- Where a mark at p_seq is put: at most at the newest event that the reader may see, a requester's at a
-- public one. Of what retention took nothing is left to be told apart, so a mark in there is one at its
-- end. o_seq 0: nowhere, there is nothing to have been read.
-- STABLE: it sees what the statement that calls it sees, which is where t came from.
CREATE FUNCTION bellhop.read_place(
	t bellhop.ticket, p_seq bigint, p_is_staff boolean,
	OUT o_seq bigint, OUT o_n bigint, OUT o_n_public bigint, OUT o_public_seq bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	e bellhop.event%ROWTYPE;
BEGIN
	o_seq := coalesce(
		least(p_seq, CASE WHEN p_is_staff THEN t.last_seq ELSE t.last_public END), 0);
	IF o_seq >= t.first_seq THEN
		SELECT * INTO e FROM bellhop.event x WHERE x.ticket_id = t.ticket_id AND x.seq = o_seq;
		IF NOT p_is_staff AND NOT e.is_public THEN
			o_seq := e.prev_public;
			SELECT * INTO e FROM bellhop.event x
			 WHERE x.ticket_id = t.ticket_id AND x.seq = o_seq;
		END IF;
	END IF;
	IF o_seq < 1 THEN
		o_seq := 0;
	ELSIF o_seq >= t.first_seq THEN
		o_n := e.n;
		o_n_public := e.n_public;
		o_public_seq := CASE WHEN e.is_public THEN e.seq ELSE e.prev_public END;
	ELSE
		o_seq := t.first_seq - 1;
		o_n := t.first_n;
		o_n_public := t.first_n_public;
		o_public_seq := coalesce((
			SELECT x.prev_public FROM bellhop.event x
			 WHERE x.ticket_id = t.ticket_id AND x.seq = t.first_seq), t.last_public);
	END IF;
END
$$;

-- Moves the read mark of a user, never back: one transaction, which does not wait for the disk, because
-- a mark that a crash of the server takes is no message lost.
-- outcome: c moved, u not moved, p not a participant.
-- The rest, but for p: the mark as it is afterwards, 0 and NULL where there is none; o_unread as p_role
-- counts; is_public_moved: its public number has moved, too.
-- p_grant as in send(). No ticket begins by being read.
CREATE FUNCTION bellhop.read_put(
	p_ticket text, p_user text, p_role text, p_grant integer, p_seq bigint,
	OUT outcome "char", OUT o_epoch bigint, OUT o_seq bigint, OUT o_public_seq bigint,
	OUT o_n bigint, OUT o_n_public bigint, OUT o_at timestamptz, OUT o_unread bigint,
	OUT is_public_moved boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	is_staff CONSTANT boolean := p_role <> 'requester';
	made_at CONSTANT timestamptz := clock_timestamp();
	is_member boolean;
	is_removed boolean;
	is_beyond boolean;
	place record;
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	SELECT d.epoch, p.user_id IS NOT NULL, p.removed_at IS NOT NULL,
	       w.o_seq > coalesce(r.seq, 0), w.o_seq, w.o_n, w.o_n_public, w.o_public_seq
	  INTO o_epoch, is_member, is_removed, is_beyond, o_seq, o_n, o_n_public, o_public_seq
	  FROM bellhop.deployment d
	  LEFT JOIN bellhop.participant p ON p.ticket_id = p_ticket AND p.user_id = p_user
	  LEFT JOIN bellhop.receipt r ON r.ticket_id = p_ticket AND r.user_id = p_user
	  LEFT JOIN bellhop.ticket t ON t.ticket_id = p_ticket
	  LEFT JOIN LATERAL bellhop.read_place(t, p_seq, is_staff) w ON t.ticket_id IS NOT NULL
	 WHERE d.is_only;
	outcome := CASE
		WHEN p_grant < 2 AND (is_removed OR p_grant = 0 AND NOT is_member) THEN 'p'
		ELSE 'u' END;
	is_public_moved := false;
	IF outcome = 'u' AND is_beyond THEN
		INSERT INTO bellhop.receipt AS r
			(ticket_id, user_id, seq, n, n_public, read_at, public_seq, public_at)
		VALUES (p_ticket, p_user, o_seq, o_n, o_n_public, made_at, o_public_seq,
			CASE WHEN o_public_seq > 0 THEN made_at END)
		ON CONFLICT (ticket_id, user_id) DO UPDATE
		   SET seq = excluded.seq, n = excluded.n, n_public = excluded.n_public,
		       read_at = excluded.read_at, public_seq = excluded.public_seq,
		       public_at = CASE WHEN excluded.public_seq > r.public_seq
				   THEN excluded.public_at ELSE r.public_at END
		 WHERE r.seq < excluded.seq
		RETURNING coalesce(public_at = made_at, false) INTO is_public_moved;
		IF FOUND THEN
			outcome := 'c';
		ELSE
			is_public_moved := false; -- somebody else's mark has overtaken this one
		END IF;
	END IF;

	SELECT r.seq, r.public_seq, r.n, r.n_public, r.read_at,
	       CASE WHEN is_staff THEN u.unread ELSE u.unread_public END
	  INTO o_seq, o_public_seq, o_n, o_n_public, o_at, o_unread
	  FROM bellhop.ticket t
	  LEFT JOIN bellhop.receipt r ON r.ticket_id = p_ticket AND r.user_id = p_user
	 CROSS JOIN LATERAL bellhop.unread(p_ticket, p_user, coalesce(r.seq, 0),
		t.n - greatest(r.n, t.first_n),
		t.n_public - greatest(r.n_public, t.first_n_public)) u
	 WHERE t.ticket_id = p_ticket AND outcome <> 'p';
	o_seq := coalesce(o_seq, 0);
	o_public_seq := coalesce(o_public_seq, 0);
	o_unread := coalesce(o_unread, 0);
END
$$;

INSERT INTO bellhop.migration (version, name) VALUES (6, 'receipts');
