/** Downloads into a folder: what lands stays, nothing wrong does. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AbortError, FormatError, SourceError } from '../../js/errors.ts'
import { nodeFolder } from '../../js/platform/store-node.ts'
import type { StoreFolder } from '../../js/platform/types.ts'
import { type Downloaded, type DownloadOptions, download, type Wanted } from '../../js/store/download.ts'
import { rejects } from '../gguf-helpers.ts'
import {
  type FileServer,
  MODEL,
  MODEL_SHA256,
  OTHER,
  sha256Of,
  withFileServer,
  withTemporary,
} from '../store-helpers.ts'

interface Place {
  server: FileServer
  path: string
  folder: StoreFolder
  /** Downloads the file. */
  fetch(wanted?: Partial<Wanted>, options?: DownloadOptions): Promise<Downloaded>
  /** Names in the folder. */
  names(): string[]
  /** Downloads as many bytes, then stops. */
  begin(bytes: number): Promise<void>
}

function place(run: (place: Place) => Promise<void>): () => Promise<void> {
  return () =>
    withTemporary((path) =>
      withFileServer(async (server) => {
        const folder = nodeFolder(path)
        const fetch: Place['fetch'] = (wanted, options) =>
          download(folder, 'm.gguf', { url: server.url, ...wanted }, { retryDelay: 1, ...options })
        const begin = async (bytes: number): Promise<void> => {
          const { behaviour } = server
          server.behaviour = { ...behaviour, hangAfter: bytes }
          const { signal, stop } = stopAt(bytes)
          await rejects(fetch({}, { signal, onProgress: stop }), AbortError, 'ABORTED')
          assert.is(await folder.size('m.gguf.incomplete'), bytes)
          server.behaviour = behaviour
          server.requests.length = server.sent = 0
        }
        await run({ server, path, folder, fetch, names: () => readdirSync(path), begin })
      }),
    )
}

function stopAt(bytes: number): { signal: AbortSignal; stop: (done: number) => void } {
  const controller = new AbortController()
  const stop = (done: number): void => {
    if (done >= bytes) controller.abort()
  }
  return { signal: controller.signal, stop }
}

function checkFile(path: string, data = MODEL): void {
  assert.equal(readdirSync(path), ['m.gguf'])
  assert.ok(readFileSync(join(path, 'm.gguf')).equals(data), 'the file is the one that was sent')
}

const ranges = ({ requests }: FileServer): (string | undefined)[] => requests.map(({ headers }) => headers.range)

test(
  'a file is downloaded by one request',
  place(async ({ server, path, fetch }) => {
    const seen: [number, number | undefined][] = []
    const got = await fetch({}, { onProgress: (done, total) => seen.push([done, total]) })
    assert.equal(got, { url: server.url, size: MODEL.length, etag: `"${MODEL_SHA256}"`, sha256: MODEL_SHA256 })
    checkFile(path)
    assert.equal(ranges(server), [undefined])
    assert.equal(seen.at(-1), [MODEL.length, MODEL.length])
    assert.ok(seen.every(([done, total], i) => total === MODEL.length && done >= (seen[i - 1]?.[0] ?? 0)))
  }),
)

test(
  'a connection that breaks is taken up where it broke, of the same version only',
  place(async ({ server, path, fetch }) => {
    server.behaviour = { breakAfter: 200_000 }
    const landed: number[] = []
    await fetch({}, { onProgress: (done) => landed.push(done) })
    checkFile(path)
    const [first, ...others] = server.requests
    assert.is(first!.headers.range, undefined)
    assert.ok(others.length >= 2)
    for (const { headers } of others) {
      assert.ok(landed.some((bytes) => headers.range === `bytes=${bytes}-`))
      assert.is(headers['if-range'], `"${MODEL_SHA256}"`)
    }
  }),
)

test(
  'a download that was stopped fetches the rest only',
  place(async ({ server, path, names, fetch }) => {
    const { signal, stop } = stopAt(0.37 * MODEL.length)
    await rejects(fetch({}, { signal, onProgress: stop }), AbortError, 'ABORTED')
    assert.equal(names(), ['m.gguf.incomplete', 'm.gguf.incomplete.json'])
    const landed = readFileSync(join(path, 'm.gguf.incomplete')).length
    assert.ok(landed >= 0.37 * MODEL.length && landed < MODEL.length)
    server.sent = server.requests.length = 0
    await fetch()
    assert.equal([server.sent, ranges(server)], [MODEL.length - landed, [`bytes=${landed}-`]])
    checkFile(path)
  }),
)

test(
  'what is whole but was not named takes no request',
  place(async ({ server, path, begin, fetch }) => {
    await begin(1000)
    writeFileSync(join(path, 'm.gguf.incomplete'), MODEL)
    assert.is((await fetch()).sha256, MODEL_SHA256)
    checkFile(path)
    assert.is(server.requests.length, 0)
  }),
)

test(
  'a file that changed is read anew, whether or not the server hears If-Range',
  place(async ({ server, path, folder, begin, fetch }) => {
    for (const ifRange of [true, false]) {
      await begin(300_000)
      server.behaviour = { data: OTHER, ifRange }
      assert.is((await fetch()).sha256, sha256Of(OTHER))
      checkFile(path, OTHER)
      await folder.remove('m.gguf')
      server.behaviour = {}
    }
    await begin(300_000)
    const short = Buffer.from(MODEL.subarray(0, 200_000))
    server.behaviour = { data: short, etag: null }
    await rejects(fetch(), FormatError, 'GGUF_TRUNCATED')
    assert.equal(readdirSync(path), [])
  }),
)

test(
  'a file that changes again and again is an error',
  place(async ({ server, names, fetch }) => {
    server.behaviour = { breakAfter: 1000, ifRange: false }
    let version = 0
    const change = (): void => {
      server.behaviour.etag = `"${version++}"`
    }
    await rejects(fetch({}, { onProgress: change, retries: 20 }), SourceError, 'SOURCE_CHANGED')
    assert.ok(!names().includes('m.gguf'))
  }),
)

test(
  'dates serve where there are no tags, and nothing is taken up without either',
  place(async ({ server, path, folder, begin, fetch }) => {
    const modified = 'Sat, 01 Nov 2025 10:00:00 GMT'
    server.behaviour = { etag: null, modified }
    await begin(300_000)
    await fetch()
    assert.equal([server.requests[0]!.headers['if-range'], server.sent], [modified, MODEL.length - 300_000])
    await folder.remove('m.gguf')
    for (const etag of [null, 'W/"1"']) {
      server.behaviour = { etag }
      await begin(300_000)
      await fetch()
      assert.equal([ranges(server), server.sent], [[undefined], MODEL.length])
      checkFile(path)
      await folder.remove('m.gguf')
    }
  }),
)

test(
  'a server without ranges is read on where it was left, if it says that the file is the same',
  place(async ({ server, path, folder, begin, fetch }) => {
    server.behaviour = { ranges: false }
    await begin(300_000)
    await fetch()
    checkFile(path)
    await folder.remove('m.gguf')
    await begin(300_000)
    server.behaviour = { ranges: false, data: OTHER }
    await fetch()
    checkFile(path, OTHER)
  }),
)

test(
  'a server that lies about ranges gives the right file or an error',
  place(async ({ server, path, folder, begin, fetch }) => {
    await begin(300_000)
    server.behaviour = { shift: -1000 }
    await fetch()
    checkFile(path)
    assert.equal(ranges(server), ['bytes=300000-', undefined])
    await folder.remove('m.gguf')
    // Other bytes under the right name: the checksum finds them.
    await begin(300_000)
    server.behaviour = { shift: -1000, silent: true }
    await fetch({ sha256: MODEL_SHA256 })
    checkFile(path)
    await folder.remove('m.gguf')
    server.behaviour = { shift: -1000, breakAfter: 200_000 }
    await rejects(fetch(), SourceError, 'HTTP_RANGE')
    assert.ok(!existsSync(join(path, 'm.gguf')))
  }),
)

test(
  'a server that sends less than was asked for is asked again',
  place(async ({ server, path, begin, fetch }) => {
    await begin(1000)
    server.behaviour = { most: 100_000 }
    await fetch({}, { retries: 0 })
    checkFile(path)
    assert.equal(ranges(server).slice(0, 2), ['bytes=1000-', 'bytes=101000-'])
  }),
)

test(
  'files without a size are read to their end',
  place(async ({ server, path, fetch }) => {
    server.behaviour = { length: null }
    assert.is((await fetch()).size, MODEL.length)
    checkFile(path)
  }),
)

test(
  'what is no model, or not all of it, is refused and not kept',
  place(async ({ server, names, fetch }) => {
    const page = Buffer.from('<!doctype html><title>Sign in</title>'.padEnd(5000))
    const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${MODEL_SHA256}\nsize 1\n`)
    const wrong: [data: Buffer, code: string, message: RegExp][] = [
      [page, 'GGUF_MAGIC', /web page/],
      [pointer, 'GGUF_MAGIC', /Git LFS pointer/],
      [Buffer.from(MODEL.subarray(0, MODEL.length - 1)), 'GGUF_TRUNCATED', /./],
      [Buffer.from('GGU'), 'GGUF_TRUNCATED', /./],
    ]
    for (const [data, code, message] of wrong) {
      server.behaviour = { data }
      const error = await rejects(fetch(), FormatError, code)
      assert.match(error.message, message)
      assert.match(error.message, server.url)
      assert.equal(names(), [])
    }
    server.behaviour = { data: page }
    await rejects(fetch({ size: MODEL.length }), SourceError, 'SOURCE_CHANGED')
    server.behaviour = { status: 404 }
    await rejects(fetch(), SourceError, 'HTTP_STATUS')
  }),
)

test(
  'a wrong checksum is an error, and the file is not kept',
  place(async ({ server, names, fetch }) => {
    server.behaviour = { data: OTHER }
    await rejects(fetch({ sha256: MODEL_SHA256 }), SourceError, 'SHA256_MISMATCH')
    assert.equal(names(), [])
    assert.is(server.requests.length, 1)
  }),
)

test(
  'bytes on the disk that are damaged heal',
  place(async ({ path, folder, begin, fetch }) => {
    await begin(300_000)
    writeFileSync(join(path, 'm.gguf.incomplete'), Buffer.alloc(300_000, 1))
    await fetch({ sha256: MODEL_SHA256 })
    checkFile(path)
    await folder.remove('m.gguf')
    // Longer than the file; and a record that was cut short.
    await begin(300_000)
    writeFileSync(join(path, 'm.gguf.incomplete'), Buffer.alloc(MODEL.length + 1, 1))
    await fetch()
    checkFile(path)
    await folder.remove('m.gguf')
    await begin(300_000)
    writeFileSync(join(path, 'm.gguf.incomplete.json'), '{"url":')
    await fetch()
    checkFile(path)
  }),
)

test(
  'a server that hangs is asked again',
  place(async ({ server, path, fetch }) => {
    server.behaviour = { hangAfter: 400_000 }
    const heal = (done: number): void => {
      if (done === 400_000) server.behaviour = {}
    }
    await fetch({}, { stall: 100, onProgress: heal })
    checkFile(path)
    assert.equal(ranges(server), [undefined, 'bytes=400000-'])
  }),
)

test(
  'a full disk gets its room back',
  place(async ({ server, folder, names }) => {
    const full = new SourceError('STORE_FULL', 'The disk is full, as far as this test goes.')
    const open: StoreFolder['open'] = async (path) => {
      const file = await folder.open(path)
      return {
        get size() {
          return file.size
        },
        append: (bytes) => (file.size > 100_000 ? Promise.reject(full) : file.append(bytes)),
        clear: () => file.clear(),
        digest: () => file.digest(),
        close: () => file.close(),
      }
    }
    await rejects(download({ ...folder, open }, 'm.gguf', { url: server.url }, {}), SourceError, 'STORE_FULL')
    assert.equal(names(), [])
    const reserve = (): Promise<void> => Promise.reject(full)
    await rejects(download(folder, 'm.gguf', { url: server.url }, { reserve }), SourceError, 'STORE_FULL')
    assert.equal(names(), [])
  }),
)

test(
  'a folder that cannot be written is an error',
  place(async ({ server, path }) => {
    writeFileSync(join(path, 'file'), '')
    const folder = nodeFolder(join(path, 'file'))
    await rejects(download(folder, 'm.gguf', { url: server.url }, {}), SourceError, 'STORE_UNUSABLE')
  }),
)

test.run()
