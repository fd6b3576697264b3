/** HTTP sources on networks that fail: what is waited for, what is not, what callers' own `fetch` does, and what errors say. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AbortError, CriaError, SourceError } from '../../js/errors.ts'
import { openHttp } from '../../js/source/http.ts'
import type { Source, SourceOptions } from '../../js/source/types.ts'
import { sleep } from '../../js/util/abort.ts'
import type { CriaWarning } from '../../js/util/warn.ts'
import { rejects } from '../gguf-helpers.ts'

const DATA = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31) ^ (i >>> 8)))
const MINUTE = 60_000
const test = suite('source-network')

type Fetch = typeof globalThis.fetch

/** Opens a source whose waits take no time: `waits` has them, and each calls `onWait` first. */
function opening(
  url: string,
  options: SourceOptions & { signal?: AbortSignal } = {},
  onWait: (count: number) => unknown = () => {},
) {
  const waits: number[] = []
  const warnings: CriaWarning[] = []
  const wait: typeof sleep = async (milliseconds, signal, what) => {
    waits.push(milliseconds)
    await onWait(waits.length)
    await sleep(0, signal, what)
  }
  const source = openHttp(url, { onWarning: (warning) => warnings.push(warning), ...options }, wait)
  return { source, waits, warnings }
}

async function check(source: Source, offset = 0, length = DATA.length - offset): Promise<void> {
  const target = new Uint8Array(length)
  await source.read(target, offset)
  assert.ok(DATA.subarray(offset, offset + length).equals(target), `${length} bytes at ${offset}`)
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** A server that can go away and come back at its address. */
class Coming {
  readonly ranges: (string | undefined)[] = []
  /** Of an answer, the bytes after which the whole server goes. */
  leavesAfter = Infinity
  status = 200
  #server: Server | undefined
  #port = 0

  get url(): string {
    return `http://127.0.0.1:${this.#port}/model.gguf?signature=Secret`
  }

  async come(): Promise<this> {
    const server = createServer(({ headers: { range } }, response) => {
      this.ranges.push(range)
      this.#answer(range, response)
    })
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  leave(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  #answer(range: string | undefined, response: ServerResponse): void {
    if (this.status !== 200) return void response.writeHead(this.status).end()
    const from = Number(/\d+/.exec(range ?? '0'))
    const body = DATA.subarray(from)
    response.writeHead(range ? 206 : 200, {
      'content-length': body.length,
      'accept-ranges': 'bytes',
      etag: '"1"',
      ...(range && { 'content-range': `bytes ${from}-${DATA.length - 1}/${DATA.length}` }),
    })
    if (body.length <= this.leavesAfter) return void response.end(body)
    response.write(body.subarray(0, this.leavesAfter), () => setTimeout(() => this.leave(), 20))
  }
}

test('a lost connection is waited for, and the bytes are kept', async () => {
  const server = await new Coming().come()
  server.leavesAfter = 1_000_000
  const { source, waits, warnings } = opening(server.url, {}, async (count) => {
    if (count === 1) server.leavesAfter = Infinity
    if (count === 25) await server.come()
  })
  await check(await source)
  server.leave()
  assert.is(waits.length, 25)
  assert.ok(sum(waits) > 3 * MINUTE, `${waits}`)
  assert.ok(
    waits.every((wait) => wait <= 20_000),
    `${waits}`,
  )
  assert.equal(
    warnings.map(({ code }) => code),
    ['CONNECTION_LOST'],
  )
  assert.match(warnings[0]!.message, /up to 10 min.*model\.gguf.*ECONNREFUSED/)
  assert.not.match(warnings[0]!.message, /Secret/)
  assert.equal(server.ranges, [undefined, 'bytes=1000000-'])
})

test('a lost connection is given up after reconnectTimeout, and at once where nothing is tried again', async () => {
  for (const [options, least, most] of [
    [{}, 10 * MINUTE, 11 * MINUTE],
    [{ reconnectTimeout: MINUTE }, MINUTE, 1.5 * MINUTE],
    [{ retries: 0 }, 0, 0],
  ] as const) {
    const server = await new Coming().come()
    server.leavesAfter = 1_000_000
    const { source, waits } = opening(server.url, options)
    await rejects((await source).read(new Uint8Array(DATA.length), 0), SourceError, 'HTTP_NETWORK')
    assert.ok(sum(waits) >= least && sum(waits) <= most, `${sum(waits)} ms`)
  }
})

test('a server in trouble is waited for in the middle, and an address that has expired is not', async () => {
  const server = await new Coming().come()
  const { source, waits } = opening(server.url, {}, (count) => {
    if (count === 12) server.status = 200
  })
  const opened = await source
  server.status = 503
  await check(opened, 2_000_000)
  assert.is(waits.length, 12)
  server.status = 403
  const error = await rejects(opened.read(new Uint8Array(9), 0), SourceError, 'HTTP_STATUS')
  assert.is(error.value, 403)
  assert.is(waits.length, 12)
  server.leave()
})

test('a wait ends with an abort, and with the network’s return', async () => {
  const server = await new Coming().come()
  server.leavesAfter = 1_000_000
  const controller = new AbortController()
  const { source } = opening(server.url, {}, (count) => count === 5 && controller.abort())
  await rejects((await source).read(new Uint8Array(DATA.length), 0, controller.signal), AbortError, 'ABORTED')

  const page = new EventTarget()
  const names = ['addEventListener', 'removeEventListener'] as const
  for (const name of names) Object.assign(globalThis, { [name]: page[name].bind(page) })
  const slept = sleep(10 * MINUTE, undefined, 'Waiting', true)
  page.dispatchEvent(new Event('online'))
  await slept
  for (const name of names) delete (globalThis as Partial<typeof globalThis>)[name]
})

test('a first request that is in vain fails at once', async () => {
  const server = await new Coming().come()
  server.leave()
  const { source, waits } = opening(server.url)
  const refused = await rejects(source, SourceError, 'HTTP_NETWORK')
  assert.match(refused.message, /model\.gguf cannot be read: .*ECONNREFUSED/)
  assert.not.match(refused.message, /Secret/)
  assert.equal(waits, [])
  const cause = Object.assign(new Error('getaddrinfo ENOTFOUND none.invalid'), { code: 'ENOTFOUND' })
  const absent = await failure(() => new TypeError('fetch failed', { cause }))
  assert.match(absent.error.message, /ENOTFOUND none\.invalid/)
  assert.equal(absent.waits, [])
  // What may pass is tried again a few times.
  const passing = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  assert.is((await failure(() => new TypeError('fetch failed', { cause: passing }))).waits.length, 4)
})

/** What a first request fails with whose `fetch`, the runtime's own, throws. */
async function failure(makeError: (init: RequestInit | undefined) => unknown) {
  const { fetch } = globalThis
  globalThis.fetch = async (_, init) => {
    const error = makeError(init)
    if (error) throw error
    return new Response()
  }
  try {
    const { source, waits } = opening('http://models.invalid/model.gguf')
    const error = await source.then(
      () => assert.unreachable() as never,
      (thrown: unknown) => thrown as CriaError,
    )
    assert.instance(error, CriaError)
    return { error, waits }
  } finally {
    globalThis.fetch = fetch
  }
}

/** Runs work as a page of `origin` would. */
async function onPage<T>(origin: string, work: () => Promise<T>): Promise<T> {
  Object.assign(globalThis, { origin })
  try {
    return await work()
  } finally {
    delete (globalThis as { origin?: string }).origin
  }
}

test('what a page or process may not read is told with the reason, and not tried again', async () => {
  const failed = () => new TypeError('Failed to fetch')
  const mixed = await onPage('https://page.invalid', () => failure(failed))
  assert.match(mixed.error.message, /mixed content/)
  const cors = await onPage('http://page.invalid', () => failure((init) => init?.mode !== 'no-cors' && failed()))
  assert.match(cors.error.message, /Access-Control-Allow-Origin for pages of http:\/\/page\.invalid \(CORS\)/)
  const deno = await failure(() => Object.assign(new Error('Requires net access'), { name: 'NotCapable' }))
  assert.match(deno.error.message, /--allow-net/)
  const code = { code: 'ERR_ACCESS_DENIED' }
  const node = await failure(() => new TypeError('fetch failed', { cause: Object.assign(new Error('no'), code) }))
  assert.match(node.error.message, /--allow-net/)
  for (const { error, waits } of [mixed, cors, deno, node]) assert.equal([error.code, waits], ['HTTP_BLOCKED', []])
  const unknown = await onPage('http://page.invalid', () => failure(failed))
  assert.match(
    unknown.error.message,
    /Failed to fetch; check .* lets pages of http:\/\/page\.invalid read \(CORS\), and .* connect-src/,
  )
  assert.equal([unknown.error.code, unknown.waits.length], ['HTTP_NETWORK', 4])
})

test('what a caller’s own fetch throws or gives is told as its own', async () => {
  const own = (fetch: unknown) => opening('http://models.invalid/model.gguf', { fetch: fetch as Fetch }).source
  const thrown = await rejects(
    own(() => Promise.reject(new RangeError('the cache is full'))),
    SourceError,
    'HTTP_NETWORK',
  )
  assert.match(thrown.message, /the option fetch threw RangeError: the cache is full/)
  assert.not.match(thrown.message, /check/)
  const sync = () => {
    throw new Error('at once')
  }
  assert.match((await rejects(own(sync), SourceError, 'HTTP_NETWORK')).message, /at once/)
  for (const gives of [undefined, {}, 'text'])
    await rejects(
      own(async () => gives),
      SourceError,
      'HTTP_FETCH',
    )
  const error = new CriaError('MINE', 'An error of the caller’s own.')
  assert.is(
    await rejects(
      own(() => Promise.reject(error)),
      CriaError,
      'MINE',
    ),
    error,
  )
})

test('an error of a caller’s own fetch in the middle is no lost network', async () => {
  let calls = 0
  const fetch: Fetch = async () => {
    if (calls++ > 0) throw new Error('the session has expired')
    return new Response(DATA, { headers: { 'content-length': String(DATA.length), 'accept-ranges': 'bytes' } })
  }
  const { source, waits } = opening('http://models.invalid/model.gguf', { fetch })
  const read = (await source).read(new Uint8Array(9), 2_000_000)
  assert.match((await rejects(read, SourceError, 'HTTP_NETWORK')).message, /the session has expired/)
  assert.is(waits.length, 4)
})

test('a caller’s own fetch may give streams of Node’s, or no stream', async () => {
  const headers = new Headers({ 'content-length': String(DATA.length) })
  const stream = async () => ({ status: 200, headers, body: Readable.from([DATA.subarray(0, 9), DATA.subarray(9)]) })
  const whole = async () => ({ status: 200, headers, arrayBuffer: async () => new Uint8Array(DATA).buffer })
  for (const fetch of [stream, whole]) {
    const { source } = opening('http://models.invalid/model.gguf', { fetch: fetch as unknown as Fetch })
    await check(await source)
  }
})

/** A cache that stores what it gives, and like the Cache API refuses parts. */
function caching(url: string) {
  const stored = new Map<string, ArrayBuffer>()
  const fetch: Fetch = async (input, init) => {
    const key = String(input)
    const headers = { 'content-length': String(DATA.length) }
    if (!stored.has(key)) {
      const response = await globalThis.fetch(input, init)
      if (response.status === 206)
        throw new TypeError("Failed to execute 'put' on 'Cache': status code 206 is not allowed")
      stored.set(key, await response.arrayBuffer())
    }
    return new Response(stored.get(key)!, { headers })
  }
  return () => opening(url, { fetch })
}

test('a cache that comes first stores the whole file, and serves all from there', async () => {
  const server = await new Coming().come()
  const open = caching(server.url)
  for (let round = 0; round < 2; round++) {
    const { source, waits } = open()
    await check(await source)
    await check(await source, 2_500_000)
    await check(await source, 5, 100)
    assert.equal(waits, [])
  }
  assert.equal(server.ranges, [undefined])
  server.leave()
})

test.run()
