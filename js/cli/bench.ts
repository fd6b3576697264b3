/** `cria bench`: llama-bench's tests and tables. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { Readable } from 'node:stream'
import { inspect } from '../api/inspect.ts'
import { load } from '../api/load.ts'
import type { LoadOptions } from '../api/types.ts'
import { fetchFrom, SOURCE_URL } from '../bench/fetch-source.ts'
import { Bench, type Test, testContext, testName } from '../bench/measure.ts'
import { type BenchResult, benchResult, tableHead, tableRow } from '../bench/report.ts'
import { SHAPES } from '../bench/shapes.ts'
import { SyntheticModel, TENSOR_TYPE_NAMES, TYPE_NAMES } from '../bench/synthetic.ts'
import { vocabularyOf } from '../bench/vocabulary.ts'
import type { ModelInput } from '../source/types.ts'
import type { Command, Context } from './command.ts'
import { choice, type Flag, integer, list, longName, text, toggle, UsageError, type Values } from './flags.ts'
import { BENCH_FOREIGN } from './llama-tools.ts'
import { MODEL_FLAGS } from './model.ts'
import { kvOf, LOAD_FLAGS, MOST_BATCH, OTHER_FLAGS } from './options.ts'
import { checkOutput, writeWhole } from './output.ts'
import { findInput } from './source.ts'
import { bytes, progressBar, say, sayWarning, write } from './terminal.ts'

const { batchSize, isa, kv, cacheTypeK, cacheTypeV } = LOAD_FLAGS
const MODEL_KEYS = Object.keys(MODEL_FLAGS) as (keyof typeof MODEL_FLAGS)[]
/** load's default. */
const BATCH = 64

const TESTS = {
  prompt: wholes('-p --n-prompt', 'tokens of a prompt; 0: no prefill test; default: 512', 0),
  generate: wholes('-n --n-gen', 'tokens to generate; 0: no generation test; default: 128', 0),
  both: list('-pg --pg', 'N,N', 'prefill and generation in one test; repeatable', readPair),
  depth: wholes('-d --depth --n-depth', 'tokens in the KV cache beforehand; default: 0', 0),
  repetitions: integer('-r --repetitions', 'runs of each test after a warm-up; default: 5', 1),
}
const ENGINE = {
  threads: wholes('-t --threads', 'threads; default: one for each core', 1),
  kv,
  cacheTypeK,
  cacheTypeV,
  batchSize,
  isa,
}
const SYNTHETIC = {
  shape: choice('--shape', Object.keys(SHAPES), 'random weights of this shape, made in memory'),
  type: choice('--type', TYPE_NAMES, 'type of the matrices; default: q4_0'),
  headType: choice('--head-type', TENSOR_TYPE_NAMES, 'type of the output head; default: that of --type'),
  vocab: text('--vocab', 'FILE', 'GGUF file with the vocabulary; default: a made-up one'),
  out: text('--out', 'FILE', 'write the model to this file and measure nothing'),
  force: toggle('--force', 'replace the file where it exists'),
}
const OUTPUT = {
  json: toggle('--json', "llama-bench's JSON in place of its table"),
  output: choice('-o --output', ['md', 'json'], 'as a table, or --json; default: md'),
}

const flags = { ...TESTS, ...MODEL_FLAGS, ...SYNTHETIC, ...ENGINE, ...OUTPUT, ...OTHER_FLAGS }

export const benchCommand: Command<typeof flags> = {
  name: 'bench',
  summary: "tokens per second, by llama-bench's tests",
  usage: 'bench -m FILE [options]',
  description: [
    "Runs llama-bench's tests: ppN is prefill of N random tokens, tgN generation of N tokens.",
    'The time includes picking the most probable token. N[,N] runs a test for each value.',
  ],
  groups: [
    ['Tests', TESTS],
    ['Model', MODEL_FLAGS],
    ['Random weights', SYNTHETIC],
    ['Engine', ENGINE],
    ['Output', { ...OUTPUT, ...OTHER_FLAGS }],
  ],
  examples: [
    'cria bench -m model.gguf -p 128 -n 32 -t 1,2',
    'cria bench --shape tinyllama-1.1b --type q4_0 -p 512 -n 32 -d 0,4096',
    'cria bench --shape llama-2-7b --type q8_0 --out llama-2-7b.q8_0.gguf',
  ],
  flags,
  foreign: BENCH_FOREIGN,
  run,
}

/** Whole numbers, separated by commas or in several occurrences. */
function wholes(names: string, help: string, low: number): Flag<readonly number[]> {
  const read = (given: readonly string[], name: string): number[] =>
    given.flatMap((values) => values.split(',').map((value) => readWhole(value, name, low)))
  return {
    names: names.split(' '),
    takes: 'N[,N]',
    help,
    read: (given, name) => (given.length > 0 ? read(given, name) : undefined),
  }
}

function readWhole(given: string, name: string, low: number): number {
  if (/^\d{1,9}$/.test(given) && Number(given) >= low) return Number(given)
  throw new UsageError(`${name} takes whole numbers of at least ${low}, as in 1,2, not ${JSON.stringify(given)}.`)
}

function readPair(given: string, name: string): [prompt: number, generate: number] {
  const [prompt, generate, ...more] = given.split(',').map((value) => readWhole(value, name, 1))
  if (prompt !== undefined && generate !== undefined && more.length === 0) return [prompt, generate]
  throw new UsageError(`${name} takes two whole numbers, as in 512,128, not ${JSON.stringify(given)}.`)
}

/** Where the model is, how it is read, and what the output says of it. */
interface Input {
  location: ModelInput
  options: LoadOptions
  filename: string
  tensorBytes: number
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) throw new UsageError(`The model goes after -m: ${JSON.stringify(positionals[0])}.`)
  const tests = listTests(values)
  const synthetic = await readSynthetic(values, context.signal)
  if (values.out !== undefined) {
    const { out, force = false } = values
    await checkOutput(out, force, values.vocab)
    const chunks = Readable.from(synthetic!.file(), { signal: context.signal })
    say(`${out}: ${bytes(await writeWhole(out, chunks, force))}`)
    return 0
  }
  const input = synthetic ? await syntheticInput(synthetic) : await fileInput(values, context.signal)
  const json = values.json || values.output === 'json'
  const results: BenchResult[] = []
  for (const threads of values.threads ?? [availableParallelism()]) {
    for await (const result of measure(values, input, tests, threads, context.signal)) {
      if (!json) await write((results.length === 0 ? tableHead() : '') + tableRow(result))
      results.push(result)
    }
  }
  if (json) await write(`${JSON.stringify(results, null, 2)}\n`)
  return 0
}

/** Of each depth: prompts, then generations, then both, as llama-bench orders them. */
function listTests({ prompt = [512], generate = [128], both = [], depth = [0] }: Values<typeof flags>): Test[] {
  const tests = depth.flatMap((depth): Test[] => [
    ...prompt.filter((count) => count > 0).map((count) => ({ prompt: count, generate: 0, depth })),
    ...generate.filter((count) => count > 0).map((count) => ({ prompt: 0, generate: count, depth })),
    ...both.map(([prompt, generate]) => ({ prompt, generate, depth })),
  ])
  if (tests.length === 0) throw new UsageError('Nothing is to be measured: give --n-prompt, --n-gen or --pg.')
  return tests
}

async function readSynthetic(values: Values<typeof flags>, signal: AbortSignal): Promise<SyntheticModel | undefined> {
  const { shape, type = 'q4_0', headType, vocab } = values
  if (shape === undefined) {
    for (const [key, name] of [
      ['type', '--type'],
      ['headType', '--head-type'],
      ['vocab', '--vocab'],
      ['out', '--out'],
      ['force', '--force'],
    ] as const) {
      if (values[key] !== undefined) throw new UsageError(`${name} needs --shape.`)
    }
    return undefined
  }
  const given = MODEL_KEYS.find((key) => values[key] !== undefined)
  if (given) throw new UsageError(`--shape takes no ${longName(MODEL_FLAGS[given])}: it is a model of its own.`)
  const vocabulary = vocab === undefined ? undefined : vocabularyOf((await inspect(vocab, { signal })).metadata)
  return new SyntheticModel({ shape, type, ...(headType && { headType }), ...(vocabulary && { vocabulary }) })
}

async function syntheticInput(model: SyntheticModel): Promise<Input> {
  const { shape, type } = model.options
  return {
    location: SOURCE_URL,
    options: { fetch: fetchFrom(await model.source()) },
    filename: `${shape}, ${type}, random weights`,
    tensorBytes: model.tensorBytes,
  }
}

async function fileInput(values: Values<typeof flags>, signal: AbortSignal): Promise<Input> {
  const { location, options } = await findInput(values, signal)
  const { tensors } = await inspect(location, { ...options, signal })
  return {
    location,
    options,
    filename: typeof location === 'string' ? location : 'built-in model',
    tensorBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Loads the model with this number of threads; yields the time of each test. */
async function* measure(
  values: Values<typeof flags>,
  input: Input,
  tests: readonly Test[],
  threads: number,
  signal: AbortSignal,
): AsyncGenerator<BenchResult> {
  const bar = progressBar()
  const { isa, batchSize = BATCH, repetitions = 5 } = values
  const batch = Math.min(batchSize, MOST_BATCH)
  const kv = kvOf(values)
  const options: LoadOptions = {
    ...input.options,
    threads,
    batch,
    context: Math.max(...tests.map(testContext)),
    ...(kv && { kv }),
    ...(isa && { isa }),
    onProgress: (progress) => bar.update(progress),
    onWarning: sayWarning,
    signal,
  }
  const model = await load(input.location, options).finally(() => bar.stop())
  try {
    const { filename, tensorBytes } = input
    const setting = { info: model.info, filename, tensorBytes, batch, ...surroundings() }
    const bench = new Bench(model, signal)
    for (const test of tests) {
      if (values.verbose) say(`${testName(test)}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`)
      const began = new Date()
      yield benchResult(setting, test, began, await bench.measure(test, repetitions))
    }
  } finally {
    await model.close()
  }
}

function surroundings() {
  const { bun, deno, node, v8 } = process.versions
  const name = bun ? 'bun' : deno ? 'deno' : 'node'
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return {
    version: JSON.parse(manifest).version as string,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    engine: { name, version: bun ?? deno ?? node, v8 },
  }
}
