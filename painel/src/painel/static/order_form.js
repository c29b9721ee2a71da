// The dialog to place an order.

import { Failure, newKey, post } from '/painel/api.js'
import { closable, find, h, icon } from '/painel/dom.js'
import { onLanguage, t } from '/painel/language.js'
import { missingTable } from '/painel/missing.js'
import * as orders from '/painel/orders.js'
import { skuPicker } from '/painel/picker.js'
import * as session from '/painel/session.js'
import { balances } from '/painel/stock.js'

const MAX_UNITS = 1_000_000
const CUSTOMER = 'painel'

const dialog = find('order-form')
const customer = find('form-customer')
const lines = find('form-lines')
const result = find('form-result')
const send = find('form-send')
let key = newKey()
let onPlaced = () => {}

/** Matching SKUs: prefix matches first, then available ones. */
function matches(text) {
  const start = text.trim().toLocaleUpperCase()
  const found = balances.view(text, 'all', 'sku')
  const rank = saldo => (saldo.sku.toLocaleUpperCase().startsWith(start) ? 0 : 2) + (saldo.disponivel > 0 ? 0 : 1)
  return found.sort((a, b) => rank(a) - rank(b) || (a.sku < b.sku ? -1 : 1))
}

function line(sku = '') {
  const { element, input } = skuPicker(matches)
  input.value = sku
  const quantity = h('input', { type: 'number', min: '1', max: String(MAX_UNITS), step: '1', value: '1', required: true, inputmode: 'numeric', id: `${input.id}-quantity` })
  const remove = h('button', { type: 'button', class: 'quiet icon-button', 'aria-label': t('form.remove'), onclick: () => {
    row.remove()
    if (!lines.children.length) lines.append(line())
    lines.lastChild.querySelector('input').focus()
    fresh()
  } }, icon('m5 5 10 10M15 5 5 15'))
  const row = h('div', { class: 'form-line' },
    h('label', { class: 'field', for: input.id }, h('span', {}, t('form.sku'))), element,
    h('label', { class: 'field', for: quantity.id }, h('span', {}, t('form.quantity'))), quantity, remove)
  return row
}

/** Different content is a different order, and needs a different key. */
function fresh() {
  key = newKey()
}

function content() {
  const itens = [...lines.children].map(row => {
    const [sku, quantity] = row.querySelectorAll('input')
    return { sku: sku.value.trim(), quantidade: Number(quantity.value) }
  })
  return { clienteId: customer.value.trim(), itens }
}

/** The invalid field and the reason, or null. */
function firstInvalid({ clienteId, itens }) {
  if (!clienteId) return [customer, 'form.invalid.customer']
  for (const [index, { sku, quantidade }] of itens.entries()) {
    const [skuField, quantityField] = lines.children[index].querySelectorAll('input')
    if (!sku) return [skuField, 'form.invalid.sku']
    if (!Number.isInteger(quantidade) || quantidade < 1 || quantidade > MAX_UNITS) return [quantityField, 'form.invalid.quantity']
  }
  return null
}

function showError(field, text) {
  for (const input of dialog.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid')
  result.replaceChildren(...(text ? [h('p', { class: 'notice bad' }, text)] : []))
  if (!field) return
  field.setAttribute('aria-invalid', 'true')
  field.focus()
}

async function place(event) {
  event.preventDefault()
  if (send.disabled) return
  const body = content()
  const fault = firstInvalid(body)
  if (fault) {
    showError(fault[0], t(fault[1]))
    return
  }
  showError(null, '')
  busy(true)
  try {
    const { data } = await post('/pedidos', body, key)
    fresh()
    outcome(orders.record(data))
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    showError(null, failure.message)
  } finally {
    busy(false)
  }
}

function outcome(order) {
  if (order.status !== 'EstoqueNaoDisponivel') {
    dialog.close()
    reset()
    onPlaced(order.pedidoId)
    return
  }
  result.replaceChildren(
    h('p', { class: 'notice bad' }, t('form.refused')),
    missingTable(order.itensEmFalta ?? []),
    h('button', { type: 'button', class: 'quiet', onclick: () => {
      dialog.close()
      onPlaced(order.pedidoId)
    } }, t('form.open')))
  result.scrollIntoView({ block: 'nearest' })
}

function busy(is) {
  send.disabled = is
  dialog.setAttribute('aria-busy', String(is))
  send.textContent = t(is ? 'form.sending' : 'form.send')
}

function reset() {
  lines.replaceChildren(line())
  result.replaceChildren()
  fresh()
}

/** Opens the form; with `sku`, adds a line for it unless there is one. */
export function open(sku = '') {
  const { name, admin } = session.subject()
  if (name && !admin) customer.value = name
  customer.readOnly = Boolean(name) && !admin
  customer.value ||= name || CUSTOMER
  const fields = [...lines.children].map(row => row.querySelector('input'))
  if (sku && !fields.some(field => field.value === sku)) {
    const free = fields.find(field => !field.value)
    if (free) free.value = sku
    else lines.append(line(sku))
  }
  result.replaceChildren()
  fresh()
  dialog.showModal()
  if (sku) lines.lastChild.querySelector('[type=number]').select()
}

/** Prepares the form; `placed(id)` is called when an order was accepted. */
export function start(placed) {
  onPlaced = placed
  closable(dialog)
  dialog.querySelector('form').addEventListener('submit', place)
  dialog.addEventListener('input', fresh)
  dialog.addEventListener('change', fresh)
  find('form-add').addEventListener('click', () => {
    lines.append(line())
    lines.lastChild.querySelector('input').focus()
  })
  onLanguage(() => {
    const kept = content().itens
    reset()
    if (kept.length) lines.replaceChildren(...kept.map(item => {
      const row = line(item.sku)
      row.querySelector('[type=number]').value = item.quantidade
      return row
    }))
  })
}
