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

-- A ticket's marks are a hash: user -> "<epoch> <seq> <public seq> <n> <n_public> <ms of PostgreSQL time>",
-- the newest that was told. It is gone a day after the last one.
local READ_KEPT_MS = '86400000'

-- read(read; channel, user, epoch, seq, public seq, n, n_public, ms, is public news)
-- The user's mark as the record has it. 1, or 0 where a newer one, or this one, was told before. To the
-- public it is news only if its public seq has moved: `public_seq` is published as 0 where it has not.
local function read(keys, args)
	check(keys, 1, args, 9)
	local channel, user = text(args[1], 'channel'), text(args[2], 'user')
	local epoch, seq = natural(args[3], 'epoch'), natural(args[4], 'seq')
	local public_seq, at = natural(args[5], 'public seq'), natural(args[8], 'ms')
	natural(args[6], 'n')
	natural(args[7], 'n_public')
	local is_public_news = natural(args[9], 'is public news') > 0
	local was = redis.call('HGET', keys[1], user) or ''
	local was_epoch, was_seq, was_public = was:match('^(%d+) (%d+) (%d+) ')
	was_epoch = tonumber(was_epoch or '0')
	if was_epoch > epoch or (was_epoch == epoch and tonumber(was_seq) >= seq) then
		return 0
	end
	if was_epoch == epoch then
		-- Of two marks that were made in one order and come in the other, only the later is told.
		is_public_news = tonumber(was_public) < public_seq
	end
	redis.call('HSET', keys[1], user, table.concat(args, ' ', 3, 8))
	redis.call('PEXPIRE', keys[1], READ_KEPT_MS)
	publish(channel, {'event', 'message-read', 'user_id', user, 'seq', seq,
		'public_seq', is_public_news and public_seq or 0, 'at_ms', at})
	return 1
end

-- ---- who is there ----

-- A user has five keys, of one hash tag that holds a sixteenth of all users. `presence` is the user's
-- own, a hash: one lease "n:<node>" -> end for each process that has streams of the user, `api` ->
-- "<end> <status>" for what clients said by themselves, `told` -> the status that was last published,
-- `seen` -> when the last lease ended. Four sorted sets are of all users: `online` (latest end of a
-- lease), `due` (the earliest: when to look again), `away` (end of that statement), `gone` (last
-- seen, until the archiver has written it down).

-- Without leases a user is remembered here for so long.
local SEEN_KEEP_MS = 86400000

-- What a user's hash says at this time. `lapsed`: fields of leases that are over.
local function read_presence(key, now)
	local list = redis.call('HGETALL', key)
	local user = {leases = {}, lapsed = {}, told = 'offline', length = #list}
	for k = 1, #list, 2 do
		local field, value = list[k], list[k + 1]
		if field == 'told' then
			user.told = value
		elseif field == 'seen' then
			user.seen = tonumber(value)
		elseif field == 'api' or field:sub(1, 2) == 'n:' then
			local ends, status = value:match('^(%d+) ?(%l*)$')
			ends = tonumber(ends or '0')
			if ends > now then
				user.leases[field] = ends
				if field == 'api' then
					user.said = status
				end
			else
				user.lapsed[field] = ends
			end
		end
	end
	return user
end

-- What was said counts more than that there is a stream.
local function status_of(user)
	if user.said then
		return user.said
	end
	return next(user.leases) and 'online' or 'offline'
end

local function write_offline(keys, user_id, user, seen)
	local presence, online, due, away, gone = unpack(keys)
	redis.call('DEL', presence)
	redis.call('ZREM', online, user_id)
	redis.call('ZREM', due, user_id)
	redis.call('ZREM', away, user_id)
	if not seen then
		return
	end
	redis.call('HSET', presence, 'seen', string.format('%d', seen))
	redis.call('PEXPIRE', presence, SEEN_KEEP_MS)
	if seen ~= user.seen then
		redis.call('ZADD', gone, string.format('%d', seen), user_id)
	end
end

local function write_leases(keys, user_id, user, status)
	local presence, online, due, away = unpack(keys)
	local first, last = math.huge, 0
	for _, ends in pairs(user.leases) do
		first, last = math.min(first, ends), math.max(last, ends)
	end
	for field in pairs(user.lapsed) do
		redis.call('HDEL', presence, field)
	end
	redis.call('HSET', presence, 'told', status)
	redis.call('PERSIST', presence)
	redis.call('ZADD', online, string.format('%d', last), user_id)
	redis.call('ZADD', due, string.format('%d', first), user_id)
	if status == 'away' then
		redis.call('ZADD', away, string.format('%d', user.leases.api), user_id)
	else
		redis.call('ZREM', away, user_id)
	end
end

-- presence(presence online due away gone; channel, user, field, ttl_ms, status)
-- Gives a lease (ttl_ms > 0), takes one back (0), or only looks which are over (field ''); publishes
-- a change of the user's status. Returns the status.
local function presence(keys, args)
	check(keys, 5, args, 5)
	local channel, user_id = text(args[1], 'channel'), text(args[2], 'user')
	local field = args[3]
	local ttl, said = natural(args[4], 'ttl'), args[5]
	if field ~= '' and field ~= 'api' and field:sub(1, 2) ~= 'n:' then
		bad('field is not a lease')
	elseif said ~= 'online' and said ~= 'away' then
		bad('status is not one to be said')
	end
	local now = now_ms()
	local user = read_presence(keys[1], now)
	if field ~= '' and ttl > 0 then
		user.leases[field], user.lapsed[field] = now + ttl, nil
		if field == 'api' then
			user.said = said
		end
	elseif user.leases[field] then
		user.leases[field], user.lapsed[field] = nil, now
		if field == 'api' then
			user.said = nil
		end
	end
	local status, seen = status_of(user), user.seen
	for _, ends in pairs(user.lapsed) do
		seen = math.max(seen or 0, ends)
	end
	if status == 'offline' then
		write_offline(keys, user_id, user, seen)
	else
		write_leases(keys, user_id, user, status)
		if field == 'api' and user.leases.api then
			redis.call('HSET', keys[1], 'api', string.format('%d %s', user.leases.api, said))
		elseif user.leases[field] then
			redis.call('HSET', keys[1], field, string.format('%d', user.leases[field]))
		end
	end
	if status ~= user.told then
		publish(channel, {'event', 'presence', 'user_id', user_id, 'status', status,
			'last_seen_ms', status == 'offline' and seen or cjson.null})
	end
	return redis.status_reply(status)
end

-- state(presence): [status, last seen in ms or '']. The only rule there is for reading a user's hash.
local function state(keys, args)
	check(keys, 1, args, 0)
	local user = read_presence(keys[1], now_ms())
	local status, seen = status_of(user), user.seen
	if status ~= 'offline' then
		return {status, ''}
	end
	for _, ends in pairs(user.lapsed) do
		seen = math.max(seen or 0, ends)
	end
	return {status, seen and string.format('%d', seen) or ''}
end

-- online(online away): [user, status, ...] of those who are not offline.
local function online(keys, args)
	check(keys, 2, args, 0)
	local now = string.format('(%d', now_ms())
	local away, found = {}, {}
	for _, user_id in ipairs(redis.call('ZRANGEBYSCORE', keys[2], now, '+inf')) do
		away[user_id] = true
	end
	for _, user_id in ipairs(redis.call('ZRANGEBYSCORE', keys[1], now, '+inf')) do
		found[#found + 1] = user_id
		found[#found + 1] = away[user_id] and 'away' or 'online'
	end
	return found
end

-- seen(gone; user, ms, ...): these last-seen times are in the record. Later ones stay.
local function seen(keys, args)
	check(keys, 1, args, #args - #args % 2)
	local removed = 0
	for k = 1, #args, 2 do
		if redis.call('ZSCORE', keys[1], args[k]) == args[k + 1] then
			removed = removed + redis.call('ZREM', keys[1], args[k])
		end
	end
	return removed
end

-- ---- who is looking at a ticket ----
--
-- `here` is a sorted set, "<user> <node>" -> end of that lease. Of a partition there are two more:
-- `watched`, its tickets that have such a set: when to look at each again; and `nodes`, the processes
-- that give leases: end of the latest. With these a user is found without looking at everybody.

-- A process whose last lease ended so long ago has none that was not noticed.
local NODE_KEEP_MS = 600000

local function publish_here(channel, user, status)
	publish(channel, {'event', 'here', 'user_id', user, 'status', status,
		'last_seen_ms', cjson.null})
end

-- The users by whom a call may make a difference: whether they come or leave by way of this node, and
-- whether a lease of theirs is over.
local function read_here(args, count, lapsed)
	local users = {}
	for k = 6, #args do
		users[args[k]] = {comes = k < 6 + count, leaves = k >= 6 + count}
	end
	for _, member in ipairs(lapsed) do
		local id = member:match('^(%S+) ')
		if id then
			users[id] = users[id] or {}
			users[id].has_lapsed = true
		end
	end
	return users
end

-- Did the user look at the ticket, as far as anybody was told, and does he from now on?
local function look_for(key, id, user, nodes, own, now)
	local members = {}
	for k, node in ipairs(nodes) do
		members[k] = id .. ' ' .. node
	end
	local before, after = user.has_lapsed or false, user.comes or false
	for k, score in ipairs(redis.call('ZMSCORE', key, unpack(members))) do
		if score then
			before = true
			if tonumber(score) > now and not (user.leaves and nodes[k] == own) then
				after = true
			end
		end
	end
	return before, after
end

local function write_here(keys, args, count, lapsed, now)
	local node, ends = args[3], string.format('%d', now + tonumber(args[4]))
	for _, member in ipairs(lapsed) do
		redis.call('ZREM', keys[1], member)
	end
	for k = 6, #args do
		if k < 6 + count then
			redis.call('ZADD', keys[1], ends, args[k] .. ' ' .. node)
		else
			redis.call('ZREM', keys[1], args[k] .. ' ' .. node)
		end
	end
	if count > 0 then
		redis.call('ZADD', keys[3], ends, node)
		redis.call('ZREMRANGEBYSCORE', keys[3], '-inf', string.format('%d', now - NODE_KEEP_MS))
	end
	local first = redis.call('ZRANGE', keys[1], 0, 0, 'WITHSCORES')
	if first[2] then
		redis.call('ZADD', keys[2], first[2], args[2])
	else
		redis.call('ZREM', keys[2], args[2])
	end
end

-- here(here watched nodes; channel, ticket, node, ttl_ms, n, user ..., user ...)
-- The first n users look at the ticket by way of this node, the others do no longer; whoever came or
-- went for all nodes is published. Without users it is a look at which leases are over.
local function here(keys, args)
	check(keys, 3, args, math.max(#args, 5))
	local channel = text(args[1], 'channel')
	text(args[2], 'ticket')
	local own = args[3]
	natural(args[4], 'ttl')
	local count = natural(args[5], 'number of users')
	if args[5 + count] == nil then
		bad('users are cut short')
	end
	local now = now_ms()
	local lapsed = redis.call('ZRANGEBYSCORE', keys[1], '-inf', string.format('%d', now))
	local nodes = redis.call('ZRANGE', keys[3], 0, -1)
	nodes[#nodes + 1] = own
	local changes = {}
	for id, user in pairs(read_here(args, count, lapsed)) do
		local before, after = look_for(keys[1], id, user, nodes, own, now)
		if before ~= after then
			changes[id] = after and 'online' or 'offline'
		end
	end
	write_here(keys, args, count, lapsed, now)
	for id, status in pairs(changes) do
		publish_here(channel, id, status)
	end
	return redis.status_reply('OK')
end

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
redis.register_function('bellhop_people_1_presence', entry('presence', presence))
redis.register_function({
	function_name = 'bellhop_people_1_state',
	callback = entry('state', state),
	flags = {'no-writes'},
})
redis.register_function({
	function_name = 'bellhop_people_1_online',
	callback = entry('online', online),
	flags = {'no-writes'},
})
redis.register_function('bellhop_people_1_seen', entry('seen', seen))
redis.register_function('bellhop_people_1_here', entry('here', here))
redis.register_function('bellhop_people_1_read', entry('read', read))
