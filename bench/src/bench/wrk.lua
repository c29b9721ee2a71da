-- Sends orders from a file, one body per line. Arguments: the file, the value of the header Prefer ("" for none), and
-- orders per second, 0 for a closed loop. Requests are built once, at the start, to keep the generator cheap.
local ffi = require("ffi")
ffi.cdef "typedef struct { long s; long us; } bench_timeval; int gettimeofday(bench_timeval *, void *);"
local clock = ffi.new("bench_timeval")
local generator_thread = nil

local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.s) * 1e3 + tonumber(clock.us) / 1e3
end

function setup(thread)
  generator_thread = thread -- there is only one
end

function init(arguments)
  local headers = {["Content-Type"] = "application/json"}
  if arguments[2] ~= "" then headers["Prefer"] = arguments[2] end
  requests = {}
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", "/pedidos", headers, body)
  end
  next_request = 0
  late = 0
  local per_second = tonumber(arguments[3])
  if per_second > 0 then keep_rate(1e3 / per_second) end
end

-- The next free connection takes the next slot of a schedule that no answer delays, as long as a connection is free.
function keep_rate(interval)
  local slot = nil
  function delay()
    local instant = now()
    slot = slot and slot + interval or instant
    if slot < instant - 10 then late = late + 1 end
    return math.max(0, math.floor(slot - instant + 0.5))
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nbench {"responses": %d, "microseconds": %d, "p50": %d, "p99": %d, "max": %d, "http_errors": %d, ' ..
    '"network_errors": %d, "timeouts": %d, "late": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout, generator_thread:get("late")))
end
