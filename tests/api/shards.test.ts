/** Models in several files: found by name, listed, checked; and what is wrong with a set of them named. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ArgumentError, FormatError, inspect, load, loadTokenizer, SourceError, UnsupportedError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LoadOptions } from '../../js/api/types.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { readModel } from '../../js/gguf/shards.ts'
import { type MetadataEntry, writeGguf } from '../../js/gguf/writer.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { openModel, shardLocations } from '../../js/source/shards.ts'
import type { ModelInput } from '../../js/source/types.ts'
import { bits, fails, STORIES, serve } from '../api-helpers.ts'
import { concat } from '../gguf-helpers.ts'

const COUNT = 3
const WHOLE = new Uint8Array(readFileSync(STORIES))
const GGUF = await readGguf(bytesSource(WHOLE))
const folder = mkdtempSync(join(tmpdir(), 'cria-shards-'))
test.after(() => rmSync(folder, { recursive: true }))

interface Claims {
  no: number
  count: number
  tensors: number
}

/** A shard as llama-gguf-split makes it: the metadata is in the first. `change`: what it is to say instead of the truth. */
async function makeShard(index: number, change: Partial<Claims> = {}, from = 0): Promise<Uint8Array<ArrayBuffer>> {
  const all = [...GGUF.tensors.values()]
  const claims: Claims = { no: index, count: COUNT, tensors: all.length, ...change }
  const split: MetadataEntry[] = [
    { key: 'split.no', type: 'uint16', value: claims.no },
    { key: 'split.count', type: 'uint16', value: claims.count },
    { key: 'split.tensors.count', type: 'int32', value: claims.tensors },
  ]
  const raw = [...GGUF.entries].map(([key, [start, end]]) => ({ key, raw: WHOLE.subarray(start, end) }))
  const cut = (i: number): number => Math.floor((i * all.length) / COUNT)
  const tensors = all.slice(from || cut(index), cut(index + 1)).map(({ name, dimensions, type, offset, bytes }) => ({
    name,
    dimensions,
    type,
    data: () => [WHOLE.subarray(offset, offset + bytes)],
  }))
  const metadata = index === 0 ? [...raw.filter(({ key }) => key !== 'general.alignment'), ...split] : split
  return Uint8Array.from(await concat(writeGguf(metadata, tensors)))
}

const SHARDS = await Promise.all(Array.from({ length: COUNT }, (_, i) => makeShard(i)))
const NAMES = SHARDS.map((_, i) => `model-0000${i + 1}-of-0000${COUNT}.gguf`)
const PATHS = NAMES.map((name) => join(folder, name))
for (const [i, path] of PATHS.entries()) writeFileSync(path, SHARDS[i]!)
const SUMS = SHARDS.map((bytes) => createHash('sha256').update(bytes).digest('hex'))
const BYTES = SHARDS.reduce((sum, { length }) => sum + length, 0)

const TOKENS = [1, 403, 407, 261, 378]
async function logits(input: ModelInput, options: LoadOptions = {}): Promise<string> {
  const model = await load(input, { context: 64, threads: 1, ...options })
  const { data } = await model.logits(TOKENS)
  await model.close()
  return bits(data)
}
const WANT = await logits(STORIES)

/** A server of the shards; those that `lost` names answer 404. */
function shardServer(lost?: string) {
  return serve((request, response) => {
    const name = request.url!.split('/').at(-1)!.replace(/\?.*/, '')
    const bytes = SHARDS[NAMES.indexOf(name)]
    if (!bytes || name === lost) return response.writeHead(404).end()
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
    return response.writeHead(206, { 'content-range': range }).end(bytes.subarray(from))
  })
}

test('the first shard’s path or URL loads all, from files and over HTTP', async () => {
  const server = await shardServer()
  const url = new URL(NAMES[0]!, server.url).href
  for (const input of [
    PATHS[0]!,
    pathToFileURL(PATHS[0]!),
    pathToFileURL(PATHS[0]!).href,
    url,
    `${url}?download=true`,
  ]) {
    assert.is(await logits(input), WANT, String(input))
  }
  assert.is(await logits(url, { fetch: (at, init) => fetch(at, init) }), WANT, 'with a fetch of the caller’s own')
  assert.ok(server.requests.some(({ url }) => url!.endsWith('.gguf?download=true') && url!.includes('00003-of')))
  server.close()
})

test('a list in order loads: paths, Blobs, bytes, and a mixture', async () => {
  const blobs = SHARDS.map((bytes) => new Blob([bytes]))
  for (const input of [PATHS, blobs, SHARDS, [PATHS[0]!, blobs[1]!, SHARDS[2]!]]) {
    assert.is(await logits(input), WANT)
    assert.is(await logits(input, { inProcess: true }), WANT)
  }
})

test('inspect and the tokenizer know a sharded model; progress counts all of it', async () => {
  const { memory, parameters, fileBytes, tensors, problem } = await inspect(PATHS[0]!)
  const whole = await inspect(STORIES)
  assert.is(problem, undefined)
  assert.equal([memory, parameters], [whole.memory, whole.parameters])
  assert.is(fileBytes, BYTES)
  assert.is(tensors.length, GGUF.tensors.size)
  assert.equal((await loadTokenizer(PATHS[0]!)).tokenize('Once'), (await loadTokenizer(STORIES)).tokenize('Once'))
  const steps: [string, number, number][] = []
  const model = await load(PATHS[0]!, { onProgress: ({ phase, done, total }) => steps.push([phase, done, total]) })
  assert.is(model.info.fileBytes, BYTES)
  await model.close()
  const weights = steps.filter(([phase]) => phase === 'weights')
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0)
  assert.equal(weights.at(-1), ['weights', total, total])
  assert.equal(steps.at(-1), ['ready', BYTES, BYTES])
})

test('checksums: one for each shard', async () => {
  assert.is(await logits(PATHS[0]!, { sha256: SUMS }), WANT)
  assert.is(await logits(SHARDS, { sha256: SUMS }), WANT)
  for (let wrong = 0; wrong < COUNT; wrong++) {
    const sha256 = SUMS.map((sum, i) => (i === wrong ? '0'.repeat(64) : sum))
    const error = await fails(load(PATHS[0]!, { sha256 }), SourceError, 'SHA256_MISMATCH')
    assert.ok(error.message.includes(NAMES[wrong]!))
  }
  await fails(load(PATHS[0]!, { sha256: SUMS[0]! }), ArgumentError, 'SHA256')
  await fails(load(PATHS[0]!, { sha256: SUMS.slice(1) }), ArgumentError, 'SHA256')
  await fails(load(STORIES, { sha256: SUMS }), ArgumentError, 'SHA256')
})

test('a shard that is not there is named', async () => {
  const lost = join(folder, 'lost')
  mkdirSync(lost)
  for (const i of [0, 2]) writeFileSync(join(lost, NAMES[i]!), SHARDS[i]!)
  const error = await fails(load(join(lost, NAMES[0]!)), SourceError, 'SHARD_MISSING')
  assert.ok(error.message.includes(NAMES[1]!), error.message)
  const server = await shardServer(NAMES[2])
  const url = new URL(NAMES[0]!, server.url).href
  const answer = await fails(load(`${url}?key=secret`), SourceError, 'SHARD_MISSING')
  assert.ok(answer.message.includes(NAMES[2]!) && !answer.message.includes('secret'), answer.message)
  server.close()
  await fails(load([...PATHS.slice(0, 2), join(lost, 'none.gguf')]), SourceError, 'SHARD_MISSING')
})

test('another shard than the first, and one alone, say what to pass', async () => {
  const error = await fails(load(PATHS[1]!), SourceError, 'SHARD_ORDER')
  assert.match(error.message, /-00001-of-00003/)
  const alone = join(folder, 'renamed.gguf')
  writeFileSync(alone, SHARDS[0]!)
  for (const input of [alone, SHARDS[0]!, new Blob([SHARDS[0]!]), [SHARDS[0]!]]) {
    await fails(load(input), UnsupportedError, 'UNSUPPORTED_SPLIT')
    assert.is((await inspect(input)).problem?.code, 'UNSUPPORTED_SPLIT')
  }
  await fails(load([]), ArgumentError, 'INPUT_KIND')
  await fails(load([PATHS[0]!, 7 as unknown as string, PATHS[2]!]), ArgumentError, 'INPUT_KIND')
})

const [FIRST, SECOND, THIRD] = SHARDS as [Uint8Array, Uint8Array, Uint8Array]
const WRONG: Record<string, [Uint8Array[], string, unknown]> = {
  'the order': [[FIRST, THIRD, SECOND], 'SHARD_ORDER', 2],
  'a shard twice': [[FIRST, SECOND, SECOND], 'SHARD_ORDER', 1],
  'one too few': [[FIRST, SECOND], 'SHARD_COUNT', COUNT],
  'one too many': [[FIRST, SECOND, THIRD, THIRD], 'SHARD_COUNT', COUNT],
  'files that are no shards': [[WHOLE, WHOLE], 'SHARD_COUNT', undefined],
  'a shard of another set': [[FIRST, await makeShard(1, { count: 4 }), THIRD], 'SHARD_COUNT', 4],
  'a shard of another model': [[FIRST, await makeShard(1, { tensors: 7 }), THIRD], 'SHARD_TENSORS', 7],
  'a tensor that two shards have': [[FIRST, SECOND, await makeShard(2, {}, 20)], 'GGUF_DUPLICATE_TENSOR', undefined],
}
for (const [name, [input, code, value]] of Object.entries(WRONG)) {
  test(`refused: ${name}`, async () => {
    const error = await fails(load(input), FormatError, code)
    if (code !== 'GGUF_DUPLICATE_TENSOR') assert.is(error.value, value)
  })
}

test('tensors that are claimed and not there are missed', async () => {
  const lying = await Promise.all(SHARDS.map((_, i) => makeShard(i, { tensors: 99 })))
  await fails(load(lying), FormatError, 'SHARD_TENSORS')
})

test('no more connections wait than two, however many shards there are', async () => {
  let open = 0
  let most = 0
  const fetch = async (at: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const bytes = SHARDS[NAMES.indexOf(String(at).split('/').at(-1)!)]!
    let from = Number(/bytes=(\d+)-/.exec(new Headers(init?.headers).get('range') ?? '')?.[1] ?? 0)
    const headers = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    most = Math.max(most, ++open)
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(bytes.slice(from, from + 1000))
        from += 1000
        if (from < bytes.length) return
        controller.close()
        open--
      },
      cancel: () => void open--,
    })
    return new Response(body, { status: 206, headers })
  }
  const source = await openModel(`https://example.com/${NAMES[0]}`, openFile, {
    fetch: fetch as typeof globalThis.fetch,
  })
  const { tensors } = await readModel(source)
  for (const { name, offset, bytes } of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    const target = new Uint8Array(bytes)
    await source.read(target, offset)
    const { offset: at } = GGUF.tensors.get(name)!
    assert.ok(Buffer.from(target).equals(WHOLE.subarray(at, at + bytes)), name)
  }
  await source.close()
  assert.ok(most <= 2, `${most} at once`)
})

test('names of shards', () => {
  assert.equal(shardLocations('model.gguf'), ['model.gguf'])
  assert.equal(shardLocations('m-00001-of-00001.gguf'), ['m-00001-of-00001.gguf'])
  assert.equal(shardLocations('hf:o/r/m-00001-of-00002.gguf'), [
    'hf:o/r/m-00001-of-00002.gguf',
    'hf:o/r/m-00002-of-00002.gguf',
  ])
  assert.equal(shardLocations('a-00001-of-00002.gguf/b.gguf'), ['a-00001-of-00002.gguf/b.gguf'])
})

test.run()
