-- What all scripts begin with: numbers of 64 bits, the clock, the head of a
-- record, operation ids. ARGV[1] is 0; tests have the clock go ahead by it (ns).

-- A number is {n / 1e9, n % 1e9}: Lua's own lose whole numbers above 2^53. A
-- time is such a number of nanoseconds.
local BASE = 1000000000
local MAX = {9223372036, 854775807}

local function big(text)
  local n = #text
  if n <= 9 then return {0, tonumber(text)} end
  return {tonumber(string.sub(text, 1, n - 9)), tonumber(string.sub(text, n - 8))}
end

local function text(a)
  if a[1] == 0 then return string.format('%.0f', a[2]) end
  return string.format('%.0f%09.0f', a[1], a[2])
end

local function less(a, b)
  return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
end

-- add stops at the end of the range.
local function add(a, b)
  local hi, lo = a[1] + b[1], a[2] + b[2]
  if lo >= BASE then hi, lo = hi + 1, lo - BASE end
  if less(MAX, {hi, lo}) then return MAX end
  return {hi, lo}
end

-- sub stops at nothing.
local function sub(a, b)
  if less(a, b) then return {0, 0} end
  local hi, lo = a[1] - b[1], a[2] - b[2]
  if lo < 0 then hi, lo = hi - 1, lo + BASE end
  return {hi, lo}
end

local clock = redis.call('TIME')
local now = add({tonumber(clock[1]), tonumber(clock[2]) * 1000}, big(ARGV[1]))

-- micros is a time as a score: the clock has whole microseconds, so that what is
-- rounded up compares as the time itself. millis is one for a key's own end.
local function micros(time)
  return string.format('%.0f', time[1] * 1000000 + math.ceil(time[2] / 1000))
end

local function millis(time)
  return string.format('%.0f', time[1] * 1000 + math.ceil(time[2] / 1000000))
end

-- ofMicros is the time of a score.
local function ofMicros(score)
  local n = tonumber(score)
  local seconds = math.floor(n / 1000000)
  return {seconds, (n - seconds * 1000000) * 1000}
end

-- over tells that an end, '' for none, has come.
local function over(ends)
  return ends ~= '' and not less(now, big(ends))
end

-- revisionOf is the revision of a stored record that lives, else '0'.
local function revisionOf(stored)
  if not stored then return '0' end
  local revision, ends = string.match(stored, '^(%d+):(%d*):')
  if over(ends) then return '0' end
  return revision
end

-- makeRoom is called with a sorted set by what is made also where the server's memory
-- is full: what gives back or takes out, and what makes nothing larger. A script may
-- write there once it has written, and this writes nothing.
local function makeRoom(set) redis.call('ZREM', set, '') end

-- Operation ids stand in two hashes in turn, each of which begins anew, or is
-- gone, when its time has come round again.
local LIFE = 600
local turn = math.floor(now[1] / LIFE)

local function before(hashes, id)
  if id == '' then return nil end
  for i = 1, 2 do
    local made = redis.call('HGET', hashes[i], id)
    if made then
      local ends, result = string.match(made, '^(%d+):(.*)$')
      if not over(ends) then return result end
    end
  end
  return nil
end

local function remember(hashes, id, result)
  if id == '' then return end
  local hash, mine = hashes[turn % 2 + 1], string.format('%.0f', turn)
  if redis.call('HGET', hash, 'turn') ~= mine then
    redis.call('UNLINK', hash)
    redis.call('HSET', hash, 'turn', mine)
    redis.call('PEXPIREAT', hash, string.format('%.0f', (turn + 2) * LIFE * 1000))
  end
  redis.call('HSET', hash, id, text(add(now, {LIFE, 0})) .. ':' .. result)
end
