// The language of the page: texts, numbers and times.

import { texts } from '/painel/texts.js'

const changed = new EventTarget()
let language = document.documentElement.lang.startsWith('pt') ? 'pt' : 'en'
let formats = makeFormats()

function makeFormats() {
  const locale = language === 'pt' ? 'pt-BR' : 'en-GB'
  return {
    whole: new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }),
    compact: new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 }),
    tenth: new Intl.NumberFormat(locale, { maximumFractionDigits: 1, minimumFractionDigits: 1 }),
    clock: new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    moment: new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }),
  }
}

/** The text of a key, with {name} replaced by values[name]. */
export function t(key, values = {}) {
  const text = texts[language][key]
  if (text === undefined) throw new Error(`no text ${key}`)
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name])
}

/** Whether there is a text for a key, such as one derived from a value of the API. */
export const has = key => Object.hasOwn(texts[language], key)

export const whole = number => formats.whole.format(number)
export const short = number => (number < 100_000 ? whole(number) : formats.compact.format(number))
export const clock = time => formats.clock.format(time)
export const moment = time => formats.moment.format(time)

/** 0.85 → 0.9, 12.34 → 12.3, 1234 → 1,234. */
export const rate = number => (number < 100 ? formats.tenth.format(number) : whole(number))

/** Seconds as people say them: 85 ms, 1.2 s, 4 min 5 s, 1 h 2 min. */
export function duration(seconds) {
  if (seconds < 1) return `${whole(seconds * 1000)} ms`
  if (seconds < 10) return `${formats.tenth.format(seconds)} s`
  return coarse(seconds)
}

/** The same, in whole seconds and larger units. */
export function coarse(seconds) {
  const all = Math.max(0, Math.floor(seconds))
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60]
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`
  if (minutes) return rest ? `${minutes} min ${rest} s` : `${minutes} min`
  return `${rest} s`
}

/** 1799 → 29:59. */
export function countdown(seconds) {
  const all = Math.max(0, Math.ceil(seconds))
  const pad = number => String(number).padStart(2, '0')
  const minutes = Math.floor(all / 60)
  return minutes < 60 ? `${minutes}:${pad(all % 60)}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(all % 60)}`
}

/** Calls back now and whenever the language changes. */
export function onLanguage(callback) {
  changed.addEventListener('change', callback)
  callback()
}

export function choose(chosen) {
  language = chosen
  document.documentElement.lang = chosen === 'pt' ? 'pt-BR' : 'en'
  formats = makeFormats()
  try {
    localStorage.setItem('language', chosen)
  } catch { /* storage is disabled: the choice holds until the page is closed */ }
  changed.dispatchEvent(new Event('change'))
}

export const current = () => language

/** Fills in the elements that name their text: data-t, data-t-label, data-t-placeholder. */
export function translate(root) {
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t)
  for (const element of root.querySelectorAll('[data-t-label]')) element.ariaLabel = t(element.dataset.tLabel)
  for (const element of root.querySelectorAll('[data-t-placeholder]')) element.placeholder = t(element.dataset.tPlaceholder)
}
