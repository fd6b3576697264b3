/**
 * In a page: llama-bench's tests on cria, through its public API, and on wllama 2.4 and 3. Each peer is loaded, measured and
 * closed for one number of threads. wllama's packages are served from node_modules/ beside this file.
 */

import { Bench, type Test, testContext } from '../../../js/bench/measure.ts'
import type { KvType } from '../../../js/engine/kv.ts'
import type { Tokenizer } from '../../../js/tokenizer/tokenizer.ts'

export interface Request {
  /** A URL of this server. */
  model: string
  tests: Test[]
  threads: number
  kv: KvType
  repetitions: number
}

/** Tokens per second of each run that counts, by test; and which build ran. */
export interface Measured {
  build: string
  samples: number[][]
}

const PACKAGES = new URL('/tests/bench/peers/node_modules/', location.href).href
const BATCH = 512

export async function cria({ model: url, tests, threads, kv, repetitions }: Request): Promise<Measured> {
  const { load } = await importCria()
  const context = Math.max(...tests.map(testContext))
  const model = await load(url, { threads, kv, context })
  const bench = new Bench(model, new AbortController().signal)
  const samples: number[][] = []
  for (const test of tests) {
    const nanoseconds = await bench.measure(test, repetitions)
    samples.push(nanoseconds.map((time) => (1e9 * (test.prompt + test.generate)) / time))
  }
  const build = `wasm ${model.info.isa}`
  await model.close()
  return { build, samples }
}

function importCria(): Promise<typeof import('../../../js/index.ts')> {
  return import(new URL('/dist/web/index.js', location.href).href)
}

/** The parts of wllama 2.4.0 that are used. */
interface Wllama2 {
  loadModel(blobs: Blob[], options: object): Promise<void>
  isMultithread(): boolean
  _testBenchmark(type: 'pp' | 'tg', count: number): Promise<{ success: boolean; t_ms: number }>
  exit(): Promise<void>
}

/** wllama's own benchmark, inside its wasm: no sampling, no message per token. It has none at a depth. */
export async function wllama2({ model, tests, threads, kv, repetitions }: Request): Promise<Measured> {
  const { Wllama } = await import(`${PACKAGES}wllama2/esm/index.js`)
  const paths = Object.fromEntries(
    ['single-thread', 'multi-thread'].map((name) => {
      return [`${name}/wllama.wasm`, `${PACKAGES}wllama2/esm/${name}/wllama.wasm`]
    }),
  )
  const wllama: Wllama2 = new Wllama(paths, { suppressNativeLog: true })
  await wllama.loadModel([await blobOf(model)], optionsOf(tests, threads, kv))
  checkThreads(wllama, threads)
  const samples: number[][] = []
  for (const test of tests) {
    samples.push(await repeat(repetitions, test.depth > 0 ? undefined : () => run2(wllama, test)))
  }
  await wllama.exit()
  return { build: 'wasm32', samples }
}

async function run2(wllama: Wllama2, { prompt, generate }: Test): Promise<number> {
  const { success, t_ms } = await wllama._testBenchmark(prompt > 0 ? 'pp' : 'tg', prompt + generate)
  if (!success) throw new Error('the benchmark of wllama 2 failed')
  return (1000 * (prompt + generate)) / t_ms
}

/** The parts of wllama 3 that are used. */
interface Wllama3 {
  loadModel(blobs: Blob[], options: object): Promise<void>
  isMultithread(): boolean
  createCompletion(options: object): Promise<{ timings?: Timings }>
  exit(): Promise<void>
}
interface Timings {
  prompt_n: number
  prompt_ms: number
  predicted_n: number
  predicted_ms: number
}

/** Completions, timed by its own server; it takes texts only. The CPU's kernels: WebGPU is another race. */
export async function wllama3({ model, tests, threads, kv, repetitions }: Request): Promise<Measured> {
  const { Wllama } = await import(`${PACKAGES}wllama3/esm/index.js`)
  const { loadTokenizer } = await importCria()
  const tokenizer = await loadTokenizer(model)
  const wllama: Wllama3 = new Wllama(
    { default: `${PACKAGES}wllama3/esm/wasm/wllama.wasm` },
    { suppressNativeLog: true },
  )
  await wllama.loadModel([await blobOf(model)], { ...optionsOf(tests, threads, kv), n_gpu_layers: 0, n_parallel: 1 })
  checkThreads(wllama, threads)
  let runs = 0
  const samples: number[][] = []
  for (const test of tests) {
    const run = (): Promise<number> => run3(wllama, test, textOf(tokenizer, test.prompt, runs++))
    samples.push(await repeat(repetitions, test.depth > 0 ? undefined : run))
  }
  await wllama.exit()
  return { build: 'wasm64', samples }
}

async function run3(wllama: Wllama3, { prompt, generate }: Test, text: string): Promise<number> {
  const options = { prompt: text, max_tokens: generate + 1, temperature: 0, ignore_eos: true }
  const { timings } = await wllama.createCompletion(options)
  // The text may be a token or two longer than was asked for; of the tokens generated the first comes with it.
  const exact = timings?.predicted_n === generate + 1 && (prompt === 0 || Math.abs(timings.prompt_n - prompt) <= 2)
  if (!timings || !exact) {
    throw new Error(`wllama 3 ran another test than ${prompt} + ${generate}: ${JSON.stringify(timings)}`)
  }
  return prompt > 0 ? (1000 * timings.prompt_n) / timings.prompt_ms : (1000 * generate) / timings.predicted_ms
}

/** A text of so many tokens; those of two runs begin otherwise, so that nothing of them is found in the cache. */
function textOf(tokenizer: Tokenizer, count: number, run: number): string {
  let text = String.fromCharCode(97 + (run % 26))
  while (tokenizer.tokenize(text).length < count) text += ' a'
  return text
}

function optionsOf(tests: readonly Test[], threads: number, kv: KvType): object {
  const context = Math.max(...tests.map(testContext))
  const n_batch = Math.max(BATCH, ...tests.map(({ prompt }) => prompt))
  return { n_ctx: Math.max(context, BATCH), n_batch, n_threads: threads, cache_type_k: kv, cache_type_v: kv }
}

async function blobOf(url: string): Promise<Blob> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`)
  return response.blob()
}

function checkThreads(wllama: { isMultithread(): boolean }, threads: number): void {
  if (wllama.isMultithread() !== threads > 1) throw new Error(`wllama does not run on ${threads} threads`)
}

/** A run that warms up, then those that count; none where there is no such test. */
async function repeat(count: number, run: (() => Promise<number>) | undefined): Promise<number[]> {
  if (!run) return []
  await run()
  const rates: number[] = []
  for (let i = 0; i < count; i++) rates.push(await run())
  return rates
}
