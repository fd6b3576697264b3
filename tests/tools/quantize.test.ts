/** `quantize`: whole files against llama.cpp's, what is carried over, streaming, and bad input. */
import { readdirSync, readFileSync } from 'node:fs'
import {
  AbortError,
  ArgumentError,
  type CriaWarning,
  FormatError,
  NumericError,
  type Progress,
  type QuantizeOptions,
  quantize,
  SourceError,
  UnsupportedError,
} from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeGguf } from '../../js/gguf/writer.ts'
import { FILE_TYPES } from '../../js/quantize/file-types.ts'
import { RowQuantizer } from '../../js/quantize/row-quantizer.ts'
import { fails } from '../api-helpers.ts'
import { concat } from '../gguf-helpers.ts'
import {
  header,
  type Importance,
  makeImatrix,
  makeLegacyImatrix,
  makeModel,
  splitModel,
  tensorBytes,
  unstackExperts,
} from '../quantize-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

type Given = Parameters<typeof quantize>[0]

function run(input: Given, type: string, options: QuantizeOptions = {}): Promise<Uint8Array> {
  return concat(quantize(input, type, { threads: 2, ...options }))
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a).equals(b)
}

/** llama.cpp's files: name without `.gguf` → path, F32 apart. */
function references(): [name: string, path: string][] {
  const files = readdirSync(shared('goldens', 'types')).filter((file) => file.endsWith('.gguf') && file !== 'F32.gguf')
  assert.ok(files.length > 0)
  return files.map((file) => [file.replace('.gguf', ''), shared('goldens', 'types', file)])
}

const F32 = shared('goldens', 'types', 'F32.gguf')

/** All of one type, as its name without a mix's letter says, but for the mixes of the middle size. */
function isPure(name: string): boolean {
  return !name.endsWith('_M')
}

sharedTest("a whole model becomes llama.cpp's file, byte for byte, in every type", async () => {
  const seen = new Set<string>()
  for (const [name, path] of references()) {
    const file = FILE_TYPES.find((type) => type.name === name)
    assert.ok(file, `${name} is no file type`)
    seen.add(file.type)
    const made = await run(F32, name, { pure: isPure(name) })
    const wanted = new Uint8Array(readFileSync(path))
    for (const tensor of (await header(wanted)).tensors.keys()) {
      assert.ok(same(await tensorBytes(made, tensor), await tensorBytes(wanted, tensor)), `${name}: ${tensor}`)
    }
    assert.ok(same(made, wanted), `${name}: header`)
  }
  for (const type of RowQuantizer.types) assert.ok(type === 'F32' || seen.has(type), `${type} has no reference`)
})

sharedTest('the number of threads changes nothing', async () => {
  const files = await Promise.all([1, 3, 'auto' as const].map((threads) => run(F32, 'Q4_K_M', { threads })))
  for (const file of files) assert.ok(same(file, files[0]!))
})

sharedTest('what is of the type already is copied, and F32 comes back from what is quantized', async () => {
  for (const [name, path] of references()) {
    const pure = isPure(name)
    assert.ok(same(await run(path, name, { pure }), readFileSync(path)), name)
    const back = await run(path, 'F32', { allowRequantize: true })
    const again = await run(back, name, { pure, allowRequantize: true })
    assert.is(again.length, readFileSync(path).length, name)
  }
})

test('metadata is carried over as it stands, with what tells of the quantization after it', async () => {
  const model = await makeModel({ alignment: 64 })
  const made = await run(model, 'q4_0')
  const [before, after] = [await header(model), await header(made)]
  const raw = (file: Uint8Array, range: readonly [number, number]) =>
    Buffer.from(file.subarray(...range)).toString('hex')
  const dropped = ['general.file_type', 'split.count']
  const kept = [...before.entries].filter(([key]) => !dropped.includes(key))
  assert.equal(
    [...after.entries.keys()],
    [...kept.map(([key]) => key), 'general.quantization_version', 'general.file_type'],
  )
  for (const [key, range] of kept) assert.is(raw(made, after.entries.get(key)!), raw(model, range), key)
  assert.is(after.metadata.get('general.file_type'), 2)
  assert.is(after.metadata.get('general.quantization_version'), 2)
  for (const { offset } of after.tensors.values()) assert.is((offset - after.dataOffset) % 64, 0)
  assert.is(after.version, 3)
})

test('tensors come layer by layer, by name within', async () => {
  const made = await header(await run(await makeModel({ layers: 11, dim: 64, ffn: 64 }), 'Q8_0'))
  const names = [...made.tensors.keys()]
  assert.equal(names.slice(0, 4), ['output.weight', 'output_norm.weight', 'token_embd.weight', 'blk.0.attn_k.weight'])
  const layers = names.slice(3).map((name) => Number(/\d+/.exec(name)![0]))
  assert.equal(
    layers,
    [...layers].sort((a, b) => a - b),
  )
})

test('shards become one file, as the whole does', async () => {
  const model = await makeModel({ layers: 2 })
  const shards = await splitModel(model)
  const [made, whole] = await Promise.all([run(shards, 'Q4_K_M'), run(model, 'Q4_K_M')])
  const [a, b] = [await header(made), await header(whole)]
  assert.equal([...a.metadata.keys()].sort(), [...b.metadata.keys()].sort())
  assert.equal([...a.tensors.keys()], [...b.tensors.keys()])
  assert.ok(same(made.subarray(a.dataOffset), whole.subarray(b.dataOffset)))
  await fails(run(shards[0]!, 'Q4_K_M'), UnsupportedError, 'UNSUPPORTED_SPLIT')
})

test('experts with a tensor each become what stacked ones become', async () => {
  const model = await makeModel({ experts: 3, ffn: 256 })
  const [made, stacked] = await Promise.all([run(await unstackExperts(model), 'Q4_K_M'), run(model, 'Q4_K_M')])
  for (const part of ['gate', 'up', 'down']) {
    const parts = [0, 1, 2].map((expert) => tensorBytes(made, `blk.0.ffn_${part}.${expert}.weight`))
    const wanted = await tensorBytes(stacked, `blk.0.ffn_${part}_exps.weight`)
    assert.ok(same(Buffer.concat(await Promise.all(parts)), Buffer.from(wanted)), part)
  }
})

test('experts are quantized each with its own importance', async () => {
  const model = await makeModel({ experts: 3, ffn: 256 })
  const name = 'blk.0.ffn_up_exps.weight'
  const values = Float32Array.from({ length: 3 * 256 }, (_, i) => 1 + ((i * 7) % 31))
  const warnings: CriaWarning[] = []
  const imatrix = await makeImatrix({ [name]: { columns: 256, values } })
  const made = await run(model, 'Q4_K_S', { imatrix, onWarning: (warning) => warnings.push(warning) })
  assert.equal(
    warnings.map(({ code }) => code),
    ['IMATRIX_PARTIAL'],
  )
  const quantizer = await RowQuantizer.open(new WebAssembly.Module(readFileSync('dist/quantize.wasm')))
  const floats = await tensorBytes(model, name)
  const parts = [0, 1, 2].map((expert) => {
    const bytes = floats.slice((expert * floats.length) / 3, ((expert + 1) * floats.length) / 3)
    const importance = values.slice(expert * 256, (expert + 1) * 256)
    return quantizer.convert({ from: 'F32', to: 'Q4_K', rows: 256, columns: 256, bytes, importance }).bytes!
  })
  assert.ok(same(await tensorBytes(made, name), Buffer.concat(parts)))
})

/** The importance of every matrix of makeModel's default. */
function importanceOf(dim: number, ffn: number): Importance {
  const columns = { attn_q: dim, attn_k: dim, attn_v: dim, attn_output: dim, ffn_gate: dim, ffn_up: dim, ffn_down: ffn }
  const entries = Object.entries(columns).map(([part, count], k) => {
    const values = Float32Array.from({ length: count }, (_, i) => ((i * i * 37 + k) % 101) / 8)
    return [`blk.0.${part}.weight`, { columns: count, values }] as const
  })
  return { ...Object.fromEntries(entries), 'output.weight': { columns: dim, values: entries[0]![1].values } }
}

test('an importance matrix of either format gives the same, and the file tells of it', async () => {
  const model = await makeModel()
  const importance = importanceOf(256, 512)
  const onWarning = ({ message }: CriaWarning) => assert.unreachable(message)
  const imatrices = [await makeImatrix(importance), makeLegacyImatrix(importance)]
  const [plain, a, b] = await Promise.all(
    [undefined, ...imatrices].map((imatrix) => run(model, 'Q2_K', { onWarning, ...(imatrix && { imatrix }) })),
  )
  assert.ok(same(a!, b!))
  assert.not.ok(same(await tensorBytes(a!, 'blk.0.ffn_up.weight'), await tensorBytes(plain!, 'blk.0.ffn_up.weight')))
  const { metadata } = await header(a!)
  assert.is(metadata.get('quantize.imatrix.dataset'), 'text.txt')
  assert.is(metadata.get('quantize.imatrix.entries_count'), 8)
  assert.is(metadata.get('quantize.imatrix.chunks_count'), 7)
  assert.type(metadata.get('quantize.imatrix.file'), 'string')
  assert.is(
    (await header(await run(model, 'Q2_K_S', { imatrix: imatrices[0]! }))).metadata.get('general.file_type'),
    21,
  )
})

test('columns that do not fit are told of, and fall back', async () => {
  const warnings: CriaWarning[] = []
  const made = await run(await makeModel({ dim: 96 }), 'Q4_K_M', { onWarning: (warning) => warnings.push(warning) })
  assert.equal(
    warnings.map(({ code }) => code),
    ['TENSOR_FALLBACK'],
  )
  assert.match(warnings[0]!.message, /96 columns.*Q4_K.*Q5_0/)
  assert.is((await header(made)).tensors.get('blk.0.attn_q.weight')!.type, 'Q5_0')
})

test('progress goes from 0 to all bytes', async () => {
  const told: Progress[] = []
  await run(await makeModel(), 'Q4_K_M', { onProgress: (progress) => told.push({ ...progress }) })
  assert.equal(
    [told[0]!.phase, told[0]!.done, told.at(-1)!.phase, told.at(-1)!.done],
    ['header', 0, 'ready', told.at(-1)!.total],
  )
  const weights = told.filter(({ phase }) => phase === 'weights').map(({ done }) => done)
  assert.equal(
    weights,
    [...weights].sort((a, b) => a - b),
  )
  assert.is(weights.at(-1), told[0]!.total)
})

/** A Blob that counts what is read of it, the most at once and in all. */
function counted(bytes: Uint8Array): { blob: Blob; read: { most: number; all: number } } {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>])
  const read = { most: 0, all: 0 }
  const slice = blob.slice.bind(blob)
  blob.slice = (start = 0, end = blob.size) => {
    read.most = Math.max(read.most, end - start)
    read.all += end - start
    return slice(start, end)
  }
  return { blob, read }
}

test('only windows of the weights are held', async () => {
  const model = await makeModel({ vocabulary: 16384 })
  const { blob, read } = counted(model)
  const chunks = quantize(blob, 'Q8_0', { threads: 2 })
  // The header, its padding, and a first piece of weights: nobody takes more for a while.
  for (let i = 0; i < 3; i++) await chunks.next()
  await new Promise((resolve) => setTimeout(resolve, 200))
  const window = 1024 * 1024
  assert.ok(read.most <= window, `${read.most} bytes at once`)
  assert.ok(read.all <= 6 * window && 6 * window < model.length / 4, `${read.all} of ${model.length} bytes`)
  await chunks.return(undefined)
  assert.ok(read.all <= 6 * window)
})

test('an abort ends it', async () => {
  const model = await makeModel({ vocabulary: 16384 })
  for (const threads of [1, 2]) {
    const controller = new AbortController()
    const options = { threads, signal: controller.signal, onProgress: () => controller.abort('enough') }
    const error = await fails(run(model, 'Q4_K_M', options), AbortError)
    assert.is(error.cause, 'enough')
  }
  await fails(run(model, 'Q4_0', { signal: AbortSignal.abort() }), AbortError)
})

test('weights that are not finite are refused by name', async () => {
  const cases: [tensor: string, value: number][] = [
    ['blk.0.ffn_up.weight', Number.NaN],
    ['token_embd.weight', Infinity],
    ['blk.0.attn_norm.weight', -Infinity],
  ]
  for (const [tensor, value] of cases) {
    const model = await makeModel({ edit: (name, values) => name === tensor && values.set([value], values.length - 1) })
    for (const threads of [1, 2]) {
      const error = await fails(run(model, 'Q4_K_M', { threads }), FormatError, 'TENSOR_NOT_FINITE')
      assert.is(error.value, tensor)
      assert.match(error.message, new RegExp(`${tensor}.*column 255`))
    }
  }
})

test('weights beyond the range of a type are refused by name', async () => {
  const tensor = 'blk.0.attn_q.weight'
  const model = await makeModel({ edit: (name, values) => name === tensor && values.set([1e9], 300) })
  for (const type of ['F16', 'Q8_0', 'Q6_K', 'IQ4_XS']) {
    const error = await fails(run(model, type), NumericError, 'TENSOR_RANGE')
    assert.is(error.value, tensor, type)
    assert.match(error.message, /row 1,/)
  }
  await run(model, 'BF16')
})

test('what is quantized already is quantized again only if that is allowed', async () => {
  const model = await run(await makeModel(), 'Q8_0')
  const error = await fails(run(model, 'Q4_0'), ArgumentError, 'REQUANTIZE')
  assert.is(error.value, 'output.weight')
  const made = await run(model, 'Q4_0', { allowRequantize: true })
  assert.is((await header(made)).tensors.get('blk.0.attn_q.weight')!.type, 'Q4_0')
})

test('files that are incomplete, damaged or of another kind are refused', async () => {
  const model = await makeModel()
  const without = (name: string) => {
    const text = Buffer.from(model).toString('latin1')
    return new Uint8Array(Buffer.from(text.replace(name, name.replace('weight', 'wEight')), 'latin1'))
  }
  for (const name of ['blk.0.attn_v.weight', 'token_embd.weight', 'output_norm.weight']) {
    const error = await fails(run(without(name), 'Q4_0'), FormatError, 'TENSOR_MISSING')
    assert.is(error.value, name)
  }
  const lone = 'blk.0.ffn_up.2.weight'
  const experts = Buffer.from(await unstackExperts(await makeModel({ experts: 3 }))).toString('latin1')
  const lacking = new Uint8Array(Buffer.from(experts.replace(lone, lone.replace('weight', 'wEight')), 'latin1'))
  assert.is((await fails(run(lacking, 'Q4_0'), FormatError, 'TENSOR_MISSING')).value, lone)
  for (const [value, code] of [
    [1_000_000, 'TENSOR_MISSING'],
    [4_000_000_000, 'METADATA_RANGE'],
  ] as const) {
    const layers = await makeModel({ metadata: [{ key: 'llama.block_count', type: 'uint32', value }] })
    await fails(run(layers, 'Q4_0'), FormatError, code)
  }
  const narrow = await makeModel({ metadata: [{ key: 'llama.feed_forward_length', type: 'uint32', value: 256 }] })
  await fails(run(narrow, 'Q4_0'), FormatError, 'TENSOR_SHAPE')
  const other = await makeModel({ metadata: [{ key: 'general.architecture', type: 'string', value: 'falcon' }] })
  assert.is((await fails(run(other, 'Q4_0'), UnsupportedError, 'UNSUPPORTED_ARCHITECTURE')).value, 'falcon')
  const part = await makeModel({ metadata: [{ key: 'split.count', type: 'uint16', value: 3 }] })
  await fails(run(part, 'Q4_0'), UnsupportedError, 'UNSUPPORTED_SPLIT')
  await fails(run(model.subarray(0, model.length - 1000), 'Q4_0'), FormatError, 'GGUF_TRUNCATED')
  await fails(run('models/no-such.gguf', 'Q4_0'), SourceError, 'FILE_NOT_FOUND')
})

test('what stays as it is may be of any type', async () => {
  const model = await makeModel()
  // As bytes: norms of halves, and an output head of a type that nothing here reads (blocks of 256 in 82 bytes).
  const { entries, tensors } = await header(model)
  const raw = [...entries].filter(([key]) => key !== 'general.alignment')
  const file = await concat(
    writeGguf(
      raw.map(([key, range]) => ({ key, raw: model.subarray(...range) })),
      [...tensors.values()].map(({ name, type, dimensions, offset, bytes }) => {
        const data = model.subarray(offset, offset + bytes)
        if (name === 'output.weight')
          return { name, dimensions, type: 'IQ2_S', data: () => [data.subarray(0, 64 * 82)] }
        if (!name.endsWith('_norm.weight')) return { name, dimensions, type, data: () => [data] }
        return { name, dimensions, type: 'F16', data: () => [new Uint8Array(bytes / 2)] }
      }),
    ),
  )
  const made = await run(file, 'Q4_0', { leaveOutputTensor: true })
  for (const name of ['output.weight', 'output_norm.weight', 'blk.0.attn_norm.weight']) {
    assert.ok(same(await tensorBytes(made, name), await tensorBytes(file, name)), name)
  }
  assert.is((await fails(run(file, 'Q4_0'), UnsupportedError, 'TENSOR_TYPE')).value, 'IQ2_S')
})

test('options that cannot be are refused', async () => {
  const model = await makeModel({ dim: 96 })
  const code = async (options: object, type = 'Q4_0') =>
    (await fails(run(model, type, options as QuantizeOptions), ArgumentError)).code
  assert.is(await code({}, 'Q9_K'), 'FILE_TYPE')
  assert.is(await code({ outputTensorType: 'Q9_K' }), 'QUANTIZE_TYPE')
  assert.is(await code({ tokenEmbeddingType: 8 }), 'QUANTIZE_TYPE')
  assert.is(await code({ outputTensorType: 'Q6_K' }), 'TENSOR_ROWS')
  for (const threads of [0, 65, 1.5, 'all']) assert.is(await code({ threads }), 'INVALID_OPTION')
  assert.is(await code({ pure: 'yes' }), 'INVALID_OPTION')
  assert.is(await code({ onWarning: 1 }), 'INVALID_OPTION')
  assert.is(await code({}, 'Q2_K_S'), 'IMATRIX_NEEDED')
})

test('importance matrices that are damaged or of another model are refused', async () => {
  const model = await makeModel()
  const name = 'blk.0.attn_q.weight'
  const entry = (length: number, value = 1) => ({
    [name]: { columns: length, values: new Float32Array(length).fill(value) },
  })
  const onWarning = () => {}
  const legacy = makeLegacyImatrix(entry(256))
  const lying = legacy.slice()
  // The count of values, after the count of entries, the name and the calls.
  new DataView(lying.buffer).setInt32(4 + 4 + name.length + 4, 0x7fffffff, true)
  const broken: [what: string, bytes: Uint8Array][] = [
    ['too short', legacy.subarray(0, 3)],
    ['cut', legacy.subarray(0, 600)],
    ['a count that lies', lying],
    ['not finite', makeLegacyImatrix(entry(256, Number.NaN))],
    ['negative', await makeImatrix(entry(256, -1))],
    ['no entries', await makeImatrix({})],
    ['a model', model],
    ['text', new TextEncoder().encode('no importance at all')],
  ]
  for (const [what, imatrix] of broken) {
    const error = await fails(run(model, 'Q4_K_M', { imatrix, onWarning }), FormatError)
    assert.is(error.code, 'IMATRIX', `${what}: ${error.message}`)
  }
  const size = await fails(run(model, 'Q4_K_M', { imatrix: await makeImatrix(entry(128)), onWarning }), ArgumentError)
  assert.equal([size.code, size.value], ['IMATRIX_SIZE', name])
})

test('bytes that the caller gives stay theirs', async () => {
  const model = await makeModel()
  const copy = model.slice()
  const importance = await makeImatrix(importanceOf(256, 512))
  await run(model, 'Q4_K_M', { imatrix: importance, onWarning: () => {} })
  assert.ok(same(model, copy) && importance.length > 0)
})

test.run()
