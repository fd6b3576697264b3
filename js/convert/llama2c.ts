/**
 * llama2.c checkpoints as GGUF. Source of the formats: karpathy/llama2.c, `run.c`, `export.py` and `tokenizer.py`.
 *
 * Version 0, without a magic number (vocab_size < 0: the output head is stored too):
 *     i32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len | f32 weights
 * Version 1, padded to 256 bytes:
 *     u32 'ak42', i32 1, the seven numbers, u8 shared_classifier | f32 weights
 * Version 2, padded likewise: norms in f32, and after them each matrix as i8 values and an f32 scale a group of them
 *     u32 'ak42', i32 2, the seven numbers, u8 shared_classifier, i32 group_size | f32 norms | i8 [n], f32 [n / group_size] …
 * Attention weights have interleaved rotary pairs, as GGUF's llama architecture has them.
 */
import { ArgumentError, FormatError, UnsupportedError } from '../errors.ts'
import { type MetadataEntry, type ScalarType, type ScalarValue, type TensorEntry, writeGguf } from '../gguf/writer.ts'
import { bytesSource } from '../source/memory.ts'
import type { Source } from '../source/types.ts'
import { checkOptions, type OptionNames } from '../util/check.ts'
import { halvesFromFloats } from './float16.ts'
import { readLlama2cTokenizer } from './llama2c-tokenizer.ts'

export interface ConvertOptions {
  /** Type of the matrices; norms are f32 in both. */
  outtype: 'f32' | 'f16'
  /** Becomes general.name; default `llama2.c`. */
  name?: string
  /** Becomes general.license: an SPDX name in lower case. */
  license?: string
  /** Becomes general.source.url: where the checkpoint came from. */
  source?: string
  signal?: AbortSignal
}

const OPTIONS: OptionNames<ConvertOptions> = { outtype: true, name: true, license: true, source: true, signal: true }

interface Config {
  version: 0 | 1 | 2
  dim: number
  hiddenDim: number
  layers: number
  heads: number
  kvHeads: number
  vocabSize: number
  seqLen: number
  /** The output head is the embedding. */
  tied: boolean
  /** Of version 2: values that share a scale. */
  groupSize: number
}

/** A matrix or vector of the checkpoint; `dimensions` fastest first, as in GGUF. */
interface Weight {
  name: string
  dimensions: number[]
  /** Bytes from the start of the checkpoint. */
  offset: number
  /** Of version 2's matrices: values that share a scale. The scales follow the values. */
  groupSize?: number
}

const MAGIC = 0x616b3432
const V0_HEADER = 28
const V1_HEADER = 256
/** Bytes of weights read at once. */
const PIECE = 1024 * 1024

/**
 * Chunks of a GGUF file with the checkpoint's weights and the vocabulary of its `tokenizer.bin`.
 * A head tied to the embedding is not written again.
 * @throws FormatError for a checkpoint or vocabulary that is cut short or absurd, and for weights beyond f16's range;
 *   UnsupportedError for other versions; ArgumentError for another outtype.
 */
export async function* convertLlama2c(
  checkpoint: Source | Uint8Array,
  tokenizer: Uint8Array,
  options: ConvertOptions,
): AsyncGenerator<Uint8Array> {
  checkOptions(options, OPTIONS)
  const { outtype, signal } = options
  if (outtype !== 'f32' && outtype !== 'f16') {
    throw new ArgumentError('OUTTYPE', `outtype must be 'f32' or 'f16', not ${String(outtype)}.`, outtype)
  }
  const source = ArrayBuffer.isView(checkpoint) ? bytesSource(checkpoint, 'The checkpoint') : checkpoint
  const config = await readConfig(source, signal)
  const weights = [layoutVersion0, layoutVersion1, layoutVersion2][config.version]!(config, source)
  const tensors = weights.map((weight): TensorEntry => {
    const half = outtype === 'f16' && weight.dimensions.length > 1
    return {
      name: weight.name,
      dimensions: weight.dimensions,
      type: half ? 'F16' : 'F32',
      data: () => readWeight(source, weight, half, signal),
    }
  })
  yield* writeGguf([...describeModel(config, options), ...describeTokenizer(tokenizer, config.vocabSize)], tensors)
}

async function readConfig(source: Source, signal: AbortSignal | undefined): Promise<Config> {
  const header = new DataView(new ArrayBuffer(V1_HEADER))
  const available = Math.min(V1_HEADER, source.size)
  if (available < V0_HEADER) throw truncated(source, V0_HEADER)
  await source.read(new Uint8Array(header.buffer, 0, available), 0, signal)
  const versioned = header.getUint32(0, true) === MAGIC
  if (versioned && available < V1_HEADER) throw truncated(source, V1_HEADER)
  const version = versioned ? header.getInt32(4, true) : 0
  if (version !== 0 && version !== 1 && version !== 2) {
    throw new UnsupportedError(
      'LLAMA2C_VERSION',
      `${source.name} is a llama2.c checkpoint of version ${version}; export the model as version 0, 1 or 2.`,
      version,
    )
  }
  const start = versioned ? 8 : 0
  const fields = Array.from({ length: 7 }, (_, i) => header.getInt32(start + 4 * i, true))
  const [dim, hiddenDim, layers, heads, kvHeads, vocab, seqLen] = fields as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const tied = versioned ? header.getUint8(start + 28) === 1 : vocab > 0
  const vocabSize = versioned ? vocab : Math.abs(vocab)
  const groupSize = version === 2 ? header.getInt32(start + 29, true) : 1
  const sizes = [dim, hiddenDim, layers, heads, kvHeads, vocabSize, seqLen]
  const sound =
    sizes.every((size) => size > 0 && size <= 1 << 24) &&
    layers <= 4096 &&
    dim % (2 * heads) === 0 &&
    heads % kvHeads === 0 &&
    groupSize >= 1 &&
    [dim * vocabSize, dim * dim, (dim / heads) * kvHeads * dim, dim * hiddenDim].every((n) => n % groupSize === 0)
  if (!sound) {
    throw new FormatError(
      'LLAMA2C_HEADER',
      `${source.name} is no llama2.c checkpoint: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len ` +
        `would be ${fields.join(', ')}.`,
      fields,
    )
  }
  return { version, dim, hiddenDim, layers, heads, kvHeads, vocabSize, seqLen, tied, groupSize }
}

function truncated(source: Source, needed: number): FormatError {
  return new FormatError(
    'LLAMA2C_TRUNCATED',
    `${source.name} has ${source.size} bytes, but a checkpoint like this takes ${needed}: ` +
      'it was cut short, or is no llama2.c checkpoint; download or export it again.',
    { needed, available: source.size },
  )
}

/** Hands out weights in the order of the file. */
class Layout {
  readonly weights = new Map<string, Weight>()
  #offset: number
  readonly #groupSize: number | undefined

  /** With a group size matrices are quantized. */
  constructor(offset: number, groupSize?: number) {
    this.#offset = offset
    this.#groupSize = groupSize
  }

  /** One weight: rows × columns, or a vector of columns where rows is undefined. */
  add(name: string, columns: number, rows?: number): void {
    const dimensions = rows === undefined ? [columns] : [columns, rows]
    const groupSize = rows === undefined ? undefined : this.#groupSize
    this.weights.set(name, { name, dimensions, offset: this.#offset, ...(groupSize && { groupSize }) })
    const count = columns * (rows ?? 1)
    this.#offset += groupSize ? count + 4 * (count / groupSize) : 4 * count
  }

  /** The same weight of each layer, layer after layer. */
  addLayers(layers: number, name: string, columns: number, rows?: number): void {
    for (let i = 0; i < layers; i++) this.add(`blk.${i}.${name}.weight`, columns, rows)
  }

  skip(floats: number): void {
    this.#offset += 4 * floats
  }

  /** The weights in GGUF's customary order: the embedding, layer by layer, the end. */
  finish(source: Source, layers: number): Weight[] {
    if (source.size < this.#offset) throw truncated(source, this.#offset)
    if (source.size > this.#offset) {
      throw new FormatError(
        'LLAMA2C_SIZE',
        `${source.name} has ${source.size} bytes, but its header describes ${this.#offset}: ` +
          'it is no llama2.c checkpoint, or is damaged.',
        source.size,
      )
    }
    const perLayer = [...this.weights.values()].filter(({ name }) => name.startsWith('blk.'))
    const rest = [...this.weights.values()].filter(({ name }) => !name.startsWith('blk.'))
    const ordered = Array.from({ length: layers }, (_, i) => perLayer.filter((_, j) => j % layers === i)).flat()
    return [rest[0]!, ...ordered, ...rest.slice(1)]
  }
}

function layoutVersion0(config: Config, source: Source): Weight[] {
  const { dim, hiddenDim, layers, heads, vocabSize, seqLen, tied } = config
  const layout = new Layout(V0_HEADER)
  layout.add('token_embd.weight', dim, vocabSize)
  layout.addLayers(layers, 'attn_norm', dim)
  addAttention(layout, config)
  layout.addLayers(layers, 'ffn_norm', dim)
  addFeedForward(layout, layers, dim, hiddenDim)
  layout.add('output_norm.weight', dim)
  // Tables of the rotary embedding's cosines and sines.
  layout.skip(seqLen * (dim / heads))
  if (!tied) layout.add('output.weight', dim, vocabSize)
  return layout.finish(source, layers)
}

function layoutVersion1(config: Config, source: Source): Weight[] {
  const { dim, hiddenDim, layers, vocabSize, tied } = config
  const layout = new Layout(V1_HEADER)
  layout.addLayers(layers, 'attn_norm', dim)
  layout.addLayers(layers, 'ffn_norm', dim)
  layout.add('output_norm.weight', dim)
  layout.add('token_embd.weight', dim, vocabSize)
  addAttention(layout, config)
  addFeedForward(layout, layers, dim, hiddenDim)
  if (!tied) layout.add('output.weight', dim, vocabSize)
  return layout.finish(source, layers)
}

function layoutVersion2(config: Config, source: Source): Weight[] {
  const { dim, layers, hiddenDim, vocabSize, tied, groupSize } = config
  const layout = new Layout(V1_HEADER, groupSize)
  layout.addLayers(layers, 'attn_norm', dim)
  layout.addLayers(layers, 'ffn_norm', dim)
  layout.add('output_norm.weight', dim)
  layout.add('token_embd.weight', dim, vocabSize)
  addAttention(layout, config)
  addFeedForward(layout, layers, dim, hiddenDim)
  if (!tied) layout.add('output.weight', dim, vocabSize)
  return layout.finish(source, layers)
}

/** wq, wk, wv, wo. */
function addAttention(layout: Layout, { dim, layers, heads, kvHeads }: Config): void {
  const kvDim = (dim / heads) * kvHeads
  layout.addLayers(layers, 'attn_q', dim, dim)
  layout.addLayers(layers, 'attn_k', dim, kvDim)
  layout.addLayers(layers, 'attn_v', dim, kvDim)
  layout.addLayers(layers, 'attn_output', dim, dim)
}

/** w1, w2, w3. */
function addFeedForward(layout: Layout, layers: number, dim: number, hiddenDim: number): void {
  layout.addLayers(layers, 'ffn_gate', dim, hiddenDim)
  layout.addLayers(layers, 'ffn_down', hiddenDim, dim)
  layout.addLayers(layers, 'ffn_up', dim, hiddenDim)
}

async function* readWeight(
  source: Source,
  weight: Weight,
  half: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { name, dimensions, groupSize = 1 } = weight
  const count = dimensions.reduce((product, dimension) => product * dimension, 1)
  const most = Math.max(1, Math.floor(PIECE / 4 / groupSize)) * groupSize
  for (let done = 0; done < count; done += most) {
    const piece = await readFloats(source, weight, count, done, Math.min(most, count - done), signal)
    checkFinite(name, piece, half)
    yield half ? halvesFromFloats(piece) : piece
  }
}

/** Values from `start` on, as f32; those of version 2 begin with a group. */
async function readFloats(
  source: Source,
  { offset, groupSize }: Weight,
  count: number,
  start: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const floats = new Uint8Array(4 * length)
  if (groupSize === undefined) {
    await source.read(floats, offset + 4 * start, signal)
    return floats
  }
  const values = new Int8Array(length)
  await source.read(new Uint8Array(values.buffer), offset + start, signal)
  const scales = new Uint8Array((4 * length) / groupSize)
  await source.read(scales, offset + count + (4 * start) / groupSize, signal)
  const scale = new DataView(scales.buffer)
  const out = new DataView(floats.buffer)
  for (let i = 0; i < length; i++) {
    out.setFloat32(4 * i, values[i]! * scale.getFloat32(4 * Math.floor(i / groupSize), true), true)
  }
  return floats
}

/** Refuses values that are not finite, or would not be as halves. */
function checkFinite(name: string, piece: Uint8Array, half: boolean): void {
  const limit = half ? 0x477ff000 : 0x7f800000
  const view = new DataView(piece.buffer)
  for (let i = 0; i < piece.length; i += 4) {
    if ((view.getUint32(i, true) & 0x7fffffff) < limit) continue
    const value = view.getFloat32(i, true)
    throw new FormatError(
      'LLAMA2C_VALUE',
      Number.isFinite(value)
        ? `${name} holds ${value}, which is beyond f16's range; convert with the outtype f32.`
        : `${name} holds ${value}: the checkpoint is damaged.`,
      value,
    )
  }
}

function describeModel(config: Config, { outtype, name, license, source }: ConvertOptions): MetadataEntry[] {
  const entry = (key: string, type: ScalarType, value: ScalarValue): MetadataEntry => ({ key, type, value })
  return [
    entry('general.architecture', 'string', 'llama'),
    entry('general.type', 'string', 'model'),
    entry('general.name', 'string', name ?? 'llama2.c'),
    ...(license === undefined ? [] : [entry('general.license', 'string', license)]),
    ...(source === undefined ? [] : [entry('general.source.url', 'string', source)]),
    entry('general.file_type', 'uint32', outtype === 'f16' ? 1 : 0),
    entry('llama.context_length', 'uint32', config.seqLen),
    entry('llama.embedding_length', 'uint32', config.dim),
    entry('llama.block_count', 'uint32', config.layers),
    entry('llama.feed_forward_length', 'uint32', config.hiddenDim),
    entry('llama.rope.dimension_count', 'uint32', config.dim / config.heads),
    entry('llama.rope.freq_base', 'float32', 10000),
    entry('llama.attention.head_count', 'uint32', config.heads),
    entry('llama.attention.head_count_kv', 'uint32', config.kvHeads),
    entry('llama.attention.layer_norm_rms_epsilon', 'float32', 1e-5),
    entry('llama.vocab_size', 'uint32', config.vocabSize),
  ]
}

function describeTokenizer(tokenizer: Uint8Array, vocabSize: number): MetadataEntry[] {
  const { tokens, scores, types } = readLlama2cTokenizer(tokenizer, vocabSize)
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'default' },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: tokens },
    { key: 'tokenizer.ggml.scores', type: 'array', of: 'float32', value: scores },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: types },
    { key: 'tokenizer.ggml.bos_token_id', type: 'uint32', value: 1 },
    { key: 'tokenizer.ggml.eos_token_id', type: 'uint32', value: 2 },
    { key: 'tokenizer.ggml.unknown_token_id', type: 'uint32', value: 0 },
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: true },
    { key: 'tokenizer.ggml.add_eos_token', type: 'bool', value: false },
    { key: 'tokenizer.ggml.add_space_prefix', type: 'bool', value: true },
  ]
}
