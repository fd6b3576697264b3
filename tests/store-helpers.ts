/** A server of one file that behaves as it is told, and folders to keep files in. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const MODEL = readFileSync('models/stories260K.gguf')
export const MODEL_SHA256 = sha256Of(MODEL)

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Another sound model of the same size. */
export const OTHER = Buffer.from(MODEL)
OTHER.fill(7, OTHER.length - 100_000)

export interface Behaviour {
  data?: Buffer
  /** Default: the SHA-256 of the data. null: none. */
  etag?: string | null
  modified?: string
  /** Bytes of an answer after which the connection breaks, or stays silent. */
  breakAfter?: number
  hangAfter?: number
  ranges?: boolean
  /** Whether If-Range is heard. */
  ifRange?: boolean
  /** Bytes by which answers begin elsewhere than they should; `silent`: without a word of it. */
  shift?: number
  silent?: boolean
  /** Most bytes of an answer to a request with a Range. */
  most?: number
  /** Content-Length of whole answers, in place of the size; null: none. */
  length?: number | null
  /** Bytes that are sent at a time, with a pause after each. */
  piece?: number
  status?: number
  headers?: Record<string, string>
}

export interface FileServer {
  url: string
  behaviour: Behaviour
  requests: IncomingMessage[]
  /** Bytes of bodies that were sent. */
  sent: number
}

export async function withFileServer(run: (server: FileServer) => Promise<void>): Promise<void> {
  const server: FileServer = { url: '', behaviour: {}, requests: [], sent: 0 }
  const http = createServer((request, response) => {
    server.requests.push(request)
    answer(server, request, response)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  server.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/model.gguf`
  try {
    await run(server)
  } finally {
    http.closeAllConnections()
    http.close()
  }
}

function answer(server: FileServer, request: IncomingMessage, response: ServerResponse): void {
  const { data = MODEL, etag = `"${sha256Of(data)}"`, modified, ranges = true, ifRange = true } = server.behaviour
  const { shift = 0, silent = false, most = Infinity, status = 200, headers = {} } = server.behaviour
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  const version = request.headers['if-range']
  const part = ranges && asked && (!ifRange || version === undefined || version === etag || version === modified)
  const start = part ? Number(asked[1]) : 0
  const about = { ...(etag !== null && { etag }), ...(modified && { 'last-modified': modified }), ...headers }
  if (part && start >= data.length) {
    response.writeHead(416, about).end()
    return
  }
  const from = Math.max(0, start + (part ? shift : 0))
  const end = part ? Math.min(data.length, from + most) : data.length
  const said = silent ? start : from
  const length = part ? end - from : server.behaviour.length === undefined ? end : server.behaviour.length
  response.writeHead(part ? 206 : status, {
    ...(part && { 'content-range': `bytes ${said}-${said + end - from - 1}/${data.length}` }),
    ...(length !== null && { 'content-length': length }),
    ...about,
  })
  send(server, response, data.subarray(from, Math.min(end, from + (length ?? Infinity))))
}

function send(server: FileServer, response: ServerResponse, body: Buffer): void {
  const { breakAfter = Infinity, hangAfter = Infinity, piece } = server.behaviour
  if (piece !== undefined) {
    sendSlowly(response, body, piece)
    return
  }
  const sent = body.subarray(0, Math.min(breakAfter, hangAfter))
  server.sent += sent.length
  if (sent.length === body.length) response.end(body)
  // What was written is to arrive before the connection breaks.
  else if (breakAfter < hangAfter) response.write(sent, () => setTimeout(() => response.destroy(), 10))
  else response.write(sent)
}

function sendSlowly(response: ServerResponse, body: Buffer, piece: number): void {
  if (body.length === 0 || response.destroyed) response.end()
  else
    response.write(body.subarray(0, piece), () =>
      setTimeout(() => sendSlowly(response, body.subarray(piece), piece), 1),
    )
}

export async function withTemporary<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'cria-store-'))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567'

export interface FakeHub {
  /** For HF_ENDPOINT. */
  endpoint: string
  /** Path in the repository → bytes, of `o/r` at `main`. */
  files: Record<string, Buffer>
  commit: string
  /** What it wants to read the repository. */
  token: string | undefined
  requests: IncomingMessage[]
  /** Of the server that has the bytes. */
  bytes: FileServer
}

/** A hub as huggingface.co is: its own answers have the promises and lead elsewhere, where the bytes are. */
export async function withHub(files: Record<string, Buffer>, run: (hub: FakeHub) => Promise<void>): Promise<void> {
  await withFileServer(async (bytes) => {
    const hub: FakeHub = { endpoint: '', files, commit: COMMIT, token: undefined, requests: [], bytes }
    const http = createServer((request, response) => {
      hub.requests.push(request)
      const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname)
      if (hub.token !== undefined && request.headers.authorization !== `Bearer ${hub.token}`) {
        response.writeHead(401).end()
        return
      }
      const names = Object.keys(hub.files)
      const file = names.find(
        (name) => path === `/o/r/resolve/main/${name}` || path === `/o/r/resolve/${hub.commit}/${name}`,
      )
      if (path === '/api/models/o/r/tree/main')
        response.end(JSON.stringify(names.map((path) => ({ type: 'file', path }))))
      else if (path.startsWith('/renamed/r/'))
        response.writeHead(307, { location: path.replace('/renamed', '/o') }).end()
      else if (file === undefined) response.writeHead(404).end()
      else {
        const data = hub.files[file]!
        bytes.behaviour = { ...bytes.behaviour, data, etag: '"of-the-cdn"' }
        const promise = { 'x-linked-etag': `"${sha256Of(data)}"`, 'x-linked-size': data.length }
        const location = bytes.url.replace('model.gguf', sha256Of(data))
        response.writeHead(302, { 'x-repo-commit': hub.commit, ...promise, location, etag: '"of-the-hub"' }).end()
      }
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    hub.endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    try {
      await run(hub)
    } finally {
      http.closeAllConnections()
      http.close()
    }
  })
}
