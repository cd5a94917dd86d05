#!lua name=bellhop_people_1
-- SPDX-License-Identifier: BSD-2-Clause
--
-- What bellhop keeps in Redis about people: who types, who has read how far, who is there. Loaded by
-- bellhop-archive beside the library of the tickets, and numbered like it: the number in the name grows
-- with every change that a running older program could not live with.
--
-- All of it may be lost: what is ephemeral expires by itself, and the rest is a copy of the record.
-- Each function changes its keys and publishes what has changed in the same call, so that whoever reads
-- the keys and follows the channel misses nothing between the two. A payload is one JSON object, of
-- which every receiver ignores what it does not know.
--
-- The rule in here: read and check everything first, write last. An error reply means that nothing was
-- changed. Numbers become text through string.format('%d'): Lua's own way turns 1e15 into "1e+15".

-- Caught at the entry points: a bad argument is an error reply that says which.
local function bad(what)
	error({bad = what})
end

-- Digits, at most 16 of them: every such number is exact in Lua.
local function natural(text, what)
	if type(text) ~= 'string' or text == '' or #text > 16 or text:find('%D') then
		bad(what .. ' is not a number')
	end
	return tonumber(text)
end

local function text(value, what)
	if type(value) ~= 'string' or value == '' then
		bad(what .. ' is missing')
	end
	return value
end

local function now_ms()
	local time = redis.call('TIME')
	return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Checks what a function was called with.
local function check(keys, nkeys, args, nargs)
	if #keys ~= nkeys then
		bad('wrong number of keys')
	end
	if #args ~= nargs then
		bad('wrong number of arguments')
	end
end

-- Publishes a JSON object of name, value pairs in the order given: a text is quoted, a number written
-- in full, a missing one null.
local function publish(channel, pairs_of)
	local members = {}
	for k = 1, #pairs_of, 2 do
		local value = pairs_of[k + 1]
		if type(value) == 'number' then
			value = string.format('%d', value)
		elseif value == cjson.null then
			value = 'null'
		else
			value = cjson.encode(value)
		end
		members[#members + 1] = '"' .. pairs_of[k] .. '":' .. value
	end
	redis.call('PUBLISH', channel, '{' .. table.concat(members, ',') .. '}')
end

-- ---- typing ----

-- A ticket's typists are a hash: user -> "<end, ms of Redis time> <name>".

local function typing_end(value)
	return tonumber(value:match('^(%d+) ') or '0')
end

-- typing(typing; channel, user, name, ms)
-- The user types for ms from now on; with 0 no longer. 1 if there was something to tell, else 0.
local function typing(keys, args)
	check(keys, 1, args, 4)
	local channel, user = text(args[1], 'channel'), text(args[2], 'user')
	local name, ms = args[3], natural(args[4], 'ms')
	local all = redis.call('HGETALL', keys[1])
	local now = now_ms()
	local was = nil
	local over = {}
	for k = 1, #all, 2 do
		local is_over = typing_end(all[k + 1]) <= now
		if all[k] == user and not is_over then
			was = all[k + 1]:match('^%d+ (.*)$')
		end
		if is_over or (all[k] == user and ms == 0) then
			over[#over + 1] = all[k]
		end
	end
	if #over > 0 then
		redis.call('HDEL', keys[1], unpack(over, 1, math.min(#over, 1000)))
	end
	if ms > 0 then
		redis.call('HSET', keys[1], user, string.format('%d ', now + ms) .. name)
		redis.call('PEXPIRE', keys[1], args[4])
		publish(channel, {'event', 'typing-start', 'user_id', user, 'name', name, 'ms', ms})
		return 1
	end
	if was == nil then
		return 0
	end
	publish(channel, {'event', 'typing-stop', 'user_id', user, 'name', was})
	return 1
end

-- ---- read marks ----

-- ---- who is there ----

-- ---- the functions ----

-- Turns bad() into an error reply, and passes Redis' own errors on.
local function entry(name, body)
	return function(keys, args)
		local ok, result = pcall(body, keys, args)
		if ok then
			return result
		end
		if type(result) == 'table' and result.bad then
			return redis.error_reply('BADARG ' .. name .. ': ' .. result.bad)
		end
		-- Redis' pcall hands its own errors over as text, the code word first.
		local reason = tostring(type(result) == 'table' and result.err or result)
		if reason:match('^%u+ ') then
			return redis.error_reply(reason)
		end
		return redis.error_reply('BADARG ' .. name .. ': ' .. reason)
	end
end

-- Changes nothing: its answer tells that the library is there.
redis.register_function('bellhop_people_1_probe', function()
	return redis.status_reply('OK')
end)
redis.register_function('bellhop_people_1_typing', entry('typing', typing))
