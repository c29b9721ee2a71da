-- Reports a client's remaining quota as RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10). Envoy
-- itself uses the headers of draft 3, X-RateLimit-Limit and others.
function envoy_on_response(handle)
  local headers = handle:headers()
  local limit, remaining = headers:get("x-ratelimit-limit"), headers:get("x-ratelimit-remaining")
  local reset = headers:get("x-ratelimit-reset")
  for _, name in ipairs({ "limit", "remaining", "reset" }) do
    headers:remove("x-ratelimit-" .. name)
  end
  if not limit or not remaining then
    return
  end
  headers:replace("ratelimit-policy", ('"cliente";q=%s'):format(limit))
  if remaining ~= "0" then
    headers:replace("ratelimit", ('"cliente";r=%s'):format(remaining))
    return
  end
  local wait = math.max(reset and tonumber(reset) or 0, 1)
  headers:replace("ratelimit", ('"cliente";r=0;t=%d'):format(wait))
  if headers:get(":status") == "429" then
    headers:replace("retry-after", tostring(wait))
  end
end
