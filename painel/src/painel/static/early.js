// Runs before the page is painted, so that it does not flash in another theme or language.
(() => {
  let chosen = {}
  try {
    chosen = { theme: localStorage.getItem('theme'), language: localStorage.getItem('language') }
  } catch { /* storage is disabled: the browser's preferences apply */ }
  const root = document.documentElement
  root.dataset.theme = ['light', 'dark'].includes(chosen.theme) ? chosen.theme : 'auto'
  const preferred = chosen.language ?? (navigator.languages ?? [navigator.language])[0] ?? 'en'
  root.lang = preferred.toLowerCase().startsWith('pt') ? 'pt-BR' : 'en'
})()
