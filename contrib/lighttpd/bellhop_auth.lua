-- SPDX-License-Identifier: BSD-2-Clause
--
-- Tells bellhop whom lighttpd has authenticated; see bellhop_auth.conf.

-- Who is staff. The others are requesters, and see the tickets that they take part in.
local staff = { alice = true, ada = true }

local r = lighty.r
local user = r.req_env["REMOTE_USER"]

if user then
	r.req_env["BELLHOP_USER"] = user
	if staff[user] then
		r.req_env["BELLHOP_ROLE"] = "agent"
		r.req_env["BELLHOP_TICKETS"] = "*"
	end
end
-- A password is not for bellhop.
r.req_header["Authorization"] = nil
