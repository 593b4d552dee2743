-- ARGV from 3 on: cursor, 'holding' or 'all'
-- Returns the next cursor and names of scopes that hold anything, or of all that ever did.
local step = redis.call('SCAN', ARGV[3], 'MATCH', prefix .. '{*}:?', 'COUNT', 1000)
local found, all = {step[1]}, ARGV[4] == 'all'
for _, key in ipairs(step[2]) do
  local name, kind = split(key)
  local holds = false
  if kind == ':n' then
    holds = redis.call('ZCARD', key) > redis.call('ZCOUNT', base(name) .. ':x', '-inf', micros(now))
  elseif kind == ':i' then
    holds = redis.call('ZCOUNT', key, '(' .. micros(now), '+inf') > 0
  elseif kind == ':v' then
    holds = all
  end
  if holds then found[#found + 1] = name end
end
return found
