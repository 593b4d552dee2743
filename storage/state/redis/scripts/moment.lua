-- ARGV from 3 on: names of scopes and the revisions at which their records are known
-- Returns the time, then what a server has: {'scope', name, revision, known or
-- not, names and records}, {'counter', scope, name, fields and values},
-- {'stream', name, last, first}.
local known = {}
for i = 3, #ARGV, 2 do known[ARGV[i]] = ARGV[i + 1] end
local found = {text(now)}
for _, key in ipairs(redis.call('KEYS', prefix .. '{*}:?')) do
  local name, kind = split(key)
  if kind == ':v' then
    local revision = redis.call('GET', key)
    if known[name] == revision then
      found[#found + 1] = {'scope', name, revision, 'known'}
    else
      found[#found + 1] = {'scope', name, revision, 'new', redis.call('HGETALL', base(name) .. ':r')}
    end
  elseif kind == ':i' then
    for _, counter in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. micros(now), '+inf')) do
      found[#found + 1] = {'counter', name, counter, redis.call('HGETALL', base(name) .. ':c:' .. counter)}
    end
  elseif kind == ':s' then
    local ends = redis.call('HMGET', key, 'last', 'first')
    found[#found + 1] = {'stream', name, ends[1] or '0', ends[2] or '0'}
  end
end
return found
