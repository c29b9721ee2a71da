// The section System: the state of all parts, which the program painel reports every two seconds.

import { now } from '/painel/api.js'
import { find, h, setText } from '/painel/dom.js'
import { clock, coarse, duration, onLanguage, rate, t, whole } from '/painel/language.js'
import { Samples, draw } from '/painel/plot.js'
import { Stream } from '/painel/stream.js'

const SPAN = 5 * 60_000
const SILENCE = 12_000

const rates = new Samples(SPAN)
const decisions = new Samples(SPAN)
let last = null
let onState = () => {}

const dash = '—'

function show() {
  if (last === null) return
  setText(find('system-facts'), t('system.facts', { time: clock(Date.parse(last.em)) }))
  audit(last.conferencia)
  plots()
  setText(find('lapse-value'), last.reservasPorVencer === null ? dash : whole(last.reservasPorVencer))
  letters(last.cartas)
  outbox(last.outbox)
  parts(last.partes)
}

function audit({ violacoes, ultima }) {
  const tile = find('tile-audit')
  tile.dataset.state = violacoes === null ? 'unknown' : violacoes ? 'bad' : 'good'
  setText(find('audit-value'), violacoes === null ? dash : whole(violacoes))
  const verdict = t(violacoes === null ? 'audit.unknown' : violacoes ? 'audit.bad' : 'audit.good')
  const round = ultima === null ? [] : [t('audit.last', { ago: t('ago', { time: coarse((now() - Date.parse(ultima)) / 1000) }) })]
  find('audit-detail').replaceChildren(...[verdict, ...round].map(text => h('span', {}, text)))
}

function plots() {
  const end = Date.parse(last.em)
  const known = number => (number === null ? dash : rate(number))
  setText(find('rate-value'), known(last.pedidosPorSegundo))
  draw(find('rate-plot'), rates, end)
  const highest = rate(rates.top)
  find('rate-plot').ariaLabel = t('rate.plot', { now: known(last.pedidosPorSegundo), top: highest })
  setText(find('rate-top'), t('plot.top', { top: highest }))

  const { p50, p99 } = last.decisao
  const value = find('decision-value')
  // While no order is decided, the last known times remain, dimmed.
  const { latest } = decisions
  value.classList.toggle('none', latest === null)
  value.classList.toggle('past', p50 === null && latest !== null)
  value.replaceChildren(...(latest === null
    ? [t('decision.none')]
    : [['p50', latest[0]], ['p99', latest[1]]].map(([name, seconds]) => h('span', { class: `legend ${name}` }, h('small', {}, name), ` ${duration(seconds)}`))))
  draw(find('decision-plot'), decisions, end)
  const slowest = duration(decisions.top)
  const label = seconds => (seconds === null ? dash : duration(seconds))
  find('decision-plot').ariaLabel = t('decision.plot', { p50: label(p50), p99: label(p99), top: slowest })
  setText(find('decision-top'), decisions.top ? t('plot.top', { top: slowest }) : '')
}

function letters(cartas) {
  const counts = Object.entries(cartas)
  const known = counts.filter(([, count]) => count !== null)
  const sum = known.reduce((total, [, count]) => total + count, 0)
  const tile = find('tile-letters')
  tile.dataset.state = known.length ? (sum ? 'bad' : 'good') : 'unknown'
  setText(find('letters-value'), known.length ? whole(sum) : dash)
  find('letters-detail').replaceChildren(...(known.length
    ? counts.map(([queue, count]) => h('span', {}, `${queue} ${count === null ? dash : whole(count)}`))
    : [t('letters.unknown')]))
}

function outbox(outboxes) {
  find('outbox').replaceChildren(...Object.entries(outboxes).flatMap(([name, { profundidade, idade }]) => [
    h('dt', {}, name),
    h('dd', { class: idade !== null && idade > 10 ? 'bad' : '' }, profundidade === null
      ? t('unknown')
      : profundidade === 0
        ? t('outbox.empty')
        : [t('outbox.value', { depth: whole(profundidade) }), ...(idade === null || idade < 1 ? [] : [t('outbox.age', { age: duration(idade) })])].join(' · '))]))
}

function parts(partes) {
  const list = partes.map(({ nome, replicas }) => {
    const up = replicas.filter(({ ativa }) => ativa).length
    return h('li', { 'data-part': nome, 'data-state': replicas.length && up === replicas.length ? 'good' : 'bad' },
      h('strong', {}, nome),
      h('span', { class: 'replicas' }, ...(replicas.length
        ? replicas.map(replica => h('span', { class: 'replica', 'data-up': String(replica.ativa), title: replica.nome },
          h('span', { class: 'sr' }, t(replica.ativa ? 'parts.up' : 'parts.down', { name: replica.nome }))))
        : [h('span', { class: 'detail' }, t('parts.none'))])),
      h('span', { class: 'tally' }, `${up}/${replicas.length}`))
  })
  find('parts').replaceChildren(...list)
}

/** Starts following the system; calls `state(sistema)` with each new state. Returns the stream. */
export function start(state) {
  onState = state
  const stream = new Stream('/painel/sistema/eventos', {
    silence: SILENCE,
    onEvent: (name, data) => {
      if (name !== 'sistema') return
      last = data
      const at = Date.parse(data.em)
      rates.add(at, [data.pedidosPorSegundo])
      decisions.add(at, [data.decisao.p50, data.decisao.p99])
      show()
      onState(data)
    },
  })
  onLanguage(show)
  return stream
}
