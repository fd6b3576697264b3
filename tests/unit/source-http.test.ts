/** HTTP sources against a server on this machine that behaves as it is told. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AbortError, ArgumentError, type CriaError, SourceError } from '../../js/errors.ts'
import { openSource } from '../../js/source/source.ts'
import type { Source, SourceOptions } from '../../js/source/types.ts'
import { rejects } from '../gguf-helpers.ts'

const DATA = Buffer.from(Uint8Array.from({ length: 4_000_000 }, (_, i) => (i * 31) ^ (i >>> 8)))
const TOKEN = 'hf_SecretSecret'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const context = {
  handler: (() => {}) as Handler,
  requests: [] as IncomingMessage[],
  url: '',
  server: undefined as unknown as Server,
}
const test = suite('source-http')
test.before(async () => {
  context.server = createServer((request, response) => {
    context.requests.push(request)
    context.handler(request, response)
  })
  await new Promise<void>((resolve) => context.server.listen(0, '127.0.0.1', resolve))
  context.url = `http://127.0.0.1:${(context.server.address() as AddressInfo).port}/model.gguf`
})
test.before.each(() => {
  context.requests.length = 0
})
test.after(() => {
  context.server.closeAllConnections()
  context.server.close()
})

const noFiles = () => Promise.reject(new Error('no files here'))
const open = (options: SourceOptions & { signal?: AbortSignal } = {}): Promise<Source> =>
  openSource(context.url, noFiles, { retryDelay: 1, ...options })

async function check(source: Source, offset: number, length: number): Promise<void> {
  const target = new Uint8Array(new SharedArrayBuffer(length))
  await source.read(target, offset)
  assert.ok(Buffer.from(target).equals(DATA.subarray(offset, offset + length)), `${length} bytes at ${offset}`)
}

interface ServeOptions {
  data?: Buffer
  etag?: string
  /** Bytes after which the connection breaks. */
  breakAfter?: number
  /** Most bytes of an answer to a Range request. */
  most?: number
}

function start(request: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? 'bytes=0-')![1])
}

const ranges = (): (string | undefined)[] => context.requests.map(({ headers }) => headers.range)

function send(response: ServerResponse, body: Buffer, breakAfter = Infinity): void {
  if (breakAfter >= body.length) response.end(body)
  else response.write(body.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 10))
}

/** Answers with 206 to Range requests, else with 200. */
const ranged =
  ({ data = DATA, etag = '"1"', breakAfter, most = Infinity }: ServeOptions = {}): Handler =>
  (request, response) => {
    const { range } = request.headers
    const from = start(request)
    const end = range ? Math.min(data.length, from + most) : data.length
    response.writeHead(range ? 206 : 200, {
      ...(range && { 'content-range': `bytes ${from}-${end - 1}/${data.length}` }),
      'content-length': end - from,
      'accept-ranges': 'bytes',
      etag,
    })
    send(response, data.subarray(from, end), breakAfter)
  }

/** Answers with 200 and everything. */
const whole =
  ({ data = DATA, breakAfter }: ServeOptions = {}): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': data.length })
    send(response, data, breakAfter)
  }

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(code, headers)
    response.end('no')
  }

/** Each handler once, the last for ever. */
function inTurn(...handlers: Handler[]): void {
  context.handler = (request, response) => (handlers.length > 1 ? handlers.shift()! : handlers[0]!)(request, response)
}

test('reads in file order take one request, small gaps included', async () => {
  context.handler = ranged()
  const source = await open()
  assert.is(source.size, DATA.length)
  assert.is(source.name, context.url)
  await check(source, 0, 1000)
  await check(source, 1000, 1_000_000)
  await check(source, 1_500_000, 1_500_000)
  await check(source, 3_999_999, 1)
  // For the whole file, as caches store it.
  assert.equal(ranges(), [undefined])
  assert.match(context.requests[0]!.headers['accept-encoding']!, /^identity(, identity)?$/)
  await source.close()
  await rejects(source.read(new Uint8Array(1), 0), SourceError, 'SOURCE_CLOSED')
})

test('whoever reads a little too far goes back without another request', async () => {
  context.handler = ranged()
  const source = await open()
  await check(source, 0, 100_000)
  await check(source, 40_000, 20_000)
  await check(source, 60_000, 980_000)
  await check(source, 1_040_000, DATA.length - 1_040_000)
  assert.equal(ranges(), [undefined])
})

test('jumps ask again, and overlapping reads take turns', async () => {
  context.handler = ranged()
  const source = await open()
  await check(source, 3_000_000, 10)
  await check(source, 5, 10)
  await check(source, 0, 5)
  assert.equal(ranges(), [undefined, 'bytes=3000000-', 'bytes=5-', undefined])
  await Promise.all([check(source, 2_000_000, 500_000), check(source, 0, 500_000), check(source, 100, 100)])
  await source.close()
})

test('a server that sends parts at most so large', async () => {
  const parts: Handler = (request, response) => {
    request.headers.range ??= 'bytes=0-'
    ranged({ most: 900_000 })(request, response)
  }
  context.handler = parts
  const source = await open({ retries: 0 })
  await check(source, 0, DATA.length)
  assert.is(context.requests.length, 5)
})

test('a server without Range is read from its one body', async () => {
  context.handler = whole()
  const source = await open()
  assert.is(source.size, DATA.length)
  await check(source, 0, 1000)
  await check(source, 3_000_000, 1000)
  assert.is(context.requests.length, 1)
  await check(source, 500, 1000)
  await check(source, 3_000_000, DATA.length - 3_000_000)
  assert.is(context.requests.length, 2)
})

test('a body without a length is fetched into memory', async () => {
  context.handler = (_request, response) => {
    response.writeHead(200)
    response.write(DATA.subarray(0, 1_000_000))
    response.end(DATA.subarray(1_000_000))
  }
  const source = await open()
  assert.is(source.size, DATA.length)
  await check(source, 3_000_000, 1_000_000)
  await check(source, 0, 1000)
  // The second could have had its size.
  assert.equal(ranges(), [undefined, 'bytes=0-'])
})

test('a body without a length that breaks is fetched again', async () => {
  inTurn(
    (_request, response) => {
      response.writeHead(200)
      send(response, DATA, 1_000_000)
    },
    (_request, response) => {
      response.writeHead(200)
      response.write(DATA.subarray(0, 5))
      response.end(DATA.subarray(5))
    },
  )
  await check(await open(), 0, DATA.length)
})

test('a server that compresses all but ranges is read in ranges', async () => {
  context.handler = (request, response) => {
    if (request.headers.range) return ranged()(request, response)
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(DATA))
  }
  const source = await open()
  await check(source, 0, DATA.length)
  assert.equal(ranges(), [undefined, 'bytes=0-'])
})

test('compression does not change the size', async () => {
  const body = gzipSync(DATA)
  const headers = { 'content-encoding': 'gzip', 'content-length': String(body.length) }
  context.handler = (_request, response) => response.writeHead(200, headers).end(body)
  const source = await open()
  assert.is(source.size, DATA.length)
  await check(source, 1_000_000, 1_000_000)

  context.handler = (request, response) => {
    const range = { 'content-range': `bytes 0-${body.length - 1}/${body.length}` }
    response.writeHead(request.headers.range ? 206 : 200, { ...headers, ...(request.headers.range && range) }).end(body)
  }
  const again = await open()
  assert.is(again.size, DATA.length)
  await check(again, 0, DATA.length)
})

test('an unknown total, and a hidden Content-Range', async () => {
  context.handler = (request, response) => {
    if (!request.headers.range) return whole()(request, response)
    response.writeHead(206, { 'content-range': 'bytes 0-99/*', 'content-length': 100 }).end(DATA.subarray(0, 100))
  }
  assert.is((await open()).size, DATA.length)
  context.handler = (request, response) => {
    const body = DATA.subarray(start(request))
    response.writeHead(206, { 'content-length': body.length }).end(body)
  }
  const source = await open()
  assert.is(source.size, DATA.length)
  await check(source, 2_000_000, 1000)
  await check(source, 0, 1000)
})

test('a body that breaks is resumed where it broke', async () => {
  context.handler = ranged({ breakAfter: 1_500_000 })
  const source = await open({ retries: 1 })
  await check(source, 0, DATA.length)
  const froms = context.requests.map(start)
  assert.is(froms[0], 0)
  assert.ok(froms.length >= 3 && froms.slice(1).every((from, i) => from > froms[i]!), froms.join())
})

test('without Range, a broken body is read again from the start', async () => {
  inTurn(whole({ breakAfter: 2_000_000 }), whole())
  const source = await open()
  await check(source, 0, DATA.length)
  assert.is(context.requests.length, 2)
  // A server that always breaks at the same byte does not keep us for ever.
  context.handler = whole({ breakAfter: 2_000_000 })
  const hopeless = await open({ retries: 2 })
  await rejects(hopeless.read(new Uint8Array(DATA.length), 0), SourceError, 'HTTP_NETWORK')
})

test('passing failures are tried again', async () => {
  for (const code of [408, 429, 500, 502, 503, 504]) {
    inTurn(status(code), status(code), (request) => request.socket.destroy(), ranged())
    await check(await open(), 0, 1000)
  }
  context.requests.length = 0
  context.handler = status(503)
  const error = await rejects(open({ retries: 2 }), SourceError, 'HTTP_STATUS')
  assert.is(error.value, 503)
  assert.is(context.requests.length, 3)
  context.handler = (request) => request.socket.destroy()
  const network = await rejects(open({ retries: 1 }), SourceError, 'HTTP_NETWORK')
  assert.instance(network.cause, Error)
})

test('Retry-After is honoured, in seconds and as a date', async () => {
  for (const makeValue of [() => '1', () => new Date(Date.now() + 2000).toUTCString()]) {
    const value = makeValue()
    inTurn(status(429, { 'retry-after': value }), ranged())
    const begin = performance.now()
    await open({ retryDelay: 0 })
    assert.ok(performance.now() - begin > 700, value)
  }
  // Nobody waits for an hour.
  inTurn(status(429, { 'retry-after': '3600' }), ranged())
  assert.is((await rejects(open(), SourceError, 'HTTP_STATUS')).value, 429)
})

test('final statuses fail at once and say what to do', async () => {
  for (const [code, advice] of [
    [400, /check the address/],
    [401, /token/],
    [403, /token/],
    [404, /no such file/],
    [410, /no such file/],
    [416, /empty/],
    [501, /server/],
  ] as const) {
    context.requests.length = 0
    context.handler = status(code)
    const error = await rejects(open({ token: TOKEN }), SourceError, 'HTTP_STATUS')
    assert.is(error.value, code)
    assert.match(error.message, advice)
    assert.match(error.message, String(code))
    assert.is(context.requests.length, 1)
  }
})

test('a file that changes on the server', async () => {
  const changes: [Handler, Handler][] = [
    [ranged(), ranged({ etag: '"2"' })],
    [ranged(), ranged({ data: DATA.subarray(0, 3_900_000) })],
    [whole(), whole({ data: DATA.subarray(1) })],
    [ranged({ etag: 'W/"1"' }), whole({ data: DATA.subarray(1) })],
  ]
  for (const [before, after] of changes) {
    inTurn(before, after)
    const source = await open()
    await check(source, 3_000_000 - 2_500_000, 10)
    const read = source.read(new Uint8Array(10), 0)
    await rejects(read, SourceError, 'SOURCE_CHANGED')
  }
  inTurn(ranged({ etag: 'W/"1"' }), ranged())
  const same = await open()
  await check(same, 3_000_000, 10)
})

test('a server that sends other bytes than asked for', async () => {
  inTurn(ranged(), (_request, response) => {
    response.writeHead(206, { 'content-range': `bytes 7-9/${DATA.length}` }).end('abc')
  })
  const source = await open()
  await rejects(source.read(new Uint8Array(10), 3_000_000), SourceError, 'HTTP_RANGE')
})

test('headers and token are sent, and appear in no error', async () => {
  context.handler = ranged()
  await open({ headers: { 'X-Custom': 'yes' }, token: TOKEN })
  assert.is(context.requests[0]!.headers['x-custom'], 'yes')
  assert.is(context.requests[0]!.headers.authorization, `Bearer ${TOKEN}`)

  const secretless = (error: CriaError) => {
    const all = [error.message, String(error.value), String(error.cause), error.stack].join()
    assert.not.match(all, /Secret/)
  }
  context.handler = status(403)
  secretless(await rejects(open({ token: TOKEN }), SourceError, 'HTTP_STATUS'))
  context.handler = (request) => request.socket.destroy()
  secretless(await rejects(open({ token: TOKEN, retries: 0 }), SourceError, 'HTTP_NETWORK'))
  secretless(await rejects(open({ token: `${TOKEN}\n` }), ArgumentError, 'TOKEN'))
  secretless(await rejects(open({ token: `${TOKEN}é` }), ArgumentError, 'TOKEN'))
  secretless(await rejects(open({ headers: { authorization: `${TOKEN}\u2026` } }), ArgumentError, 'HTTP_HEADER'))
  const at = (url: string) => openSource(url, noFiles, { retryDelay: 1 })
  secretless(await rejects(at(context.url.replace('//', '//user:Secret@')), ArgumentError, 'INPUT_URL'))
  context.handler = status(404)
  secretless(await rejects(at(`${context.url}?signature=Secret`), SourceError, 'HTTP_STATUS'))
})

test('a custom fetch is used, also for hf: URLs', async () => {
  const urls: string[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    urls.push(String(input))
    assert.is(new Headers(init?.headers).get('authorization'), `Bearer ${TOKEN}`)
    return new Response(DATA, { headers: { 'content-length': String(DATA.length) } })
  }
  const source = await openSource('hf:owner/repo/model.gguf', noFiles, { fetch, token: TOKEN })
  await check(source, 10, 1000)
  assert.equal(urls, ['https://huggingface.co/owner/repo/resolve/main/model.gguf'])
})

test('abort: while connecting, while waiting to try again, while reading', async () => {
  const abortSoon = () => AbortSignal.timeout(50)
  context.handler = () => {}
  await rejects(open({ signal: abortSoon() }), AbortError, 'ABORTED')
  context.handler = status(503)
  await rejects(open({ signal: abortSoon(), retryDelay: 60_000 }), AbortError, 'ABORTED')
  // A body that stalls.
  context.handler = (_request, response) => {
    response.writeHead(200, { 'content-length': DATA.length })
    response.write(DATA.subarray(0, 1000))
  }
  const source = await open()
  await rejects(source.read(new Uint8Array(2000), 0, abortSoon()), AbortError, 'ABORTED')
  // The source can still be used.
  context.handler = ranged()
  await check(source, 0, 2000)
  // A fetch that knows no signals.
  const deaf = () => new Promise<Response>(() => {})
  await rejects(open({ fetch: deaf, signal: abortSoon() }), AbortError, 'ABORTED')
})

test('sha256 over HTTP', async () => {
  context.handler = ranged({ breakAfter: 1_800_000 })
  const sha256 = createHash('sha256').update(DATA).digest('hex')
  const source = await open({ sha256 })
  await check(source, 0, 1000)
  await check(source, 2_500_000, 1000)
  await source.finish!()
  const wrong = await open({ sha256: '0'.repeat(64) })
  await rejects(wrong.finish!(), SourceError, 'SHA256_MISMATCH')
})

test.run()
