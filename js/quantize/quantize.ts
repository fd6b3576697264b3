/** Quantizes a model: windows of its rows go through the pool, in order, and out as a GGUF file. */
import * as platform from '#platform'
import { autoThreads } from '../api/capabilities.ts'
import type { Progress } from '../api/types.ts'
import { FormatError, NumericError, throwIfAborted } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import type { Overrides } from '../gguf/overrides.ts'
import { readModel } from '../gguf/shards.ts'
import type { Gguf } from '../gguf/types.ts'
import { type Imatrix, readImatrix } from '../imatrix/reader.ts'
import { checkSourceOptions, SOURCE_OPTIONS } from '../source/check.ts'
import { openModel } from '../source/shards.ts'
import { openSource } from '../source/source.ts'
import type { ModelInput, ModelPart, Source, SourceOptions } from '../source/types.ts'
import { checkOptions, checkTypes, invalid, type OptionNames } from '../util/check.ts'
import type { CriaWarning } from '../util/warn.ts'
import { warnBy } from '../util/warn.ts'
import { type FileType, findFileType, findTensorType, readTensorType } from './file-types.ts'
import { type PlannedTensor, planMetadata, planTensors } from './plan.ts'
import { openPool, type RowPool } from './pool.ts'
import { RowQuantizer, type RowsResult } from './row-quantizer.ts'
import { shardsOf } from './shards.ts'
import type { QuantizeOverrides } from './types.ts'
import { writeConverted } from './windows.ts'

export interface QuantizeOptions extends SourceOptions {
  /** All matrices the same type, without the mix that the file type stands for; default false. */
  pure?: boolean
  /** ggml's name of the type of output.weight, or of token_embd.weight where it serves as the output. */
  outputTensorType?: string
  /** ggml's name of the type of token_embd.weight. */
  tokenEmbeddingType?: string
  /** `NAME=TYPE`, as llama-quantize takes it: types of tensors in whose names the expression NAME is found, the first that is. */
  tensorTypes?: readonly string[]
  /** Keep output.weight as it is; default false. */
  leaveOutputTensor?: boolean
  /** An importance matrix of `Model.imatrix` or llama-imatrix: GGUF, or the older format. */
  imatrix?: ModelPart
  /** Quantize again what is quantized already; default false. */
  allowRequantize?: boolean
  /** Metadata in place of the file's, which are written: numbers as uint32 or float32, or as their `type` says. */
  overrides?: QuantizeOverrides
  /** Workers; `'auto'` (default): one for each core, at most 16. Never changes a bit of the result. */
  threads?: 'auto' | number
  onProgress?: (progress: Progress) => void
  /** Called for each warning; default: `console.warn`. */
  onWarning?: (warning: CriaWarning) => void
  signal?: AbortSignal
}

const OPTIONS: OptionNames<QuantizeOptions> = {
  ...SOURCE_OPTIONS,
  pure: true,
  outputTensorType: true,
  tokenEmbeddingType: true,
  tensorTypes: true,
  leaveOutputTensor: true,
  imatrix: true,
  allowRequantize: true,
  overrides: true,
  threads: true,
  onProgress: true,
  onWarning: true,
}

/** Elements of a window; a longer row is a window of its own. */
const WINDOW = 1 << 18
const MOST_THREADS = 64
const WHAT = 'Quantizing'

/** See `quantize` in js/quantize/index.ts. @internal */
export async function* quantizeGguf(
  input: ModelInput,
  type: string,
  options: QuantizeOptions = {},
): AsyncGenerator<Uint8Array> {
  for await (const { chunks } of quantizeFiles(input, type, options, false)) yield* chunks
}

/** One of the files that a model becomes. */
export interface QuantizedFile {
  index: number
  count: number
  /** To be read to its end before the next file. */
  chunks: AsyncGenerator<Uint8Array>
}

/**
 * The model as one file, or with `keepSplit` as the shards that it is in.
 * @throws as `quantize`
 * @internal
 */
export async function* quantizeFiles(
  input: ModelInput,
  type: string,
  options: QuantizeOptions,
  keepSplit: boolean,
): AsyncGenerator<QuantizedFile> {
  check(options)
  const file = findFileType(type)
  const { signal, overrides } = options
  throwIfAborted(signal, WHAT)
  const source = await openModel(input, platform.openFile, options)
  let pool: RowPool | undefined
  try {
    const gguf = await readModel(source, signal, overrides && plainValues(overrides))
    const imatrix = options.imatrix === undefined ? undefined : await openImatrix(options.imatrix, options)
    const tensors = plan(gguf, file, options, imatrix?.imatrix, keepSplit)
    const metadata = await planMetadata(source, gguf, file, { imatrix, overrides, signal })
    pool = await openPool(threadsOf(options), warnBy(options.onWarning))
    const run = new Quantization(source, pool, options)
    const files = keepSplit ? shardsOf(source, metadata, tensors) : [{ metadata, tensors }]
    for (const [index, { metadata, tensors }] of files.entries()) {
      yield { index, count: files.length, chunks: run.chunks(metadata, tensors) }
    }
    await source.finish?.(signal)
  } finally {
    await pool?.close()
    await source.close()
  }
}

function plainValues(overrides: QuantizeOverrides): Overrides {
  const values = Object.entries(overrides).map(([key, given]) => [key, typeof given === 'object' ? given.value : given])
  return Object.fromEntries(values)
}

function check(options: QuantizeOptions): void {
  checkOptions(options, OPTIONS)
  checkSourceOptions(options)
  checkTypes(options, 'boolean', ['pure', 'leaveOutputTensor', 'allowRequantize'])
  checkTypes(options, 'function', ['onProgress', 'onWarning'])
  threadsOf(options)
}

function threadsOf({ threads = 'auto' }: QuantizeOptions): number {
  if (threads === 'auto') return autoThreads(platform.cores(), true)
  if (Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS) return threads
  throw invalid('threads', `'auto' or a whole number from 1 to ${MOST_THREADS}`, threads)
}

async function openImatrix(input: ModelPart, { signal }: QuantizeOptions): Promise<{ name: string; imatrix: Imatrix }> {
  const source = await openSource(input, platform.openFile, signal ? { signal } : {})
  try {
    return { name: source.name, imatrix: await readImatrix(source, signal) }
  } finally {
    await source.close()
  }
}

/** Plans the tensors, and warns of those that are not what the file type says. */
function plan(
  gguf: Gguf,
  file: FileType,
  options: QuantizeOptions,
  imatrix: Imatrix | undefined,
  keepOrder: boolean,
): PlannedTensor[] {
  const { pure = false, leaveOutputTensor = false, allowRequantize = false } = options
  const tensors = planTensors(gguf, file, {
    pure,
    leaveOutputTensor,
    allowRequantize,
    keepOrder,
    ...(options.outputTensorType !== undefined && {
      outputTensorType: findTensorType('outputTensorType', options.outputTensorType),
    }),
    ...(options.tokenEmbeddingType !== undefined && {
      tokenEmbeddingType: findTensorType('tokenEmbeddingType', options.tokenEmbeddingType),
    }),
    ...(options.tensorTypes && { tensorTypes: Array.from(options.tensorTypes, readTensorType) }),
    ...(imatrix && { imatrix }),
  })
  const warn = warnBy(options.onWarning)
  const unfit = tensors.filter(({ instead }) => instead)
  if (unfit.length > 0) {
    const { name, dimensions, instead, to } = unfit[0]!
    const others = unfit.length > 1 ? ` (and ${unfit.length - 1} more tensors)` : ''
    const message = `${name} has rows of ${dimensions[0]} columns, which do not fit ${instead}: it becomes ${to}${others}.`
    warn({ code: 'TENSOR_FALLBACK', message })
  }
  const unmeasured = tensors.filter((t) => t.type !== t.to && !t.importance && t.name !== 'token_embd.weight')
  if (imatrix && unmeasured.length > 0) {
    const message = `The importance matrix lacks ${unmeasured[0]!.name} (${unmeasured.length} tensors in all): they are quantized without.`
    warn({ code: 'IMATRIX_PARTIAL', message })
  }
  return tensors
}

/** Rows of one tensor, and of one of its experts. */
interface QuantizationWindow {
  tensor: PlannedTensor
  firstRow: number
  rows: number
}

class Quantization {
  constructor(
    private readonly source: Source,
    private readonly pool: RowPool,
    private readonly options: QuantizeOptions,
  ) {}

  chunks(
    metadata: Parameters<typeof writeConverted>[0],
    tensors: readonly PlannedTensor[],
  ): AsyncGenerator<Uint8Array> {
    return writeConverted(metadata, {
      tensors: tensors.map(({ name, dimensions, to, bytes }) => {
        const rows = dimensions.slice(1).reduce((product, size) => product * size, 1)
        return { name, dimensions, type: to, rows, sourceBytes: bytes }
      }),
      windows: windowsOf(tensors),
      convert: (window) => this.convert(window),
      ahead: this.pool.size + 1,
      onProgress: this.options.onProgress,
    })
  }

  private async convert(window: QuantizationWindow): Promise<Uint8Array> {
    const { tensor, firstRow, rows } = window
    const { signal } = this.options
    throwIfAborted(signal, WHAT)
    const [columns, rowsOfExpert = 1] = tensor.dimensions
    const { blockColumns, blockBytes } = GGML_TYPES.get(tensor.type)!
    const rowBytes = (columns! / blockColumns) * blockBytes
    const bytes = new Uint8Array(rows * rowBytes)
    await this.source.read(bytes, tensor.offset + firstRow * rowBytes, signal)
    // What cannot be read cannot be looked into either.
    if (!RowQuantizer.types.includes(tensor.type)) return bytes
    const expert = Math.floor(firstRow / rowsOfExpert)
    const importance = tensor.importance?.slice(expert * columns!, (expert + 1) * columns!)
    const job = { from: tensor.type, to: tensor.to, rows, columns: columns!, bytes }
    const result = await this.pool.run(importance ? { ...job, importance } : job)
    throwIfAborted(signal, WHAT)
    if (result.bytes === undefined) throw unfit(window, result)
    return result.bytes
  }
}

function* windowsOf(tensors: readonly PlannedTensor[]): Generator<QuantizationWindow> {
  for (const tensor of tensors) {
    const [columns, rowsOfExpert = 1, ...more] = tensor.dimensions
    const rows = more.reduce((product, size) => product * size, rowsOfExpert)
    const most = Math.max(1, Math.floor(WINDOW / columns!))
    for (let first = 0; first < rows; ) {
      const count = Math.min(most, rowsOfExpert - (first % rowsOfExpert))
      yield { tensor, firstRow: first, rows: count }
      first += count
    }
  }
}

function unfit(
  { tensor, firstRow }: QuantizationWindow,
  { problem, row, column }: RowsResult,
): FormatError | NumericError {
  const place = `row ${firstRow + row!}, column ${column}`
  if (problem === 'source') {
    const message = `The tensor ${tensor.name} holds a value that is NaN or infinite (${place}): the file is damaged, or the model was trained to no end. Download or convert it again.`
    return new FormatError('TENSOR_NOT_FINITE', message, tensor.name)
  }
  const message = `The tensor ${tensor.name} holds values beyond the range of ${tensor.to} (${place}): choose another type, F32 or BF16.`
  return new NumericError('TENSOR_RANGE', message, tensor.name)
}
