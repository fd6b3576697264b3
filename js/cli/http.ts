/**
 * A handler of Requests behind node:http, which Deno and Bun have too. (@hono/node-server does this, and would weigh more
 * than the whole handler.)
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { ApiError, errorResponse, RETRY_AFTER } from '../server/errors.ts'

export interface Listening {
  /** Of the server's root, without a slash at the end. */
  url: string
  /** Takes no more connections, answers 503 on those there are, and resolves when all answers under way have ended. */
  drain(): Promise<void>
}

/** Listens; rejects where the address cannot be had. `port` 0: any free one. */
export async function listen(
  handle: (request: Request) => Promise<Response>,
  { host, port }: { host: string; port: number },
): Promise<Listening> {
  let active = 0
  let draining = false
  let drained: () => void = () => {}
  const server = createServer((incoming, outgoing) => {
    active++
    outgoing.once('close', () => {
      if (--active === 0 && draining) drained()
    })
    // Who keeps a connection shall ask elsewhere next time.
    if (draining) outgoing.shouldKeepAlive = false
    void answer(draining ? refuse : handle, incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.listen(port, host)
  await once(server, 'listening')
  const { port: actual } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    drain: () =>
      new Promise((resolve) => {
        draining = true
        drained = resolve
        server.close()
        if (active === 0) resolve()
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
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body) await pour(response.body, outgoing, gone.signal)
  outgoing.end()
}

/** Undefined for what no Request can be made of: a broken Host, a method like TRACE. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '/', headers } = incoming
  const given = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]))
  const hasBody = method !== 'GET' && method !== 'HEAD'
  try {
    return new Request(`http://${headers.host ?? 'localhost'}${url.startsWith('/') ? url : '/'}`, {
      method,
      headers: given as [string, string][],
      signal,
      ...(hasBody && { body: Readable.toWeb(incoming) as unknown as ReadableStream, duplex: 'half' }),
    } as RequestInit)
  } catch {
    return undefined
  }
}

/** Writes a body as fast as the client reads it; lets go of it when the client has gone. */
async function pour(body: ReadableStream<Uint8Array>, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel(gone.reason).catch(() => {})
  gone.addEventListener('abort', cancel, { once: true })
  if (gone.aborted) cancel()
  for (;;) {
    const { done, value } = await reader.read()
    if (done || gone.aborted) return
    if (outgoing.write(value)) continue
    await once(outgoing, 'drain', { signal: gone }).catch((error) => {
      if (!gone.aborted) throw error
    })
  }
}
