// A combobox that finds a SKU among any number (ARIA Authoring Practices, editable combobox with list autocomplete).

import { h, setText } from '/painel/dom.js'
import { t, whole } from '/painel/language.js'

const SHOWN = 8
let pickers = 0
let update = null // updates the list of the open picker; null if none is open

/**
 * Call when SKUs have been added or removed. The open list drops options that no longer match. If
 * it has room, it appends new matches after its current options, so that none moves under the pointer.
 */
export const skusChanged = () => update?.()

/** `find(text)` returns the matching balances, best first. Returns {element, input}. */
export function skuPicker(find) {
  const id = `picker-${++pickers}`
  const options = h('ul', { role: 'listbox', id: `${id}-list`, class: 'options', 'aria-label': t('form.sku'), hidden: true })
  const input = h('input', {
    id, role: 'combobox', 'aria-expanded': 'false', 'aria-controls': `${id}-list`, 'aria-autocomplete': 'list',
    autocomplete: 'off', spellcheck: 'false', maxlength: '64', required: true,
  })
  const count = h('span', { class: 'sr', role: 'status' })
  let active = null
  let serial = 0

  const close = () => {
    update = null
    options.hidden = true
    point(null)
    input.setAttribute('aria-expanded', 'false')
  }
  const choose = sku => {
    input.value = sku
    close()
    input.dispatchEvent(new Event('change', { bubbles: true }))
  }
  const point = option => {
    active?.setAttribute('aria-selected', 'false')
    active = option
    active?.setAttribute('aria-selected', 'true')
    if (active) input.setAttribute('aria-activedescendant', active.id)
    else input.removeAttribute('aria-activedescendant')
  }
  const option = saldo => h('li', {
    role: 'option', id: `${id}-${++serial}`, 'aria-selected': 'false', 'data-sku': saldo.sku,
    onmousedown: event => { // before the field loses its focus
      event.preventDefault()
      choose(saldo.sku)
    },
  }, h('span', { class: 'option-name' }, h('strong', {}, saldo.sku), h('small', {}, saldo.nome)),
  h('span', { class: 'number' }, whole(saldo.disponivel)))
  const fill = () => {
    const found = find(input.value)
    const skus = new Set(found.map(saldo => saldo.sku))
    const shown = new Set()
    for (const child of [...options.children]) {
      if (skus.has(child.dataset.sku)) {
        shown.add(child.dataset.sku)
        continue
      }
      if (child === active) point(null)
      child.remove()
    }
    options.append(...found.filter(saldo => !shown.has(saldo.sku)).slice(0, SHOWN - shown.size).map(option))
    options.hidden = found.length === 0
    input.setAttribute('aria-expanded', String(!options.hidden))
    return found.length
  }
  const open = () => {
    update = fill
    point(null)
    options.replaceChildren()
    setText(count, t('form.options', { count: whole(fill()) }))
  }

  input.addEventListener('input', open)
  input.addEventListener('focus', open)
  input.addEventListener('blur', close)
  input.addEventListener('keydown', event => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (options.hidden) open()
      const [first, last] = [options.firstElementChild, options.lastElementChild]
      point(event.key === 'ArrowDown' ? active?.nextElementSibling ?? first : active?.previousElementSibling ?? last)
    } else if (event.key === 'Enter' && active) {
      event.preventDefault()
      choose(active.dataset.sku)
    } else if (event.key === 'Escape' && !options.hidden) {
      event.preventDefault() // closes the list, not the dialog
      event.stopPropagation()
      close()
    }
  })
  return { element: h('span', { class: 'picker' }, input, options, count), input }
}
