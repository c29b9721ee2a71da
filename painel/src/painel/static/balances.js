// The balances that the page knows, and the selection and order in which they are shown. Does not touch the DOM.

const HALF_LIFE = 60_000
const LOW = 0.1

/** The logarithm of a sum of powers of two, with time as the exponent: a move one half-life ago always counts half. */
export const heated = (heat, at) => {
  const now = at / HALF_LIFE
  return heat === -Infinity ? now : Math.max(heat, now) + Math.log2(1 + 2 ** -Math.abs(heat - now))
}

export const isOut = item => item.disponivel <= 0
export const isLow = item => item.disponivel <= item.quantidade * LOW

const ORDERS = {
  moves: (a, b) => (a.heat === b.heat ? compare(a, b) : b.heat - a.heat), // -Infinity minus itself is not a number
  sku: (a, b) => compare(a, b),
  available: (a, b) => a.disponivel - b.disponivel || compare(a, b),
  reserved: (a, b) => b.reservado - a.reservado || compare(a, b),
  sold: (a, b) => b.vendido - a.vendido || compare(a, b),
}
const compare = (a, b) => (a.sku < b.sku ? -1 : a.sku > b.sku ? 1 : 0)

export class Balances {
  constructor() {
    this.bySku = new Map()
    this.conflicts = new Set()
    this.available = 0
    this.revision = 0
    this.members = 0 // changes with the set of SKUs
  }

  get size() {
    return this.bySku.size
  }

  /** Records a balance; returns whether it is new or differs. `moved`: it is an event, hence activity. */
  set(saldo, at, moved) {
    const known = this.bySku.get(saldo.sku)
    if (known === undefined) {
      const item = { ...saldo, key: saldo.sku, at, heat: moved ? heated(-Infinity, at) : -Infinity, revision: 0 }
      item.text = `${saldo.sku} ${saldo.nome}`.toLocaleLowerCase()
      this.bySku.set(saldo.sku, item)
      this.available += saldo.disponivel
      this.members++
      this.revision++
      return true
    }
    known.at = at
    if (FIELDS.every(field => known[field] === saldo[field])) return false
    this.available += saldo.disponivel - known.disponivel
    if (known.nome !== saldo.nome) known.text = `${saldo.sku} ${saldo.nome}`.toLocaleLowerCase()
    Object.assign(known, saldo)
    if (moved) known.heat = heated(known.heat, at)
    known.revision++
    this.revision++
    return true
  }

  /** Records a balance from a list requested at `requestedAt`, unless the stream has reported a newer one since. */
  setRead(saldo, requestedAt) {
    const known = this.bySku.get(saldo.sku)
    if (known !== undefined && known.at >= requestedAt) return
    this.set(saldo, requestedAt, false)
  }

  remove(sku) {
    const known = this.bySku.get(sku)
    if (known === undefined) return
    this.available -= known.disponivel
    this.bySku.delete(sku)
    this.members++
    this.revision++
  }

  /** Removes balances that are missing from a complete list, requested at `requestedAt`. */
  removeUnread(requestedAt) {
    for (const item of this.bySku.values()) if (item.at < requestedAt) this.remove(item.sku)
  }

  clear() {
    this.bySku.clear()
    this.available = 0
    this.members++
    this.revision++
  }

  setConflicts(skus) {
    const before = [...this.conflicts].join()
    this.conflicts = new Set(skus)
    if ([...this.conflicts].join() === before) return
    for (const sku of [...before.split(','), ...skus]) {
      const item = this.bySku.get(sku)
      if (item !== undefined) item.revision++
    }
    this.revision++
  }

  /** The items that match `text` and `filter` ('all', 'low', 'out', 'conflict'), in one of the ORDERS. */
  view(text, filter, sort) {
    const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean)
    const kept = {
      all: () => true,
      low: isLow,
      out: isOut,
      conflict: item => this.conflicts.has(item.sku),
    }[filter]
    const items = []
    for (const item of this.bySku.values()) {
      if (kept(item) && words.every(word => item.text.includes(word))) items.push(item)
    }
    return items.sort(ORDERS[sort])
  }
}

const FIELDS = ['nome', 'quantidade', 'reservado', 'vendido', 'disponivel']
