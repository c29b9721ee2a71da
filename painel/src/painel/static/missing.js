// The missing items of a refused order.

import { h } from '/painel/dom.js'
import { t, whole } from '/painel/language.js'

/** A table of the missing items and units, with sentences for screen readers and for other reasons than a lack of units. */
export function missingTable(items) {
  const rows = items.map(({ sku, solicitado, disponivel, motivo }) => {
    const lacking = Math.max(0, solicitado - disponivel)
    const values = { sku, lacking: whole(lacking), asked: whole(solicitado), available: whole(disponivel) }
    const sentence = h('p', { class: 'sentence' }, t(`missing.${motivo}`, values))
    return { sentence, cells: [sku, values.asked, values.available, motivo === 'SaldoInsuficiente' ? `−${values.lacking}` : '—'] }
  })
  const heads = ['form.sku', 'missing.asked', 'missing.available', 'missing.lacking']
  return h('div', { class: 'missing' },
    h('h3', {}, t('missing.title')),
    h('table', {},
      h('thead', {}, h('tr', {}, ...heads.map((key, at) => h('th', { scope: 'col', class: at ? 'number' : '' }, t(key))))),
      h('tbody', {}, ...rows.map(({ cells: [sku, ...numbers] }) =>
        h('tr', {}, h('th', { scope: 'row' }, sku), ...numbers.map(number => h('td', { class: 'number' }, number)))))),
    ...rows.map(({ sentence }) => sentence))
}
