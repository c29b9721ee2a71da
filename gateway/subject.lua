-- Tells the services whose token jwt_authn has verified, from the payload that it stores under the paths of two claims,
-- "sub scope":
-- 1. the subject, which must be a string: numbers beyond 2^53 are rounded, so two customers could become one. Without
--    control characters, with which Envoy could not forward the request, and without spaces around it, which HTTP would
--    strip on the way: " ana" must not become ana;
-- 2. the scopes, a list or a string of words. Whatever is not a word of RFC 6749, section 3.3, names no scope;
-- 3. for the access log, the subject's hash: 16 hexadecimal digits of HMAC-SHA256 (RFC 2104) with the key in SUBJECT_KEY.
local bit = require("bit")
local band, bxor, bnot, bor = bit.band, bit.bxor, bit.bnot, bit.bor
local ror, rshift, lshift, tobit, tohex = bit.ror, bit.rshift, bit.lshift, bit.tobit, bit.tohex

-- SHA-256 (FIPS 180-4) on states of eight 32-bit numbers. Its constants are the fractions of the square roots of the
-- first 8 primes and of the cube roots of the first 64.
local initial, round = {}, {}
local candidate = 2
while #round < 64 do
  local prime = true
  for divisor = 2, math.floor(math.sqrt(candidate)) do
    prime = prime and candidate % divisor ~= 0
  end
  if prime then
    if #initial < 8 then
      initial[#initial + 1] = tobit(math.floor(math.sqrt(candidate) % 1 * 4294967296))
    end
    round[#round + 1] = tobit(math.floor(candidate ^ (1 / 3) % 1 * 4294967296))
  end
  candidate = candidate + 1
end

local function compress(state, text, from)
  local w = {}
  for i = 1, 16 do
    local a, b, c, d = text:byte(from + 4 * i - 4, from + 4 * i - 1)
    w[i] = bor(lshift(a, 24), lshift(b, 16), lshift(c, 8), d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local s = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local t = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[i] = tobit(w[i - 16] + s + w[i - 7] + t)
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local s = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t = tobit(h + s + bxor(band(e, f), band(bnot(e), g)) + round[i] + w[i])
    local u = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    a, b, c, d, e, f, g, h = tobit(t + u), a, b, c, tobit(d + t), e, f, g
  end
  local new = { a, b, c, d, e, f, g, h }
  for i = 1, 8 do
    new[i] = tobit(new[i] + state[i])
  end
  return new
end

-- A 32-bit number, most significant byte first.
local function be(n)
  return string.char(band(rshift(n, 24), 255), band(rshift(n, 16), 255), band(rshift(n, 8), 255), band(n, 255))
end

-- The digest of `text`, after `before` bytes already in `state`.
local function finish(state, text, before)
  local bits = (before + #text) * 8
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. "\0\0\0\0"
  padded = padded .. be(bits)
  for from = 1, #padded, 64 do
    state = compress(state, padded, from)
  end
  return state
end

local function pad(key, byte)
  local out = {}
  for i = 1, 64 do
    out[i] = string.char(bxor(key:byte(i) or 0, byte))
  end
  return compress(initial, table.concat(out), 1)
end

local function bytes(state)
  local out = {}
  for i = 1, 8 do
    out[i] = be(state[i])
  end
  return table.concat(out)
end

local key = os.getenv("SUBJECT_KEY") or ""
assert(#key >= 32 and #key <= 64, "SUBJECT_KEY must have 32 to 64 characters")
local inner, outer = pad(key, 0x36), pad(key, 0x5c)

-- A claim of a payload; dots in its path lead into objects.
local function claim(payload, path)
  for name in path:gmatch("[^.]+") do
    payload = type(payload) == "table" and payload[name] or nil
  end
  return payload
end

-- The claims of the subject and of the scopes; nothing if no token was verified.
local function claims(handle)
  for paths, payload in pairs(handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn") or {}) do
    local subject, scopes = paths:match("^(%S+) (%S+)$")
    if subject then
      return claim(payload, subject), claim(payload, scopes)
    end
  end
end

local function words(scopes)
  local out = {}
  local function add(word)
    if type(word) == "string" and not word:find('[^\33-\126]') and not word:find('["\\]') then
      out[#out + 1] = word
    end
  end
  if type(scopes) == "string" then
    for word in scopes:gmatch("[^ ]+") do
      add(word)
    end
  elseif type(scopes) == "table" then
    for place, word in pairs(scopes) do -- a list may have nulls, where ipairs would stop
      add(type(place) == "number" and word)
    end
  end
  return table.concat(out, " ")
end

local function refuse(handle, reason)
  handle:respond({ [":status"] = "401" }, reason)
end

function envoy_on_request(handle)
  local subject, scopes = claims(handle)
  if subject == nil then
    return
  end
  if type(subject) ~= "string" then
    return refuse(handle, "The subject is not a string")
  end
  if subject:find("^ ") or subject:find(" $") then
    return refuse(handle, "The subject begins or ends with a space")
  end
  if subject:find("%c") then
    return refuse(handle, "The subject contains a control character")
  end
  handle:headers():replace("x-reserva-subject", subject)
  local names = words(scopes)
  if names ~= "" then
    handle:headers():replace("x-reserva-scopes", names)
  end
  local digest = finish(outer, bytes(finish(inner, subject, 64)), 64)
  handle:streamInfo():dynamicMetadata():set("reservaestoque", "subject", tohex(digest[1]) .. tohex(digest[2]))
end
