// The dialog with one order: its items, history, remaining reservation time and actions.

import { Failure, get, newKey, now, post } from '/painel/api.js'
import { closable, find, h, setText } from '/painel/dom.js'
import { clock, countdown, moment, onLanguage, t, whole } from '/painel/language.js'
import { missingTable } from '/painel/missing.js'
import { actions, history, isOver } from '/painel/order_book.js'
import * as orders from '/painel/orders.js'

const dialog = find('order-detail')
const body = find('detail-body')
const foot = find('detail-actions')
/** Where outcomes are announced: it stays in the DOM while the rest is replaced. */
const outcome = h('div', { role: 'status' })
let shown = null
let total = 0

/** Opens an order and reads all of it; afterwards it follows the stream of all orders. */
export function open(id) {
  shown = id
  total = 0
  outcome.replaceChildren()
  draw()
  if (!dialog.open) dialog.showModal()
  read(id)
}

async function read(id) {
  try {
    orders.record(await get(`/pedidos/${id}`))
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    if (shown === id) announce(failure.message, 'bad')
  }
}

const isComplete = order => order.itens !== undefined && order.itensEmFalta !== undefined

function draw() {
  const order = orders.book.byId.get(shown)
  if (order === undefined) {
    body.replaceChildren(h('p', { class: 'empty' }, t('detail.loading')), outcome)
    foot.replaceChildren()
    return
  }
  body.replaceChildren(
    h('p', { class: 'status large', 'data-status': order.status }, t(`status.${order.status}`)),
    h('p', { class: 'explain' }, t(`explain.${order.status}`)),
    remaining(order),
    outcome,
    h('dl', { class: 'facts-list' },
      h('dt', {}, 'ID'), h('dd', {}, h('code', {}, order.pedidoId)),
      h('dt', {}, t('detail.customer')), h('dd', {}, order.clienteId),
      h('dt', {}, t('detail.created')), h('dd', {}, moment(Date.parse(order.criadoEm)))),
    ...(order.itensEmFalta?.length ? [missingTable(order.itensEmFalta)] : []),
    items(order),
    past(order))
  choices(order)
  tick()
}

function remaining(order) {
  if (order.status !== 'EstoqueReservado' || order.expiraEm === null) return ''
  total = Math.max(1000, Date.parse(order.expiraEm) - Date.parse(order.atualizadoEm))
  return h('div', { class: 'remaining', id: 'remaining' },
    h('p', {}, h('span', { class: 'label' }, t('detail.left')), h('strong', { role: 'timer', 'aria-live': 'off' })),
    h('div', { class: 'track', 'aria-hidden': 'true' }, h('span')))
}

/** Shows the remaining time; the actions change when it is over. */
function tick() {
  const order = orders.book.byId.get(shown)
  const box = find('remaining')
  if (!dialog.open || order === undefined || box === null) return
  const left = Date.parse(order.expiraEm) - now()
  const over = isOver(order, now())
  setText(box.querySelector('strong'), over ? t('detail.over') : countdown(left / 1000))
  box.querySelector('.track span').style.transform = `scaleX(${Math.min(1, Math.max(0, left / total))})`
  box.classList.toggle('soon', left < 60_000)
  if (over && foot.dataset.over !== 'true') choices(order)
}

function items(order) {
  if (order.itens === undefined) return ''
  return h('section', {}, h('h3', {}, t('detail.items')), h('table', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, t('form.sku')), h('th', { scope: 'col', class: 'number' }, t('detail.quantity')))),
    h('tbody', {}, ...order.itens.map(({ sku, quantidade }) =>
      h('tr', {}, h('th', { scope: 'row' }, sku), h('td', { class: 'number' }, whole(quantidade)))))))
}

function past(order) {
  const { steps, unseen } = history(order)
  return h('section', {}, h('h3', {}, t('detail.history')),
    h('ol', { class: 'history' }, ...steps.map(({ status, at, expiraEm }) => h('li', { 'data-status': status },
      h('strong', {}, t(`status.${status}`)), h('time', { datetime: at }, clock(Date.parse(at))),
      expiraEm ? h('small', {}, t('detail.until', { time: clock(Date.parse(expiraEm)) })) : null))),
    unseen > 0 ? h('p', { class: 'detail' }, t('detail.unseen', { count: whole(unseen) })) : null)
}

function choices(order) {
  foot.dataset.over = String(isOver(order, now()))
  const focused = foot.contains(document.activeElement)
  foot.replaceChildren(...actions(order, now()).map((name, at) => h('button', {
    type: 'button', class: at === 0 ? 'primary' : name === 'cancelar' ? 'quiet danger' : 'quiet', 'data-action': name,
    onclick: event => act(order.pedidoId, name, event.currentTarget),
  }, t(`action.${name}`))))
  // The pressed button may be gone: keep the focus in the dialog.
  if (focused && !foot.contains(document.activeElement)) dialog.querySelector('[data-close]').focus()
}

async function act(id, name, button) {
  if (button.disabled) return
  for (const other of foot.children) other.disabled = true
  try {
    const { status, data } = await post(`/pedidos/${id}/${name}`, {}, newKey())
    orders.record(data)
    if (shown === id) announce(status === 202 ? t('action.sent') : t('action.done', { status: t(`status.${data.status}`).toLocaleLowerCase() }), status === 202 ? '' : 'good')
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    if (shown === id) announce(failure.message, 'bad')
    read(id)
  } finally {
    if (shown === id) draw()
  }
}

const announce = (text, kind) => outcome.replaceChildren(h('p', { class: `notice ${kind}` }, text))

/** Prepares the dialog. */
export function start() {
  closable(dialog)
  dialog.addEventListener('close', () => { shown = null })
  orders.changes.addEventListener('order', ({ detail: order }) => {
    if (order.pedidoId !== shown) return
    draw()
    if (!isComplete(order)) read(order.pedidoId)
  })
  setInterval(tick, 250)
  onLanguage(() => { if (dialog.open) draw() })
}
