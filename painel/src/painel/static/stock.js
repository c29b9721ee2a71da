// The section Stock: one row per SKU, kept current by the stream of balances.

import { get } from '/painel/api.js'
import { Balances, isLow, isOut } from '/painel/balances.js'
import { eachFrame, find, h, icon, setText } from '/painel/dom.js'
import { onLanguage, short, t, whole } from '/painel/language.js'
import { skusChanged } from '/painel/picker.js'
import { Stream } from '/painel/stream.js'
import { VirtualList, flash, isHeld } from '/painel/virtual.js'

const ROW = 46
const HEAD = 34
const PAGE = 500
const REORDER = 2000

export const balances = new Balances()
let onOrder = () => {}
let loading = false
let shownRevision = -1
let orderedAt = 0
let arrangedMembers = -1

const controls = ['search', 'filter', 'sort'].map(name => find(`stock-${name}`))
const [search, filter, sort] = controls
const viewport = find('stock-viewport')
const list = new VirtualList({
  viewport, canvas: find('stock-rows'), rowHeight: ROW, above: HEAD, create: row, fill,
})

function row() {
  const cell = (name, ...children) => h('span', { role: 'cell', class: name }, ...children)
  const order = h('button', { type: 'button', class: 'quiet icon-button', onclick: () => onOrder(element.dataset.sku) }, icon('M10 4v12M4 10h12'))
  const element = h('div', { role: 'row', class: 'stock-row' },
    h('span', { class: 'flash', 'aria-hidden': 'true' }),
    cell('name', h('strong'), h('span', { class: 'line' }, h('span', { class: 'badge' }), h('small'))),
    cell('bar-cell', h('span', { class: 'bar', 'aria-hidden': 'true' }, ...['sold', 'reserved', 'available'].map(kind => h('span', { class: kind }))), caption()),
    cell('number available'),
    cell('act', order))
  return element
}

/** `12 sold · 3 reserved`; where space is short, the words are for screen readers only. */
const caption = () =>
  h('small', {}, h('span'), h('span', { class: 'word' }), h('span', {}, ' · '), h('span'), h('span', { class: 'word' }))

function fill(element, item, index, changed) {
  const [, name, bar, available, act] = element.children
  element.dataset.sku = item.sku
  element.setAttribute('aria-rowindex', index + 2)
  setText(name.firstChild, item.sku)
  setText(name.lastChild.lastChild, item.nome)
  mark(name.lastChild.firstChild, item)
  const total = Math.max(1, item.vendido + item.reservado + Math.max(0, item.disponivel))
  const parts = [item.vendido, item.reservado, Math.max(0, item.disponivel)]
  parts.forEach((part, at) => { bar.firstChild.children[at].style.flexGrow = part / total })
  const [sold, soldWord, , reserved, reservedWord] = bar.lastChild.children
  setText(sold, short(item.vendido))
  setText(soldWord, ` ${t('stock.word.sold')}`)
  setText(reserved, short(item.reservado))
  setText(reservedWord, ` ${t('stock.word.reserved')}`)
  setText(available, short(item.disponivel))
  act.firstChild.ariaLabel = t('stock.order', { sku: item.sku })
  if (changed) flash(element)
}

function mark(badge, item) {
  const kind = balances.conflicts.has(item.sku) ? 'conflict' : isOut(item) ? 'out' : isLow(item) ? 'low' : ''
  badge.hidden = kind === ''
  if (kind === '') return
  badge.dataset.kind = kind
  setText(badge, t(`stock.${kind}`))
  badge.title = kind === 'conflict' ? t('stock.conflict.explain') : ''
}

const held = () => isHeld(viewport)

function draw() {
  const due = list.items.length === 0 || (performance.now() - orderedAt >= REORDER && !held())
  if (balances.members !== arrangedMembers || (due && balances.revision !== shownRevision)) arrange()
  else list.draw()
  facts()
}

function arrange() {
  orderedAt = performance.now()
  shownRevision = balances.revision
  if (balances.members !== arrangedMembers) skusChanged()
  arrangedMembers = balances.members
  const items = balances.view(search.value, filter.value, sort.value)
  list.show(items)
  find('stock-table').setAttribute('aria-rowcount', items.length + 1)
  const empty = find('stock-empty')
  empty.hidden = items.length > 0
  setText(empty, loading ? t('stock.loading') : balances.size ? t('stock.none') : t('stock.empty'))
}

function facts() {
  const skus = whole(balances.size)
  const some = list.items.length < balances.size
  setText(find('stock-facts'), some
    ? t('stock.shown', { shown: whole(list.items.length), skus })
    : t('stock.facts', { skus, available: short(balances.available) }))
}

const redraw = eachFrame(draw)

/** Reads all balances, page by page; the stream is already open, so no change is missed. */
async function load(stream) {
  loading = true
  arrange()
  const requestedAt = Date.now()
  const token = ++load.run
  try {
    let cursor = ''
    do {
      const at = Date.now()
      const page = await get(`/estoque?limite=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
      if (token !== load.run) return
      for (const saldo of page.itens) balances.setRead(saldo, at)
      cursor = page.proximo
      redraw()
    } while (cursor)
    balances.removeUnread(requestedAt)
  } catch {
    if (token === load.run) stream.reread()
  } finally {
    if (token === load.run) {
      loading = false
      arrange()
    }
  }
}
load.run = 0

/** Starts following the stock; calls `order(sku)` when the user wants to order a SKU. Returns the stream. */
export function start(order) {
  onOrder = order
  const stream = new Stream('/estoque/eventos', {
    onBegin: fresh => { if (fresh) load(stream) },
    onEvent: (name, data) => {
      if (name === 'saldo') balances.set(data, Date.now(), true)
      else if (name === 'encerrado') balances.remove(data.sku)
      redraw()
    },
  })
  for (const control of controls) {
    control.addEventListener(control === search ? 'input' : 'change', () => {
      viewport.scrollTop = 0
      arrange()
      facts()
    })
  }
  search.form.addEventListener('submit', event => event.preventDefault())
  setInterval(redraw, REORDER)
  stream.addEventListener('state', () => {
    if (stream.state === 'signed-out' || stream.state === 'forbidden') {
      balances.clear()
      arrange()
      facts()
    }
  })
  onLanguage(() => {
    list.refill()
    arrange()
    facts()
  })
  return stream
}

/** Marks SKUs that more than one StockItem declares. */
export function setConflicts(skus) {
  balances.setConflicts(skus)
  redraw()
}
