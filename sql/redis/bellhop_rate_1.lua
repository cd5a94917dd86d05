#!lua name=bellhop_rate_1
-- SPDX-License-Identifier: BSD-2-Clause
--
-- How much of a limit somebody has used. Loaded by bellhop-archive beside the other libraries, and
-- numbered like them: the number in the name grows with every change that a running older program could
-- not live with.
--
-- The algorithm and its terms are those of src/base/gcra.h, to the microsecond; a test compares the two.
-- What is kept of somebody is one time, in microseconds of Redis time: when all of the quota will be
-- there again. The key ends with it, so who is idle leaves nothing behind.

-- Caught at the entry point: a bad argument is an error reply that says which.
local function bad(what)
	error({bad = what})
end

-- Digits, at most 15 of them: every such number, and the sum of two, is exact in Lua.
local function natural(text, what)
	if type(text) ~= 'string' or text == '' or #text > 15 or text:find('%D') then
		bad(what .. ' is not a number')
	end
	return tonumber(text)
end

-- What is kept, and 0 for what no call of ours has written.
local function kept(text)
	if not text or #text > 16 or not text:match('^%d+$') then
		return 0
	end
	return tonumber(text)
end

local function now_us()
	local time = redis.call('TIME')
	return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- All of the quota is back in so many microseconds.
local function keep(key, now, us)
	redis.call('SET', key, string.format('%d', now + us), 'PX', string.format('%d', math.ceil(us / 1000)))
end

-- take(rate; quota, interval in microseconds)
-- One call. 0 or more: let in, and all of the quota is back in so many microseconds. Less: not let in, and
-- to be asked again after as many.
local function take(keys, args)
	if #keys ~= 1 then
		bad('wrong number of keys')
	end
	if #args ~= 2 then
		bad('wrong number of arguments')
	end
	local quota, interval = natural(args[1], 'quota'), natural(args[2], 'interval')
	if quota == 0 or interval == 0 then
		bad('there is no such limit')
	end
	local whole = quota * interval
	local now = now_us()
	local known = math.max(kept(redis.call('GET', keys[1])) - now, 0)
	local owed = math.min(known, whole) + interval
	if owed <= whole then
		keep(keys[1], now, owed)
		return owed
	end
	-- Further ahead than this rule can have made it: the clock was set back, or the rule has changed.
	if known > whole then
		keep(keys[1], now, whole)
	end
	return whole - owed
end

-- ---- the functions ----

-- Turns bad() into an error reply, and passes Redis' own errors on.
local function take_or_tell(keys, args)
	local ok, result = pcall(take, keys, args)
	if ok then
		return result
	end
	if type(result) == 'table' and result.bad then
		return redis.error_reply('BADARG take: ' .. result.bad)
	end
	return redis.error_reply(tostring(type(result) == 'table' and result.err or result))
end

-- Changes nothing: its answer tells that the library is there.
redis.register_function('bellhop_rate_1_probe', function()
	return redis.status_reply('OK')
end)
redis.register_function('bellhop_rate_1_take', take_or_tell)
