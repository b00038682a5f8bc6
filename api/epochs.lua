-- The epoch protocol of the query cache, see docs/decisions/0005-query-cache.md. Each call is one atomic step in Redis.
--
-- KEYS[1] is one hash with all that validity depends on, so that losing any of it loses it all at once:
--   r       run id of the server; another one means a restart or a failover, after which nothing old may be believed
--   g       generation: random, made anew with the hash; an entry of another generation is no entry
--   e       the epoch, counted up by every write
--   <slot>  the epoch at which a tag of this slot last became stale
--   d<slot> marks "writer=until;" (ms) of writes that are under way: while one stands, nothing with this slot is kept or served
-- Every further key is an entry, a hash: g, e (as its read began), t (its slots, with spaces), b (the answer).
local state, verb, fresh = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local CHUNK = 1000

local function head()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local known = redis.call('HMGET', state, 'r', 'g', 'e')
  if known[1] == run and known[2] then
    return known[2], known[3]
  end
  redis.call('DEL', state)
  redis.call('HSET', state, 'r', run, 'g', fresh, 'e', '0')
  return fresh, '0'
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

-- lookup: the generation, the epoch, and for each entry its answer or false
function verbs.lookup()
  local generation, epoch = head()
  local answers = { generation, epoch }
  for i = 2, #KEYS do
    local entry = redis.call('HMGET', KEYS[i], 'g', 'e', 't')
    answers[i + 1] = entry[1] == generation and untouched(entry[3], entry[2]) and redis.call('HGET', KEYS[i], 'b')
  end
  return answers
end

-- store: keeps an answer whose read began at (generation, epoch), unless something it depends on was touched since
function verbs.store()
  local generation, epoch, slots, life, answer = unpack(ARGV, 3, 7)
  if head() ~= generation or not untouched(slots, epoch) then return 0 end
  redis.call('HSET', KEYS[2], 'g', generation, 'e', epoch, 't', slots, 'b', answer)
  redis.call('PEXPIRE', KEYS[2], life)
  return 1
end

-- touch: makes all that depends on these slots stale; the writer's marks stand for so many ms, 0 takes them away
function verbs.touch()
  head()
  local writer, hold = ARGV[3], tonumber(ARGV[4])
  local epoch = redis.call('HINCRBY', state, 'e', 1)
  for i = 5, #ARGV do
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
  return epoch
end

return verbs[verb]()
