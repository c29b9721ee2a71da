// A list of any length that keeps only the visible rows in the document, each tied to its item's key.

import { eachFrame } from '/painel/dom.js'

const OVERSCAN = 4
const POOLED = 60
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/**
 * `create()` makes a row's element, `fill(element, item, index)` shows an item in it. Items have a `key` and a
 * `revision`; a row is filled again only when its item's revision or `epoch` has changed.
 */
export class VirtualList {
  constructor({ viewport, canvas, rowHeight, create, fill, above = 0 }) {
    Object.assign(this, { viewport, canvas, rowHeight, create, fill, above })
    this.items = []
    this.rows = new Map()
    this.pool = []
    this.epoch = 0
    this.draw = eachFrame(() => this.render())
    viewport.addEventListener('scroll', this.draw, { passive: true })
    new ResizeObserver(this.draw).observe(viewport)
  }

  /** Shows these items; rows visible before and after glide to their new places. */
  show(items) {
    this.items = items
    this.gliding = !calm.matches
    this.draw()
  }

  /** Refills all rows, for example in another language. */
  refill() {
    this.epoch++
    this.draw()
  }

  render() {
    const { viewport, rowHeight, items } = this
    const top = Math.max(0, viewport.scrollTop - this.above)
    const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN)
    const last = Math.min(items.length, Math.ceil((top + viewport.clientHeight) / rowHeight) + OVERSCAN)
    const height = `${items.length * rowHeight}px`
    if (this.canvas.style.height !== height) this.canvas.style.height = height
    const wanted = new Map()
    for (let index = first; index < last; index++) wanted.set(items[index].key, index)
    // If most rows are new, gliding would only blur them.
    const added = [...wanted.keys()].reduce((sum, key) => sum + !this.rows.has(key), 0)
    this.gliding &&= added <= wanted.size / 4
    this.release(wanted)
    this.order(wanted)
    for (const [key, index] of wanted) this.place(this.rows.get(key), items[index], index)
    this.gliding = false
  }

  release(wanted) {
    for (const [key, { element }] of this.rows) {
      if (wanted.has(key)) continue
      if (element.contains(document.activeElement)) continue // scrolling must not lose the focus
      this.rows.delete(key)
      for (const animation of element.getAnimations({ subtree: true })) animation.cancel()
      element.remove()
      if (this.pool.length < POOLED) this.pool.push(element)
    }
  }

  /** Keeps the elements in the DOM in visual order, which Tab and screen readers follow. */
  order(wanted) {
    for (const key of wanted.keys()) {
      if (!this.rows.has(key)) this.rows.set(key, { element: this.pool.pop() ?? this.create(), index: -1, revision: -1 })
    }
    const place = ([key, row]) => wanted.get(key) ?? row.index
    let next = this.canvas.firstElementChild
    for (const [, { element }] of [...this.rows].sort((a, b) => place(a) - place(b))) {
      if (element === next) next = next.nextElementSibling
      else this.canvas.insertBefore(element, next)
    }
  }

  place(row, item, index) {
    const known = row.index >= 0
    if (row.index !== index) {
      if (known && this.gliding) this.glide(row, index)
      row.element.style.transform = `translateY(${index * this.rowHeight}px)`
    }
    if (row.index !== index || row.revision !== item.revision || row.epoch !== this.epoch) {
      this.fill(row.element, item, index, known && row.revision !== item.revision && row.epoch === this.epoch)
      Object.assign(row, { index, revision: item.revision, epoch: this.epoch })
    }
  }

  glide(row, index) {
    row.element.animate(
      [row.index, index].map(at => ({ transform: `translateY(${at * this.rowHeight}px)` })),
      { duration: 320, easing: 'cubic-bezier(.2, .7, .2, 1)' },
    )
  }
}

const pointer = matchMedia('(hover: hover)')

/** Whether the pointer or the keyboard focus is in a list, which must then not be reordered. */
export const isHeld = viewport =>
  (pointer.matches && viewport.matches(':hover')) || (viewport !== document.activeElement && viewport.contains(document.activeElement))

/** Briefly highlights a row that has changed. */
export function flash(element) {
  if (calm.matches) return
  element.querySelector('.flash').animate([{ opacity: 1 }, { opacity: 0 }], { duration: 900, easing: 'ease-out' })
}
