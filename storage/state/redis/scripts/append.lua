-- KEYS stream, entries, operations twice, the latest run where it is of one
-- ARGV ahead, id, 'vital' or '', number of the run or '', entries
-- Returns a position, or {number} of a later run.
local operations, id, run = {KEYS[3], KEYS[4]}, ARGV[2], ARGV[4]
local made = before(operations, id)
if made then return made end
local BEFORE, REMEMBERED = 4, 604800000 -- the arguments that are no entries; state.RunLife
local tells, latest = #ARGV == BEFORE, run ~= '' and redis.call('GET', KEYS[5])
if latest and less(big(run), big(latest)) then return {latest} end
if ARGV[3] ~= '' or tells then redis.call('HDEL', KEYS[1], '') end -- writes nothing, as makeRoom
if latest ~= run and run ~= '' then redis.call('SET', KEYS[5], run, 'PX', REMEMBERED) end
local position = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
if tells then return string.format('%.0f', position) end
local last, time = string.format('%.0f', position + #ARGV - BEFORE), text(now)
redis.call('HSET', KEYS[1], 'last', last)
for i = BEFORE + 1, #ARGV do
  redis.call('XADD', KEYS[2], string.format('%.0f-0', position + i - BEFORE), 't', time, 'v', ARGV[i])
end
remember(operations, id, last)
return last
