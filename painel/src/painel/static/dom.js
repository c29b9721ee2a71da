// DOM helpers that the modules share.

export const find = id => document.getElementById(id)

/** An element: h('p', {class: 'x', onclick: f, 'aria-label': 'y'}, 'text', child, …). */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children.filter(child => child !== null && child !== undefined))
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

/** An icon from one path, drawn in the text's colour. */
export const icon = path => svg('svg', { class: 'icon', viewBox: '0 0 20 20', 'aria-hidden': 'true' }, svg('path', { d: path }))

/** Sets a text only if it differs, to avoid needless layout and announcements. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** Runs `work` at most once per frame, however often it is called. */
export function eachFrame(work) {
  let scheduled = false
  return () => {
    if (scheduled) return
    scheduled = true
    requestAnimationFrame(() => {
      scheduled = false
      work()
    })
  }
}

/** Closes a dialog when one of its buttons or its backdrop is clicked. */
export function closable(dialog) {
  for (const button of dialog.querySelectorAll('[data-close]')) button.addEventListener('click', () => dialog.close())
  dialog.addEventListener('mousedown', event => {
    if (event.target === dialog) dialog.close()
  })
}
