/** A model of random weights as a GGUF file that is made while it is read. */

import { ArgumentError, throwIfAborted } from '../errors.ts'
import { GGML_TYPES, tensorBytes } from '../gguf/ggml-types.ts'
import { type MetadataEntry, type TensorEntry, writeGguf } from '../gguf/writer.ts'
import { WEIGHT_TYPES } from '../models/weight-types.ts'
import { FILE_TYPES, type FileType } from '../quantize/file-types.ts'
import { matters, SMALLER } from '../quantize/mixes.ts'
import type { Source } from '../source/types.ts'
import { checkRange } from '../util/check.ts'
import { type ModelShape, SHAPES } from './shapes.ts'
import { madeUpVocabulary } from './vocabulary.ts'
import { Weights } from './weights.ts'

/**
 * llama.cpp's mixes: the output head has `more` bits, and so have attn_v and ffn_down of about half the layers.
 * Source: llama-quant.cpp.
 */
const MIXES: Readonly<Record<string, { type: string; more: string }>> = {
  q4_k_m: { type: 'q4_k', more: 'q6_k' },
  q5_k_m: { type: 'q5_k', more: 'q6_k' },
}

/** The types that have kernels; and with llama.cpp's mixes, what a model can be of. */
export const TENSOR_TYPE_NAMES: readonly string[] = [...WEIGHT_TYPES.keys()].map((name) => name.toLowerCase())
export const TYPE_NAMES: readonly string[] = [...TENSOR_TYPE_NAMES, ...Object.keys(MIXES)]

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
  dimensions: number[]
  type: string
  bytes: number
  read(target: Uint8Array, offset: number): void
}

/** Tensors of f32 ones: norms. */
const ONES = new Uint8Array(Float32Array.from({ length: 1024 }, () => 1).buffer)

export class SyntheticModel {
  readonly metadata: readonly MetadataEntry[]
  private readonly tensors: Tensor[] = []
  private readonly weights = new Map<string, Weights>()

  /** @throws ArgumentError for an unknown shape, or a vocabulary without tokens. */
  constructor(readonly options: SyntheticOptions) {
    const shape = shapeOf(options)
    const vocabulary = options.vocabulary ?? madeUpVocabulary(shape.vocabulary)
    this.metadata = [...describeModel(options, shape), ...vocabulary]
    this.addTensors(shape, options)
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

  private addTensors({ dim, ffn, layers, heads, kvHeads, tied, experts }: ModelShape, options: SyntheticOptions): void {
    const { type, more } = MIXES[options.type] ?? { type: options.type, more: options.type }
    const headType = options.headType ?? more
    const vocabulary = vocabularySize(this.metadata)
    const kvDim = (dim / heads) * kvHeads
    this.matrix('token_embd', vocabulary, dim, tied ? headType : type)
    for (let layer = 0; layer < layers; layer++) {
      const name = (part: string): string => `blk.${layer}.${part}`
      const sensitive = matters(layer, layers) ? more : type
      this.norm(name('attn_norm'), dim)
      this.matrix(name('attn_q'), dim, dim, type)
      this.matrix(name('attn_k'), kvDim, dim, type)
      this.matrix(name('attn_v'), kvDim, dim, sensitive)
      this.matrix(name('attn_output'), dim, dim, type)
      this.norm(name('ffn_norm'), dim)
      if (experts) this.matrix(name('ffn_gate_inp'), experts.count, dim, 'f32')
      const exps = experts ? '_exps' : ''
      this.matrix(name(`ffn_gate${exps}`), ffn, dim, type, experts?.count)
      this.matrix(name(`ffn_up${exps}`), ffn, dim, type, experts?.count)
      this.matrix(name(`ffn_down${exps}`), dim, ffn, sensitive, experts?.count)
    }
    this.norm('output_norm', dim)
    if (!tied) this.matrix('output', vocabulary, dim, headType)
  }

  private norm(name: string, length: number): void {
    const read = (target: Uint8Array, offset: number): void => {
      for (let done = 0; done < target.length; ) {
        const from = (offset + done) % ONES.length
        const count = Math.min(target.length - done, ONES.length - from)
        target.set(ONES.subarray(from, from + count), done)
        done += count
      }
    }
    this.tensors.push({ name: `${name}.weight`, dimensions: [length], type: 'F32', bytes: 4 * length, read })
  }

  /** A matrix, or a stack of them. */
  private matrix(name: string, rows: number, columns: number, asked: string, count?: number): void {
    const wanted = GGML_TYPES.get(asked.toUpperCase())!
    const type = columns % wanted.blockColumns === 0 ? wanted.name : SMALLER[wanted.name]!
    const key = `${type} ${columns}`
    const weights = this.weights.get(key) ?? new Weights(type, columns)
    this.weights.set(key, weights)
    const number = this.tensors.length
    const dimensions = count === undefined ? [columns, rows] : [columns, rows, count]
    this.tensors.push({
      name: `${name}.weight`,
      dimensions,
      type,
      bytes: tensorBytes(GGML_TYPES.get(type)!, dimensions, name),
      read: (target, offset) => weights.read(target, offset, number),
    })
  }
}

function shapeOf({ shape: name }: SyntheticOptions): ModelShape {
  const shape = Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined
  if (shape) return shape
  throw new ArgumentError('SHAPE', `There is no shape ${name}; there are ${Object.keys(SHAPES).join(', ')}.`, name)
}

/** llama.cpp's general.file_type. A plain K-quant has none of its own, but the mix with the least of other types. */
function fileTypeId(type: string): number {
  const name = type.toUpperCase()
  const named = (wanted: string): FileType | undefined => FILE_TYPES.find((file) => file.name === wanted)
  return (named(name) ?? named(`${name}_S`))!.id
}

function describeModel({ shape: name, type }: SyntheticOptions, shape: ModelShape): MetadataEntry[] {
  const { dim, ffn, layers, heads, kvHeads, context, ropeBase, experts } = shape
  const uint32 = (key: string, value: number): MetadataEntry => ({ key, type: 'uint32', value })
  const float32 = (key: string, value: number): MetadataEntry => ({ key, type: 'float32', value })
  return [
    { key: 'general.architecture', type: 'string', value: 'llama' },
    { key: 'general.name', type: 'string', value: `${name}, random weights` },
    uint32('general.alignment', ALIGNMENT),
    uint32('general.file_type', fileTypeId(type)),
    uint32('llama.context_length', context),
    uint32('llama.embedding_length', dim),
    uint32('llama.block_count', layers),
    uint32('llama.feed_forward_length', ffn),
    ...(experts ? [uint32('llama.expert_count', experts.count), uint32('llama.expert_used_count', experts.used)] : []),
    uint32('llama.rope.dimension_count', dim / heads),
    uint32('llama.attention.head_count', heads),
    uint32('llama.attention.head_count_kv', kvHeads),
    float32('llama.attention.layer_norm_rms_epsilon', 1e-5),
    float32('llama.rope.freq_base', ropeBase),
  ]
}

function vocabularySize(metadata: readonly MetadataEntry[]): number {
  const tokens = metadata.find(({ key }) => key === 'tokenizer.ggml.tokens')
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
