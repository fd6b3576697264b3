/** Results in llama-bench's fields, and its table. Source: llama.cpp, tools/llama-bench. */
import type { ModelInfo } from '../api/types.ts'
import { mean, standardDeviation, type Test, testName } from './measure.ts'

/** What surrounds a measurement. */
export interface Setting {
  readonly info: ModelInfo
  /** Of the model: where it came from, and the bytes of its tensors. */
  readonly filename: string
  readonly tensorBytes: number
  readonly batch: number
  /** Of cria. */
  readonly version: string
  readonly cpu: string
  readonly engine: { readonly name: string; readonly version: string; readonly v8: string | undefined }
}

/** One test as JSON. Times are nanoseconds, rates tokens per second, `test_time` when it began. */
export interface BenchResult {
  build_commit: string
  cpu_info: string
  backends: string
  model_filename: string
  model_type: string
  model_size: number
  model_n_params: number
  n_batch: number
  n_threads: number
  type_k: string
  type_v: string
  n_prompt: number
  n_gen: number
  n_depth: number
  test_time: string
  avg_ns: number
  stddev_ns: number
  avg_ts: number
  stddev_ts: number
  samples_ns: readonly number[]
  samples_ts: readonly number[]
  engine: { name: string; version: string; v8: string | undefined; isa: string }
}

export function benchResult(setting: Setting, test: Test, began: Date, nanoseconds: readonly number[]): BenchResult {
  const { info, engine } = setting
  const rates = nanoseconds.map((time) => (1e9 * (test.prompt + test.generate)) / time)
  return {
    build_commit: setting.version,
    cpu_info: setting.cpu,
    backends: `wasm ${info.isa}`,
    model_filename: setting.filename,
    model_type: `${info.architecture} ${rounded(info.parameters)} ${info.type}`,
    model_size: setting.tensorBytes,
    model_n_params: info.parameters,
    n_batch: setting.batch,
    n_threads: info.threads,
    type_k: info.kv,
    type_v: info.kv,
    n_prompt: test.prompt,
    n_gen: test.generate,
    n_depth: test.depth,
    test_time: began.toISOString().replace(/\.\d+/, ''),
    avg_ns: Math.round(mean(nanoseconds)),
    stddev_ns: Math.round(standardDeviation(nanoseconds)),
    avg_ts: mean(rates),
    stddev_ts: standardDeviation(rates),
    samples_ns: nanoseconds,
    samples_ts: rates,
    engine: { ...engine, isa: info.isa },
  }
}

interface Column {
  readonly title: string
  readonly width: number
  /** Numbers are right-aligned. */
  readonly right: boolean
  readonly cell: (result: BenchResult) => string
}

const COLUMNS: readonly Column[] = [
  { title: 'model', width: 30, right: false, cell: (result) => result.model_type },
  { title: 'size', width: 10, right: true, cell: (result) => binary(result.model_size) },
  { title: 'params', width: 10, right: true, cell: (result) => decimal(result.model_n_params) },
  { title: 'backend', width: 12, right: false, cell: (result) => result.backends },
  { title: 'threads', width: 7, right: true, cell: (result) => String(result.n_threads) },
  { title: 'kv', width: 4, right: true, cell: (result) => result.type_k },
  {
    title: 'test',
    width: 15,
    right: true,
    cell: ({ n_prompt, n_gen, n_depth }) => testName({ prompt: n_prompt, generate: n_gen, depth: n_depth }),
  },
  {
    title: 't/s',
    width: 20,
    right: true,
    cell: ({ avg_ts, stddev_ts }) => `${avg_ts.toFixed(2)} ± ${stddev_ts.toFixed(2)}`,
  },
]

/** The first two lines of a Markdown table, line ends included. */
export function tableHead(): string {
  const titles = COLUMNS.map(({ title, width, right }) => (right ? title.padStart(width) : title.padEnd(width)))
  const rules = COLUMNS.map(({ width, right }) => (right ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return `| ${titles.join(' | ')} |\n| ${rules.join(' | ')} |\n`
}

export function tableRow(result: BenchResult): string {
  const cells = COLUMNS.map(({ width, right, cell }) => {
    const text = cell(result)
    return right ? text.padStart(width) : text.padEnd(width)
  })
  return `| ${cells.join(' | ')} |\n`
}

function binary(bytes: number): string {
  const gibibyte = 1024 * 1024 * 1024
  return bytes < gibibyte ? `${((1024 * bytes) / gibibyte).toFixed(2)} MiB` : `${(bytes / gibibyte).toFixed(2)} GiB`
}

function decimal(count: number): string {
  return count < 1e9 ? `${(count / 1e6).toFixed(2)} M` : `${(count / 1e9).toFixed(2)} B`
}

/** As models are called: `135M`, `1B`, `7B`. */
function rounded(count: number): string {
  return count < 1e9 ? `${Math.round(count / 1e6)}M` : `${Math.round(count / 1e9)}B`
}
