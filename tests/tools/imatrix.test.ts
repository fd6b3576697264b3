/** Importance matrices: llama-imatrix's files, the same bits however they are computed, and what quantizing makes of them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AbortError,
  ArgumentError,
  ClosedError,
  inspect,
  type LoadOptions,
  load,
  NumericError,
  quantize,
  UnsupportedError,
} from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Model } from '../../js/api/types.ts'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import { GGML_TYPES } from '../../js/gguf/ggml-types.ts'
import { writeGguf } from '../../js/gguf/writer.ts'
import { readImatrix } from '../../js/imatrix/reader.ts'
import type { ImatrixOptions } from '../../js/imatrix/types.ts'
import { RowQuantizer } from '../../js/quantize/row-quantizer.ts'
import { ActivationsTask } from '../../js/scheduler/activations.ts'
import type { Task } from '../../js/scheduler/scheduler.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { fails, STORIES } from '../api-helpers.ts'
import { openEngine, type TestEngine } from '../engine-harness.ts'
import { concat } from '../gguf-helpers.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { header, tensorBytes } from '../quantize-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const golden = (name: string): string => shared('goldens', name)
const native = (name: string): Uint8Array => new Uint8Array(readFileSync(`tests/fixtures/imatrix/${name}`))
const TEXT = 'perplexity.txt'

const text = (): string => readFileSync(golden(TEXT), 'utf8').replace(/\n$/, '')

async function measure(model: string | Uint8Array, options: ImatrixOptions, load_: LoadOptions = {}) {
  const loaded = await load(model, { kv: 'f32', context: 512, ...load_ })
  try {
    return await loaded.imatrix(text(), options)
  } finally {
    await loaded.close()
  }
}

/** The most that two lists of floats are apart, of the larger one. */
function apart(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [a, b].map((bytes) => new Float32Array(new Uint8Array(bytes).buffer)) as [Float32Array, Float32Array]
  assert.is(x.length, y.length)
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!) / Math.max(value, y[i]!, 1e-30)), 0)
}

// Native adds up in f32, so that its sums are off by some bits.
const CLOSE = 1e-5

for (const [model, file, context, chunks] of [
  ['types/F32.gguf', 'F32.gguf', 128, 3],
  ['experts/experts.gguf', 'experts.gguf', 64, 2],
] as const) {
  sharedTest(`${model}: the file is llama-imatrix's, its sums within ${CLOSE}`, async () => {
    const want = native(file)
    const got = await measure(golden(model), { context, chunks, processOutput: true, dataset: TEXT })
    const { tensors, dataOffset } = await header(want)
    assert.ok(Buffer.from(got.subarray(0, dataOffset)).equals(want.subarray(0, dataOffset)), 'the header')
    assert.is(got.length, want.length)
    assert.ok(tensors.size > 0)
    for (const name of tensors.keys()) {
      const off = apart(await tensorBytes(got, name), await tensorBytes(want, name))
      assert.ok(name.endsWith('.counts') ? off === 0 : off < CLOSE, `${name}: ${off}`)
    }
  })
}

sharedTest("the older format is llama-imatrix's too, and says the same", async () => {
  const options = { context: 64, chunks: 2, dataset: TEXT } as const
  const want = native('experts.dat')
  const got = await measure(golden('experts/experts.gguf'), { ...options, processOutput: true, format: 'dat' })
  assert.is(got.length, want.length)
  const [a, b, c] = await Promise.all(
    [got, want, native('experts.gguf')].map((file) => readImatrix(bytesSource(file, 'file'))),
  )
  assert.equal([a!.chunks, a!.dataset], [2, TEXT])
  assert.equal([...a!.entries.keys()], [...b!.entries.keys()])
  for (const [name, values] of a!.entries) {
    const bytes = (floats: Float32Array) => new Uint8Array(floats.buffer)
    assert.ok(apart(bytes(values), bytes(b!.entries.get(name)!)) < CLOSE, name)
    assert.ok(apart(bytes(values), bytes(c!.entries.get(name)!)) < CLOSE, name)
  }
  const without = await readImatrix(bytesSource(await measure(golden('experts/experts.gguf'), options), 'file'))
  assert.equal(
    [...a!.entries.keys()].filter((name) => !without.entries.has(name)),
    ['output.weight'],
  )
})

sharedTest('a head that is the embedding too is not measured', async () => {
  const file = await measure(STORIES, { context: 64, chunks: 1, processOutput: true })
  const { entries, dataset } = await readImatrix(bytesSource(file, 'file'))
  assert.is(entries.size, 5 * 7)
  assert.not.ok(entries.has('output.weight'))
  assert.is(dataset, undefined)
})

const folder = mkdtempSync(join(tmpdir(), 'cria-imatrix-'))
test.after(() => rmSync(folder, { recursive: true }))

/** Shapes, and most bytes of a segment: the second one's first has no layer. */
const TOYS = [
  ['toy', 2_000_000],
  ['toy-experts', 3_500_000],
] as const
const toy = (shape: string): string => join(folder, `${shape}.gguf`)
for (const [shape] of TOYS) writeFileSync(toy(shape), await concat(new SyntheticModel({ shape, type: 'q4_0' }).file()))
const IDS = Array.from({ length: 3 * 70 }, (_, i) => (i * 7919 + 13) % 500)
const OPTIONS: ImatrixOptions = { context: 67, chunks: 3, processOutput: true }

async function ofIds(model: string, options: LoadOptions, beside: (model: Model) => unknown = () => {}) {
  const loaded = await load(model, { context: 128, ...options })
  try {
    const [made] = await Promise.all([loaded.imatrix(IDS, OPTIONS), beside(loaded)])
    return Buffer.from(made)
  } finally {
    await loaded.close()
  }
}

for (const [shape, maxSegmentBytes] of TOYS) {
  test(`${shape}: the same bits for any threads, batch, build and cut into segments, and beside other calls`, async () => {
    const model = toy(shape)
    const { memory } = await inspect(model, { maxSegmentBytes, context: 128, threads: 2 })
    assert.ok(memory && memory.segments > 1)
    const want = await ofIds(model, { threads: 1 })
    const ways: LoadOptions[] = [
      ...[1, 2, 7, 66, 128].flatMap((batch) => [1, 2, 3].map((threads) => ({ threads, batch }))),
      { threads: 2, isa: 'simd' },
      { threads: 2, maxSegmentBytes },
      { threads: 1, maxSegmentBytes, batch: 1 },
      { inProcess: true },
    ]
    for (const way of ways) assert.ok(want.equals(await ofIds(model, way)), JSON.stringify(way))
    const others = (loaded: Model) => {
      const prompts = [IDS.slice(0, 30), IDS.slice(0, 100), IDS.slice(67, 90)]
      return Promise.all(
        prompts.map((ids) => loaded.generate(ids, { maxTokens: 20, ignoreEos: true, seed: 1 }).result()),
      )
    }
    // Pages for one alone: some step back, and are computed again.
    for (const way of [{ threads: 2 }, { threads: 2, batch: 5, parallel: 4 }]) {
      assert.ok(want.equals(await ofIds(model, way, others)), `beside others, ${JSON.stringify(way)}`)
    }
  })

  test(`${shape}: the same sums in the scalar build, and the model computes on as before`, async () => {
    const sums = []
    for (const build of ['scalar', 'simd', ...(hasRelaxedSimd() ? ['relaxed'] : [])]) {
      const engine = await openEngine(toy(shape), build, { batch: 16, context: 128, maxSegmentBytes })
      const before = await engine.allLogits(IDS.slice(0, 40))
      const work = new ActivationsTask(IDS.slice(0, 50))
      await engine.scheduler.run(work)
      sums.push([...work.sums.values()])
      engine.scheduler.reset()
      assert.equal(await engine.allLogits(IDS.slice(0, 40)), before, build)
      engine.close()
    }
    for (const other of sums) assert.equal(other, sums[0])
    for (const { names, sums: squares, counts } of sums[0]!) {
      const total = counts.reduce((all, count) => all + count, 0)
      assert.is(total, /_exps/.test(names[0]!) ? 100 : 50, names[0])
      assert.ok(squares.every((sum) => sum >= 0) && squares.some((sum) => sum > 0), names[0])
    }
  })
}

/** The sums of some tokens in an engine whose passes `run` interferes with; positions at which passes began. */
async function disturbed(run: (engine: TestEngine, work: ActivationsTask) => Promise<unknown>) {
  const engine = await openEngine(toy('toy'), 'simd', { batch: 8, context: 128, kvTokens: 192 })
  const begun: number[] = []
  const { forward } = engine
  engine.forward = (runs) => {
    for (const { observer, position } of runs) if (observer) begun.push(position)
    forward.call(engine, runs)
  }
  const work = new ActivationsTask(IDS.slice(0, 120))
  await run(engine, work)
  engine.close()
  return { sums: [...work.sums.values()], begun }
}

test('what is computed a second time counts once', async () => {
  const want = await disturbed((engine, work) => engine.scheduler.run(work))
  assert.is(want.begun.length, 15)
  // An abort ends a pass between two layers.
  const aborted = await disturbed((engine, work) => {
    const [segment] = engine.segments
    const { exports } = segment!
    let passes = 0
    const forward: typeof exports.forward = (...args) => {
      if (++passes % 7 === 0) engine.setAbort(1)
      return exports.forward(...args)
    }
    engine.segments = [{ ...segment!, exports: { ...exports, forward } }]
    return engine.scheduler.run(work)
  })
  assert.ok(aborted.begun.length > want.begun.length)
  assert.equal(aborted.sums, want.sums)
  // One that came before takes a page away, and what was in it is computed again.
  const steppedBack = await disturbed((engine, work) => {
    const ids = IDS.slice(100, 160)
    const growing: Task = {
      ids,
      priority: 0,
      output: 'hidden',
      get wanted() {
        return ids.length - 1
      },
      take: () => ids.push(5) > 100,
    }
    return Promise.all([engine.scheduler.run(growing), engine.scheduler.run(work)])
  })
  assert.ok(
    steppedBack.begun.some((position, i, all) => position <= (all[i - 1] ?? -1)),
    String(steppedBack.begun),
  )
  assert.equal(steppedBack.sums, want.sums)
})

test('aborted, it ends; and beside what is aborted it goes on', async () => {
  const loaded = await load(toy('toy'), { context: 128, threads: 2 })
  try {
    const want = Buffer.from(await loaded.imatrix(IDS, OPTIONS))
    const abort = new AbortController()
    const aborted = loaded.imatrix(IDS, { ...OPTIONS, onChunk: () => abort.abort(), signal: abort.signal })
    await fails(aborted, AbortError, 'ABORTED')
    // Whoever else is stopped has the pass end between two layers.
    const stopped = Array.from({ length: 12 }, async (_, i) => {
      const stop = new AbortController()
      setTimeout(() => stop.abort(), 3 * i)
      await loaded
        .generate(IDS.slice(i), { maxTokens: 500, ignoreEos: true, signal: stop.signal })
        .result()
        .catch(() => {})
    })
    const [again] = await Promise.all([loaded.imatrix(IDS, OPTIONS), ...stopped])
    assert.ok(want.equals(Buffer.from(again!)))
    const told: [number, number][] = []
    await loaded.imatrix(IDS, { ...OPTIONS, onChunk: ({ index, total }) => told.push([index, total]) })
    assert.equal(told, [
      [0, 3],
      [1, 3],
      [2, 3],
    ])
  } finally {
    await loaded.close()
  }
})

/** Σ importance · (weight − what it became)² over all tensors that were measured. */
async function weightedError(imatrix: Uint8Array, made: Uint8Array, original: Uint8Array): Promise<number> {
  const { entries } = await readImatrix(bytesSource(imatrix, 'file'))
  const quantizer = await RowQuantizer.open(new WebAssembly.Module(readFileSync('dist/quantize.wasm')))
  const { tensors } = await header(made)
  let error = 0
  for (const [name, importance] of entries) {
    const { type, dimensions } = tensors.get(name)!
    const columns = dimensions[0]!
    const rows = dimensions.slice(1).reduce((product, size) => product * size, 1)
    const bytes = await tensorBytes(made, name)
    assert.is(bytes.length, ((rows * columns) / GGML_TYPES.get(type)!.blockColumns) * GGML_TYPES.get(type)!.blockBytes)
    const back = quantizer.convert({ from: type, to: 'F32', rows, columns, bytes }).bytes!
    const [x, y] = [await tensorBytes(original, name), back].map((part) => new Float32Array(part.slice().buffer))
    for (const [i, value] of x!.entries()) error += importance[i % columns]! * (value - y![i]!) ** 2
  }
  return error
}

sharedTest('quantizing takes the file: what it weighs is nearer then', async () => {
  const path = golden('types/F32.gguf')
  const original = new Uint8Array(readFileSync(path))
  const options = { context: 128, chunks: 3, dataset: TEXT } as const
  const [imatrix, legacy] = await Promise.all([measure(path, options), measure(path, { ...options, format: 'dat' })])
  for (const type of ['Q4_K_S', 'Q2_K']) {
    const make = (more: object) => concat(quantize(path, type, { threads: 1, onWarning: () => {}, ...more }))
    const [plain, weighed, weighedToo] = await Promise.all([make({}), make({ imatrix }), make({ imatrix: legacy })])
    const [before, after] = [
      await weightedError(imatrix, plain!, original),
      await weightedError(imatrix, weighed!, original),
    ]
    assert.ok(after < 0.99 * before, `${type}: ${after}, without ${before}`)
    const { metadata, tensors } = await header(weighed!)
    assert.is(metadata.get('quantize.imatrix.entries_count'), 14)
    assert.is(metadata.get('quantize.imatrix.chunks_count'), 3)
    assert.is(metadata.get('quantize.imatrix.dataset'), TEXT)
    // Means in f32 and their products with calls are not the last bit of sums: a few blocks may differ.
    const error = await weightedError(imatrix, weighedToo!, original)
    assert.ok(Math.abs(error / after - 1) < 1e-3, `${type}, older format: ${error}`)
    assert.ok(tensors.size > 0)
  }
})

/** A golden without its vocabulary, or with other weights. */
async function changed(name: string, edit: (tensor: string, values: Float32Array) => void, vocabulary = true) {
  const file = new Uint8Array(readFileSync(golden(name)))
  const { entries, tensors } = await header(file)
  const raw = [...entries].filter(([key]) => vocabulary || !key.startsWith('tokenizer.'))
  return concat(
    writeGguf(
      raw.filter(([key]) => key !== 'general.alignment').map(([key, range]) => ({ key, raw: file.subarray(...range) })),
      [...tensors.values()].map(({ name: tensor, type, dimensions, offset, bytes }) => {
        const values = new Float32Array(file.slice(offset, offset + bytes).buffer)
        edit(tensor, values)
        return { name: tensor, type, dimensions, data: () => [new Uint8Array(values.buffer)] }
      }),
    ),
  )
}

sharedTest('a text too short, options out of range, no vocabulary and what overflows are refused', async () => {
  const model = await load(golden('types/F32.gguf'), { context: 128 })
  try {
    await fails(model.imatrix('Once', {}), ArgumentError, 'TEXT_SHORT')
    await fails(model.imatrix(IDS, { context: 106 }), ArgumentError, 'TEXT_SHORT')
    for (const wrong of [
      { context: 3 },
      { context: 129 },
      { chunks: 0 },
      { format: 'json' as 'dat' },
      { dataset: 5 as unknown as string },
      { processOutput: 1 as unknown as boolean },
      { onChunk: 1 as unknown as () => void },
      { signal: 1 as unknown as AbortSignal },
    ]) {
      await fails(model.imatrix(IDS, { context: 64, ...wrong }), ArgumentError, 'INVALID_OPTION')
    }
    await fails(model.imatrix(IDS, null as unknown as object), ArgumentError, 'INVALID_OPTION')
    await fails(model.imatrix([...IDS.slice(0, 99), 512, ...IDS], { context: 100 }), ArgumentError, 'INVALID_TOKEN')
  } finally {
    await model.close()
  }
  await fails(model.imatrix(IDS, { context: 64 }), ClosedError, 'CLOSED')
  const silent = await load(await changed('types/F32.gguf', () => {}, false), { context: 128 })
  await fails(silent.imatrix('Once upon a time'), UnsupportedError, 'NO_TOKENIZER')
  await silent.close()
  const huge = (name: string, values: Float32Array) => name.includes('ffn_norm') && values.fill(1e30)
  const loud = await load(await changed('types/F32.gguf', huge), { context: 128, kv: 'f32' })
  await fails(loud.imatrix(IDS, { context: 64 }), NumericError)
  await loud.close()
})

test.run()
