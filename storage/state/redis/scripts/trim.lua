-- KEYS stream, entries; ARGV ahead, position, most entries at a time
-- Returns whether there is more to trim.
local ends = redis.call('HMGET', KEYS[1], 'last', 'first')
local last, first = tonumber(ends[1] or '0'), tonumber(ends[2] or '0')
local upTo = math.min(tonumber(ARGV[2]), last)
if upTo <= first then return 0 end
local now = math.min(upTo, first + tonumber(ARGV[3]))
redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', now + 1)) -- first, as it may where memory is full
redis.call('HSET', KEYS[1], 'first', string.format('%.0f', now))
if now < upTo then return 1 end
return 0
