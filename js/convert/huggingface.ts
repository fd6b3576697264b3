/** Hugging Face folders as GGUF. */
import * as platform from '#platform'
import { autoThreads } from '../api/capabilities.ts'
import type { Progress } from '../api/types.ts'
import { ArgumentError, FormatError, NumericError, throwIfAborted } from '../errors.ts'
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
import { Folder } from './folder.ts'
import { describeArchitecture, type HfConfig, readHfConfig, ropeFactors } from './hf-config.ts'
import { type HfTensor, interleaveHeads, planHfTensors, readParts, sourceRow } from './hf-tensors.ts'
import { describeVocabulary } from './hf-vocabulary.ts'
import type { SafetensorsTensor } from './safetensors.ts'

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
    const json = await folder.json('config.json')
    const config = readHfConfig(json, warn)
    const tensors = planHfTensors(await readParts(folder, signal), config)
    const factors = ropeFactors(config)
    const { pre } = options
    const vocabulary = await describeVocabulary(folder, json, {
      vocabulary: config.vocabulary,
      ...(pre !== undefined && { pre }),
      warn,
    })
    const metadata = [...describeModel(config, tensors, factors, { ...options, outtype }), ...vocabulary]
    pool = await openPool(autoThreads(platform.cores(), true))
    yield* new FolderConversion(pool, tensors, factors, { ...options, outtype }).chunks(metadata)
  } finally {
    await pool?.close()
    await folder.close()
  }
}

function describeModel(
  config: HfConfig,
  tensors: readonly HfTensor[],
  factors: Float32Array | undefined,
  { outtype, name, license, source }: HuggingFaceOptions & { outtype: Outtype },
): MetadataEntry[] {
  const text = (key: string, value: string): MetadataEntry => ({ key, type: 'string', value })
  // Of experts one counts.
  const parameters = tensors.reduce((sum, { rows, columns }) => sum + rows * columns, factors?.length ?? 0)
  const label = sizeLabel(parameters)
  return [
    text('general.architecture', 'llama'),
    text('general.type', 'model'),
    text('general.name', name ?? 'model'),
    text('general.size_label', config.experts > 0 ? `${config.experts}x${label}` : label),
    ...(license === undefined ? [] : [text('general.license', license)]),
    ...(source === undefined ? [] : [text('general.source.url', source)]),
    ...describeArchitecture(config, findFileType(outtype).id),
    { key: 'general.quantization_version', type: 'uint32', value: QUANTIZATION_VERSION },
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

/** Rows of one part of a tensor. */
interface ConversionWindow {
  tensor: HfTensor
  from: SafetensorsTensor
  to: string
  firstRow: number
  rows: number
}

class FolderConversion {
  constructor(
    private readonly pool: RowPool,
    private readonly tensors: readonly HfTensor[],
    private readonly factors: Float32Array | undefined,
    private readonly options: HuggingFaceOptions & { outtype: Outtype },
  ) {}

  chunks(metadata: readonly MetadataEntry[]): AsyncGenerator<Uint8Array> {
    const { factors } = this
    const rope: TensorEntry[] = factors
      ? [{ name: 'rope_freqs.weight', dimensions: [factors.length], type: 'F32', data: () => [floatBytes(factors)] }]
      : []
    return writeConverted(metadata, {
      before: rope,
      tensors: this.tensors.map((tensor) => {
        const { name, rows, columns, parts, experts } = tensor
        const dimensions = isVector(tensor) ? [rows] : [columns, rows, ...(experts ? [experts] : [])]
        const sourceBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0)
        return { name, dimensions, type: this.typeOf(tensor), rows: rows * parts.length, sourceBytes }
      }),
      windows: this.windows(),
      convert: (window) => this.convert(window),
      ahead: this.pool.size + 1,
      onProgress: this.options.onProgress,
    })
  }

  /** ggml's name of what the tensor becomes. Rows that are no whole number of blocks stay F16, as in llama.cpp. */
  private typeOf(tensor: HfTensor): string {
    if (isVector(tensor) || tensor.name.includes('ffn_gate_inp')) return 'F32'
    const type = this.options.outtype.toUpperCase()
    return tensor.columns % GGML_TYPES.get(type)!.blockColumns === 0 ? type : 'F16'
  }

  private *windows(): Generator<ConversionWindow> {
    for (const tensor of this.tensors) {
      const { rows, columns, headRows = 1 } = tensor
      const heads = Math.max(1, Math.floor(WINDOW / (columns * headRows)))
      const most = isVector(tensor) ? rows : heads * headRows
      const to = this.typeOf(tensor)
      for (const from of tensor.parts) {
        for (let firstRow = 0; firstRow < rows; firstRow += most) {
          yield { tensor, from, to, firstRow, rows: Math.min(most, rows - firstRow) }
        }
      }
    }
  }

  private async convert(window: ConversionWindow): Promise<Uint8Array> {
    const { tensor, from, to, firstRow, rows } = window
    const { headRows, columns } = tensor
    const { signal } = this.options
    throwIfAborted(signal, WHAT)
    const rowBytes = from.bytes / tensor.rows
    const read = new Uint8Array(rows * rowBytes)
    await from.source.read(read, from.offset + firstRow * rowBytes, signal)
    const bytes = headRows === undefined ? read : interleaveHeads(read, rowBytes, headRows)
    const shape = isVector(tensor) ? { rows: 1, columns: rows } : { rows, columns }
    const result = await this.pool.run({ from: from.dtype, to, ...shape, bytes })
    throwIfAborted(signal, WHAT)
    if (result.bytes === undefined) throw unfit(window, result)
    return result.bytes
  }
}

function isVector({ parts }: HfTensor): boolean {
  return parts[0]!.shape.length === 1
}

function floatBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function unfit(window: ConversionWindow, { problem, row, column }: RowsResult): FormatError | NumericError {
  const { tensor, from, to, firstRow } = window
  const { headRows = 1 } = tensor
  const { name } = from
  // Of a vector each element is a row.
  const at = sourceRow(firstRow + (isVector(tensor) ? column! : row!), headRows)
  const place = isVector(tensor) ? `element ${at}` : `row ${at}, column ${column}`
  if (problem === 'source') {
    const message = `The tensor ${name} holds a value that is NaN or infinite (${place}): the file is damaged, or the model was trained to no end. Download it again.`
    return new FormatError('TENSOR_NOT_FINITE', message, name)
  }
  const message = `The tensor ${name} holds values beyond the range of ${to} (${place}): convert to f32 or bf16.`
  return new NumericError('TENSOR_RANGE', message, name)
}
