-- The epoch protocol of the query cache, see docs/decisions/0005-query-cache.md. Each call is one atomic step in Redis.
--
-- KEYS[1] is one hash with all that validity depends on, so that losing any of it loses it all at once:
--   r       run id of the server; another one means a restart or a failover, after which nothing old may be believed
--   g       generation: random, made anew with the hash; an entry of another generation is no entry
--   e       the epoch, counted up by every write
--   <slot>  the epoch at which a tag of this slot last became stale
--   d<slot> marks "writer=until;" (ms) of writes that are under way: while one stands, nothing with this slot is kept or served
--   n       the processes that keep answers themselves, "id:renewals:heard;": heard is the epoch up to which one heard everything
--   c       since when (ms) no process can believe in an earlier generation's answers without hearing of this one
-- Every further key is an entry, a hash: g, e (as its read began), t (its slots, with spaces), b (the answer).
-- What becomes stale is published as "generation epoch slot slot ..." to the channel KEYS[1]:moved, in the step that makes it so.
local state, verb, fresh = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local CHUNK = 1000

local function head()
  local info = redis.call('INFO', 'server')
  local known = redis.call('HMGET', state, 'r', 'g', 'e')
  if known[1] == string.match(info, 'run_id:(%w+)') and known[2] then
    return known[2], known[3]
  end
  redis.call('DEL', state)
  local heard = redis.call('PUBLISH', state .. ':moved', fresh .. ' 0')
  local since = heard > 0 and now or now - 1000 * tonumber(string.match(info, 'uptime_in_seconds:(%d+)'))
  redis.call('HSET', state, 'r', string.match(info, 'run_id:(%w+)'), 'g', fresh, 'e', '0', 'c', string.format('%.0f', since))
  return fresh, '0'
end

-- changes the line of process `id`, by what `change` makes of its renewals and of what it heard; nil takes it away
local function note(id, change)
  local found, lines = false, ''
  for other, renewals, heard in string.gmatch(redis.call('HGET', state, 'n') or '', '(%w+):(%d+):(%d+);') do
    if other == id then
      found = true
      renewals, heard = change(tonumber(renewals), tonumber(heard))
    end
    if renewals then
      lines = lines .. string.format('%s:%.0f:%.0f;', other, renewals, heard)
    end
  end
  return found, lines
end

local function behind(epoch, own)
  local late = { now - tonumber(redis.call('HGET', state, 'c')) }
  for id, renewals, heard in string.gmatch(redis.call('HGET', state, 'n') or '', '(%w+):(%d+):(%d+);') do
    if id ~= own and tonumber(heard) < epoch then
      late[#late + 1] = id
      late[#late + 1] = renewals
    end
  end
  return late
end

local function marks_of_others(marks, writer)
  local kept = ''
  for owner, expiry in string.gmatch(marks or '', '(%w+)=(%d+);') do
    if owner ~= writer and tonumber(expiry) > now then
      kept = kept .. owner .. '=' .. expiry .. ';'
    end
  end
  return kept
end

local function untouched(slots, epoch)
  local fields = {}
  for slot in string.gmatch(slots, '%d+') do
    fields[#fields + 1] = slot
    fields[#fields + 1] = 'd' .. slot
  end
  for first = 1, #fields, CHUNK do
    local values = redis.call('HMGET', state, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
    for i = 1, #values, 2 do
      if values[i] and tonumber(values[i]) > tonumber(epoch) then return false end
      if values[i + 1] and marks_of_others(values[i + 1]) ~= '' then return false end
    end
  end
  return true
end

local verbs = {}

-- lookup: the generation, the epoch, and for each entry false or its answer, its slots and how long it will still be kept (ms)
function verbs.lookup()
  local generation, epoch = head()
  local answers = { generation, epoch }
  for i = 2, #KEYS do
    local entry = redis.call('HMGET', KEYS[i], 'g', 'e', 't')
    answers[i + 1] = entry[1] == generation and untouched(entry[3], entry[2])
      and { redis.call('HGET', KEYS[i], 'b'), entry[3], redis.call('PTTL', KEYS[i]) }
  end
  return answers
end

-- store: keeps an answer whose read began at (generation, epoch), unless something it depends on was touched since.
-- Answers the epoch at which that was so, -1 when it is not kept
function verbs.store()
  local generation, epoch, slots, life, answer = unpack(ARGV, 3, 7)
  local current, reached = head()
  if current ~= generation or not untouched(slots, epoch) then return -1 end
  redis.call('HSET', KEYS[2], 'g', generation, 'e', epoch, 't', slots, 'b', answer)
  redis.call('PEXPIRE', KEYS[2], life)
  return tonumber(reached)
end

-- touch: makes all that depends on these slots stale; the writer's marks stand for so many ms, 0 takes them away.
-- Tells the processes if it shall. Answers the generation, the epoch, and who has not heard that of `awaited` (0: of now), as `behind`
function verbs.touch()
  local generation = head()
  local writer, hold, tell, awaited, own = ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1', tonumber(ARGV[6]), ARGV[7]
  local epoch = redis.call('HINCRBY', state, 'e', 1)
  for i = 8, #ARGV do
    local slot = ARGV[i]
    local marks = marks_of_others(redis.call('HGET', state, 'd' .. slot), writer)
    if hold > 0 then
      marks = marks .. string.format('%s=%.0f;', writer, now + hold)
    end
    redis.call('HSET', state, slot, epoch)
    if marks == '' then
      redis.call('HDEL', state, 'd' .. slot)
    else
      redis.call('HSET', state, 'd' .. slot, marks)
    end
  end
  if tell then
    redis.call('PUBLISH', state .. ':moved', generation .. ' ' .. epoch .. ' ' .. table.concat(ARGV, ' ', 8))
  end
  return { generation, epoch, behind(awaited > 0 and awaited or epoch, own) }
end

-- behind: how old the state is (ms), then of each process that has not heard up to this epoch its id and its number of renewals
function verbs.behind()
  local generation = head()
  return { generation, behind(tonumber(ARGV[3]), ARGV[4]) }
end

-- renew: process ARGV[3] keeps answers and has heard up to ARGV[4]. Answered on its own channel, in order with what was told before:
-- ARGV[5], whether it begins only now, the generation and the epoch
function verbs.renew()
  local generation, epoch = head()
  local id, heard = ARGV[3], tonumber(ARGV[4])
  local found, lines = note(id, function(renewals, before) return renewals + 1, math.max(before, heard) end)
  if not found then
    lines = lines .. string.format('%s:0:%s;', id, epoch)
  end
  redis.call('HSET', state, 'n', lines)
  redis.call('PUBLISH', state .. ':' .. id, ARGV[5] .. (found and ' 0 ' or ' 1 ') .. generation .. ' ' .. epoch)
  return 1
end

-- heard: process ARGV[3] has heard up to ARGV[4]
function verbs.heard()
  head()
  local id, heard = ARGV[3], tonumber(ARGV[4])
  local found, lines = note(id, function(renewals, before) return renewals, math.max(before, heard) end)
  if found then redis.call('HSET', state, 'n', lines) end
  return 1
end

-- leave: these processes, each an id and a number of renewals (-1: any), are waited for no more unless they renewed meanwhile
function verbs.leave()
  head()
  for i = 3, #ARGV, 2 do
    local _, lines = note(ARGV[i], function(renewals, before)
      if ARGV[i + 1] == '-1' or renewals == tonumber(ARGV[i + 1]) then return nil end
      return renewals, before
    end)
    redis.call('HSET', state, 'n', lines)
  end
  return 1
end

return verbs[verb]()
