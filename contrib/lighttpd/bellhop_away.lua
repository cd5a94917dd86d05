-- SPDX-License-Identifier: BSD-2-Clause
--
-- What lighttpd says itself below /chat/, in the form of bellhop's own errors (RFC 9457); see bellhop.conf.

local r = lighty.r
local status = r.req_item.http_status

-- Every answer of bellhop's has this header.
if status < 400 or r.resp_header["Bellhop-Mode"] then
	return
end

local own = {
	[401] = { "unauthenticated", "Authentication is required", "nobody is logged in" },
	[403] = { "forbidden", "Forbidden", "the web server does not let you in" },
	[413] = { "too_large", "Content Too Large", "the request body is too large" },
}
local away = { "unavailable", "Service Unavailable", "bellhop does not answer" }
local malformed = { "bad_request", "The request is malformed", "the web server does not understand it" }

local id = ("%08x%08x%08x%08x"):format(math.random(0, 0xffffffff), math.random(0, 0xffffffff),
	math.random(0, 0xffffffff), math.random(0, 0xffffffff))
r.resp_header["X-Request-Id"] = id
r.resp_header["X-Content-Type-Options"] = "nosniff"
-- lighttpd does not know the mode; that it refuses something does not make it another one.
r.resp_header["Bellhop-Mode"] = status >= 500 and "down" or "full"

-- EventSource gives up for good at any status but 200, so it is told to come back. (uri.path has lost its end
-- by the time that a connection fails.)
local path = r.req_attr["request.uri"]:match("^[^?]*")
if status >= 500 and (path:match("/v1/stream$") or path:match("/v1/tickets/[^/]+/stream$")) then
	local retry_ms = math.random(2250, 3750)
	r.resp_header["Content-Type"] = "text/event-stream"
	r.resp_header["Cache-Control"] = "no-store, no-transform"
	r.resp_body.set(('retry: %d\nevent: bye\ndata: {"code":"unavailable","retry_ms":%d}\n\n'):format(retry_ms, retry_ms))
	return 200
end

local code, title, detail = table.unpack(status >= 500 and away or own[status] or malformed)
r.resp_header["Content-Type"] = "application/problem+json"
r.resp_header["Cache-Control"] = "no-store"
if status >= 500 then
	r.resp_header["Retry-After"] = "2"
end
r.resp_body.set(('{"type":"urn:bellhop:problem:%s","title":"%s","status":%d,"detail":"%s","code":"%s","request_id":"%s"}')
	:format(code, title, status, detail, code, id))
return status
