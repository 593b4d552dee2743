-- KEYS names, records; ARGV ahead, first, last, limit, bytes
-- Returns whether there is more, then names and what is stored under them.
local limit, bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local found, count, size, from = {0}, 0, 0, ARGV[2]
local step = math.min(limit + 1, 100)
while true do
  local names = redis.call('ZRANGEBYLEX', KEYS[1], from, ARGV[3], 'LIMIT', 0, step)
  for _, name in ipairs(names) do
    local stored = redis.call('HGET', KEYS[2], name)
    if revisionOf(stored) ~= '0' then
      if count == limit or size > bytes then
        found[1] = 1
        return found
      end
      count, size = count + 1, size + #stored
      found[2 * count] = name
      found[2 * count + 1] = stored
    end
  end
  if #names < step then return found end
  from = '(' .. names[#names]
end
