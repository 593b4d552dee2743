-- ARGV from 5 on: period, the least part of it that is told apart, add, max
-- Fields: p the longest period asked for of late, b buckets of first, last, count.
local period, part, max = big(ARGV[5]), big(ARGV[6]), big(ARGV[8])
local there, wrong = begin('window')
if wrong then return wrong end

local buckets, longest = {}, '0'
if there then
  local stored = redis.call('HMGET', counter, 'p', 'b')
  longest = stored[1]
  for first, last, count in string.gmatch(stored[2], '(%d+),(%d+),(%d+);') do
    buckets[#buckets + 1] = {first = big(first), last = big(last), count = big(count)}
  end
end
if #buckets == 0 or less(big(longest), period) then longest = ARGV[5] end
while #buckets > 0 and not less(now, add(buckets[1].last, big(longest))) do table.remove(buckets, 1) end

local function count()
  local all = {0, 0}
  for _, bucket in ipairs(buckets) do
    if less(now, add(bucket.last, period)) then all = add(all, bucket.count) end
  end
  return all
end

local function insert(n)
  local time, last = now, buckets[#buckets]
  if last then
    if less(time, last.last) then time = last.last end -- the clock was set back
    if less(sub(time, last.first), part) then
      last.last, last.count = time, add(last.count, n)
      return
    end
  end
  buckets[#buckets + 1] = {first = time, last = time, count = n}
end

local function takeBack(n)
  while #buckets > 0 and less({0, 0}, n) do
    local last = buckets[#buckets]
    if less(n, last.count) then
      last.count = sub(last.count, n)
      return
    end
    n = sub(n, last.count)
    table.remove(buckets)
  end
end

local granted = '1'
if looks then
  granted = '0'
elseif string.sub(ARGV[7], 1, 1) == '-' then
  takeBack(big(string.sub(ARGV[7], 2)))
elseif ARGV[8] ~= '0' and less(max, add(count(), big(ARGV[7]))) then
  granted = '0'
else
  insert(big(ARGV[7]))
end

local reply = value({count = text(count()), granted = granted})
if looks then return reply end
if there or string.sub(ARGV[7], 1, 1) == '-' then makeRoom(index) end
if #buckets == 0 then return forget(reply) end
local packed = {}
for i, bucket in ipairs(buckets) do
  packed[i] = text(bucket.first) .. ',' .. text(bucket.last) .. ',' .. text(bucket.count) .. ';'
end
local ends = text(add(buckets[#buckets].last, big(longest)))
redis.call('HSET', counter, 'k', 'window', 'e', ends, 'p', longest, 'b', table.concat(packed))
return finish(ends, reply)
