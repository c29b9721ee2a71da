// A small plot of the last minutes: lines over time, with gaps where values are unknown.

import { svg } from '/painel/dom.js'

const WIDTH = 300
const HEIGHT = 60
const TOP = 4

/** Samples of the last `span` milliseconds, newest last: {at, values}. */
export class Samples {
  constructor(span) {
    this.span = span
    this.list = []
  }

  add(at, values) {
    this.list.push({ at, values })
    while (this.list[0].at < at - this.span) this.list.shift()
  }

  /** The newest known values; null if there are none. */
  get latest() {
    return this.list.findLast(({ values }) => values[0] !== null)?.values ?? null
  }

  /** The highest value of all lines; 0 if there are none. */
  get top() {
    return Math.max(0, ...this.list.flatMap(({ values }) => values.filter(value => value !== null)))
  }
}

/** The path of line `index`, scaled so that `top` touches the upper edge; null values are gaps. */
export function path(samples, index, top, end, area = false) {
  let text = ''
  let run = []
  const flush = () => {
    if (!run.length) return
    if (run.length === 1) run.push([run[0][0] + 1, run[0][1]])
    const points = run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`)
    text += area
      ? `M${run[0][0].toFixed(1)} ${HEIGHT}L${points.join('L')}L${run.at(-1)[0].toFixed(1)} ${HEIGHT}Z`
      : `M${points.join('L')}`
    run = []
  }
  for (const { at, values } of samples.list) {
    if (values[index] === null) {
      flush()
      continue
    }
    const x = WIDTH - ((end - at) / samples.span) * WIDTH
    run.push([x, HEIGHT - 1 - (values[index] / (top || 1)) * (HEIGHT - TOP - 1)])
  }
  flush()
  return text
}

/** Draws all lines into an svg element; the first has its area filled. */
export function draw(element, samples, end) {
  const lines = samples.list.at(-1)?.values.length ?? 0
  const { top } = samples
  const drawn = [svg('path', { class: 'grid', d: `M0 ${HEIGHT - 0.5}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}` })]
  for (let index = lines - 1; index >= 0; index--) {
    drawn.push(svg('path', { class: `area line-${index}`, d: path(samples, index, top, end, true) }))
    drawn.push(svg('path', { class: `stroke line-${index}`, d: path(samples, index, top, end) }))
  }
  element.replaceChildren(...drawn)
}
