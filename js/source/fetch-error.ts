/** Requests that get no answer: why, whether another try may help, and the way out. */
import { SourceError } from '../errors.ts'

export interface FetchFailure {
  error: SourceError
  /** Whether the network's: a connection that was there may come back. */
  network: boolean
  /** Whether a first request is not worth another try. */
  final: boolean
}

export interface ModelRequest {
  /** The URL, for messages. */
  name: string
  /** Whether the caller's own `fetch` made it. */
  own: boolean
  /** Whether the server has answered before. */
  reached: boolean
  /** Of the page's Content-Security-Policy, where that forbade it. */
  directive: string | undefined
}

/** Of reasons, what is as it is: no such host, nobody who listens, an unsound certificate. */
const FINAL = /ENOTFOUND|refused|dns error|cert|redirect|scheme|bad port/i
/** Browsers let pages of https: read these by http:. */
const LOCAL = /^(localhost|127\.|\[::1)/

export async function explainFetch(cause: unknown, url: URL, request: ModelRequest): Promise<FetchFailure> {
  const { name, own, reached } = request
  const reason = reasonOf(cause).replaceAll(url.href, name)
  // Browsers alone have an origin; what is of the page's own is not forbidden.
  const { origin = url.origin, navigator } = globalThis as Partial<typeof globalThis>
  const foreign = !own && !reached && origin !== url.origin
  const [value, what] = (await whatForbids(url, reason, foreign ? origin : undefined, request.directive)) ?? []
  if (what) {
    const error = new SourceError('HTTP_BLOCKED', `${name} may not be read: ${what}.`, value, { cause })
    return { error, network: false, final: true }
  }
  const offline = navigator?.onLine === false ? 'this device is offline, ' : ''
  // WebKit's workers hear of no policy.
  const cors = foreign ? ` and lets pages of ${origin} read (CORS), and the page's connect-src` : ''
  const why = own ? `the option fetch threw ${reason}` : `${offline}${reason}; check that its server runs${cors}`
  const error = new SourceError('HTTP_NETWORK', `${name} cannot be read: ${why}.`, name, { cause })
  return { error, network: isNetwork(cause), final: FINAL.test(reason) }
}

/** What forbids a request, and the way out. `origin`: of a page that another site's answer is for. */
async function whatForbids(
  url: URL,
  reason: string,
  origin: string | undefined,
  directive: string | undefined,
): Promise<[value: string, what: string] | undefined> {
  if (directive) return [directive, `add ${url.origin} to ${directive} of the Content-Security-Policy`]
  if (/NotCapable|ACCESS_DENIED/.test(reason)) return ['--allow-net', `start the process with --allow-net (${reason})`]
  if (origin?.startsWith('https') && url.protocol === 'http:' && !LOCAL.test(url.hostname)) {
    return ['http:', 'pages of https: read nothing by http: (mixed content)']
  }
  if (!origin || !(await isThere(url))) return undefined
  const header = 'Access-Control-Allow-Origin'
  return [header, `its server must send ${header} for pages of ${origin} (CORS)`]
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
  // `errors`: of several addresses that were tried.
  if (cause ?? errors?.[0]) return reasonOf(cause ?? errors[0])
  const text = String(error)
  return code && !text.includes(code) ? `${text} (${code})` : text
}

/** Errors of fetch are TypeErrors, or have the code of a system call. */
function isNetwork(error: unknown): boolean {
  const { name, code, cause } = Object(error)
  return name === 'TypeError' || typeof (code ?? cause?.code) === 'string'
}
