-- ARGV from 5 on: holder, commit, release, 'all' or '', min, want, limit or '', used or '',
-- since or '', recounts or '', 'covered' or '', revision of the limit, 'bury' or ''
-- Fields: l limit, a its revision, u used, g grown, n recounts, h and a holder what it
-- holds, b and a holder until when it is buried.
local holder, BURIED, MOST_BURIED = ARGV[5], {604800, 0}, 64
local there, wrong = begin('lease')
if wrong then return wrong end

-- What is used is used less owed, of which one is nothing: somebody gave back what
-- somebody else has yet to commit.
local limit, used, owed, grown, recounts, held = '0', {0, 0}, {0, 0}, {0, 0}, {0, 0}, {}
local at, buried, past, graves, first, ends = {0, 0}, nil, {}, 0, nil, nil
if there then
  local fields = redis.call('HGETALL', counter)
  for i = 1, #fields, 2 do
    local field, stored = fields[i], fields[i + 1]
    if field == 'l' then
      limit = stored
    elseif field == 'u' and string.sub(stored, 1, 1) == '-' then
      owed = big(string.sub(stored, 2))
    elseif field == 'u' then
      used = big(stored)
    elseif field == 'g' then
      grown = big(stored)
    elseif field == 'n' then
      recounts = big(stored)
    elseif field == 'a' then
      at = big(stored)
    elseif string.sub(field, 1, 1) == 'b' then
      if over(stored) then
        past[#past + 1] = field
      else
        graves = graves + 1
        if string.sub(field, 2) == holder then buried = true end
        if not first or less(big(stored), ends) then first, ends = field, big(stored) end
      end
    elseif string.sub(field, 1, 1) == 'h' then
      held[string.sub(field, 2)] = big(stored)
    end
  end
end

if buried and not looks and ARGV[17] == '' then return cjson.encode({'buried'}) end

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
  local back = big(string.sub(ARGV[6], 2))
  if ARGV[14] == text(recounts) then owed = add(owed, sub(back, used)) end
  if ARGV[14] == '' or ARGV[14] == text(recounts) then used = sub(used, back) end
elseif ARGV[15] == '' or not less(holds(), big(ARGV[6])) then
  local more = big(ARGV[6])
  used, owed, grown = add(used, sub(more, owed)), sub(owed, more), add(grown, more)
  hold(sub(holds(), big(ARGV[6])))
end
if ARGV[8] == 'all' then
  hold({0, 0})
else
  hold(sub(holds(), big(ARGV[7])))
end
if ARGV[11] ~= '' and (ARGV[16] == '0' or not less(big(ARGV[16]), at)) then
  limit, at = ARGV[11], big(ARGV[16])
end
if ARGV[12] ~= '' then
  used, owed, recounts = big(ARGV[12]), {0, 0}, add(recounts, {0, 1})
  if ARGV[13] ~= '' then used = add(used, sub(grown, big(ARGV[13]))) end
end

local min, granted = big(ARGV[9]), big(ARGV[10])
local free = MAX
if limit ~= '-1' then free = big(limit) end
local taken = add(used, leased())
free = add(sub(free, sub(taken, owed)), sub(owed, taken))
if less(free, granted) then granted = free end
if less(granted, min) then granted = {0, 0} end
hold(add(holds(), granted))

local holders = {}
for who, amount in pairs(held) do holders[who] = text(amount) end
local present = text(used)
if less({0, 0}, owed) then present = '-' .. text(owed) end
local reply = value({
  limit = limit, used = present, leased = text(leased()), held = text(holds()), granted = text(granted),
  grown = text(grown), recounts = text(recounts),
}, holders)
if looks then return reply end
if there or ARGV[10] == '0' then makeRoom(index) end
local untouched = present == '0' and text(grown) == '0' and text(recounts) == '0' and text(at) == '0'
if limit == '0' and untouched and next(held) == nil then return forget(reply) end
redis.call('HSET', counter, 'k', 'lease', 'e', '', 'l', limit, 'a', text(at), 'u', present, 'g', text(grown), 'n', text(recounts))
if ARGV[17] ~= '' and not buried and graves >= MOST_BURIED then past[#past + 1] = first end
for _, field in ipairs(past) do redis.call('HDEL', counter, field) end
if ARGV[17] ~= '' then redis.call('HSET', counter, 'b' .. holder, text(add(now, BURIED))) end
if held[holder] then
  redis.call('HSET', counter, 'h' .. holder, text(held[holder]))
else
  redis.call('HDEL', counter, 'h' .. holder)
end
return finish('', reply)
