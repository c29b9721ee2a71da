// The section Orders: the latest orders as they change, and counts by status.

import { get, now } from '/painel/api.js'
import { eachFrame, find, h, setText } from '/painel/dom.js'
import { coarse, countdown, onLanguage, t, whole } from '/painel/language.js'
import { KEPT, OrderBook, STATUSES, isOver } from '/painel/order_book.js'
import { Stream } from '/painel/stream.js'
import { VirtualList, flash, isHeld } from '/painel/virtual.js'

const ROW = 52
const PAGE = 200
const REORDER = 250

export const book = new OrderBook()
/** Events: `order`, with the order in `detail`, when a view of it arrives. */
export const changes = new EventTarget()

let chosen = null
let onOpen = () => {}
let shownRevision = -1
let arrangedAt = 0

const viewport = find('orders-viewport')
const list = new VirtualList({ viewport, canvas: find('order-rows'), rowHeight: ROW, create: row, fill })
const buttons = new Map()

function row() {
  const open = h('button', { type: 'button', class: 'order', 'aria-haspopup': 'dialog', onclick: () => onOpen(open.dataset.id) },
    h('span', { class: 'flash', 'aria-hidden': 'true' }),
    h('span', { class: 'status' }), h('span', { class: 'customer' }), h('span', { class: 'when' }),
    h('code'), h('span', { class: 'left' }))
  return h('li', { class: 'order-row' }, open)
}

function fill(element, order, index, changed) {
  element.setAttribute('aria-posinset', index + 1)
  element.setAttribute('aria-setsize', list.items.length)
  const open = element.firstChild
  const [, status, customer, , code] = open.children
  open.dataset.id = order.pedidoId
  status.dataset.status = order.status
  setText(status, t(`status.${order.status}`))
  setText(customer, order.clienteId)
  setText(code, short(order.pedidoId))
  tick(element, order)
  if (changed) flash(element)
}

/** The last group of an id: the first groups are the same for all orders of one moment. */
const short = id => `…${id.slice(-12)}`

function tick(element, order) {
  const [, , , when, , left] = element.firstChild.children
  setText(when, t('ago', { time: coarse((now() - order.changed) / 1000) }))
  const reserved = order.status === 'EstoqueReservado' && order.expiraEm !== null
  left.hidden = !reserved
  if (!reserved) return
  const rest = (Date.parse(order.expiraEm) - now()) / 1000
  left.classList.toggle('soon', rest < 60)
  setText(left, isOver(order, now()) ? t('detail.over') : t('orders.left', { time: countdown(rest) }))
}

function tickAll() {
  for (const [key, { element }] of list.rows) {
    const order = book.byId.get(key)
    if (order !== undefined) tick(element, order)
  }
}

const held = () => isHeld(viewport)

function draw() {
  if (book.revision !== shownRevision && performance.now() - arrangedAt >= REORDER) {
    if (held() && list.items.length) list.draw()
    else arrange()
  }
  counts()
}
const redraw = eachFrame(draw)

function arrange() {
  arrangedAt = performance.now()
  shownRevision = book.revision
  const orders = book.view(chosen)
  list.show(orders)
  const empty = find('orders-empty')
  empty.hidden = orders.length > 0
  setText(empty, book.size ? t('orders.none') : t('orders.empty'))
}

function counts() {
  for (const [status, button] of buttons) {
    setText(button.lastChild, whole(status === null ? book.size : book.counts[status]))
    button.setAttribute('aria-pressed', String(status === chosen))
  }
  const waiting = held() && book.revision !== shownRevision && list.items.length > 0
  setText(find('orders-facts'), waiting ? t('orders.held') : book.size >= KEPT ? t('orders.facts', { count: whole(KEPT) }) : '')
}

function choices() {
  const group = find('order-counts')
  for (const status of [null, ...STATUSES]) {
    const button = h('button', { type: 'button', class: 'count', 'data-status': status ?? 'all', onclick: () => {
      chosen = status
      viewport.scrollTop = 0
      arrange()
      counts()
    } }, h('span'), h('strong'))
    buttons.set(status, button)
    group.append(button)
  }
}

function names() {
  for (const [status, button] of buttons) setText(button.firstChild, status === null ? t('orders.all') : t(`status.${status}`))
}

/** Accepts a view of an order from any source. */
export function record(view) {
  const order = book.set(view)
  changes.dispatchEvent(new CustomEvent('order', { detail: order }))
  redraw()
  return order
}

/** Starts following the orders; calls `open(id)` when the user wants to see one. Returns the stream. */
export function start(open) {
  onOpen = open
  choices()
  const stream = new Stream('/pedidos/eventos', {
    onBegin: fresh => { if (fresh) load(stream) },
    onEvent: (name, data) => { if (name === 'status') record(data) },
  })
  stream.addEventListener('state', () => {
    if (stream.state === 'signed-out' || stream.state === 'forbidden') {
      book.clear()
      arrange()
      counts()
    }
  })
  setInterval(() => {
    tickAll()
    redraw()
  }, 500)
  onLanguage(() => {
    names()
    list.refill()
    arrange()
    counts()
  })
  return stream
}

async function load(stream) {
  try {
    const page = await get(`/pedidos?limite=${PAGE}`)
    for (const order of page.itens.reverse()) record(order)
    arrange()
  } catch {
    stream.reread()
  }
}
