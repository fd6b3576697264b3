/** Requests that get no answer: why, whether another try may help, and the way out. */
import { SourceError } from '../errors.ts'

export interface FetchFailure {
  error: SourceError
  /** Whether the network's: a connection that was there may come back. */
  network: boolean
  /** Whether a first request is not worth another try. */
  final: boolean
}

/** Of reasons, what is as it is: no such host, nobody who listens, an unsound certificate. */
const FINAL = /ENOTFOUND|refused|dns error|certificate|CERT|redirect|scheme/i
const LOCAL = /^(localhost|127\.|\[::1\])|\.localhost$/

export interface Request {
  /** The URL, for messages. */
  name: string
  /** Whether the caller's own `fetch` made it. */
  own: boolean
  /** Whether the server has answered before. */
  reached: boolean
  /** Of the page's Content-Security-Policy, where that forbade it. */
  directive: string | undefined
}

export async function explainFetch(
  cause: unknown,
  url: URL,
  { name, own, reached, directive }: Request,
): Promise<FetchFailure> {
  const reason = reasonOf(cause).replaceAll(url.href, name)
  const blocked = (value: string, what: string): FetchFailure => {
    const error = new SourceError('HTTP_BLOCKED', `${name} may not be read: ${what}`, value, { cause })
    return { error, network: false, final: true }
  }
  if (directive) {
    return blocked(directive, `the page's Content-Security-Policy forbids it; add ${url.origin} to its ${directive}.`)
  }
  if (/NotCapable|PermissionDenied|ACCESS_DENIED/.test(reason)) {
    return blocked('--allow-net', `this process has no permission (${reason}); start it with --allow-net.`)
  }
  // Browsers alone have an origin; what is of the page's own is neither mixed nor forbidden.
  const { origin } = globalThis as { origin?: string }
  const foreign = !own && !reached && origin !== undefined && origin !== url.origin
  if (foreign && origin.startsWith('https:') && url.protocol === 'http:' && !LOCAL.test(url.hostname)) {
    return blocked('http:', 'pages of https: read nothing from http: (mixed content); serve the model by https:.')
  }
  if (foreign && (await isThere(url))) {
    const what =
      `its server does not allow it to pages of ${origin} (CORS); have it send Access-Control-Allow-Origin, and for ` +
      'headers or a token Access-Control-Allow-Headers.'
    return blocked('Access-Control-Allow-Origin', what)
  }
  const offline = globalThis.navigator?.onLine === false ? 'this device is offline, ' : ''
  const cors = foreign ? `, and that its server allows pages of ${origin} (CORS)` : ''
  const what = own
    ? `the option fetch threw ${reason}.`
    : `${offline}${reason}. Check the address, that its server runs${cors}.`
  const error = new SourceError('HTTP_NETWORK', `${name} cannot be read: ${what}`, name, { cause })
  return { error, network: isNetwork(cause), final: FINAL.test(reason) }
}

/** Whether a server answers to whoever does not want to read what it says. */
function isThere(url: URL): Promise<boolean> {
  return fetch(url, { method: 'HEAD', mode: 'no-cors', credentials: 'omit' }).then(
    () => true,
    () => false,
  )
}

/** Of an error, what began it: Node's fetch says only that it failed. */
function reasonOf(error: unknown): string {
  const { cause, code, errors } = Object(error)
  if (cause) return reasonOf(cause)
  // Of several addresses that were tried.
  if (errors?.length) return reasonOf(errors[0])
  const text = String(error)
  return code && !text.includes(code) ? `${text} (${code})` : text
}

/** Errors of fetch are TypeErrors, or have the code of a system call. */
function isNetwork(error: unknown): boolean {
  const { name, code, cause } = Object(error)
  return name === 'TypeError' || typeof code === 'string' || typeof cause?.code === 'string'
}
