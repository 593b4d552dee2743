-- KEYS revision, records, names, ends, log, operations twice
-- ARGV ahead, id, length and life of the log, channel, number of checks, of
-- deletes and of puts, 'vital' or '', then these: name, revision; name; name, value, life.
local revisionKey, records, names, ends, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local operations, id = {KEYS[6], KEYS[7]}, ARGV[2]
local checks, deletes, puts = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local vital, at = ARGV[9] ~= '', 10

local made = before(operations, id)
if made then
  -- Who asks again may wait for replicas, which is for what this connection wrote:
  -- so it writes something, which changes nothing, and never takes memory.
  for i = 1, 2 do
    local last = redis.call('PEXPIRETIME', operations[i])
    if last > 0 then redis.call('PEXPIREAT', operations[i], last) end
  end
  return {'made', made}
end

for _ = 1, checks do
  local revision = revisionOf(redis.call('HGET', records, ARGV[at]))
  if revision ~= ARGV[at + 1] then return {'conflict', ARGV[at], revision} end
  at = at + 2
end
if deletes + puts == 0 then
  return {'made', redis.call('GET', revisionKey) or '0'}
end

-- A record takes its value, its name twice, and about so much more.
local RECORD = 150
-- One that is there may become a little longer: an account that is disabled does.
local LITTLE = 256

local function room(name)
  local stored = redis.call('HGET', records, name)
  if not stored then return nil end
  local _, head = string.find(stored, '^%d+:%d*:')
  return #stored - head + 2 * #name + RECORD
end

-- grows tells that a batch takes more room than it makes.
local function grows()
  local new, more, i = false, 0, at
  for _ = 1, deletes do
    more = more - (room(ARGV[i]) or 0)
    i = i + 1
  end
  for _ = 1, puts do
    local was = room(ARGV[i])
    new = new or not was
    more = more + #ARGV[i + 1] + 2 * #ARGV[i] + RECORD - (was or 0)
    i = i + 3
  end
  if new then return more > 0 end
  return more > LITTLE
end

-- increment is the first write: where memory is full it is refused, unless the
-- batch is made all the same.
local function increment()
  local reply = redis.pcall('INCR', revisionKey)
  if type(reply) == 'number' then return reply end
  if vital or not grows() then makeRoom(names) end
  return redis.call('INCR', revisionKey)
end

local revision = string.format('%.0f', increment())
local changes = {}

local function changed(how, name)
  changes[#changes + 1] = how .. #name .. ':' .. name
end

local function forget(name)
  redis.call('HDEL', records, name)
  redis.call('ZREM', names, name)
  redis.call('ZREM', ends, name)
end

for _ = 1, deletes do
  local name = ARGV[at]
  if revisionOf(redis.call('HGET', records, name)) ~= '0' then changed('d', name) end
  forget(name)
  at = at + 1
end
for _ = 1, puts do
  local name, life, last = ARGV[at], ARGV[at + 2], ''
  if life == '0' then
    redis.call('ZREM', ends, name)
  else
    local time = add(now, big(life))
    last = text(time)
    redis.call('ZADD', ends, micros(time), name)
  end
  redis.call('HSET', records, name, revision .. ':' .. last .. ':' .. ARGV[at + 1])
  redis.call('ZADD', names, 0, name)
  changed('p', name)
  at = at + 3
end

-- Each batch takes out more of what has expired than it can add.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', micros(now), 'LIMIT', 0, puts + 10)) do
  forget(name)
end

-- Where all records have an end, so have the keys.
local mortal = redis.call('ZCARD', ends)
if mortal > 0 and mortal == redis.call('ZCARD', names) then
  local last = millis(ofMicros(redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')[2]))
  for _, key in ipairs({records, names, ends}) do redis.call('PEXPIREAT', key, last) end
elseif redis.call('PTTL', records) >= 0 then
  for _, key in ipairs({records, names, ends}) do redis.call('PERSIST', key) end
end

redis.call('XADD', log, 'MAXLEN', '=', ARGV[3], revision .. '-0', 't', text(now), 'c', table.concat(changes))
redis.call('PEXPIRE', log, ARGV[4])
remember(operations, id, revision)
redis.pcall('PUBLISH', ARGV[5], revision) -- a hint: who may not publish has written all the same
return {'made', revision}
