-- SPDX-License-Identifier: BSD-2-Clause
--
-- As in 0007, but each row is looked up by its whole key, which LIMIT makes sure of: the planner took the
-- newest public event out of all events of the ticket, and that takes long where there are many.
CREATE OR REPLACE VIEW bellhop.activity_now AS
SELECT p.ticket_id, p.user_id, t.updated_at AS active_at,
       CASE WHEN t.last_public = 0 THEN t.created_at
	    ELSE coalesce(e.sent_at, greatest(p.active_public_at, t.created_at))
	    END AS active_public_at
  FROM bellhop.participant p
 CROSS JOIN LATERAL (
	SELECT * FROM bellhop.ticket x WHERE x.ticket_id = p.ticket_id LIMIT 1) t
  LEFT JOIN LATERAL (
	SELECT x.sent_at FROM bellhop.event x
	 WHERE x.ticket_id = p.ticket_id AND x.seq = t.last_public LIMIT 1) e ON true
 WHERE p.removed_at IS NULL;

INSERT INTO bellhop.migration (version, name) VALUES (11, 'activity_now');
