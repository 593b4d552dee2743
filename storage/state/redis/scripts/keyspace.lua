-- What the scripts that look at all of a server go on with.
-- ARGV ahead, prefix
local prefix = ARGV[2]

-- split returns the name in a key's braces, escaped as it is, and what follows them.
local function split(key)
  local close = string.find(key, '}', #prefix + 2, true)
  if not close then return nil, nil end
  return string.sub(key, #prefix + 2, close - 1), string.sub(key, close + 1)
end

local function base(name) return prefix .. '{' .. name .. '}' end
