#!lua name=bellhop_2
-- SPDX-License-Identifier: BSD-2-Clause
--
-- Everything that bellhop changes in Redis in more than one step. Loaded by bellhop-archive alone;
-- the number in the name grows with every change that a running older program could not live with,
-- so that two versions can serve side by side.
--
-- A ticket has three keys, of one hash tag: the stream `chat` (entry <seq>-0 for event seq), the hash
-- `meta` (what the ticket row says as of the stream's tail) and the hash `who` (user -> role, or
-- "removed"; and "*", no user's name, as long as nobody who was removed is missing). A stream is dense: seq grows by one from entry to entry. All of it can be dropped and
-- loaded again from PostgreSQL at any time; what must never happen is that it is there and wrong.
--
-- What is new in a ticket is also told to its people, on the channel <prefix>user:<user> of each, so
-- that those hear of it who do not watch the ticket; and who has sent a message types no longer (the
-- hash `typing` of bellhop_people_1). Both may be lost, and neither can make a function fail.
--
-- The rule in here: read and check everything first, write last. An error reply means that nothing
-- was changed. Numbers become text through string.format('%d'): Lua's own way turns 1e15 into
-- "1e+15".

-- A range read from PostgreSQL may be loaded for so long after Redis was asked. The archiver looks
-- back further than that (RECORD_OVERLAP_MS), so it sees whatever was committed meanwhile.
local LOAD_MAX_AGE_MS = 4000
local BEGIN_MAX_AGE_MS = 4000 -- see may_begin()
local LOAD_MAX_EVENTS = 200
local TRIM_MAX_EVENTS = 500
local TRIM_STEP = 50
local TELL_STEP = 200 -- channels of one question: unpack() has its limits
-- The field of `who` that begin() and load() write. Absence of a user means something only beside it: who
-- is not listed after a DEL may have been removed.
local EVERYBODY = '*'

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

local function now_ms()
	local time = redis.call('TIME')
	return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- ---- events ----

-- Reads an event from args at i: seq, number of fields, field, value, ... Returns it and the index
-- behind it. Its fields become members as text; args[first] to args[last] is what XADD gets.
local function read_event(args, i)
	local seq, count = natural(args[i], 'seq'), natural(args[i + 1], 'number of fields')
	local first, last = i + 2, i + 1 + 2 * count
	if seq < 1 then
		bad('seq is not positive')
	end
	if count < 1 or count > 40 or args[last] == nil then
		bad('event is cut short')
	end
	local event, size = {}, 0
	for k = first, last, 2 do
		local field, value = args[k], args[k + 1]
		event[field] = value
		size = size + #field + #value
	end
	event.seq, event.seq_text, event.size = seq, args[i], size
	event.args, event.first, event.last = args, first, last
	natural(event.n, 'n')
	natural(event.n_public, 'n_public')
	natural(event.sent_at, 'sent_at')
	if event.prev_public then
		natural(event.prev_public, 'prev_public')
	end
	local kind = event.kind
	if kind == nil or #kind ~= 1 then
		bad('kind is not a letter')
	end
	if kind == 'p' or kind == 't' then
		local ok, detail = pcall(cjson.decode, event.detail or '')
		if not ok or type(detail) ~= 'table' then
			bad('detail is not an object')
		end
		event.detail = detail
		if kind == 'p' and
				(type(detail.user_id) ~= 'string' or type(detail.role) ~= 'string') then
			bad('detail names no user and role')
		end
	elseif kind == 'd' or kind == 'e' then
		natural(event.target, 'target')
	end
	return event, last + 1
end

-- The fields of a stream entry as a table.
local function fields_of(entry)
	local list, fields = entry[2], {}
	for k = 1, #list, 2 do
		fields[list[k]] = list[k + 1]
	end
	return fields
end

local function size_of(entry)
	local size = 0
	for _, text in ipairs(entry[2]) do
		size = size + #text
	end
	return size
end

-- Is the event of that seq in the stream another one? False too where it was trimmed.
local function clashes(chat, event)
	local id = event.seq_text .. '-0'
	local entry = redis.call('XRANGE', chat, id, id)[1]
	if not entry then
		return false
	end
	local there = fields_of(entry)
	return there.kind ~= event.kind or there.uid ~= event.uid or
		there.sender_id ~= event.sender_id or
		there.target ~= event.target
end

-- ---- a ticket ----

-- What is there. Touches all three keys, so that a wrong type is an error before anything is written.
-- A stream without its meta (somebody deleted that) counts as none: it will be replaced. `user`: whose
-- role is wanted. knows_people: `who` is whole.
local function read_ticket(keys, user)
	local ticket = {chat = keys[1], meta = keys[2], who = keys[3]}
	local length = redis.call('XLEN', ticket.chat)
	local meta = redis.call('HMGET', ticket.meta, 'first', 'last_seq', 'bytes')
	local people = redis.call('HMGET', ticket.who, user or '', EVERYBODY)
	ticket.role, ticket.knows_people = people[1], people[2] and true
	if length > 0 and meta[1] and meta[2] then
		ticket.length = length
		ticket.first = tonumber(meta[1]) or 0
		ticket.last_seq = tonumber(meta[2]) or 0
		ticket.bytes = tonumber(meta[3] or '0') or 0
	else
		ticket.length = 0
	end
	return ticket
end

-- Does the stream end with the event that meta names? One that somebody has added to, or taken the end of,
-- counts as none, too; but to look would cost each push a quarter of its time.
local function ends_rightly(ticket)
	local newest = redis.call('XREVRANGE', ticket.chat, '+', '-', 'COUNT', 1)[1]
	return newest and newest[1] == string.format('%d-0', ticket.last_seq)
end

-- Starts an empty ticket, whatever was there, whose oldest event will be `event`.
local function begin(ticket, event)
	redis.call('DEL', ticket.chat, ticket.meta, ticket.who)
	redis.call('HSET', ticket.meta, 'status', 'open', 'first', event.seq_text)
	redis.call('HSET', ticket.who, EVERYBODY, 'all')
	ticket.bytes, ticket.role = 0, nil
end

-- A deletion is the scrub: the message's content leaves all its entries. Redis cannot change an entry,
-- and XDEL would leave the text in memory and a hole in the numbers, so the stream is written anew.
-- What is left of them tells the message as the deletion does.
local function scrub(ticket, deletion)
	local target = deletion.target
	local target_id = target .. '-0'
	local told = {rev = true, edited_at = true, deleted_at = true, deleted_by = true}
	local found = false
	local entries = redis.call('XRANGE', ticket.chat, '-', '+')
	local lists = {}
	for i, entry in ipairs(entries) do
		local fields = fields_of(entry)
		if fields.content and (entry[1] == target_id or
				(fields.kind == 'e' and fields.target == target)) then
			local list = {}
			for k = 1, #entry[2], 2 do
				local name = entry[2][k]
				if name ~= 'content' and not told[name] then
					list[#list + 1] = name
					list[#list + 1] = entry[2][k + 1]
				end
			end
			for _, name in ipairs({'rev', 'edited_at', 'deleted_at', 'deleted_by'}) do
				if deletion[name] then
					list[#list + 1] = name
					list[#list + 1] = deletion[name]
				end
			end
			ticket.bytes = ticket.bytes - size_of(entry)
			ticket.bytes = ticket.bytes + size_of({entry[1], list})
			lists[i] = list
			found = true
		else
			lists[i] = entry[2]
		end
	end
	if not found then
		return
	end
	redis.call('DEL', ticket.chat)
	for i, entry in ipairs(entries) do
		redis.call('XADD', ticket.chat, entry[1], unpack(lists[i]))
	end
end

-- What an event changes besides the stream.
local function apply(ticket, event)
	if event.kind == 'p' then
		redis.call('HSET', ticket.who, event.detail.user_id, event.detail.role)
	elseif event.kind == 't' then
		for _, name in ipairs({'status', 'title'}) do
			if type(event.detail[name]) == 'string' then
				redis.call('HSET', ticket.meta, name, event.detail[name])
			elseif event.detail[name] == cjson.null then
				redis.call('HDEL', ticket.meta, name)
			end
		end
	elseif event.kind == 'd' then
		scrub(ticket, event)
	end
end

-- False, with nothing done, where something that does not belong there is in the way.
local function append(ticket, event)
	local added = redis.pcall('XADD', ticket.chat, event.seq_text .. '-0',
		unpack(event.args, event.first, event.last))
	if type(added) == 'table' and added.err then
		-- The general code: that the number is too low. Others are the server's troubles.
		if added.err:match('^ERR ') then
			return false
		end
		error(added)
	end
	ticket.bytes = ticket.bytes + event.size
	if event.kind ~= 'm' then
		apply(ticket, event)
	end
	return true
end

-- meta as of `event`, the last that was appended.
local function finish(ticket, event, used)
	redis.call('HSET', ticket.meta, 'last_seq', event.seq_text,
		'last_public', event.public and event.seq_text or event.prev_public or '0',
		'n', event.n, 'n_public', event.n_public, 'last_uid', event.uid or '',
		'bytes', string.format('%d', ticket.bytes), 'used', used)
end

-- ---- telling people ----

-- The epoch and the ticket that the key of a stream speaks of: <prefix><epoch>:{p}:chat:<ticket>.
local function read_name(chat, prefix)
	if type(prefix) ~= 'string' or chat:sub(1, #prefix) ~= prefix then
		bad('prefix is not that of the keys')
	end
	local epoch, ticket = chat:sub(#prefix + 1):match('^(%d+):{%d+}:chat:(.+)$')
	if not epoch then
		bad('key is not a ticket\'s')
	end
	return {prefix = prefix, epoch = epoch, ticket = cjson.encode(ticket)}
end

-- Tells everybody in the ticket of its newest event; is_public: a requester has something new, too.
-- Most people are not there, and to ask who is costs less than half of publishing for nobody.
local function tell(ticket, name, event, is_public)
	local payload = '{"epoch":' .. name.epoch .. ',"ticket_id":' .. name.ticket ..
		',"seq":' .. event.seq_text .. ',"public":' .. (is_public and 'true' or 'false') .. '}'
	local people = redis.call('HGETALL', ticket.who)
	local channels, prefix = {}, name.prefix .. 'user:'
	for k = 1, #people, 2 do
		if people[k + 1] ~= 'removed' and people[k] ~= EVERYBODY then
			channels[#channels + 1] = prefix .. people[k]
		end
	end
	for first = 1, #channels, TELL_STEP do
		local last = math.min(first + TELL_STEP - 1, #channels)
		local heard = redis.pcall('PUBSUB', 'NUMSUB', unpack(channels, first, last))
		for k = 2, #heard, 2 do
			if heard[k] > 0 then
				redis.pcall('PUBLISH', heard[k - 1], payload)
			end
		end
	end
end

-- Who has sent a message has typed it, and who was removed types no more.
local function end_typing(typing, event)
	if event.kind == 'm' and event.sender_id then
		redis.pcall('HDEL', typing, event.sender_id)
	elseif event.kind == 'p' and event.detail.role == 'removed' then
		redis.pcall('HDEL', typing, event.detail.user_id)
	end
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
		local text = tostring(type(result) == 'table' and result.err or result)
		if text:match('^%u+ ') then
			return redis.error_reply(text)
		end
		return redis.error_reply('BADARG ' .. name .. ': ' .. text)
	end
end

local function check_keys(keys, count)
	if #keys ~= count then
		bad('wrong number of keys')
	end
end

-- The first event of a ticket begins its stream without a load, unless it comes late: the ticket may
-- have gone on since. The sweep looks back further than this before its mark (`until`, microseconds of
-- the clock of sent_at), so it will see whatever followed this event, and put the stream right.
local function may_begin(swept, event)
	local mark = tonumber(redis.call('HGET', swept, 'until') or '')
	return event.seq == 1 and mark ~= nil and
		tonumber(event.sent_at) > mark / 1000 - BEGIN_MAX_AGE_MS
end

-- push(chat meta who swept typing; join_role, prefix, event)
-- OK, DUP, CLASH, GAP <last> <now>, EMPTY <now>. join_role '' leaves `who` to the event's kind.
local function push(keys, args)
	check_keys(keys, 5)
	local name = read_name(keys[1], args[2])
	local event, behind = read_event(args, 3)
	if args[behind] ~= nil then
		bad('too many arguments')
	end
	local ticket = read_ticket(keys, event.sender_id)
	if ticket.length == 0 or not ticket.knows_people then
		if not may_begin(keys[4], event) then
			return redis.status_reply(string.format('EMPTY %d', now_ms()))
		end
		begin(ticket, event)
	elseif event.seq <= ticket.last_seq then
		return redis.status_reply(clashes(ticket.chat, event) and 'CLASH' or 'DUP')
	elseif event.seq > ticket.last_seq + 1 then
		return redis.status_reply(string.format('GAP %d %d', ticket.last_seq, now_ms()))
	end
	if not append(ticket, event) then
		return redis.status_reply(string.format('EMPTY %d', now_ms()))
	end
	if args[1] ~= '' and not ticket.role and event.kind == 'm' and event.sender_id then
		redis.call('HSET', ticket.who, event.sender_id, args[1])
	end
	-- A message's own time is near enough to tell an idle ticket; an edit has that of its message.
	finish(ticket, event, event.kind == 'm' and event.sent_at or string.format('%d', now_ms()))
	end_typing(keys[5], event)
	tell(ticket, name, event, event.public)
	return redis.status_reply('OK')
end

-- Reads what load() was given, and refuses a hole.
local function read_load(args)
	local load = {
		asked_at = natural(args[1], 'asked_at'),
		is_fresh_start = args[2] == '1',
		status = args[3],
		title = args[4],
		prefix = args[5],
		news_from = args[6] ~= '' and natural(args[6], 'news_from') or nil,
		people = {},
		events = {},
	}
	local npeople = natural(args[7], 'number of people')
	local i = 8
	if args[i + 2 * npeople] == nil then
		bad('people are cut short')
	end
	for k = i, i + 2 * npeople - 1 do
		load.people[#load.people + 1] = args[k]
	end
	i = i + 2 * npeople
	local nevents = natural(args[i], 'number of events')
	if nevents < 1 or nevents > LOAD_MAX_EVENTS then
		bad('number of events is out of range')
	end
	i = i + 1
	for k = 1, nevents do
		load.events[k], i = read_event(args, i)
		if k > 1 and load.events[k].seq ~= load.events[k - 1].seq + 1 then
			bad('the range has a hole')
		end
	end
	if args[i] ~= nil then
		bad('too many arguments')
	end
	return load
end

-- All people, as they were read before the events. What the events say of them came later, those that
-- are skipped because the stream has them already included.
local function set_people(ticket, range, skip)
	redis.call('HSET', ticket.who, EVERYBODY, 'all')
	for k = 1, #range.people, 2 do
		redis.call('HSET', ticket.who, range.people[k], range.people[k + 1])
	end
	for k = 1, skip do
		if range.events[k].kind == 'p' then
			apply(ticket, range.events[k])
		end
	end
end

-- load(chat meta who typing; asked_at, fresh, status, title, prefix, news_from, npeople, user, role, ...,
--	nevents, event, ...)
-- OK, DUP, CLASH, LATE, GAP <last> <now>. Ignores events that are there. fresh '1' replaces a stream
-- from which the range is separated by a hole; without it that is a GAP. Events from news_from on are
-- news, of which people are told once; '' if none is.
local function load(keys, args)
	check_keys(keys, 4)
	local range = read_load(args)
	local name = read_name(keys[1], range.prefix)
	local events = range.events
	local ticket = read_ticket(keys)
	local now = now_ms()
	if now - range.asked_at > LOAD_MAX_AGE_MS or range.asked_at > now then
		return redis.status_reply('LATE')
	end
	local skip = 0
	local is_new = ticket.length == 0 or not ends_rightly(ticket)
	if not is_new then
		-- Numbers are dense, so the events that are there are the first of the range.
		skip = math.min(math.max(ticket.last_seq - events[1].seq + 1, 0), #events)
		if skip > 0 and clashes(ticket.chat, events[skip]) then
			return redis.status_reply('CLASH')
		end
		if skip == #events then
			return redis.status_reply('DUP')
		end
		if events[1].seq > ticket.last_seq + 1 then
			if not range.is_fresh_start then
				return redis.status_reply(
					string.format('GAP %d %d', ticket.last_seq, now))
			end
			is_new = true
		end
	end
	if is_new then
		begin(ticket, events[1])
	end
	set_people(ticket, range, is_new and 0 or skip)
	local is_news, is_public = false, false
	for k = skip + 1, #events do
		-- No number may follow something that was there, even if it is gone: a stream of its own then.
		if not append(ticket, events[k]) then
			begin(ticket, events[k])
			set_people(ticket, range, skip)
			append(ticket, events[k])
		end
		if range.news_from and events[k].seq >= range.news_from then
			is_news = true
			is_public = is_public or events[k].public
			end_typing(keys[4], events[k])
		end
	end
	if range.status ~= '' then
		redis.call('HSET', ticket.meta, 'status', range.status)
	end
	if range.title ~= '' then
		redis.call('HSET', ticket.meta, 'title', range.title)
	end
	finish(ticket, events[#events], string.format('%d', now))
	if is_news then
		tell(ticket, name, events[#events], is_public)
	end
	return redis.status_reply('OK')
end

-- How many of the oldest events are beyond the window, at most TRIM_MAX_EVENTS, and their bytes.
local function count_excess(ticket, window)
	local removed, bytes = 0, 0
	local from, step = '-', 1
	while removed < TRIM_MAX_EVENTS do
		-- One at first: mostly there is nothing to do.
		local count = math.min(step, TRIM_MAX_EVENTS - removed)
		local entries = redis.call('XRANGE', ticket.chat, from, '+', 'COUNT', count)
		step = TRIM_STEP
		for _, entry in ipairs(entries) do
			local left = ticket.length - removed
			local fields = fields_of(entry)
			local is_beyond = left > window.events or
				ticket.bytes - bytes > window.bytes or
				(tonumber(fields.sent_at) or 0) < window.oldest
			local seq = ticket.first + removed
			if seq > window.committed or (seq >= window.first and
					(left <= window.min or not is_beyond)) then
				return removed, bytes
			end
			removed = removed + 1
			bytes = bytes + size_of(entry)
		end
		if #entries == 0 then
			return removed, bytes
		end
		from = '(' .. entries[#entries][1]
	end
	return removed, bytes
end

-- Does an edit still tell the text of a message that the record has erased?
local function tells_erased(ticket, first)
	for _, entry in ipairs(redis.call('XRANGE', ticket.chat, '-', '+')) do
		local fields = fields_of(entry)
		if fields.kind == 'e' and fields.content and
				(tonumber(fields.target) or 0) < first then
			return true
		end
	end
	return false
end

-- trim(chat meta who; committed, events, age_ms, bytes, min, idle_ms, first)
-- [removed, 1 if the whole ticket was dropped]. Nothing above `committed`, what PostgreSQL is known
-- to hold, is touched; an idle ticket goes only if its tail is exactly that, and so does one of which
-- nothing is left at or above `first`, the oldest event that the record has kept, or that still tells a
-- text from below it, or one that does not end rightly: it is loaded anew when it is wanted. Older archivers
-- say nothing of `first`.
local function trim(keys, args)
	check_keys(keys, 3)
	local now = now_ms()
	local window = {
		committed = natural(args[1], 'committed'),
		events = natural(args[2], 'events'),
		oldest = now - natural(args[3], 'age'),
		bytes = natural(args[4], 'bytes'),
		min = natural(args[5], 'min'),
		first = natural(args[7] or '0', 'first'),
	}
	local idle_ms = natural(args[6], 'idle')
	local ticket = read_ticket(keys)
	if ticket.length == 0 then
		return {0, 0}
	end
	local used = tonumber(redis.call('HGET', ticket.meta, 'used') or '0') or 0
	local kept = tonumber(redis.call('HGET', ticket.meta, 'kept') or '1') or 1
	if ticket.last_seq == window.committed then
		if now - used > idle_ms or window.first > ticket.last_seq or
				window.first > kept and tells_erased(ticket, window.first) or
				not ends_rightly(ticket) then
			redis.call('DEL', ticket.chat, ticket.meta, ticket.who)
			return {ticket.length, 1}
		end
		-- Not to be looked through again for the same.
		if window.first > kept then
			redis.call('HSET', ticket.meta, 'kept', args[7])
		end
	end
	local removed, bytes = count_excess(ticket, window)
	if removed > 0 then
		local first = ticket.first + removed
		redis.call('XTRIM', ticket.chat, 'MINID', string.format('%d-0', first))
		redis.call('HSET', ticket.meta, 'first', string.format('%d', first),
			'bytes', string.format('%d', ticket.bytes - bytes))
	end
	return {removed, 0}
end

-- mark(swept ...; until, at, was, ...)
-- Writes the marks of partitions, each only where its `until` still is `was` ('' for none): so a mark
-- cannot be put on data that came back from an older dump in between. Returns how many were written.
local function mark(keys, args)
	if #args ~= #keys + 2 then
		bad('one former mark a key is needed')
	end
	natural(args[1], 'until')
	natural(args[2], 'at')
	local due = {}
	for k, key in ipairs(keys) do
		if (redis.call('HGET', key, 'until') or '') == args[k + 2] then
			due[#due + 1] = key
		end
	end
	for _, key in ipairs(due) do
		redis.call('HSET', key, 'until', args[1], 'at', args[2])
	end
	return #due
end

redis.register_function('bellhop_2_push', entry('push', push))
redis.register_function('bellhop_2_load', entry('load', load))
redis.register_function({
	function_name = 'bellhop_2_trim',
	callback = entry('trim', trim),
	-- It is what frees memory when there is none left.
	flags = {'allow-oom'},
})
redis.register_function('bellhop_2_mark', entry('mark', mark))
