import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AbortError, ArgumentError, SourceError } from '../../js/errors.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { openFile as openFileWeb } from '../../js/platform/files-web.ts'
import { hashed } from '../../js/source/hashed.ts'
import { blobSource, bytesSource } from '../../js/source/memory.ts'
import { huggingFaceUrl, openSource } from '../../js/source/source.ts'
import type { Source } from '../../js/source/types.ts'
import { sleep, untilAborted } from '../../js/util/abort.ts'
import { Queue } from '../../js/util/concurrency.ts'
import { rejects } from '../gguf-helpers.ts'

const DATA = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * 31) ^ (i >>> 8))
const SHA256 = createHash('sha256').update(DATA).digest('hex')

const test = suite<{ folder: string; path: string }>('source')
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'cria-source-'))
  context.path = join(context.folder, 'data ü.bin')
  writeFileSync(context.path, DATA)
})
test.after(({ folder }) => rmSync(folder, { recursive: true }))

/** Reads here and there, into plain and shared memory, beyond the end, and after an abort. */
async function checkSource(source: Source): Promise<void> {
  assert.is(source.size, DATA.length)
  for (const [offset, length] of [
    [0, 10],
    [4_999_990, 10],
    [100, 4_900_000],
    [0, 5_000_000],
    [7, 0],
    [5_000_000, 0],
  ] as const) {
    for (const buffer of [new ArrayBuffer(length + 8), new SharedArrayBuffer(length + 8)]) {
      const target = new Uint8Array(buffer, 5, length)
      await source.read(target, offset)
      assert.ok(Buffer.from(target).equals(DATA.subarray(offset, offset + length)), `${offset}, ${length}`)
      assert.is(new Uint8Array(buffer)[length + 5], 0)
    }
  }
  for (const [offset, length] of [
    [4_999_991, 10],
    [-1, 4],
    [0.5, 4],
    [NaN, 4],
  ] as const) {
    await rejects(source.read(new Uint8Array(length), offset), SourceError, 'SOURCE_RANGE')
  }
  await rejects(source.read(new Uint8Array(1), 0, AbortSignal.abort('reason')), AbortError, 'ABORTED')
  await Promise.all([source.read(new Uint8Array(4), 9), source.read(new Uint8Array(4), 1_000_000)])
}

test('files, by path and by URL', async ({ path }) => {
  for (const location of [path, pathToFileURL(path), pathToFileURL(path).href]) {
    const source = await openSource(location, openFile)
    assert.is(source.name, path)
    await checkSource(source)
    await source.close()
  }
})

test('a Blob, a File, buffers and views, left as they were', async () => {
  const larger = new Uint8Array(DATA.length + 24)
  larger.set(DATA, 16)
  const shared = new Uint8Array(new SharedArrayBuffer(DATA.length))
  shared.set(DATA)
  for (const input of [
    new Blob([DATA]),
    new File([DATA], 'model.gguf'),
    DATA.buffer,
    DATA,
    new DataView(larger.buffer, 16, DATA.length),
    new Uint16Array(larger.buffer, 16, DATA.length / 2),
    shared,
    shared.buffer as unknown as ArrayBuffer,
  ]) {
    const source = await openSource(input, openFile)
    await checkSource(source)
    await source.close()
  }
  assert.is(DATA.buffer.byteLength, DATA.length)
  assert.is((await openSource(new File([DATA], 'model.gguf'), openFile)).name, 'model.gguf')
})

test('bytes are read when asked for, not copied at once', async () => {
  const bytes = new Uint8Array(4)
  const source = bytesSource(bytes)
  bytes[2] = 9
  const target = new Uint8Array(1)
  await source.read(target, 2)
  assert.is(target[0], 9)
})

test('files that cannot be opened', async ({ folder, path }) => {
  const missing = await rejects(openFile(join(folder, 'none.gguf')), SourceError, 'FILE_NOT_FOUND')
  assert.is(missing.value, join(folder, 'none.gguf'))
  await rejects(openFile(join(path, 'below-a-file')), SourceError, 'FILE_NOT_FOUND')
  const directory = join(folder, 'directory')
  mkdirSync(directory)
  await rejects(openFile(directory), SourceError, 'FILE_DIRECTORY')
  await rejects(openFile(new URL('file://elsewhere/model.gguf')), ArgumentError, 'INPUT_URL')
  await rejects(openFile('/dev/null'), SourceError, 'FILE_KIND')
  await rejects(openFile('zero\0byte'), SourceError, 'FILE_READ')
  await rejects(openFileWeb('model.gguf'), SourceError, 'FILE_UNSUPPORTED')
  if (process.getuid?.() === 0) return
  const secret = join(folder, 'secret')
  writeFileSync(secret, 'x')
  chmodSync(secret, 0)
  await rejects(openFile(secret), SourceError, 'FILE_PERMISSION')
})

test('a file or Blob that shrinks or goes away', async ({ folder }) => {
  const path = join(folder, 'shrinking')
  writeFileSync(path, DATA)
  const source = await openFile(path)
  truncateSync(path, 1000)
  await rejects(source.read(new Uint8Array(2000), 0), SourceError, 'SOURCE_CHANGED')
  await source.close()
  await rejects(source.read(new Uint8Array(1), 0), SourceError, 'FILE_READ')
  const broken = { size: 9, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) } as unknown as Blob
  await rejects(blobSource(broken).read(new Uint8Array(1), 0), SourceError, 'BLOB_READ')
})

test('what is no model', async () => {
  const open = (input: unknown) => openSource(input as string, openFile)
  await rejects(open('ftp://host/model.gguf'), ArgumentError, 'INPUT_SCHEME')
  await rejects(open(new URL('data:,x')), ArgumentError, 'INPUT_SCHEME')
  await rejects(open('http://'), ArgumentError, 'INPUT_URL')
  for (const input of [undefined, null, 1, '', {}, []]) await rejects(open(input), ArgumentError, 'INPUT_KIND')
  await rejects(openSource(DATA, openFile, { signal: AbortSignal.abort() }), AbortError, 'ABORTED')
})

test('strings without a known prefix are paths', async () => {
  const paths: (string | URL)[] = []
  const record = async (path: string | URL) => {
    paths.push(path)
    return bytesSource(DATA)
  }
  for (const path of ['model.gguf', './hf/model.gguf', 'C:\\models\\model.gguf', '/a/http:/b', 'httpd.gguf']) {
    await openSource(path, record)
    assert.is(paths.at(-1), path)
  }
  await openSource('file:///models/a%20b.gguf', record)
  assert.is(String(paths.at(-1)), 'file:///models/a%20b.gguf')
})

test('hf: URLs', () => {
  const hub = 'https://huggingface.co/'
  for (const [location, url] of [
    ['hf:owner/repo/model.gguf', 'owner/repo/resolve/main/model.gguf'],
    ['hf:owner/repo@v1.0/sub/model Q4_0.gguf', 'owner/repo/resolve/v1.0/sub/model%20Q4_0.gguf'],
    ['hf:owner/repo@refs%2Fpr%2F1/a#b?.gguf', 'owner/repo/resolve/refs%2Fpr%2F1/a%23b%3F.gguf'],
  ] as const) {
    assert.is(huggingFaceUrl(location), hub + url)
  }
  for (const location of [
    'hf:',
    'hf:owner',
    'hf:owner/repo',
    'hf:owner/repo/',
    'hf:owner/repo@/x',
    'hf:/repo/x',
    'hf:o/r@a@b/x',
  ]) {
    assert.throws(
      () => huggingFaceUrl(location),
      (error: unknown) => error instanceof ArgumentError && error.code === 'INPUT_HF',
    )
  }
})

/** Notes which bytes are read. */
function recording(): Source & { reads: [offset: number, length: number][] } {
  const reads: [number, number][] = []
  const source = bytesSource(DATA)
  return {
    ...source,
    reads,
    read(target, offset, signal) {
      reads.push([offset, target.length])
      return source.read(target, offset, signal)
    },
  }
}

test('sha256: hashed as reads pass, with jumps both ways', async () => {
  const inner = recording()
  const source = hashed(inner, SHA256.toUpperCase())
  const target = new Uint8Array(new SharedArrayBuffer(700_000))
  const read = async (offset: number, length: number) => {
    await source.read(target.subarray(0, length), offset)
    assert.ok(Buffer.from(target.subarray(0, length)).equals(DATA.subarray(offset, offset + length)))
  }
  await read(0, 100_000)
  await read(100_000, 100_000)
  await read(50_000, 100)
  assert.is(inner.reads.length, 3)
  await read(150_000, 100_000)
  await read(1_000_000, 700_000)
  await read(10, 10)
  await Promise.all([source.read(new Uint8Array(10), 3_000_000), source.read(new Uint8Array(10), 2_000_000)])
  await source.finish()
  await source.finish()
  // Hashed gaps are read in small pieces, and nothing is read without need.
  const total = inner.reads.reduce((sum, [, length]) => sum + length, 0)
  assert.is(total, DATA.length + 100 + 50_000 + 10 + 10)
  assert.ok(inner.reads.every(([, length]) => length <= 700_000))
})

test('sha256: a mismatch, a failing read, an abort', async () => {
  const other = SHA256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  const source = await openSource(DATA, openFile, { sha256: other })
  const error = await rejects(source.finish!(), SourceError, 'SHA256_MISMATCH')
  assert.is(error.value, SHA256)
  await rejects(source.finish!(), SourceError, 'SHA256_MISMATCH')

  const sound = await openSource(DATA, openFile, { sha256: SHA256 })
  await rejects(sound.read(new Uint8Array(10), DATA.length), SourceError, 'SOURCE_RANGE')
  await rejects(sound.finish!(AbortSignal.abort()), AbortError, 'ABORTED')
  await sound.finish!()

  for (const sha256 of ['', 'abc', SHA256.slice(1), `${SHA256}0`, 'g'.repeat(64), 5 as never]) {
    await rejects(openSource(DATA, openFile, { sha256 }), ArgumentError, 'SHA256')
  }
  assert.is((await openSource(DATA, openFile)).finish, undefined)
})

test('waiting ends at an abort', async () => {
  const controller = new AbortController()
  const waiting = untilAborted(new Promise(() => {}), controller.signal, 'Waiting')
  const sleeping = sleep(60_000, controller.signal, 'Sleeping')
  controller.abort('enough')
  const error = await rejects(waiting, AbortError, 'ABORTED')
  assert.is(error.cause, 'enough')
  await rejects(sleeping, AbortError, 'ABORTED')
  await rejects(untilAborted(Promise.resolve(1), AbortSignal.abort(), 'Waiting'), AbortError, 'ABORTED')
  assert.is(await untilAborted(Promise.resolve(1), new AbortController().signal, 'Waiting'), 1)
})

test('a queue goes on after a failure', async () => {
  const queue = new Queue()
  const order: number[] = []
  const first = queue.run(async () => {
    await sleep(5, undefined, 'Sleeping')
    order.push(1)
    throw new Error('first')
  })
  const second = queue.run(async () => order.push(2))
  await first.catch(() => {})
  await second
  assert.equal(order, [1, 2])
})

test.run()
