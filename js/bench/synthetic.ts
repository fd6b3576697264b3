/** A model of random weights as a GGUF file that is made while it is read. */

import { ArgumentError, throwIfAborted } from '../errors.ts'
import { GGML_TYPES, tensorBytes } from '../gguf/ggml-types.ts'
import type { MetadataValue, TensorInfo } from '../gguf/types.ts'
import { type MetadataEntry, type TensorEntry, writeGguf } from '../gguf/writer.ts'
import { outline, readConfig } from '../models/index.ts'
import { WEIGHT_TYPES } from '../models/weight-types.ts'
import { FILE_TYPES, type FileType } from '../quantize/file-types.ts'
import { chooseTypes, fitting, inFileOrder } from '../quantize/mixes.ts'
import type { Source } from '../source/types.ts'
import { checkRange } from '../util/check.ts'
import { type ModelShape, SHAPES } from './shapes.ts'
import { madeUpVocabulary } from './vocabulary.ts'
import { Weights } from './weights.ts'

/** The types that have kernels, of which all matrices can be; and with llama.cpp's mixes, what a model can be of. */
export const TENSOR_TYPE_NAMES: readonly string[] = [...WEIGHT_TYPES.keys()].map((name) => name.toLowerCase())
export const TYPE_NAMES: readonly string[] = [
  ...TENSOR_TYPE_NAMES,
  ...FILE_TYPES.filter(({ name }) => !WEIGHT_TYPES.has(name)).map(({ name }) => name.toLowerCase()),
]

export interface SyntheticOptions {
  /** A name of SHAPES. */
  shape: string
  /** A name of TYPE_NAMES. */
  type: string
  /** A name of TENSOR_TYPE_NAMES: type of the output head, and of the embedding where they are one; default: as in a file of this type. */
  headType?: string
  /** Entries whose keys begin with `tokenizer.`; default: made up. Its tokens set the size of the embedding. */
  vocabulary?: readonly MetadataEntry[]
}

const ALIGNMENT = 32
/** Bytes of a tensor that are made at once when the whole file is written. */
const PIECE = 1024 * 1024

/** A tensor whose bytes can be made at any offset. */
interface Tensor {
  name: string
  dimensions: readonly number[]
  type: string
  bytes: number
  read(target: Uint8Array, offset: number): void
}

/** The gate of a feed-forward network, which some architectures' files hold in ffn_up. */
const GATE = /ffn_gate(_shexp)?\.weight$/

export class SyntheticModel {
  readonly metadata: readonly MetadataEntry[]
  private readonly tensors: Tensor[] = []
  private readonly weights = new Map<string, Weights>()

  /** @throws ArgumentError for an unknown shape, or a vocabulary without tokens. */
  constructor(readonly options: SyntheticOptions) {
    const shape = shapeOf(options)
    const vocabulary = options.vocabulary ?? madeUpVocabulary(shape.vocabSize)
    this.metadata = [...describeModel(options, shape, vocabularySize(vocabulary)), ...vocabulary]
    for (const tensor of chooseTensors(options, shape, this.metadata)) this.add(tensor)
  }

  get tensorBytes(): number {
    return this.tensors.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The whole file, in order. */
  file(): AsyncGenerator<Uint8Array> {
    return writeGguf(this.metadata, this.tensors.map(entryOf))
  }

  /** The same file as a source that makes the bytes that are asked for; holds none but the header. */
  async source(): Promise<Source> {
    const { value: header } = await this.file().next()
    const places: { tensor: Tensor; at: number }[] = []
    let end = align(header!.length)
    for (const tensor of this.tensors) {
      places.push({ tensor, at: end })
      end = align(end + tensor.bytes)
    }
    const source: Source = {
      name: `A ${this.options.shape} of random weights`,
      size: end,
      async read(target, offset, signal) {
        throwIfAborted(signal, `Reading ${source.name}`)
        checkRange(source, target, offset)
        target.fill(0)
        fill(target, offset, 0, header!.length, (part, from) => part.set(header!.subarray(from, from + part.length)))
        for (const { tensor, at } of places) fill(target, offset, at, tensor.bytes, tensor.read)
      },
      async close() {},
    }
    return source
  }

  private add({ name, dimensions, type }: Pick<TensorInfo, 'name' | 'dimensions' | 'type'>): void {
    const bytes = tensorBytes(GGML_TYPES.get(type)!, dimensions, name)
    this.tensors.push({ name, dimensions, type, bytes, read: this.reader(name, dimensions, type) })
  }

  /** Norms are ones and biases zeros, as are the factors of rotary frequencies ones. */
  private reader(name: string, [columns, ...rows]: readonly number[], type: string): Tensor['read'] {
    if (rows.length === 0) return name.endsWith('.bias') ? (target) => void target.fill(0) : readOnes
    const key = `${type} ${columns}`
    const weights = this.weights.get(key) ?? new Weights(type, columns!)
    this.weights.set(key, weights)
    const number = this.tensors.length
    return (target, offset) => weights.read(target, offset, number)
  }
}

const ONES = new Uint8Array(Float32Array.from({ length: 1024 }, () => 1).buffer)

function readOnes(target: Uint8Array, offset: number): void {
  for (let done = 0; done < target.length; ) {
    const from = (offset + done) % ONES.length
    const count = Math.min(target.length - done, ONES.length - from)
    target.set(ONES.subarray(from, from + count), done)
    done += count
  }
}

/** The architecture's tensors, in the order and of the types of a quantized file. */
function chooseTensors(
  { type, headType }: SyntheticOptions,
  shape: ModelShape,
  metadata: readonly MetadataEntry[],
): TensorInfo[] {
  const values = new Map(metadata.map(({ key, value }) => [key, value as MetadataValue]))
  const none = { version: 3, tensors: new Map(), entries: new Map(), dataOffset: 0, fileBytes: 0 }
  const config = readConfig({ ...none, metadata: values })
  const { tied, tensors: wanted = GATE } = shape
  const sizes = outline(config, (name) => wanted.test(name) || (name === 'output.weight' && !tied))
  const tensors = inFileOrder(
    Array.from(sizes, ([name, dimensions]): TensorInfo => ({ name, dimensions, type: 'F32', offset: 0, bytes: 0 })),
  )
  const pure = TENSOR_TYPE_NAMES.includes(type)
  const options = { pure, leaveOutputTensor: false, importance: false }
  const choices = chooseTypes(tensors, config, fileTypeOf(type), options)
  const head = tied ? 'token_embd.weight' : 'output.weight'
  return tensors.map((tensor, i) => {
    const chosen = tensor.name === head && headType ? fitting(tensor, headType.toUpperCase()) : choices[i]!
    return { ...tensor, type: chosen.type }
  })
}

function shapeOf({ shape: name }: SyntheticOptions): ModelShape {
  const shape = Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined
  if (shape) return shape
  throw new ArgumentError('SHAPE', `There is no shape ${name}; there are ${Object.keys(SHAPES).join(', ')}.`, name)
}

/** A plain K-quant is no file type of llama.cpp's, but one has the least of other types beside it. */
function fileTypeOf(type: string): FileType {
  const name = type.toUpperCase()
  const named = (wanted: string): FileType | undefined => FILE_TYPES.find((file) => file.name === wanted)
  return (named(name) ?? named(`${name}_S`))!
}

function describeModel({ shape: name, type }: SyntheticOptions, shape: ModelShape, vocabSize: number): MetadataEntry[] {
  const { architecture = 'llama', expertCount, expertUsedCount, expertFeedForwardLength, keyLength } = shape
  const uint32 = (key: string, value: number): MetadataEntry => ({ key, type: 'uint32', value })
  const float32 = (key: string, value: number): MetadataEntry => ({ key, type: 'float32', value })
  const given = (key: string, value: number | undefined): MetadataEntry[] =>
    value === undefined ? [] : [uint32(key, value)]
  const headDim = keyLength ?? shape.embeddingLength / shape.headCount
  const own = [
    uint32('vocab_size', vocabSize),
    uint32('context_length', shape.contextLength),
    uint32('embedding_length', shape.embeddingLength),
    uint32('block_count', shape.blockCount),
    uint32('feed_forward_length', shape.feedForwardLength),
    ...given('expert_count', expertCount),
    ...given('expert_used_count', expertUsedCount),
    ...given('expert_feed_forward_length', expertFeedForwardLength),
    uint32('attention.head_count', shape.headCount),
    uint32('attention.head_count_kv', shape.headCountKv),
    ...given('attention.key_length', keyLength),
    ...given('attention.value_length', keyLength),
    float32('attention.layer_norm_rms_epsilon', shape.epsilon ?? 1e-5),
    uint32('rope.dimension_count', shape.ropeDimensionCount ?? headDim),
    float32('rope.freq_base', shape.ropeFreqBase),
    ...(shape.keys ?? []),
  ]
  return [
    { key: 'general.architecture', type: 'string', value: architecture },
    { key: 'general.name', type: 'string', value: `${name}, random weights` },
    uint32('general.alignment', ALIGNMENT),
    uint32('general.file_type', fileTypeOf(type).id),
    ...own.map((entry) => ({ ...entry, key: `${architecture}.${entry.key}` })),
  ]
}

function vocabularySize(vocabulary: readonly MetadataEntry[]): number {
  const tokens = vocabulary.find(({ key }) => key === 'tokenizer.ggml.tokens')
  if (tokens?.type === 'array' && tokens.value.length > 0) return tokens.value.length
  throw new ArgumentError('VOCABULARY', 'The vocabulary has no tokens; take that of another file.', tokens?.value)
}

function entryOf({ name, dimensions, type, bytes, read }: Tensor): TensorEntry {
  return {
    name,
    dimensions,
    type,
    *data() {
      for (let offset = 0; offset < bytes; offset += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, bytes - offset))
        read(piece, offset)
        yield piece
      }
    },
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

/** Fills the part of `target` (bytes from `offset` on) that lies in [at, at + bytes). */
function fill(
  target: Uint8Array,
  offset: number,
  at: number,
  bytes: number,
  read: (part: Uint8Array, from: number) => void,
): void {
  const start = Math.max(offset, at)
  const end = Math.min(offset + target.length, at + bytes)
  if (start < end) read(target.subarray(start - offset, end - offset), start - at)
}
