/** HTTP requests with retries: which answers are final, which are tried again and when, and what the errors say. */
import { ArgumentError, CriaError, SourceError, throwIfAborted } from '../errors.ts'
import { sleep, untilAborted } from '../util/abort.ts'
import { kindOf } from '../util/kind.ts'
import { watchPolicy } from '../util/policy.ts'
import { warnBy } from '../util/warn.ts'
import { explainFetch } from './fetch-error.ts'
import type { SourceOptions } from './types.ts'

/** A failure that another try may mend. */
class Retry extends Error {
  constructor(
    readonly final: SourceError,
    /** Whether the connection is to be waited for, if there was one. */
    readonly lost: boolean,
    /** Milliseconds the server asks to wait. */
    readonly after?: number,
  ) {
    super(final.message)
  }
}

/** Longest wait between two tries, and the longest one that a server may ask for, in milliseconds. */
const MAX_DELAY = 20_000
const MAX_RETRY_AFTER = 120_000

/** Redirects within a server. */
const MOST_HOPS = 5

/** How long a lost connection is waited for, in milliseconds. */
const RECONNECT = 600_000

export interface Answer {
  readonly response: Response
  /** Gives up the response and its body. */
  cancel(): void
}

export class Client {
  /** The URL without credentials, query and fragment: those may be secret. */
  readonly name: string
  readonly #url: URL
  readonly #headers: Headers
  readonly #fetch: typeof globalThis.fetch | undefined
  readonly #retries: number
  readonly #retryDelay: number
  readonly #reconnect: number
  readonly #warn: ReturnType<typeof warnBy>
  readonly #sleep: typeof sleep
  /** Whether the server has answered. */
  #reached = false

  /**
   * The options have passed checkSourceOptions. `wait`: for tests.
   * @throws ArgumentError for a malformed URL, header or token.
   */
  constructor(location: string, options: SourceOptions, wait = sleep) {
    const url = URL.canParse(location) ? new URL(location) : undefined
    if (!url) throw new ArgumentError('INPUT_URL', `${location} is no valid URL.`, location)
    this.name = url.origin + url.pathname
    if (url.username || url.password) {
      throw new ArgumentError(
        'INPUT_URL',
        `The URL of ${this.name} must not hold a user name or password; pass the option headers or token.`,
        this.name,
      )
    }
    this.#url = url
    this.#headers = makeHeaders(options)
    this.#fetch = options.fetch
    this.#retries = options.retries ?? 4
    this.#retryDelay = options.retryDelay ?? 500
    this.#reconnect = options.reconnectTimeout ?? (this.#retries > 0 ? RECONNECT : 0)
    this.#warn = warnBy(options.onWarning)
    this.#sleep = wait
  }

  /** What is being done, for AbortErrors. */
  get what(): string {
    return `Reading ${this.name}`
  }

  /**
   * Asks for the bytes from `offset` on, or for the whole file; the answer has status 200 or 206. `version`: of If-Range, so
   * that another version of the file comes whole.
   * @throws SourceError for a final status or where nothing may be read, Retry for what may pass.
   */
  async get(offset: number | undefined, signal: AbortSignal | undefined, version?: string): Promise<Answer> {
    const controller = new AbortController()
    const headers = new Headers(this.#headers)
    if (offset !== undefined) headers.set('range', `bytes=${offset}-`)
    if (version !== undefined) headers.set('if-range', version)
    try {
      const response = await untilAborted(this.#ask({ headers, signal: controller.signal }), signal, this.what)
      if (response.status !== 200 && response.status !== 206) throw this.#statusError(response)
      this.#reached = true
      return { response, cancel: () => controller.abort() }
    } catch (error) {
      controller.abort()
      throw error
    }
  }

  /**
   * What the server says of the file, before it leads to another server; that one's headers lack the first one's. Undefined
   * where nobody may know, as in browsers.
   * @throws SourceError
   */
  head(signal: AbortSignal | undefined): Promise<Headers | undefined> {
    return this.attempt(signal, async () => {
      for (let url = this.#url, hops = 0; ; hops++) {
        const init: RequestInit = {
          method: 'HEAD',
          redirect: 'manual',
          headers: this.#headers,
          ...(signal && { signal }),
        }
        const response = await untilAborted(this.#ask(init, url), signal, this.what)
        const { status, headers } = response
        if (response.type === 'opaqueredirect') return undefined
        if (status >= 400) throw this.#statusError(response)
        const to = headers.get('location')
        // Repositories that were renamed.
        if (status < 300 || !to?.startsWith('/') || hops === MOST_HOPS) return headers
        url = new URL(to, url)
      }
    })
  }

  async #ask(init: RequestInit, url = this.#url): Promise<Response> {
    const forbidden = watchPolicy(/^connect/, url.href)
    try {
      // Not called as a method: browsers' own works on the window alone.
      const fetch = this.#fetch ?? globalThis.fetch
      const response = await fetch(url.href, init)
      if (typeof response?.headers?.get === 'function') return response
      throw new SourceError('HTTP_FETCH', `The option fetch gave no Response for ${this.name}.`, typeof response)
    } catch (cause) {
      if (cause instanceof CriaError) throw cause
      const reached = this.#reached
      const how = { name: this.name, own: this.#fetch !== undefined, reached, directive: await forbidden() }
      const { error, network, final } = await explainFetch(cause, url, how)
      throw final && !(reached && network) ? error : new Retry(error, reached && network)
    }
  }

  /**
   * Runs `step` until it succeeds, fails for good, or has failed `retries` times in a row since it last called
   * `progress`; a connection that was lost is waited for as long as `reconnectTimeout` says. Everything but CriaErrors
   * counts as a failure of the network.
   */
  async attempt<T>(signal: AbortSignal | undefined, step: (progress: () => void) => Promise<T>): Promise<T> {
    let failures = 0
    /** Tries to reach the server again, and the milliseconds waited between them. */
    let tries = 0
    let waited = 0
    for (;;) {
      try {
        throwIfAborted(signal, this.what)
        return await step(() => {
          failures = tries = waited = 0
        })
      } catch (error) {
        throwIfAborted(signal, this.what)
        if (error instanceof CriaError) throw error
        const { final, lost, after = 0 } = error instanceof Retry ? error : this.#broken(error)
        const over = lost ? waited >= this.#reconnect : failures >= this.#retries
        if (over || after > MAX_RETRY_AFTER) throw final
        const delay = after || this.#delay(lost ? tries++ : failures++)
        if (lost && waited === 0) this.#warnOf(final)
        if (lost) waited += delay
        await this.#sleep(delay, signal, this.what, lost)
      }
    }
  }

  /** Doubles with each failure, with a random half of it so that many clients do not come back at once. */
  #delay(failures: number): number {
    let delay = this.#retryDelay
    for (let i = 0; i < failures && delay < MAX_DELAY; i++) delay *= 2
    const random = crypto.getRandomValues(new Uint32Array(1))[0]! / 4294967296
    return Math.min(delay, MAX_DELAY) * (0.5 + 0.5 * random)
  }

  #warnOf({ message }: SourceError): void {
    const minutes = Math.ceil(this.#reconnect / 60_000)
    this.#warn({
      code: 'CONNECTION_LOST',
      message: `The connection was lost; the download waits for it up to ${minutes} min, with its bytes. ${message}`,
    })
  }

  /** Of an answer that broke off: one that always does so at the same byte is not waited for. */
  #broken(cause: unknown): Retry {
    const message = `${this.name} cannot be read: its answers break off (${String(cause)}).`
    return new Retry(new SourceError('HTTP_NETWORK', message, this.name, { cause }), false)
  }

  #statusError({ status, headers }: Response): SourceError | Retry {
    const final = new SourceError(
      'HTTP_STATUS',
      `${this.name} answered with HTTP status ${status}: ${advice(status)}`,
      status,
    )
    return isPassing(status) ? new Retry(final, this.#reached, retryAfter(headers)) : final
  }
}

function isPassing(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
}

function advice(status: number): string {
  if (status === 401 || status === 403) return 'it wants an access token with the right to this file (option token).'
  if (status === 404 || status === 410) return 'there is no such file; check the address.'
  if (status === 416) return 'the file is empty, or became shorter while it was read.'
  return status >= 500 || isPassing(status) ? 'the server has trouble; try again later.' : 'check the address.'
}

/** Milliseconds that the header Retry-After asks for: it holds seconds or a date (RFC 9110, 10.2.3). */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** Errors here name no value, since it may be a secret; nor do they carry the cause, whose message may hold it. */
function makeHeaders({ headers = {}, token }: SourceOptions): Headers {
  // Compressed transfer would hide the file's size and offsets. Browsers set this header themselves.
  const result = new Headers({ 'accept-encoding': 'identity' })
  for (const [name, value] of kindOf(headers) === 'Headers' ? (headers as Headers) : Object.entries(headers)) {
    try {
      result.set(name, value)
    } catch {
      throw new ArgumentError('HTTP_HEADER', `The header ${JSON.stringify(name)} has no valid name or value.`, name)
    }
  }
  if (token !== undefined) {
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
      throw new ArgumentError('TOKEN', 'token must be a string of visible ASCII characters without spaces.')
    }
    result.set('authorization', `Bearer ${token}`)
  }
  return result
}
