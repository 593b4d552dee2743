-- KEYS revision, log; ARGV ahead, revision, stamp of its batch or '', limit
-- Returns 'cut' or 'next', the present revision, the stamp of the last batch
-- told of, then revisions and changes. The stamp tells two batches of one
-- revision apart, where a failover has lost the first.
local present, after, stamp = redis.call('GET', KEYS[1]) or '0', ARGV[2], ARGV[3]

local function cut()
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  local seen = ''
  if last and last[1] == present .. '-0' then seen = last[2][2] end
  return {'cut', present, seen}
end

if tonumber(after) > tonumber(present) then return cut() end
local batches = redis.call('XRANGE', KEYS[2], after .. '-0', '+', 'COUNT', ARGV[4] + 1)
local first = 1
if batches[1] and batches[1][1] == after .. '-0' then
  if stamp ~= '' and stamp ~= batches[1][2][2] then return cut() end
  stamp, first = batches[1][2][2], 2
end
if after == present then return {'next', present, stamp} end
local following = string.format('%.0f-0', tonumber(after) + 1)
if not batches[first] or batches[first][1] ~= following then return cut() end
local reply = {'next', present, stamp}
for i = first, #batches do
  reply[#reply + 1] = string.match(batches[i][1], '^%d+')
  reply[#reply + 1] = batches[i][2][4]
  reply[3] = batches[i][2][2]
end
return reply
