/**
 * A handler of Requests behind node:http, which Deno and Bun have too. (@hono/node-server does this, and would weigh more
 * than the whole handler.)
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { ArgumentError } from '../errors.ts'
import { ApiError, errorResponse, RETRY_AFTER } from '../server/errors.ts'

/** Of a body that nobody wants, as much is read on as a client may send before it looks for the answer, and so long. */
const DROPPED_BYTES = 64 * 1024 * 1024
const DROPPED_MS = 10_000
/** How long a client may take nothing of an answer. */
const STALLED_MS = 60_000
/** How long a connection is kept that nothing is asked on. */
const KEPT_MS = 75_000

export interface Listening {
  /** Of the server's root, without a slash at the end. */
  url: string
  /**
   * Takes no more connections, answers 503 on those there are, closes those whose request has not arrived, and resolves when
   * all answers under way have ended.
   */
  drain(): Promise<void>
}

/** Listens; rejects where the address is in use or forbidden. `port` 0: any free one; `prefix`: the path before all others. */
export async function listen(
  handle: (request: Request) => Promise<Response>,
  { host, port, prefix = '' }: { host: string; port: number; prefix?: string },
): Promise<Listening> {
  const active = new Set<IncomingMessage>()
  let draining = false
  let drained: () => void = () => {}
  const server = createServer((incoming, outgoing) => {
    active.add(incoming)
    outgoing.once('close', () => {
      active.delete(incoming)
      if (active.size === 0 && draining) drained()
    })
    const { url = '/' } = incoming
    if (prefix && url.startsWith(`${prefix}/`)) incoming.url = url.slice(prefix.length)
    else if (prefix) {
      outgoing.writeHead(404).end(`All addresses begin with ${prefix}/.\n`)
      return
    }
    // Who keeps a connection shall ask elsewhere next time.
    if (draining) outgoing.shouldKeepAlive = false
    void answer(draining ? refuse : handle, incoming, outgoing).catch(() => outgoing.destroy())
  })
  // Longer than clients keep them, so that none is closed just as it is used again.
  server.keepAliveTimeout = KEPT_MS
  server.listen(port, host)
  await once(server, 'listening').catch(({ message }) => {
    const address = `${host} port ${port}`
    throw new ArgumentError('ADDRESS', `Nothing can listen on ${address} (${message}); choose another.`, address)
  })
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}${prefix}`,
    drain: () =>
      new Promise((resolve) => {
        draining = true
        drained = resolve
        server.close()
        if (active.size === 0) resolve()
        for (const incoming of active) if (!incoming.complete) incoming.destroy()
      }),
  }
}

async function refuse(): Promise<Response> {
  return errorResponse(new ApiError(503, 'ending', 'The server is ending.', null, undefined, RETRY_AFTER))
}

async function answer(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const request = requestOf(incoming, gone.signal)
  const response = request ? await handle(request) : new Response('Bad request\n', { status: 400 })
  if (!(await dropRest(incoming))) outgoing.shouldKeepAlive = false
  outgoing.writeHead(response.status, Object.fromEntries(Array.from(response.headers, spelled)))
  // A stream may have nothing to say for long.
  if (response.body) outgoing.flushHeaders()
  if (response.body) await pour(response.body, outgoing, gone.signal)
  outgoing.end()
}

/** `retry-after` → `Retry-After`, as HTTP/1.1 is written: some programs look for nothing else. */
function spelled([name, value]: [string, string]): [string, string] {
  return [name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()), value]
}

/** What a Request cannot have: under another name no address has them either. */
const FORBIDDEN = /^(CONNECT|TRACE|TRACK)$/i

/** Undefined for what no Request can be made of: a broken Host. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '/', headers } = incoming
  const given = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]))
  try {
    // Through a proxy it is all of the address.
    const address = url.startsWith('/') ? `http://${headers.host ?? 'localhost'}${url}` : url
    return new Request(address, {
      method: FORBIDDEN.test(method) ? `X-${method}` : method,
      headers: given as [string, string][],
      signal,
      ...(hasBody(incoming) && { body: bodyOf(incoming), duplex: 'half' }),
    } as RequestInit)
  } catch {
    return undefined
  }
}

function hasBody({ method = 'GET' }: IncomingMessage): boolean {
  return method !== 'GET' && method !== 'HEAD'
}

/** By way of a stream of its own, so that who cancels it leaves the connection as it is: the answer is still to come. */
function bodyOf(incoming: IncomingMessage): ReadableStream {
  const body = new PassThrough()
  const broken = (): void => {
    if (!incoming.readableEnded) body.destroy(new Error('The client has left.'))
  }
  incoming.on('error', broken).on('close', broken).pipe(body)
  return Readable.toWeb(body) as unknown as ReadableStream
}

/**
 * Reads what a client still sends of a body that nobody wants: many read no answer before they have sent all.
 *
 * @returns whether the connection can be kept: false where it was too much
 */
async function dropRest(incoming: IncomingMessage): Promise<boolean> {
  if (!hasBody(incoming) || incoming.readableEnded || incoming.destroyed) return true
  let bytes = 0
  incoming.unpipe()
  return new Promise((resolve) => {
    const end = (whole: boolean): void => {
      clearTimeout(timer)
      incoming.pause()
      resolve(whole)
    }
    const timer = setTimeout(end, DROPPED_MS, false)
    incoming.once('end', () => end(true)).once('close', () => end(false))
    incoming.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes > DROPPED_BYTES) end(false)
    })
    incoming.resume()
  })
}

/** Writes a body as fast as the client reads it; lets go of it when the client has gone, or reads nothing for long. */
async function pour(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel(gone.reason).catch(() => {})
  gone.addEventListener('abort', cancel, { once: true })
  if (gone.aborted) cancel()
  for (;;) {
    const { done, value } = await reader.read()
    if (done || gone.aborted) return
    if (outgoing.write(value)) continue
    const timer = setTimeout(() => outgoing.destroy(), STALLED_MS)
    await once(outgoing, 'drain', { signal: gone }).catch((error) => {
      if (!gone.aborted) throw error
    })
    clearTimeout(timer)
  }
}
