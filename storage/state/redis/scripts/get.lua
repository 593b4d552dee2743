-- KEYS records; ARGV ahead, name
local stored = redis.call('HGET', KEYS[1], ARGV[2])
if revisionOf(stored) == '0' then return false end
return stored
