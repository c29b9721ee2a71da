// Server-sent events (HTML Living Standard, section 9.2) through fetch, because EventSource cannot send a token.

import { pause } from '/painel/api.js'
import * as session from '/painel/session.js'

const FIRST_PAUSE = 500
const LONGEST_PAUSE = 15_000
const HIDDEN_GRACE = 30_000

/** Parses text into events: `take` calls back with (name, data) and updates `lastId`. */
export class Parser {
  constructor(onEvent, lastId = '') {
    this.onEvent = onEvent
    this.lastId = lastId
    this.rest = ''
    this.clear()
  }

  clear() {
    this.name = 'message'
    this.data = []
  }

  take(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop()
    for (const line of lines) this.line(line)
  }

  line(line) {
    if (line === '') {
      if (this.data.length) this.onEvent(this.name, this.data.join('\n'))
      this.clear()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.name = value
    else if (field === 'id' && !value.includes('\0')) this.lastId = value
  }
}

/**
 * A stream that reconnects automatically with back-off and resumes after the last event.
 *
 * States: connecting, live, stale, paused (the page is hidden), signed-out, forbidden, full. `since` is the time of the
 * last byte, hence the age of the data shown. `onBegin(fresh)` runs on each connection before its events; if `fresh`,
 * earlier events may have been missed, so lists must be read again. A connection silent for `silence` milliseconds is
 * considered dead.
 */
export class Stream extends EventTarget {
  constructor(path, { onBegin = () => {}, onEvent, silence = 35_000 }) {
    super()
    Object.assign(this, { path, onBegin, onEvent, silence, state: 'connecting', since: null })
    this.lastId = ''
    this.fresh = true
    this.failures = 0
    this.connection = new AbortController()
    this.wake = () => {}
    document.addEventListener('visibilitychange', () => this.visibilityChanged())
    addEventListener('online', () => this.wake())
    session.changes.addEventListener('change', () => this.restart())
    this.run()
  }

  /** Forgets its position, which is useless for another token. */
  restart() {
    this.lastId = ''
    this.fresh = true
    this.since = null
    this.set('connecting')
    this.connection.abort()
    this.wake()
  }

  /** Reconnects and has the list read again, because reading it failed. */
  reread() {
    this.fresh = true
    this.connection.abort()
  }

  visibilityChanged() {
    clearTimeout(this.hiding)
    if (document.hidden) this.hiding = setTimeout(() => this.connection.abort(), HIDDEN_GRACE)
    else this.wake()
  }

  set(state) {
    if (state === this.state) return
    this.state = state
    this.dispatchEvent(new Event('state'))
  }

  async run() {
    for (;;) {
      const wait = await this.connect().catch(() => this.failed())
      if (wait) await Promise.race([wait, new Promise(resolve => { this.wake = resolve })])
      if (document.hidden && this.since !== null) await this.hidden()
    }
  }

  hidden() {
    this.set('paused')
    return new Promise(resolve => { this.wake = resolve })
  }

  failed() {
    this.set(this.since === null ? 'connecting' : 'stale')
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.failures++)
    if (this.failures === 1) this.dispatchEvent(new Event('state'))
    return pause(longest * (0.5 + Math.random() / 2))
  }

  /** Reads until the connection ends. Returns a promise to await before reconnecting, if needed. */
  async connect() {
    const sent = session.authorization()
    this.connection = new AbortController()
    const { signal } = this.connection
    const watch = () => {
      clearTimeout(this.watchdog)
      this.watchdog = setTimeout(() => this.connection.abort(), this.silence)
    }
    watch()
    try {
      const headers = { Accept: 'text/event-stream', ...sent, ...(this.lastId ? { 'Last-Event-ID': this.lastId } : {}) }
      const response = await fetch(this.path, { headers, signal, cache: 'no-store' })
      if (!response.ok || response.status === 204) return await this.refused(response, sent)
      await this.read(response, watch)
    } finally {
      clearTimeout(this.watchdog)
      // An unread response body would hold its connection, of which a browser has six.
      this.connection.abort()
    }
    throw new Error('the stream ended')
  }

  async read(response, watch) {
    const parser = new Parser((name, data) => this.onEvent(name, JSON.parse(data)), this.lastId)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      watch()
      this.since = Date.now()
      if (this.state !== 'live') {
        this.failures = 0
        this.set('live')
        this.onBegin(this.fresh)
        this.fresh = false
      }
      parser.take(value)
      this.lastId = parser.lastId
    }
  }

  async refused(response, sent) {
    if (response.status === 401) {
      this.set('signed-out')
      session.refused(sent)
      return session.changed()
    }
    if (response.status === 403) {
      this.set('forbidden')
      return session.changed()
    }
    if (response.status === 410) {
      this.lastId = ''
      this.fresh = true
      return null
    }
    const wait = this.failed()
    if (response.status === 503) this.set('full')
    return Promise.all([wait, pause((Number(response.headers.get('Retry-After')) || 0) * 1000)])
  }
}
