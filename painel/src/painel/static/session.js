// The token of the signed-in user. It is stored in sessionStorage only, until the tab is closed.

const KEY = 'token'
export const changes = new EventTarget()
/** Events: `change` when a token was set or removed, `needed` when the API answered 401. */

let token = read()

function read() {
  try {
    return sessionStorage.getItem(KEY)
  } catch {
    return null
  }
}

export const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {})
export const signedIn = () => token !== null

export function signIn(value) {
  token = value
  try {
    sessionStorage.setItem(KEY, value)
  } catch { /* storage is disabled: the token is kept in memory */ }
  changes.dispatchEvent(new Event('change'))
}

export function signOut() {
  token = null
  try {
    sessionStorage.removeItem(KEY)
  } catch { /* nothing was kept */ }
  changes.dispatchEvent(new Event('change'))
}

/** Requests a token; `sent` is the refused one, and a refusal of an older token is ignored. */
export function refused(sent) {
  if (sent.Authorization === authorization().Authorization) changes.dispatchEvent(new Event('needed'))
}

/** Resolves at the next change of the token. */
export const changed = () => new Promise(resolve => changes.addEventListener('change', resolve, { once: true }))

/** The token's claims, for display only: the gateway verifies them. */
export function claims() {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')
    const bytes = Uint8Array.from(atob(payload), character => character.charCodeAt(0))
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return {}
  }
}

/** The customer for whom the token may place orders: its subject; with pedidos:admin, any customer. */
export function subject() {
  const { sub, scope = '' } = claims()
  return { name: typeof sub === 'string' ? sub : '', admin: String(scope).split(' ').includes('pedidos:admin') }
}
