-- Sends the requests of a file in turn and says at the end, in one line of JSON, what came back.
-- Arguments: the file (each request after its length in bytes), how many of them to skip, the status that is expected
-- instead of success (0: none), and how many milliseconds a connection pauses on average (0: none). Looking at each
-- status costs wrk some time, so it is done only where one is expected; otherwise wrk itself counts what is above 399.

local threads = {}
local requests, at, refused = {}, 0, 0
expected = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local size = file:read("*n")
    if not size then break end
    file:read(1)
    table.insert(requests, file:read(size))
  end
  file:close()
  at = tonumber(arguments[2])
  refused = tonumber(arguments[3])
  if refused > 0 then
    response = function(status) if status == refused then expected = expected + 1 end end
  end
  local pause = tonumber(arguments[4])
  if pause > 0 then
    delay = function() return math.random(pause / 2, pause * 3 / 2) end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local good = 0
  for _, thread in ipairs(threads) do good = good + thread:get("expected") end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "above399": %d, "expected": %d, ' ..
    '"connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), errors.status, good,
    errors.connect, errors.read, errors.write, errors.timeout))
end
