/** Hugging Face folders as GGUF. */
import * as platform from '#platform'
import { autoThreads } from '../api/capabilities.ts'
import type { Progress } from '../api/types.ts'
import { ArgumentError, FormatError, NumericError, throwIfAborted, UnsupportedError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import type { MetadataEntry, TensorEntry } from '../gguf/writer.ts'
import { findFileType } from '../quantize/file-types.ts'
import { openPool, type RowPool } from '../quantize/pool.ts'
import type { RowsResult } from '../quantize/row-quantizer.ts'
import { writeConverted } from '../quantize/windows.ts'
import { checkSignal } from '../source/check.ts'
import type { ModelInput } from '../source/types.ts'
import type { CriaWarning } from '../util/warn.ts'
import { warnBy } from '../util/warn.ts'
import { readHfConfig } from './families/config.ts'
import type { HfConfig } from './families/family.ts'
import { describeArchitecture, firstKeys } from './families/keys.ts'
import { factorTensors } from './families/rope.ts'
import { halvesFromFloats } from './float16.ts'
import { Folder } from './folder.ts'
import { describeSampling } from './hf-generation.ts'
import { describePooling } from './hf-pooling.ts'
import { type HfPiece, type HfTensor, interleaveHeads, planHfTensors, readParts, sourceRow } from './hf-tensors.ts'
import { describeVocabulary } from './hf-vocabulary.ts'

export interface HuggingFaceOptions {
  /** Type of the matrices; what has one dimension is f32. Default f16. */
  outtype?: Outtype
  /** Becomes general.name; default `model`. */
  name?: string
  /** Becomes general.license: an SPDX name in lower case. */
  license?: string
  /** Becomes general.source.url: where the model came from. */
  source?: string
  /** Becomes tokenizer.ggml.pre, where tokenizer.json has a pre-tokenizer that cria cannot tell. */
  pre?: string
  onProgress?: (progress: Progress) => void
  /** Called for each warning; default: `console.warn`. */
  onWarning?: (warning: CriaWarning) => void
  signal?: AbortSignal
}

export type Outtype = 'f32' | 'f16' | 'bf16' | 'q8_0'
export const OUTTYPES: readonly Outtype[] = ['f32', 'f16', 'bf16', 'q8_0']

/** Elements of a window; what must be read together may be more. */
const WINDOW = 1 << 18
const QUANTIZATION_VERSION = 2
const WHAT = 'Converting'

/**
 * Chunks of a GGUF file with the model in a Hugging Face folder: config.json, the weights as safetensors in one or several
 * files, tokenizer.model or tokenizer.json, and tokenizer_config.json. The tensors are those that llama.cpp's
 * convert_hf_to_gguf.py writes. Only a window of the weights is held at a time.
 *
 * @param files what is read, by its name in the folder: paths, URLs, Blobs or bytes. Others do no harm
 * @throws UnsupportedError for other architectures, tokenizers, tensors and types; FormatError for what is missing, of the
 *   wrong shape, contradictory, or holds NaN or infinities; NumericError for weights beyond the range of the type;
 *   ArgumentError, SourceError, WorkerError, AbortError
 */
export async function* convertHuggingFace(
  files: ReadonlyMap<string, ModelInput>,
  options: HuggingFaceOptions = {},
): AsyncGenerator<Uint8Array> {
  const { outtype = 'f16', signal } = options
  checkSignal(signal)
  if (!OUTTYPES.includes(outtype)) {
    throw new ArgumentError('OUTTYPE', `outtype must be ${OUTTYPES.join(', ')}, not ${String(outtype)}.`, outtype)
  }
  throwIfAborted(signal, WHAT)
  const warn = warnBy(options.onWarning)
  const folder = new Folder(files, signal)
  let pool: RowPool | undefined
  try {
    if (folder.has('adapter_config.json') && !folder.has('config.json')) {
      const message =
        'The folder holds a LoRA adapter (adapter_config.json), not a model: merge it into its model first.'
      throw new UnsupportedError('NOT_A_MODEL', message, 'adapter_config.json')
    }
    const json = await folder.json('config.json')
    const config = readHfConfig(json, warn)
    const tensors = planHfTensors(await readParts(folder, signal), config, warn)
    const factors = factorTensors(config)
    const { pre } = options
    const vocabulary = await describeVocabulary(folder, json, {
      vocabulary: config.vocabSize,
      ...(pre !== undefined && { pre }),
      warn,
    })
    const text = (key: string, value: string): MetadataEntry => ({ key, type: 'string', value })
    const metadata = [
      text('general.architecture', config.family.name),
      ...firstKeys(config),
      text('general.type', 'model'),
      ...(await describeSampling(folder)),
      ...describeModel(config, sizeOf(tensors, factors), options),
      ...describeArchitecture(config, findFileType(outtype).id),
      ...(await describePooling(folder, config)),
      { key: 'general.quantization_version', type: 'uint32', value: QUANTIZATION_VERSION } as const,
      ...vocabulary,
    ]
    pool = await openPool(autoThreads(platform.cores(), true), warn)
    yield* new FolderConversion(pool, tensors, factors, { ...options, outtype }).chunks(metadata)
  } finally {
    await pool?.close()
    await folder.close()
  }
}

type Factors = ReturnType<typeof factorTensors>

/** Parameters; of experts one counts. */
function sizeOf(tensors: readonly HfTensor[], factors: Factors): number {
  const sizes = tensors.map(({ dimensions: [columns, rows = 1] }) => columns! * rows)
  return [...sizes, ...factors.map(([, { length }]) => length)].reduce((sum, size) => sum + size, 0)
}

function describeModel(
  { expertCount }: HfConfig,
  parameters: number,
  { name, license, source }: HuggingFaceOptions,
): MetadataEntry[] {
  const text = (key: string, value: string): MetadataEntry => ({ key, type: 'string', value })
  const label = sizeLabel(parameters)
  return [
    text('general.name', name ?? 'model'),
    text('general.size_label', expertCount > 0 ? `${expertCount}x${label}` : label),
    ...(license === undefined ? [] : [text('general.license', license)]),
    ...(source === undefined ? [] : [text('general.source.url', source)]),
  ]
}

/** `1.1B`, `135M`: at least two digits. Source: llama.cpp's gguf-py, utility.py. */
export function sizeLabel(parameters: number): string {
  const units = [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'K'],
  ] as const
  const [unit, letter] = units.find(([size]) => parameters > size) ?? units[3]
  const scaled = parameters / unit
  const digits = String(Math.round(scaled)).replace(/^0+/, '').length
  return `${scaled.toFixed(Math.max(2 - digits, 0))}${letter}`
}

/** Rows of one piece of a tensor. */
interface ConversionWindow extends HfPiece {
  tensor: HfTensor
  to: string
}

class FolderConversion {
  constructor(
    private readonly pool: RowPool,
    private readonly tensors: readonly HfTensor[],
    private readonly factors: Factors,
    private readonly options: HuggingFaceOptions & { outtype: Outtype },
  ) {}

  chunks(metadata: readonly MetadataEntry[]): AsyncGenerator<Uint8Array> {
    const before = this.factors.map(
      ([name, values]): TensorEntry => ({
        name,
        dimensions: [values.length],
        type: 'F32',
        data: () => [floatBytes(values)],
      }),
    )
    return writeConverted(metadata, {
      before,
      tensors: this.tensors.map((tensor) => {
        const { name, dimensions, pieces, columns } = tensor
        const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
        const sourceBytes = pieces.reduce((sum, piece) => sum + piece.rows * rowBytesOf(piece, columns), 0)
        return { name, dimensions, type: this.typeOf(tensor), rows, sourceBytes }
      }),
      windows: this.windows(),
      convert: (window) => this.convert(window),
      ahead: this.pool.size + 1,
      onProgress: this.options.onProgress,
    })
  }

  /** ggml's name of what the tensor becomes. Rows that are no whole number of blocks stay F16, as in llama.cpp. */
  private typeOf(tensor: HfTensor): string {
    if (isVector(tensor) || /_norm\.weight$|ffn_gate_inp/.test(tensor.name)) return 'F32'
    const type = this.options.outtype.toUpperCase()
    return tensor.columns % GGML_TYPES.get(type)!.blockColumns === 0 ? type : 'F16'
  }

  private *windows(): Generator<ConversionWindow> {
    for (const tensor of this.tensors) {
      const { columns, headRows = 1 } = tensor
      const heads = Math.max(1, Math.floor(WINDOW / (columns * headRows)))
      const to = this.typeOf(tensor)
      for (const { from, firstRow, rows } of tensor.pieces) {
        const most = isVector(tensor) ? rows : heads * headRows
        for (let row = 0; row < rows; row += most) {
          yield { tensor, from, to, firstRow: firstRow + row, rows: Math.min(most, rows - row) }
        }
      }
    }
  }

  private async convert(window: ConversionWindow): Promise<Uint8Array> {
    const { tensor, from, to, firstRow, rows } = window
    const { headRows, columns } = tensor
    const { signal } = this.options
    throwIfAborted(signal, WHAT)
    const rowBytes = rowBytesOf(window, columns)
    const read = new Uint8Array(rows * rowBytes)
    await from.source.read(read, from.offset + firstRow * rowBytes, signal)
    const bytes = headRows === undefined ? read : interleaveHeads(read, rowBytes, headRows)
    const shape = isVector(tensor) ? { rows: 1, columns: rows } : { rows, columns }
    const result = await this.pool.run({ from: from.dtype, to, ...shape, bytes })
    throwIfAborted(signal, WHAT)
    if (result.bytes === undefined) throw unfit(window, result)
    if (!tensor.shifted) return result.bytes
    const shifted = addOne(result.bytes)
    // Halves are added up as halves.
    if (from.dtype !== 'F16') return shifted
    return (await this.pool.run({ from: 'F16', to, ...shape, bytes: halvesFromFloats(shifted) })).bytes!
  }
}

function isVector({ dimensions }: HfTensor): boolean {
  return dimensions.length === 1
}

function rowBytesOf({ from }: HfPiece, columns: number): number {
  return (from.bytes / from.shape.reduce((product, size) => product * size, 1)) * columns
}

function floatBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function addOne(floats: Uint8Array): Uint8Array {
  const values = new Float32Array(floats.slice().buffer)
  return floatBytes(values.map((value) => value + 1))
}

function unfit(window: ConversionWindow, { problem, row, column }: RowsResult): FormatError | NumericError {
  const { tensor, from, to, firstRow } = window
  const { headRows = 1 } = tensor
  const { name } = from
  // Of a vector each element is a row.
  const within = sourceRow(isVector(tensor) ? column! : row!, headRows)
  const at = firstRow + within
  const place = isVector(tensor) ? `element ${at}` : `row ${at}, column ${column}`
  if (problem === 'source') {
    const message = `The tensor ${name} holds a value that is NaN or infinite (${place}): the file is damaged, or the model was trained to no end. Download it again.`
    return new FormatError('TENSOR_NOT_FINITE', message, name)
  }
  const message = `The tensor ${name} holds values beyond the range of ${to} (${place}): convert to f32 or bf16.`
  return new NumericError('TENSOR_RANGE', message, name)
}
