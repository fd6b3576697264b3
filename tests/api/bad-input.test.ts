/** Files that are wrong, through `load`: each gives a typed error that says what is wrong, and the process goes on. */
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import {
  ArgumentError,
  CriaError,
  FormatError,
  type GenerateOptions,
  inspect,
  type LoadOptions,
  load,
  type ModelInput,
  NumericError,
  SourceError,
  UnsupportedError,
} from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readGguf } from '../../js/gguf/reader.ts'
import type { MetadataValue, TensorInfo } from '../../js/gguf/types.ts'
import { type MetadataEntry, type ScalarType, writeGguf } from '../../js/gguf/writer.ts'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { fails, fileHandler, STORIES, serve } from '../api-helpers.ts'
import { concat, Raw, random } from '../gguf-helpers.ts'
import { hasShared, shared, sharedTest } from '../shared.ts'

const BYTES = readFileSync(STORIES)
const GGUF = await readGguf(bytesSource(BYTES))

const refused = (
  input: ModelInput,
  Class: new (...args: never[]) => CriaError,
  code?: string,
  options: LoadOptions = {},
): Promise<CriaError> => fails(load(input, { inProcess: true, ...options }), Class, code)

const GREEDY: GenerateOptions = { temperature: 0, maxTokens: 6 }
/** A sound model still loads and says what it says. */
async function usable(): Promise<void> {
  for (const how of [{ inProcess: true }, { threads: 2 }]) {
    const model = await load(STORIES, how)
    assert.ok((await model.generate('', GREEDY).result()).text.startsWith('Once upon a time'))
    await model.close()
  }
}

function entryOf(key: string, value: MetadataValue): MetadataEntry {
  if (typeof value === 'string') return { key, type: 'string', value }
  if (typeof value === 'boolean') return { key, type: 'bool', value }
  if (typeof value === 'bigint') return { key, type: 'uint64', value }
  if (typeof value === 'number') {
    const whole = Number.isInteger(value) && Math.abs(value) < 2147483648
    return { key, type: whole ? 'int32' : 'float32', value }
  }
  if (Array.isArray(value)) return { key, type: 'array', of: 'string', value: value as string[] }
  const of = value.constructor.name.replace('Array', '').toLowerCase() as ScalarType
  return { key, type: 'array', of, value: value as ArrayLike<number> }
}

type TensorEdit = (info: TensorInfo, data: Uint8Array) => { info?: Partial<TensorInfo>; data?: Uint8Array } | undefined

/** The built-in model with other metadata (undefined: without the key) and other tensors (undefined: without it). */
function edited(
  metadata: Record<string, MetadataValue | undefined>,
  tensors: Record<string, TensorEdit> = {},
  more: { name: string; dimensions: number[]; type: string; data: Uint8Array }[] = [],
): Promise<Uint8Array> {
  const entries = new Map([...GGUF.metadata, ...Object.entries(metadata)])
  const list = [...GGUF.tensors.values()].flatMap((info) => {
    const data = BYTES.subarray(info.offset, info.offset + info.bytes)
    const edit = tensors[info.name]
    if (!edit) return [{ ...info, data: () => [data] }]
    const changed = edit(info, Uint8Array.from(data))
    return changed ? [{ ...info, ...changed.info, data: () => [changed.data ?? data] }] : []
  })
  const added = more.map(({ data, ...rest }) => ({ ...rest, data: () => [data] }))
  return concat(
    writeGguf(
      [...entries].flatMap(([key, value]) => (value === undefined ? [] : [entryOf(key, value)])),
      [...list, ...added],
    ),
  )
}

test('the edited model without an edit is the model', async () => {
  const model = await load(await edited({}), { inProcess: true })
  assert.ok((await model.generate('', GREEDY).result()).text.startsWith('Once upon a time'))
  await model.close()
})

test('what is no GGUF file', async () => {
  for (const text of [
    '',
    'G',
    'hello world, this is no model',
    'version https://git-lfs',
    '<html></html>',
    'PK\x03\x04',
  ]) {
    const error = await refused(new TextEncoder().encode(text), FormatError)
    assert.ok(error.code === 'GGUF_MAGIC' || error.code === 'GGUF_TRUNCATED', error.code)
    await refused(new TextEncoder().encode(text), FormatError, error.code, { inProcess: false })
  }
  await refused('package.json', FormatError, 'GGUF_MAGIC')
  const missing = await refused('no/such/file.gguf', SourceError, 'FILE_NOT_FOUND')
  assert.is(missing.value, 'no/such/file.gguf')
  await refused(tmpdir(), SourceError, 'FILE_DIRECTORY')
  await refused('', ArgumentError, 'INPUT_KIND')
  await usable()
})

test('a file cut short anywhere, in the header and in the weights', async () => {
  const { dataOffset } = GGUF
  const next = random(7)
  const cuts = [0, 3, 4, 8, 16, 23, 24, dataOffset - 1, dataOffset, dataOffset + 1, BYTES.length - 1]
  for (let i = 0; i < 60; i++) cuts.push(next() % dataOffset, dataOffset + (next() % (BYTES.length - dataOffset)))
  for (const cut of cuts) {
    const error = await refused(BYTES.subarray(0, cut), FormatError, cut === 0 ? undefined : 'GGUF_TRUNCATED')
    assert.ok(error.value !== undefined)
  }
  // The same in workers, which then end.
  for (const cut of cuts.slice(4, 10)) {
    await refused(BYTES.subarray(0, cut), FormatError, 'GGUF_TRUNCATED', { inProcess: false, threads: 2 })
  }
  await usable()
})

const L = 'llama.'
type Case = [what: string, metadata: Record<string, MetadataValue | undefined>, Class: typeof CriaError, code?: string]
const METADATA: Case[] = [
  ['no architecture', { 'general.architecture': undefined }, FormatError],
  ['another architecture', { 'general.architecture': 'gpt2' }, UnsupportedError, 'UNSUPPORTED_ARCHITECTURE'],
  ['an architecture that is a number', { 'general.architecture': 5 }, FormatError],
  ['a part of a model', { 'split.count': 2 }, UnsupportedError, 'UNSUPPORTED_SPLIT'],
  ['experts of which none is used', { [`${L}expert_count`]: 8 }, FormatError, 'METADATA_RANGE'],
  ['attention that is not causal', { [`${L}attention.causal`]: false }, UnsupportedError, 'UNSUPPORTED_ATTENTION'],
  ['more layers than tensors', { [`${L}block_count`]: 6 }, FormatError, 'TENSOR_MISSING'],
  ['fewer layers than tensors', { [`${L}block_count`]: 4 }, UnsupportedError, 'TENSOR_UNKNOWN'],
  ['two million layers', { [`${L}block_count`]: 2_000_000 }, FormatError, 'TENSOR_MISSING'],
  ['heads that do not divide', { [`${L}attention.head_count`]: 7 }, FormatError],
  ['too many kv heads', { [`${L}attention.head_count_kv`]: 8 }, FormatError, 'TENSOR_SHAPE'],
  ['kv heads that heads cannot share', { [`${L}attention.head_count_kv`]: 3 }, FormatError, 'METADATA_RANGE'],
  ['a huge head', { [`${L}attention.key_length`]: 4096 }, UnsupportedError, 'UNSUPPORTED_HEADS'],
  ['values of another length', { [`${L}attention.value_length`]: 16 }, UnsupportedError, 'UNSUPPORTED_HEADS'],
  ['heads by layer', { [`${L}attention.head_count`]: Int32Array.of(8, 4, 8, 8, 8) }, UnsupportedError],
  ['an odd rotary dimension', { [`${L}rope.dimension_count`]: 3 }, FormatError, 'METADATA_RANGE'],
  ['a rotary dimension beyond the head', { [`${L}rope.dimension_count`]: 100 }, FormatError, 'METADATA_RANGE'],
  ['an unknown rope scaling', { [`${L}rope.scaling.type`]: 'magic' }, UnsupportedError, 'UNSUPPORTED_ROPE'],
  ['rotary frequencies beyond all', { [`${L}rope.freq_base`]: 1e-35 }, FormatError, 'METADATA_RANGE'],
  [
    'a negative rope factor',
    { [`${L}rope.scaling.type`]: 'linear', [`${L}rope.scaling.factor`]: -1 },
    FormatError,
    'METADATA_RANGE',
  ],
  [
    'a rope factor of nothing',
    { [`${L}rope.scaling.type`]: 'yarn', [`${L}rope.scaling.factor`]: 1e-38 },
    FormatError,
    'METADATA_RANGE',
  ],
  ['a tokenizer of another kind', { 'tokenizer.ggml.model': 'bert' }, UnsupportedError, 'TOKENIZER_MODEL'],
  [
    'an unknown pre-tokenizer',
    { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'nonsense' },
    UnsupportedError,
    'TOKENIZER_PRE',
  ],
  ['no tokens', { 'tokenizer.ggml.tokens': undefined }, FormatError],
  ['tokens that are numbers', { 'tokenizer.ggml.tokens': Int32Array.of(1, 2) }, FormatError],
  ['too few scores', { 'tokenizer.ggml.scores': Float32Array.of(1, 2) }, FormatError],
  ['a BOS that is no whole number', { 'tokenizer.ggml.bos_token_id': 1.5 }, FormatError],
]
for (const key of [
  'embedding_length',
  'feed_forward_length',
  'block_count',
  'attention.head_count',
  'context_length',
]) {
  for (const value of [0, -1, 0.5, 2_147_483_647, 2n ** 63n, 'many', Number.NaN, undefined]) {
    // Files have contexts as long as they like.
    if (key === 'context_length' && value === 2_147_483_647) continue
    METADATA.push([`${key} ${value}`, { [L + key]: value }, FormatError])
  }
}
for (const key of ['attention.layer_norm_rms_epsilon', 'rope.freq_base']) {
  for (const value of [0, -1, Number.NaN, Infinity, 'x']) {
    METADATA.push([`${key} ${value}`, { [L + key]: value }, FormatError])
  }
}

test('metadata that cannot be, each with the value at fault', async () => {
  for (const [what, metadata, Class, code] of METADATA) {
    const input = await edited(metadata)
    try {
      const error = await refused(input, Class, code)
      // What is absent is named in the sentence.
      if (!what.startsWith('no ')) assert.ok(error.value !== undefined, what)
      // What is wrong with the frequencies shows only when they are computed.
      if (!/rotary frequencies|rope factor of nothing/.test(what)) {
        assert.is((await inspect(input)).problem?.message, error.message, `inspect: ${what}`)
      }
    } catch (error) {
      ;(error as Error).message = `${what}: ${(error as Error).message}`
      throw error
    }
  }
  await usable()
})

test('the architecture, tokenizer and pre-tokenizer at fault are the errors’ values', async () => {
  for (const [metadata, value] of [
    [{ 'general.architecture': 'mamba' }, 'mamba'],
    [{ 'tokenizer.ggml.model': 'bert' }, 'bert'],
    [{ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'nonsense' }, 'nonsense'],
  ] as const) {
    const error = await refused(await edited(metadata), UnsupportedError, undefined, { inProcess: false })
    assert.is(error.value, value)
    assert.match(error.message, value)
  }
})

test('tensors that are missing, unknown, or of a wrong shape or type, each named', async () => {
  const without: TensorEdit = () => undefined
  for (const name of GGUF.tensors.keys()) {
    if (name === 'output.weight') continue
    const error = await refused(await edited({}, { [name]: without }), FormatError, 'TENSOR_MISSING')
    assert.is(error.value, name)
  }
  const swapped: TensorEdit = ({ dimensions }) => ({ info: { dimensions: [...dimensions].reverse() } })
  for (const name of ['blk.0.ffn_down.weight', 'blk.4.attn_k.weight']) {
    const error = await refused(await edited({}, { [name]: swapped }), FormatError, 'TENSOR_SHAPE')
    assert.match(error.message, name)
    assert.instance(error.value, Array)
  }
  const flat: TensorEdit = ({ dimensions }) => ({ info: { dimensions: [dimensions[0]! * dimensions[1]!] } })
  await refused(await edited({}, { 'blk.1.attn_q.weight': flat }), FormatError, 'TENSOR_SHAPE')
  const half: TensorEdit = ({ bytes }) => ({ info: { type: 'F16' }, data: new Uint8Array(bytes / 2) })
  const norm = await refused(await edited({}, { 'output_norm.weight': half }), UnsupportedError, 'TENSOR_TYPE')
  assert.match(norm.message, 'output_norm.weight')
  assert.is(norm.value, 'F16')
  const whole: TensorEdit = ({ bytes }) => ({ info: { type: 'I16' }, data: new Uint8Array(bytes) })
  const type = await refused(await edited({}, { 'blk.2.ffn_up.weight': whole }), UnsupportedError, 'TENSOR_TYPE')
  assert.match(type.message, 'blk.2.ffn_up.weight')
  assert.is(type.value, 'I16')
  for (const [name, rows] of [
    ['blk.0.attn_q_norm.weight', 8],
    ['token_embd.bias', 512],
  ] as const) {
    const extra = { name, dimensions: [rows], type: 'F32', data: new Uint8Array(4 * rows) }
    const unknown = await refused(await edited({}, {}, [extra]), UnsupportedError, 'TENSOR_UNKNOWN')
    assert.is(unknown.value, name)
  }
  await usable()
})

test('NaN and infinite weights, each tensor named', async () => {
  for (const name of ['blk.3.attn_norm.weight', 'output_norm.weight', 'blk.0.ffn_gate.weight', 'token_embd.weight']) {
    for (const sign of [0, 0x80]) {
      const spoiled: TensorEdit = ({ type, bytes }, data) => {
        // The last element: NaN or minus infinity.
        data.set(
          type === 'F32' ? [0, 0, sign ? 0x80 : 0xc0, sign | 0x7f] : [sign ? 0 : 1, sign | 0x7c],
          bytes - (type === 'F32' ? 4 : 2),
        )
        return { data }
      }
      for (const how of [{ inProcess: true }, { inProcess: false }]) {
        const error = await refused(await edited({}, { [name]: spoiled }), FormatError, 'NON_FINITE_WEIGHTS', how)
        assert.is(error.value, name)
        assert.match(error.message, name)
      }
    }
  }
  await usable()
})

test('weights that overflow are a NumericError when computed with', async () => {
  const huge: TensorEdit = (_, data) => ({ data: new Uint8Array(new Float32Array(data.length / 4).fill(3e38).buffer) })
  for (const how of [{ inProcess: true }, { threads: 2 }]) {
    const model = await load(await edited({}, { 'output_norm.weight': huge }), how)
    await fails(model.generate('Once').result(), NumericError, 'LOGITS_NOT_FINITE')
    await fails(model.logits([1, 2, 3]), NumericError, 'LOGITS_NOT_FINITE')
    await fails(model.generate('Once').result(), NumericError, 'LOGITS_NOT_FINITE')
    await model.close()
  }
})

const types = hasShared ? readdirSync(shared('goldens', 'types')).filter((name) => name.endsWith('.gguf')) : []
sharedTest('a tensor type without kernels: type and tensor are named; types with kernels load', async () => {
  for (const name of types) {
    const path = shared('goldens', 'types', name)
    const gguf = await readGguf(bytesSource(readFileSync(path)))
    const without = [...gguf.tensors.values()].filter(({ type }) => !WEIGHT_TYPES.has(type))
    if (without.length > 0) {
      const error = await refused(path, UnsupportedError, 'TENSOR_TYPE')
      assert.ok(
        without.some((info) => info.type === error.value && error.message.includes(info.name)),
        error.message,
      )
      assert.match(error.message, error.value as string)
    } else await (await load(path, { inProcess: true, context: 64 })).close()
  }
  await usable()
})

test('a header that lies creates no memory and no large buffer', async () => {
  const { Memory } = WebAssembly
  let created = 0
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      created++
      super(descriptor)
    }
  }
  const before = process.memoryUsage()
  try {
    const head = (): Raw => new Raw().header(1, 0)
    const lies = [
      head()
        .tensor('token_embd.weight', [1 << 20, 1 << 20], 0, 0)
        .pad(32)
        .zeros(64),
      head()
        .tensor('token_embd.weight', [2n ** 62n, 4], 0, 0)
        .pad(32)
        .zeros(64),
      head()
        .tensor('token_embd.weight', [64, 64], 0, 2n ** 60n)
        .pad(32)
        .zeros(64),
      head().tensor('token_embd.weight', [-1n, 1], 0, 0).pad(32).zeros(64),
      new Raw().header(2n ** 60n, 0).zeros(64),
      new Raw().header(0, 2n ** 60n).zeros(64),
      // A string, and an array, of 2^40.
      new Raw()
        .header(0, 1)
        .u64(2n ** 40n)
        .zeros(64),
      new Raw()
        .header(0, 1)
        .text('a')
        .u32(9)
        .u32(4)
        .u64(2n ** 40n)
        .zeros(64),
    ]
    for (const lie of lies) await refused(lie.bytes, FormatError)
    await refused(BYTES.subarray(0, BYTES.length - 100_000), FormatError, 'GGUF_TRUNCATED')
    assert.is(created, 0)
    const after = process.memoryUsage()
    assert.ok(after.arrayBuffers - before.arrayBuffers < 20e6, `${after.arrayBuffers - before.arrayBuffers} bytes`)
  } finally {
    WebAssembly.Memory = Memory
  }
  await usable()
})

test('headers and weights spoiled at random: a typed error, or a model that computes or says why not', async () => {
  const next = random(20261124)
  let loaded = 0
  for (let i = 0; i < 150; i++) {
    const bytes = Uint8Array.from(BYTES)
    const inHeader = i % 3 > 0
    for (let n = 1 + (next() % 4); n > 0; n--) {
      const at = inHeader ? next() % GGUF.dataOffset : GGUF.dataOffset + (next() % (bytes.length - GGUF.dataOffset))
      bytes[at] = next() & 255
    }
    try {
      const model = await load(bytes, { inProcess: true, onWarning: () => {} })
      loaded++
      const ids = Array.from({ length: 20 }, (_, id) => id % model.info.vocabularySize)
      await model.generate(ids, { maxTokens: 2 }).result()
      await model.close()
    } catch (error) {
      assert.instance(error, CriaError, `${i}: ${(error as Error).stack}`)
      assert.ok(!(error as CriaError).code.startsWith('WORKER_'), `${i}: ${(error as Error).message}`)
    }
  }
  assert.ok(loaded > 10, `${loaded} of them loaded`)
  await usable()
})

test('a URL that is not there, and one whose connection breaks: resumed where it gets on, else an error', async () => {
  const quick = { retryDelay: 1, retries: 2 }
  const gone = await serve((_, response) => response.writeHead(404).end('no'))
  const breaking = await serve(fileHandler(BYTES, { breakAfter: 150_000 }))
  // Gives the first bytes, then nothing more.
  const stuck = await serve((request, response) => {
    const first = (request.headers.range ?? 'bytes=0-') === 'bytes=0-'
    fileHandler(BYTES, { breakAfter: first ? 200_000 : 0 })(request, response)
  })
  const whole = await serve(fileHandler(BYTES, { breakAfter: 150_000, ranges: false }))
  try {
    for (const how of [{ inProcess: true }, { inProcess: false }]) {
      const error = await refused(gone.url, SourceError, 'HTTP_STATUS', { ...quick, ...how })
      assert.is(error.value, 404)
      const model = await load(breaking.url, { ...quick, ...how })
      assert.ok((await model.generate('', GREEDY).result()).text.startsWith('Once upon a time'))
      await model.close()
      for (const { url } of [stuck, whole]) {
        const broken = await refused(url, SourceError, 'HTTP_NETWORK', { ...quick, ...how })
        assert.match(broken.message, url)
      }
    }
    assert.ok(breaking.requests.filter(({ headers }) => headers.range !== 'bytes=0-').length >= 2, 'it was resumed')
  } finally {
    for (const server of [gone, breaking, stuck, whole]) server.close()
  }
  await usable()
})

test.run()
