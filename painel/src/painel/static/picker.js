// A combobox that finds a SKU among any number (ARIA Authoring Practices, editable combobox with list autocomplete).

import { h, say } from '/painel/dom.js'
import { t, whole } from '/painel/language.js'

const SHOWN = 8
let made = 0
let extend = null // of the picker whose list is wanted

/** Call when SKUs have been added: an open list with room shows those that match, after the options that it has. */
export const skusAdded = () => extend?.()

/** `find(text)` returns the matching balances, best first. Returns {element, input}. */
export function skuPicker(find) {
  const id = `picker-${++made}`
  const options = h('ul', { role: 'listbox', id: `${id}-list`, class: 'options', 'aria-label': t('form.sku'), hidden: true })
  const input = h('input', {
    id, role: 'combobox', 'aria-expanded': 'false', 'aria-controls': `${id}-list`, 'aria-autocomplete': 'list',
    autocomplete: 'off', spellcheck: 'false', maxlength: '64', required: true,
  })
  const count = h('span', { class: 'sr', role: 'status' })
  let active = -1

  const close = () => {
    extend = null
    options.hidden = true
    active = -1
    input.setAttribute('aria-expanded', 'false')
    input.removeAttribute('aria-activedescendant')
  }
  const choose = sku => {
    input.value = sku
    close()
    input.dispatchEvent(new Event('change', { bubbles: true }))
  }
  const point = at => {
    active = at
    ;[...options.children].forEach((option, index) => option.setAttribute('aria-selected', String(index === at)))
    if (at >= 0) input.setAttribute('aria-activedescendant', options.children[at].id)
  }
  const option = (saldo, at) => h('li', {
    role: 'option', id: `${id}-${at}`, 'aria-selected': 'false', 'data-sku': saldo.sku,
    onmousedown: event => { // before the field loses its focus
      event.preventDefault()
      choose(saldo.sku)
    },
  }, h('span', { class: 'option-name' }, h('strong', {}, saldo.sku), h('small', {}, saldo.nome)),
  h('span', { class: 'number' }, whole(saldo.disponivel)))
  const fill = () => {
    const found = find(input.value)
    const shown = new Set([...options.children].map(child => child.dataset.sku))
    const added = found.filter(saldo => !shown.has(saldo.sku)).slice(0, SHOWN - shown.size)
    options.append(...added.map((saldo, index) => option(saldo, shown.size + index)))
    say(count, t('form.options', { count: whole(found.length) }))
    options.hidden = options.children.length === 0
    input.setAttribute('aria-expanded', String(!options.hidden))
  }
  const open = () => {
    extend = fill
    options.replaceChildren()
    active = -1
    input.removeAttribute('aria-activedescendant')
    fill()
  }

  input.addEventListener('input', open)
  input.addEventListener('focus', open)
  input.addEventListener('blur', close)
  input.addEventListener('keydown', event => {
    const last = options.children.length - 1
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (options.hidden) open()
      if (last < 0) return
      const step = event.key === 'ArrowDown' ? 1 : -1
      point(active < 0 ? (step > 0 ? 0 : last) : (active + step + last + 1) % (last + 1))
    } else if (event.key === 'Enter' && !options.hidden && active >= 0) {
      event.preventDefault()
      choose(options.children[active].dataset.sku)
    } else if (event.key === 'Escape' && !options.hidden) {
      event.preventDefault() // closes the list, not the dialog
      event.stopPropagation()
      close()
    }
  })
  return { element: h('span', { class: 'picker' }, input, options, count), input }
}
