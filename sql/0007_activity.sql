-- SPDX-License-Identifier: BSD-2-Clause
--
-- Keeps the number until its content lands: migrations are applied without a gap.

INSERT INTO bellhop.migration (version, name) VALUES (7, 'activity');
