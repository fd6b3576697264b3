/** `cria bench`: what is measured, llama-bench's fields and table, models of random weights. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadTokenizer } from '../../js/api/header.ts'
import { inspect } from '../../js/api/inspect.ts'
import { load } from '../../js/api/load.ts'
import type { GenerateOptions, Model } from '../../js/api/types.ts'
import { fetchFrom, SOURCE_URL } from '../../js/bench/fetch-source.ts'
import { Bench, mean, standardDeviation, testContext, testName } from '../../js/bench/measure.ts'
import { type ModelShape, SHAPES } from '../../js/bench/shapes.ts'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import { Weights } from '../../js/bench/weights.ts'
import { CriaError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { WEIGHT_TYPES } from '../../js/models/weight-types.ts'
import { Build, FORMATS, putTensor, repack } from '../kernel-harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'cria-bench-'))
test.after(() => rmSync(folder, { recursive: true }))

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['dist/cli.js', 'bench', ...args], { encoding: 'utf8', timeout: 120_000 })
}

/** A toy model on disk. */
function write(name: string, ...args: string[]): string {
  const path = join(folder, name)
  const { status, stderr } = bench('--shape', 'toy', '--out', path, ...args)
  assert.is(status, 0, stderr)
  return path
}

interface Row {
  n_threads: number
  n_prompt: number
  n_gen: number
  n_depth: number
  samples_ns: number[]
  samples_ts: number[]
  [key: string]: unknown
}

function checkJson(stdout: string, filename: string): Row[] {
  const rows = JSON.parse(stdout) as Row[]
  for (const row of rows) {
    const { samples_ns: times, samples_ts: rates, n_prompt, n_gen } = row
    assert.is(row.model_filename, filename)
    assert.is(row.model_type, 'llama 3M Q4_0')
    assert.is(row.model_n_params, 3410176)
    assert.is(row.model_size, 1926144)
    assert.is(row.n_batch, 64)
    assert.match(row.backends as string, /^wasm (simd|relaxed)$/)
    assert.match(row.test_time as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.is(times.length, 2)
    assert.ok(times.every((time) => Number.isInteger(time) && time > 0))
    assert.equal(
      rates,
      times.map((time) => (1e9 * (n_prompt + n_gen)) / time),
    )
    assert.is(row.avg_ns, Math.round(mean(times)))
    assert.is(row.stddev_ns, Math.round(standardDeviation(times)))
    assert.is(row.avg_ts, mean(rates))
    assert.is(row.stddev_ts, standardDeviation(rates))
    for (const key of ['build_commit', 'cpu_info']) assert.type(row[key], 'string')
    const { name, version, v8, isa } = row.engine as Record<string, string>
    assert.equal([name, version, v8], ['node', process.versions.node, process.versions.v8])
    assert.is(row.backends, `wasm ${isa}`)
  }
  return rows
}

const TESTS = ['-p', '6,70', '-n', '2', '-pg', '5,3', '-d', '0,16', '-t', '1,2', '-r', '2']
const PER_THREADS = [0, 16].flatMap((depth) => [
  [6, 0, depth],
  [70, 0, depth],
  [0, 2, depth],
  [5, 3, depth],
])

test('random weights in memory are measured: every test with every depth and number of threads', () => {
  const { status, stdout, stderr } = bench('--shape', 'toy', ...TESTS, '-ctk', 'f32', '--json')
  assert.is(status, 0, stderr)
  const rows = checkJson(stdout, 'toy, q4_0, random weights')
  const ran = rows.map(({ n_threads, n_prompt, n_gen, n_depth }) => [n_threads, n_prompt, n_gen, n_depth])
  assert.equal(
    ran,
    [1, 2].flatMap((threads) => PER_THREADS.map((counts) => [threads, ...counts])),
  )
  assert.ok(rows.every(({ type_k, type_v }) => type_k === 'f32' && type_v === 'f32'))
})

test('a file is measured', () => {
  const path = write('measured.gguf')
  const { status, stdout, stderr } = bench('-m', path, '-p', '6', '-n', '0', '-t', '1', '-r', '2', '--json')
  assert.is(status, 0, stderr)
  assert.is(checkJson(stdout, path).length, 1)
})

test('the table is Markdown', () => {
  const path = write('table.gguf')
  const { status, stdout, stderr } = bench('-m', path, '-p', '4', '-n', '2', '-d', '3', '-t', '1', '-r', '2')
  assert.is(status, 0, stderr)
  const [head, rule, ...rows] = stdout.trimEnd().split('\n')
  assert.match(head!, /^\| model +\| +size \| +params \| backend +\| threads \| +kv \| +test \| +t\/s \|$/)
  assert.match(rule!, /^\|( -+:? \|){8}$/)
  assert.is(rows.length, 2)
  const row =
    /^\| llama 3M Q4_0 +\| +1\.84 MiB \| +3\.41 M \| wasm \w+ +\| +1 \| +f16 \| +(\S+ @ d3) \| +[\d.]+ ± [\d.]+ \|$/
  assert.equal(
    rows.map((line) => row.exec(line)?.[1]),
    ['pp4 @ d3', 'tg2 @ d3'],
  )
  assert.is(new Set([head, rule, ...rows].map((line) => line!.length)).size, 1)
})

test('a written model is one that cria runs, of the types asked for', async () => {
  for (const type of [...WEIGHT_TYPES.keys()].map((name) => name.toLowerCase())) {
    const { metadata, tensors, problem, config } = await inspect(
      write(`${type}.gguf`, '--type', type, '--head-type', 'f16'),
    )
    assert.is(problem, undefined)
    assert.is(metadata.get('general.architecture'), 'llama')
    const { embeddingLength, feedForwardLength, blockCount, headCount, headCountKv, vocabSize } = config!
    assert.equal([embeddingLength, feedForwardLength, blockCount, headCount, headCountKv], [256, 768, 4, 8, 4])
    assert.is(vocabSize, 512)
    const types = tensors.filter(({ dimensions }) => dimensions.length > 1).map(({ name, type }) => [name, type])
    assert.is(types.length, 30)
    for (const [name, found] of types) assert.is(found, name === 'output.weight' ? 'F16' : type.toUpperCase(), name)
  }
})

test('mixes and rows that are no whole number of blocks are of llama.cpp’s types', async () => {
  const read = async (shape: string, type: string) =>
    readGguf(await new SyntheticModel({ shape, type }).source()).then(({ tensors }) => tensors)
  const mix = await read('tinyllama-1.1b', 'q4_k_m')
  assert.is(mix.get('token_embd.weight')!.type, 'Q4_K')
  assert.is(mix.get('output.weight')!.type, 'Q6_K')
  assert.is(mix.get('blk.0.attn_q.weight')!.type, 'Q4_K')
  // As llama-quantize chooses for 22 layers.
  const more = Array.from({ length: 22 }, (_, i) => i).filter(
    (i) => mix.get(`blk.${i}.ffn_down.weight`)!.type === 'Q6_K',
  )
  assert.equal(more, [0, 1, 4, 7, 10, 13, 16, 19, 20, 21])
  for (const i of more) assert.is(mix.get(`blk.${i}.attn_v.weight`)!.type, 'Q6_K')
  const narrow = await read('smollm-135m', 'q4_k')
  assert.is(narrow.get('blk.0.attn_q.weight')!.type, 'Q5_0')
  assert.is(narrow.get('blk.0.ffn_down.weight')!.type, 'Q4_K')
})

test('the vocabulary is made up, or another file’s', async () => {
  const made = write('made-up.gguf')
  const tokenizer = await loadTokenizer(made)
  assert.is(tokenizer.vocabularySize, 512)
  assert.is(tokenizer.detokenize(tokenizer.tokenize('a\nö')), 'a\nö')
  const builtIn = 'models/stories260K.gguf'
  const borrowed = write('borrowed.gguf', '--vocab', builtIn)
  const ids = (await loadTokenizer(builtIn)).tokenize('Once upon a time')
  assert.equal((await loadTokenizer(borrowed)).tokenize('Once upon a time'), ids)
})

test('a file that exists is left alone, unless it is replaced by force', () => {
  const path = join(folder, 'exists.gguf')
  writeFileSync(path, 'mine')
  const { status, stderr } = bench('--shape', 'toy', '--out', path)
  assert.is(status, 1)
  assert.match(stderr, /\(FILE_EXISTS\)\n$/)
  assert.is(readFileSync(path, 'utf8'), 'mine')
  assert.is(bench('--shape', 'toy', '--out', path, '--force').status, 0)
  assert.match(bench('--shape', 'toy', '--out', path, '--force', '--vocab', path).stderr, /\(SAME_FILE\)\n$/)
})

test('what cannot be written whole is removed', () => {
  const script = `ulimit -f 200; exec "${process.execPath}" dist/cli.js bench --shape toy --out "${join(folder, 'cut.gguf')}"`
  const { status, stderr } = spawnSync('bash', ['-c', `trap '' XFSZ; ${script}`], { encoding: 'utf8' })
  assert.is(status, 1)
  assert.match(stderr, /EFBIG/)
  assert.not(existsSync(join(folder, 'cut.gguf')))
})

test('wrong usage is told', () => {
  const wrong: [args: string[], message: RegExp][] = [
    [['--out', join(folder, 'x.gguf')], /--out needs --shape/],
    [['--type', 'f32', '-p', '1'], /--type needs --shape/],
    [['--shape', 'toy', '-m', 'x.gguf'], /--shape takes no --model/],
    [['--shape', 'toy', '--sha256', '00'], /--shape takes no --sha256/],
    [['--shape', 'none'], /--shape takes toy/],
    [['--shape', 'toy', '-p', '0', '-n', '0'], /Nothing is to be measured/],
    [['--shape', 'toy', '-t', '0'], /--threads takes whole numbers of at least 1/],
    [['--shape', 'toy', '-p', '1,,2'], /--n-prompt takes whole numbers/],
    [['--shape', 'toy', '-pg', '5'], /--pg takes two whole numbers/],
    [['x.gguf'], /goes after -m/],
  ]
  for (const [args, message] of wrong) {
    const { status, stderr, stdout } = bench(...args)
    assert.is(status, 2, args.join(' '))
    assert.match(stderr, message)
    assert.is(stdout, '')
  }
  assert.not(existsSync(join(folder, 'x.gguf')))
})

test('tests are named as llama-bench names them', () => {
  assert.is(testName({ prompt: 512, generate: 0, depth: 0 }), 'pp512')
  assert.is(testName({ prompt: 0, generate: 128, depth: 0 }), 'tg128')
  assert.is(testName({ prompt: 512, generate: 128, depth: 0 }), 'pp512+tg128')
  assert.is(testName({ prompt: 512, generate: 0, depth: 4096 }), 'pp512 @ d4096')
  assert.is(testContext({ prompt: 0, generate: 8, depth: 100 }), 109)
})

test('mean and standard deviation', () => {
  assert.is(mean([1, 2, 6]), 3)
  assert.is(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9]), Math.sqrt(32 / 7))
  assert.is(standardDeviation([3]), 0)
})

/** A model that has a cache of its last run and takes 1 ms for a token of a prompt and 10 for a generated one. */
function fakeModel(calls: [prompt: number, maxTokens: number, cached: number][]): Model {
  let cache: readonly number[] = []
  const generate = (ids: readonly number[], { maxTokens = 0 }: GenerateOptions) => {
    let cachedTokens = 0
    while (cachedTokens < ids.length - 1 && cache[cachedTokens] === ids[cachedTokens]) cachedTokens++
    cache = ids
    calls.push([ids.length, maxTokens, cachedTokens])
    const timings = { prompt: ids.length - cachedTokens, generate: 10 * maxTokens }
    return { result: async () => ({ timings, cachedTokens, completionTokens: maxTokens }) }
  }
  return { info: { vocabularySize: 50 }, generate } as unknown as Model
}

test('a run counts the passes of its test and no others', async () => {
  const calls: [number, number, number][] = []
  const runs = new Bench(fakeModel(calls), new AbortController().signal)
  const milliseconds = async (prompt: number, generate: number, depth: number, repetitions: number) =>
    (await runs.measure({ prompt, generate, depth }, repetitions)).map((time) => time / 1e6)
  // A prompt and the output after it.
  assert.equal(await milliseconds(7, 0, 0, 2), [17, 17])
  assert.equal(calls.splice(0), [
    [7, 1, 0],
    [7, 1, 0],
    [7, 1, 0],
  ])
  // The first single token goes in as a prompt.
  assert.equal(await milliseconds(0, 3, 0, 1), [31])
  assert.equal(calls.splice(0), [
    [1, 3, 0],
    [1, 3, 0],
  ])
  assert.equal(await milliseconds(7, 3, 0, 1), [47])
  assert.equal(calls.splice(0), [
    [7, 4, 0],
    [7, 4, 0],
  ])
  // What is there before is computed once.
  assert.equal(await milliseconds(7, 0, 20, 2), [17, 17])
  assert.equal(calls.splice(0), [
    [20, 0, 0],
    [27, 1, 20],
    [27, 1, 20],
    [27, 1, 20],
  ])
})

test('more runs than tokens exist still start differently', async () => {
  const calls: [number, number, number][] = []
  await new Bench(fakeModel(calls), new AbortController().signal).measure({ prompt: 3, generate: 0, depth: 0 }, 120)
  assert.ok(calls.every(([, , cached]) => cached === 0))
})

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

test('the source gives the bytes of the file, wherever it is read', async () => {
  const model = new SyntheticModel({ shape: 'toy', type: 'q6_k', headType: 'q8_0' })
  const file = await bytesOf(model.file())
  const source = await model.source()
  assert.is(source.size, file.length)
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const target = new Uint8Array(length).fill(0xa5)
    await source.read(target, offset)
    return target
  }
  assert.ok(file.equals(await read(0, file.length)))
  for (
    let offset = 0, length = 1;
    offset + length <= file.length;
    offset += length, length = (length * 3 + 1) % 50021
  ) {
    assert.ok(file.subarray(offset, offset + length).equals(await read(offset, length)), `${length} at ${offset}`)
  }
  try {
    await read(file.length - 1, 2)
    assert.unreachable()
  } catch (error) {
    assert.is((error as CriaError).code, 'SOURCE_RANGE')
  }
})

test('unknown shapes and types have typed errors', () => {
  const refused = (run: () => unknown, code: string) =>
    assert.throws(run, (error: unknown) => error instanceof CriaError && error.code === code)
  refused(() => new SyntheticModel({ shape: 'toString', type: 'f32' }), 'SHAPE')
  refused(() => new SyntheticModel({ shape: 'toy', type: 'f32', vocabulary: [] }), 'VOCABULARY')
  refused(() => new Weights('IQ1_S', 256), 'WEIGHT_TYPE')
})

/** Weights of published models, as their files' headers add up. */
const PUBLISHED: Record<string, number> = {
  'smollm-135m': 134_515_008,
  'tinyllama-1.1b': 1_100_048_384,
  'llama-3.2-1b': 1_235_814_400,
  'llama-2-7b': 6_738_415_616,
  'llama-2-13b': 13_015_864_320,
  'llama-3-8b': 8_030_261_248,
  'mixtral-8x7b': 46_702_792_704,
  'qwen2.5-0.5b': 494_032_768,
  'qwen3-0.6b': 596_049_920,
  'qwen3-4b': 4_022_468_096,
  'qwen3-30b-a3b': 30_532_122_624,
  'gemma-2-2b': 2_614_341_888,
  'gemma-3-1b': 999_885_952,
  'smollm3-3b': 3_075_098_624,
  'phi-4-mini': 3_836_021_760,
  'olmo-2-1b': 1_484_916_736,
}

test('every shape is a model that cria runs, of as many parameters as the published one', async () => {
  for (const name of Object.keys(SHAPES)) {
    const { problem, config, parameters } = await inspectShape(name)
    assert.is(problem, undefined, name)
    assert.is(config!.architecture, SHAPES[name]!.architecture ?? 'llama')
    if (name in PUBLISHED) assert.is(parameters!.total, PUBLISHED[name], name)
  }
  for (const name of Object.keys(PUBLISHED)) assert.ok(name in SHAPES, name)
})

async function inspectShape(shape: string, type = 'q4_0') {
  return inspect(SOURCE_URL, { fetch: fetchFrom(await new SyntheticModel({ shape, type }).source()), context: 512 })
}

test('files have the tensors and keys of the published ones', async () => {
  const names = async (shape: string) => (await inspectShape(shape)).tensors.map(({ name }) => name)
  const layer = (all: string[]) => all.flatMap((name) => /^blk\.1\.(.*)/.exec(name)?.[1] ?? [])
  const phi = await names('phi-4-mini')
  assert.equal(
    phi.filter((name) => !name.startsWith('blk.')),
    ['output_norm.weight', 'rope_factors_long.weight', 'rope_factors_short.weight', 'token_embd.weight'],
  )
  const fused = ['attn_norm', 'attn_output', 'attn_qkv', 'ffn_down', 'ffn_norm', 'ffn_up']
  assert.equal(
    layer(phi),
    fused.map((part) => `${part}.weight`),
  )
  const biases = layer(await names('qwen2.5-0.5b')).filter((name) => name.endsWith('.bias'))
  assert.equal(biases, ['attn_k.bias', 'attn_q.bias', 'attn_v.bias'])
  const experts = layer(await names('qwen3-30b-a3b')).filter((name) => name.startsWith('ffn'))
  assert.equal(
    experts,
    ['down_exps', 'gate_exps', 'gate_inp', 'norm', 'up_exps'].map((part) => `ffn_${part}.weight`),
  )
  const { config } = await inspectShape('gemma-3-1b')
  assert.equal(
    config!.layers.flatMap(({ window }, i) => (window === 0 ? [i] : [])),
    [5, 11, 17, 23],
  )
  const { config: granite } = await inspectShape('granite-4-1b')
  const { embeddingScale, attentionScale, logitScale } = granite!
  assert.equal([embeddingScale, attentionScale, logitScale], [12, 0.0078125, 0.125])
})

test('a shape of each architecture computes, in small', async () => {
  const shapes: Record<string, ModelShape> = SHAPES
  const kin = Object.entries(SHAPES).filter(([, { architecture }]) => architecture)
  assert.ok(new Set(kin.map(([, { architecture }]) => architecture)).size >= 7)
  for (const [name, shape] of kin) {
    const { embeddingLength, headCount, keyLength, headCountKv, expertCount } = shape
    const small = keyLength ? 128 : (2 * embeddingLength) / headCount
    const sizes = { embeddingLength: small, feedForwardLength: 128, blockCount: 7, headCount: 2, headCountKv: 1 }
    const experts = expertCount ? { expertCount: 9, expertUsedCount: 2, expertFeedForwardLength: 64 } : {}
    shapes.small = { ...shape, ...sizes, ...experts, headCountKv: headCountKv === headCount ? 2 : 1, vocabSize: 300 }
    const source = await new SyntheticModel({ shape: 'small', type: 'q4_k_m' }).source()
    delete shapes.small
    const model = await load(SOURCE_URL, { fetch: fetchFrom(source), threads: 1, context: 64 })
    const { data } = await model.logits([1, 5, 9, 200, 7])
    await model.close()
    assert.ok(new Set(data).size > 300, name)
  }
})

test('weights have a deviation of 1 / √columns, a mean of 0, and rows that differ', () => {
  const rows = 16
  const columns = 1024
  for (const format of FORMATS) {
    const file = new Uint8Array((rows * columns * format.fileBytes) / format.columns)
    new Weights(format.name, columns).read(file, 0, 3)
    const build = new Build('scalar')
    const pointer = putTensor(build, format, rows, repack(build, format, file, rows, columns))
    const values = Array.from({ length: rows }, (_, row) => {
      const out = build.alloc(columns * 4)
      build.kernels.row(pointer, row, out)
      return Array.from(build.floats(out, columns))
    })
    assert.is(new Set(values.map(String)).size, rows, format.name)
    const deviation = standardDeviation(values.flat()) * Math.sqrt(columns)
    assert.ok(deviation > 0.95 && deviation < 1.05, `${format.name}: ${deviation}`)
    assert.ok(Math.abs(mean(values.flat())) * Math.sqrt(columns) < 0.15, format.name)
  }
})

test('written files have the size of their bytes', async () => {
  const model = new SyntheticModel({ shape: 'toy', type: 'q4_0' })
  assert.is(statSync(write('sized.gguf')).size, (await model.source()).size)
})

test.run()
