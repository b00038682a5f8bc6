-- The generic cell rate algorithm over two buckets at once: a principal's and its tenant's. One atomic step in Redis.
--
-- Each key holds the instant (microseconds) at which its bucket is full again; absent means full. KEYS: the buckets.
-- ARGV: what is wanted at best, what is needed at least, then for each bucket its rate (units a second) and burst (units).
-- Answers {granted, wait, left}: units granted (0: none), microseconds until the least could be, units left in the emptiest bucket.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted, needed = tonumber(ARGV[1]), tonumber(ARGV[2])
local room, wait = wanted, 0

local function bucket(i)
  local rate, burst = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local full = math.max(now, tonumber(redis.call('GET', KEYS[i]) or 0))
  return full, 1000000 / rate, burst
end

for i = 1, #KEYS do
  local full, each, burst = bucket(i)
  local here = burst - (full - now) / each
  wait = math.max(wait, (math.min(needed, burst) - here) * each)
  room = math.min(room, here)
end
if wait >= 1 then
  return { 0, math.ceil(wait), math.floor(math.max(0, room)) }
end
local granted, left = math.max(room, needed), nil
for i = 1, #KEYS do
  local full, each, burst = bucket(i)
  full = math.min(full + granted * each, now + burst * each)
  redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
  local here = burst - (full - now) / each
  left = left and math.min(left, here) or here
end
return { math.floor(granted), 0, math.floor(left) }
