-- What the scripts of counters go on with.
-- KEYS counter, ends of members, index of the scope's counters, operations twice
-- ARGV ahead, id, name, 'look' or 'write'
-- A counter is a hash: k its kind, e its end or '', and what its kind needs.
local counter, members, index = KEYS[1], KEYS[2], KEYS[3]
local operations, id, name, looks = {KEYS[4], KEYS[5]}, ARGV[2], ARGV[3], ARGV[4] == 'look'

-- begin returns whether there is a counter, and an error if it is of another kind.
local function begin(kind)
  local head = redis.call('HMGET', counter, 'k', 'e')
  if not head[1] then return false, nil end
  if over(head[2]) then
    if not looks then redis.call('UNLINK', counter, members) end
    return false, nil
  end
  if head[1] ~= kind then return true, cjson.encode({'kind'}) end
  return true, nil
end

-- settle ends an operation. The index has an end where all counters have one.
local function settle(reply)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', micros(now))
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  if last and not string.find(last, 'inf', 1, true) then
    redis.call('PEXPIREAT', index, millis(ofMicros(last)))
  else
    redis.call('PERSIST', index)
  end
  remember(operations, id, reply)
  return reply
end

-- finish ends an operation that changed the counter: it lives until ends, '' for ever.
local function finish(ends, reply)
  if ends == '' then
    redis.call('PERSIST', counter)
    redis.call('PERSIST', members)
    redis.call('ZADD', index, '+inf', name)
  else
    local time = big(ends)
    redis.call('PEXPIREAT', counter, millis(time))
    redis.call('PEXPIREAT', members, millis(time))
    redis.call('ZADD', index, micros(time), name)
  end
  return settle(reply)
end

-- forget ends an operation that left nothing of the counter.
local function forget(reply)
  redis.call('UNLINK', counter, members)
  redis.call('ZREM', index, name)
  return settle(reply)
end

-- value is what a caller is told: limit, used, leased, held, granted, count,
-- grown, recounts, then holders and what they hold.
local function value(fields, holders)
  local reply = {fields.limit or '0', fields.used or '0', fields.leased or '0', fields.held or '0', fields.granted or '0', fields.count or '0',
    fields.grown or '0', fields.recounts or '0'}
  for holder, amount in pairs(holders or {}) do
    reply[#reply + 1] = holder
    reply[#reply + 1] = amount
  end
  return cjson.encode(reply)
end

local made = not looks and before(operations, id)
if made then return made end
