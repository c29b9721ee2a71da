// Calls to the REST API, through the gateway that served this page.

import { has, t } from '/painel/language.js'
import * as session from '/painel/session.js'

const TRIES = 4
const SECOND = 1000
let skew = 0

/** The servers' time in milliseconds; clocks that differ by less than two seconds count as equal. */
export const now = () => Date.now() + skew

/** The answer was dated between `began` and now, so only a date outside that interval counts as a difference. */
function setClock(response, began) {
  const serverTime = Date.parse(response.headers.get('Date') ?? '') + SECOND / 2
  if (Number.isNaN(serverTime)) return
  if (serverTime < began - 2 * SECOND) skew = serverTime - began
  else if (serverTime > Date.now() + 2 * SECOND) skew = serverTime - Date.now()
  else skew = 0
}

/** The gateway did not answer, or answered with a problem (RFC 9457). `message` is for people. */
export class Failure extends Error {
  constructor(status, problem, retryAfter = 0) {
    const slug = String(problem?.type ?? '').split('/').pop()
    if (!status) super(t('problem.unreachable'))
    else if (status === 429 || status === 503) super(t('problem.retry', { seconds: retryAfter || 2 }))
    else if (has(`problem.${slug}`)) super(`${t(`problem.${slug}`)} ${problem.detail ?? ''}`.trim())
    else super(problem?.detail ?? problem?.title ?? `HTTP ${status}`)
    this.status = status
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

async function once(path, { method, headers, body, signal }) {
  const sent = session.authorization()
  const began = Date.now()
  let response
  try {
    response = await fetch(path, { method, body, signal, headers: { ...headers, ...sent }, cache: 'no-store' })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new Failure(0)
  }
  setClock(response, began)
  if (response.status === 401) session.refused(sent)
  const data = await response.json().catch(() => null)
  if (!response.ok) throw new Failure(response.status, data, Number(response.headers.get('Retry-After')) || 0)
  return { status: response.status, data }
}

async function withRetries(path, request) {
  for (let failures = 0; ; failures++) {
    try {
      return await once(path, request)
    } catch (failure) {
      const passing = failure instanceof Failure && [0, 429, 503].includes(failure.status)
      if (!passing || failures + 1 >= TRIES) throw failure
      await pause(Math.max(failure.retryAfter * SECOND, SECOND / 2 * 2 ** failures))
    }
  }
}

/** Reads, retrying transient errors. Returns the body. */
export const get = async (path, signal) => (await withRetries(path, { method: 'GET', signal })).data

/** Changes something and waits for the decision; the key makes retries safe. Returns {status, data}. */
export const post = (path, body, key, seconds = 10) =>
  withRetries(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key, Prefer: `wait=${seconds}` },
  })

export const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A random key of 128 bits. crypto.randomUUID exists only on https and localhost. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
