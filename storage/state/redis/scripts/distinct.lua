-- ARGV from 5 on: add, remove, life, most members
-- Fields: m and a member its end or ''. The ends are in a sorted set too.
local member, gone, life, most = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local there, wrong = begin('distinct')
if wrong then return wrong end

local function size() return redis.call('HLEN', counter) - 2 end

if looks then
  local count = 0
  if there then count = size() - redis.call('ZCOUNT', members, '-inf', micros(now)) end
  return value({count = string.format('%.0f', count)})
end

local function forgetMember(who)
  redis.call('HDEL', counter, 'm' .. who)
  redis.call('ZREM', members, who)
end

local had = member ~= '' and redis.call('HEXISTS', counter, 'm' .. member) == 1
if member == '' or had then makeRoom(index) end
redis.call('HSET', counter, 'k', 'distinct', 'e', '')
for _, who in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', micros(now))) do forgetMember(who) end
if gone ~= '' then forgetMember(gone) end

local granted = '0'
if member ~= '' then
  local known = redis.call('HEXISTS', counter, 'm' .. member) == 1
  if known or size() < most then
    granted = known and '2' or '1'
    local ends = ''
    if life == '0' then
      redis.call('ZREM', members, member)
    else
      local time = add(now, big(life))
      ends = text(time)
      redis.call('ZADD', members, micros(time), member)
    end
    redis.call('HSET', counter, 'm' .. member, ends)
  end
end

local count = size()
local reply = value({count = string.format('%.0f', count), granted = granted})
if count == 0 then return forget(reply) end
local ends = ''
if count == redis.call('ZCARD', members) then
  ends = text(ofMicros(redis.call('ZREVRANGE', members, 0, 0, 'WITHSCORES')[2]))
  redis.call('HSET', counter, 'e', ends)
end
return finish(ends, reply)
