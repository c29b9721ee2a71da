// The orders that the page knows: the newest ones, their histories, counts by status. Does not touch the DOM.

export const STATUSES = ['Criado', 'EstoqueReservado', 'Fechado', 'ReservaExpirada', 'Cancelado', 'EstoqueNaoDisponivel']
export const FINAL = ['Fechado', 'Cancelado', 'EstoqueNaoDisponivel']
export const KEPT = 1000

/** The actions that an order allows: with a lapsed reservation it can be renewed, or closed with a new stock check. */
export function actions(order, now) {
  if (FINAL.includes(order.status)) return []
  if (order.status === 'Criado') return ['fechar', 'cancelar']
  return isOver(order, now) ? ['reservar', 'fechar', 'cancelar'] : ['fechar', 'cancelar']
}

/** Whether its reservation has lapsed, swept or not. */
export const isOver = (order, now) =>
  order.status === 'ReservaExpirada' || (order.expiraEm !== null && Date.parse(order.expiraEm) <= now)

/** The time of a UUIDv7, in milliseconds. */
export const createdAt = id => parseInt(id.replace('-', '').slice(0, 12), 16)

export class OrderBook {
  constructor() {
    this.clear()
  }

  clear() {
    this.byId = new Map()
    this.counts = Object.fromEntries(STATUSES.map(status => [status, 0]))
    this.revision = (this.revision ?? 0) + 1
  }

  get size() {
    return this.byId.size
  }

  /** Records a view of an order, complete or from the stream of all orders. Ignores views older than the known one. */
  set(view) {
    const known = this.byId.get(view.pedidoId)
    if (known === undefined) return this.add(view)
    if (view.versao < known.versao) return known
    const newer = view.versao > known.versao
    if (newer) {
      this.counts[known.status]--
      this.counts[view.status]++
      // The missing items belong to a version; the stream of all orders does not include them.
      known.itensEmFalta = undefined
    }
    Object.assign(known, view)
    if (newer) {
      remember(known)
      this.byId.delete(known.pedidoId) // the map's order is that of the changes
      this.byId.set(known.pedidoId, known)
    }
    known.changed = Date.parse(known.atualizadoEm)
    known.revision++
    this.revision++
    return known
  }

  add(view) {
    const order = { ...view, key: view.pedidoId, history: [], revision: 0, changed: Date.parse(view.atualizadoEm) }
    order.criadoEm ??= new Date(createdAt(order.pedidoId)).toISOString()
    remember(order)
    this.byId.set(order.pedidoId, order)
    this.counts[order.status]++
    this.revision++
    if (this.byId.size > KEPT) this.forgetOldest()
    return order
  }

  /** Keeps the orders that changed last. */
  forgetOldest() {
    const [oldest] = this.byId.values()
    this.byId.delete(oldest.pedidoId)
    this.counts[oldest.status]--
  }

  /** The orders with this status, or all if it is null, most recently changed first. */
  view(status) {
    const kept = [...this.byId.values()].filter(order => status === null || order.status === status)
    return kept.sort((a, b) => b.changed - a.changed || (a.key < b.key ? 1 : -1))
  }
}

function remember(order) {
  order.history.push({ status: order.status, versao: order.versao, at: order.atualizadoEm, expiraEm: order.expiraEm })
}

/** The known steps since its creation, and the number of changes that this page has missed. */
export function history(order) {
  const seen = [...order.history].sort((a, b) => a.versao - b.versao)
  const created = { status: 'Criado', versao: 0, at: order.criadoEm, expiraEm: null }
  const steps = seen[0].versao > 0 ? [created, ...seen] : seen
  const unseen = steps.slice(1).reduce((sum, step, at) => sum + (step.versao - steps[at].versao - 1), 0)
  return { steps, unseen }
}
