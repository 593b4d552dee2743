-- KEYS stream, entries, operations twice; ARGV ahead, id, 'vital' or '', entries
local operations, id = {KEYS[3], KEYS[4]}, ARGV[2]
local made = before(operations, id)
if made then return made end
if ARGV[3] ~= '' then redis.call('HDEL', KEYS[1], '') end -- writes nothing, as makeRoom
local position = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
local last, time = string.format('%.0f', position + #ARGV - 3), text(now)
redis.call('HSET', KEYS[1], 'last', last)
for i = 4, #ARGV do
  redis.call('XADD', KEYS[2], string.format('%.0f-0', position + i - 3), 't', time, 'v', ARGV[i])
end
remember(operations, id, last)
return last
