// Wires the page: sections, dialogs, language, theme, token and connection state.

import { closable, find, setText } from '/painel/dom.js'
import { choose, clock, current, onLanguage, t, translate } from '/painel/language.js'
import * as detail from '/painel/order_detail.js'
import * as form from '/painel/order_form.js'
import * as orders from '/painel/orders.js'
import * as session from '/painel/session.js'
import * as stock from '/painel/stock.js'
import * as system from '/painel/system.js'

const THEMES = ['auto', 'light', 'dark']
const SIGNS = {
  auto: 'M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14',
  light: 'M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M16 4l-1.4 1.4M5.4 14.6 4 16',
  dark: 'M16 12.2A6.5 6.5 0 0 1 7.8 4a6.5 6.5 0 1 0 8.2 8.2z',
}

// Connection state

function notices(streams) {
  for (const { stream, id, scope } of streams) {
    const notice = find(`${id}-notice`)
    const text = noticeOf(stream, scope)
    notice.hidden = text === ''
    setText(notice, text)
    notice.closest('.panel').dataset.stream = stream.state
  }
}

function noticeOf({ state, since, failures }, scope) {
  switch (state) {
    case 'connecting':
      return failures ? t('notice.connecting') : ''
    case 'stale':
      return t('notice.stale', { since: clock(since) })
    case 'full':
      return t('notice.full')
    case 'signed-out':
      return t('notice.signed-out')
    case 'forbidden':
      return t('notice.forbidden', { scope })
    default:
      return ''
  }
}

function connection(streams) {
  const states = streams.map(({ stream }) => stream.state)
  const open = states.filter(state => state !== 'forbidden')
  const state = ['signed-out', 'stale', 'full', 'paused', 'connecting'].find(one => open.includes(one)) ?? 'live'
  const staleSince = streams.filter(({ stream }) => stream.state === 'stale').map(({ stream }) => stream.since)
  const element = find('connection')
  const shown = { full: 'connecting' }[state] ?? state
  element.dataset.state = shown
  setText(element.querySelector('.words'), t(`connection.${shown}`, { since: clock(Math.min(...staleSince, Date.now())) }))
}

// Theme and language

function theme() {
  const button = find('theme')
  const root = document.documentElement
  const draw = () => {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    path.setAttribute('d', SIGNS[root.dataset.theme])
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
    for (const [name, value] of [['viewBox', '0 0 20 20'], ['class', 'icon'], ['aria-hidden', 'true']]) svg.setAttribute(name, value)
    svg.append(path)
    button.replaceChildren(svg)
    button.ariaLabel = button.title = t(`theme.${root.dataset.theme}`)
  }
  button.addEventListener('click', () => {
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length]
    try {
      localStorage.setItem('theme', root.dataset.theme)
    } catch { /* storage is disabled: the choice holds until the page is closed */ }
    draw()
  })
  onLanguage(draw)
}

function language() {
  const buttons = [...document.querySelectorAll('[data-language]')]
  for (const button of buttons) button.addEventListener('click', () => choose(button.dataset.language))
  onLanguage(() => {
    translate(document)
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.language === current()))
  })
}

// The token

function token() {
  const dialog = find('sign-in')
  const field = find('sign-in-token')
  const refused = find('sign-in-refused')
  const button = find('session')
  let dismissed = false
  let tokenNeeded = false

  const showError = text => {
    refused.hidden = text === ''
    setText(refused, text)
  }
  const draw = () => {
    button.hidden = !tokenNeeded && !session.signedIn()
    const { name } = session.subject()
    setText(button, session.signedIn() ? t('session.out') : t('session.in'))
    button.title = session.signedIn() && name ? t('session.out.who', { who: name }) : ''
  }
  closable(dialog)
  dialog.addEventListener('close', () => {
    dismissed = true
    field.value = ''
  })
  dialog.querySelector('form').addEventListener('submit', event => {
    event.preventDefault()
    const value = field.value.trim().replace(/^Bearer\s+/i, '')
    if (!/^[\x21-\x7e]+$/.test(value)) {
      showError(t('session.malformed'))
      return
    }
    showError('')
    dialog.close()
    dismissed = false
    session.signIn(value)
  })
  button.addEventListener('click', () => {
    if (session.signedIn()) session.signOut()
    else dialog.showModal()
  })
  session.changes.addEventListener('needed', () => {
    tokenNeeded = true
    const wasSignedIn = session.signedIn()
    if (wasSignedIn) {
      session.signOut()
      showError(t('session.refused'))
    }
    if (!dialog.open && (wasSignedIn || !dismissed)) dialog.showModal()
    draw()
  })
  session.changes.addEventListener('change', draw)
  onLanguage(draw)
}

// Sections

function sections() {
  const links = [...document.querySelectorAll('[data-section]')]
  const show = () => {
    const id = links.some(({ dataset }) => `#${dataset.section}` === location.hash) ? location.hash.slice(1) : 'estoque'
    document.body.dataset.section = id
    for (const link of links) {
      if (link.dataset.section === id) link.setAttribute('aria-current', 'true')
      else link.removeAttribute('aria-current')
    }
  }
  addEventListener('hashchange', show)
  show()
}

// Start

language()
theme()
token()
sections()
detail.start()
form.start(detail.open)
find('new-order').addEventListener('click', () => form.open())
const streams = [
  { id: 'stock', scope: 'estoque:ler', stream: stock.start(form.open) },
  { id: 'orders', scope: 'pedidos:admin', stream: orders.start(detail.open) },
  { id: 'system', scope: 'pedidos:admin', stream: system.start(sistema => stock.setConflicts(sistema.conflitos ?? [])) },
]
const update = () => {
  notices(streams)
  connection(streams)
}
for (const { stream } of streams) stream.addEventListener('state', update)
onLanguage(update)
