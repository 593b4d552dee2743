-- ARGV from 5 on: holder, commit, release, 'all' or '', min, want, limit or '', used or ''
-- Fields: l limit, u used, h and a holder what it holds.
local holder = ARGV[5]
local there, wrong = begin('lease')
if wrong then return wrong end

local limit, used, held = '0', {0, 0}, {}
if there then
  local fields = redis.call('HGETALL', counter)
  for i = 1, #fields, 2 do
    local field, stored = fields[i], fields[i + 1]
    if field == 'l' then
      limit = stored
    elseif field == 'u' then
      used = big(stored)
    elseif string.sub(field, 1, 1) == 'h' then
      held[string.sub(field, 2)] = big(stored)
    end
  end
end

local function holds() return held[holder] or {0, 0} end

local function hold(amount)
  if amount[1] == 0 and amount[2] == 0 then amount = nil end
  held[holder] = amount
end

local function leased()
  local all = {0, 0}
  for _, amount in pairs(held) do all = add(all, amount) end
  return all
end

if string.sub(ARGV[6], 1, 1) == '-' then
  used = sub(used, big(string.sub(ARGV[6], 2)))
else
  used = add(used, big(ARGV[6]))
  hold(sub(holds(), big(ARGV[6])))
end
if ARGV[8] == 'all' then
  hold({0, 0})
else
  hold(sub(holds(), big(ARGV[7])))
end
if ARGV[11] ~= '' then limit = ARGV[11] end
if ARGV[12] ~= '' then used = big(ARGV[12]) end

local min, granted = big(ARGV[9]), big(ARGV[10])
local free = MAX
if limit ~= '-1' then free = big(limit) end
free = sub(free, add(used, leased()))
if less(free, granted) then granted = free end
if less(granted, min) then granted = {0, 0} end
hold(add(holds(), granted))

local holders = {}
for who, amount in pairs(held) do holders[who] = text(amount) end
local reply = value({
  limit = limit, used = text(used), leased = text(leased()), held = text(holds()), granted = text(granted),
}, holders)
if looks then return reply end
if ARGV[10] == '0' then makeRoom(index) end
if limit == '0' and text(used) == '0' and next(held) == nil then return forget(reply) end
redis.call('HSET', counter, 'k', 'lease', 'e', '', 'l', limit, 'u', text(used))
if held[holder] then
  redis.call('HSET', counter, 'h' .. holder, text(held[holder]))
else
  redis.call('HDEL', counter, 'h' .. holder)
end
return finish('', reply)
