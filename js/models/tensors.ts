/** Which tensors a model has, of which shapes, and how they are packed. */
import { FormatError, UnsupportedError } from '../errors.ts'
import type { Gguf, TensorInfo } from '../gguf/types.ts'
import type { ModelConfig } from './config.ts'
import { WEIGHT_TYPES, type WeightType } from './weight-types.ts'

/** How rows are packed (assembly/panels.ts). */
export interface Packing {
  columns: number
  /** Bytes of 8 rows. */
  groupBytes: number
  /** Columns of a panel, and bytes of 8 rows of it; the last may have fewer. */
  panelColumns: number
  panelBytes: number
}

/** Bytes of a level 1 cache that 8 rows of a panel and the int8 blocks of a token (48 bytes for 32 columns) may take. */
const PANEL_BYTES = 27 * 1024
/** Panels begin at whole blocks of every type. */
const PANEL_STEP = 256

/** In panels of `panelColumns`. */
export function packingOf(type: WeightType, columns: number, panelColumns = panelColumnsOf(type, columns)): Packing {
  const bytesOf = (columns: number): number => (columns / type.columns) * type.packedBytes
  const groupBytes = Math.ceil(columns / panelColumns) * type.headerBytes + bytesOf(columns)
  return { columns, groupBytes, panelColumns, panelBytes: type.headerBytes + bytesOf(panelColumns) }
}

/** Columns of each panel but the last; all where one panel will do. */
function panelColumnsOf(type: WeightType, columns: number): number {
  if (!type.panels) return columns
  const most = Math.floor(PANEL_BYTES / (type.packedBytes / type.columns + 1.5) / PANEL_STEP) * PANEL_STEP
  const panels = Math.ceil(columns / most)
  return panels === 1 ? columns : Math.ceil(columns / panels / PANEL_STEP) * PANEL_STEP
}

/**
 * Rows of heads whose pairs to be rotated are dimensions i and i + dimensions / 2 ("NeoX"). Kernels rotate dimensions 2i and
 * 2i + 1, so these rows are brought into that order while they are loaded; q·k is the same in any order.
 */
export interface HalfSplit {
  headDim: number
  /** Of those, the ones that are rotated, from the first on. */
  dimensions: number
}

/** A tensor of the file or a part of its rows, named apart then. */
export interface TensorPart extends TensorInfo {
  /** The tensor in the file. */
  readonly tensor: string
  readonly halfSplit?: HalfSplit | undefined
}

export interface Matrix extends Packing {
  info: TensorPart
  type: WeightType
  rows: number
  /** Bytes of all packed rows. */
  packedBytes: number
  /** f32[rows]. */
  bias: TensorPart | undefined
}

/** The weights of a norm, and the biases that LayerNorm has. */
export interface Norm {
  weight: TensorPart
  bias?: TensorPart | undefined
}

/** A feed-forward network, of which some architectures have no gate. */
export interface FeedForward {
  ffnGate?: Matrix | undefined
  ffnUp: Matrix
  ffnDown: Matrix
}

/** Tensors of a layer by their names in GGUF. */
export interface LayerTensors {
  attnNorm?: Norm | undefined
  attnQ: Matrix
  attnK: Matrix
  attnV: Matrix
  attnQNorm?: TensorPart | undefined
  attnKNorm?: TensorPart | undefined
  attnOutput: Matrix
  /** Of what attention gives, before it joins the residual stream. */
  attnPostNorm?: TensorPart | undefined
  ffnNorm?: Norm | undefined
  /** Of a layer with experts: the matrix whose products with a token say how well each suits it. */
  ffnGateInp?: Matrix | undefined
  /** The experts, or the one feed-forward network of a dense layer. */
  experts: FeedForward[]
  /** The network that every token takes beside its experts, and the row whose product with it weighs it. */
  shared?: FeedForward | undefined
  ffnGateInpShexp?: Matrix | undefined
  /** Of what the feed-forward network gives. */
  ffnPostNorm?: TensorPart | undefined
}

export interface ModelTensors {
  embedding: Matrix
  outputNorm: Norm
  /** Where the model ties them the embedding, with biases of its own. */
  output: Matrix
  /** By which rotary frequencies are divided: Llama 3's, or LongRoPE's beyond the original context and within it. */
  ropeFactors: { long?: TensorPart | undefined; short?: TensorPart | undefined }
  layers: LayerTensors[]
}

/** Tensors that some files hold and no model needs: rotary tables, which are computed. */
const IGNORED = /^blk\.\d+\.(attn_rot_embd|rope_freqs)\.weight$|rotary_emb\.inv_freq$/

/** Finds tensors, and checks their types and shapes. Errors: FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_TYPE. */
export class Finder {
  private readonly used = new Set<string>()

  constructor(
    private readonly tensors: Gguf['tensors'],
    private readonly config: ModelConfig,
    private readonly halfSplit?: HalfSplit,
  ) {}

  has(name: string): boolean {
    return this.tensors.has(name)
  }

  /** NAME.weight [rows, columns] and, where there is one, NAME.bias [rows]. */
  matrix(name: string, rows: number, columns: number): Matrix {
    return this.rows(name, rows, columns, 0, rows)
  }

  /** Rows [from, from + count) of NAME.weight [rows, columns] and of its bias; `halfSplit`: they are heads to be rotated. */
  rows(name: string, rows: number, columns: number, from: number, count: number, halfSplit?: HalfSplit): Matrix {
    const info = this.take(`${name}.weight`, [columns, rows])
    const bias = this.optional(`${name}.bias`, rows)
    const matrix = this.describe(cut(info, from, count, [columns, count], halfSplit), count, columns)
    return { ...matrix, bias: bias && cut(bias, from, count, [count], halfSplit) }
  }

  /** NAME.weight [rows, columns], which has no bias. */
  lookup(name: string, rows: number, columns: number): Matrix {
    return this.describe(this.take(`${name}.weight`, [columns, rows]), rows, columns)
  }

  private describe(info: TensorPart, rows: number, columns: number): Matrix {
    const type = WEIGHT_TYPES.get(info.type)
    if (!type) throw unsupportedType(info, [...WEIGHT_TYPES.keys()])
    const packing = packingOf(type, columns)
    return { info, type, rows, ...packing, packedBytes: Math.ceil(rows / 8) * packing.groupBytes, bias: undefined }
  }

  /** Queries, keys and values of layer i: three matrices, or one with the rows of all. */
  qkv(i: number): Pick<LayerTensors, 'attnQ' | 'attnK' | 'attnV'> {
    const { embeddingLength: columns, headCount, headCountKv, headDim } = this.config
    const [q, kv] = [headCount * headDim, headCountKv * headDim]
    const name = (part: string): string => `blk.${i}.${part}`
    const fused = this.has(name('attn_qkv.weight'))
    const all = q + 2 * kv
    const part = (part: string, from: number, count: number, halfSplit?: HalfSplit): Matrix => {
      if (!fused) return this.rows(name(part), count, columns, 0, count, halfSplit)
      const matrix = this.rows(name('attn_qkv'), all, columns, from, count, halfSplit)
      // Biases may stay apart.
      const own = matrix.bias ? undefined : this.optional(name(`${part}.bias`), count)
      return own ? { ...matrix, bias: { ...own, halfSplit } } : matrix
    }
    return {
      attnQ: part('attn_q', 0, q, this.halfSplit),
      attnK: part('attn_k', q, kv, this.halfSplit),
      attnV: part('attn_v', q + kv, kv),
    }
  }

  /** Norms of queries and keys, of `q` and `k` values. */
  headNorms(i: number, q: number, k: number): Pick<LayerTensors, 'attnQNorm' | 'attnKNorm'> {
    const { halfSplit } = this
    return {
      attnQNorm: { ...this.vector(`blk.${i}.attn_q_norm.weight`, q), halfSplit },
      attnKNorm: { ...this.vector(`blk.${i}.attn_k_norm.weight`, k), halfSplit },
    }
  }

  /** The same with weights of each head: [headDim, heads]. Absent in some files. */
  eachHeadNorms(i: number): Pick<LayerTensors, 'attnQNorm' | 'attnKNorm'> {
    const { headDim, headCount, headCountKv } = this.config
    const norm = (name: string, heads: number): TensorPart | undefined =>
      this.has(name) ? { ...this.float32(name, [headDim, heads]), halfSplit: this.halfSplit } : undefined
    return {
      attnQNorm: norm(`blk.${i}.attn_q_norm.weight`, headCount),
      attnKNorm: norm(`blk.${i}.attn_k_norm.weight`, headCountKv),
    }
  }

  /** Norms of what attention and the feed-forward network give, before it joins the residual stream. */
  postNorms(i: number): Pick<LayerTensors, 'attnPostNorm' | 'ffnPostNorm'> {
    const { embeddingLength } = this.config
    return {
      attnPostNorm: this.vector(`blk.${i}.post_attention_norm.weight`, embeddingLength),
      ffnPostNorm: this.vector(`blk.${i}.post_ffw_norm.weight`, embeddingLength),
    }
  }

  /** ffn_gate, ffn_up and ffn_down of `width` rows between them, `suffix` after their names; ffn_up may hold the gate's rows first. */
  feedForward(i: number, width: number, suffix = ''): FeedForward {
    const { embeddingLength: columns, activation } = this.config
    const name = (part: string): string => `blk.${i}.${part}${suffix}`
    const ffnDown = this.matrix(name('ffn_down'), columns, width)
    if (activation === 'relu2') return { ffnUp: this.matrix(name('ffn_up'), width, columns), ffnDown }
    if (this.has(`${name('ffn_gate')}.weight`) || !this.holdsGate(`${name('ffn_up')}.weight`, width)) {
      const ffnGate = this.matrix(name('ffn_gate'), width, columns)
      return { ffnGate, ffnUp: this.matrix(name('ffn_up'), width, columns), ffnDown }
    }
    const half = (from: number): Matrix => this.rows(name('ffn_up'), 2 * width, columns, from, width)
    return { ffnGate: half(0), ffnUp: half(width), ffnDown }
  }

  /** Whether ffn_up has the gate's rows too. */
  protected holdsGate(name: string, width: number): boolean {
    return this.tensors.get(name)?.dimensions[1] === 2 * width
  }

  /** All experts of a layer, stacked in three tensors; or three tensors each, as in files from before April 2024. */
  experts(i: number): Pick<LayerTensors, 'ffnGateInp' | 'experts'> {
    const { expertCount, embeddingLength, expertFeedForwardLength } = this.config
    const name = (part: string): string => `blk.${i}.${part}`
    const matrices = (part: string, rows: number, columns: number): Matrix[] =>
      this.has(name(`${part}.0.weight`))
        ? Array.from({ length: expertCount }, (_, e) => this.lookup(name(`${part}.${e}`), rows, columns))
        : this.stack(name(`${part}_exps`), rows, columns)
    const ffnGateInp = this.lookup(name('ffn_gate_inp'), expertCount, embeddingLength)
    const gates = matrices('ffn_gate', expertFeedForwardLength, embeddingLength)
    const ups = matrices('ffn_up', expertFeedForwardLength, embeddingLength)
    const downs = matrices('ffn_down', embeddingLength, expertFeedForwardLength)
    return {
      ffnGateInp,
      experts: gates.map((ffnGate, e) => ({ ffnGate, ffnUp: ups[e]!, ffnDown: downs[e]! })),
    }
  }

  /** NAME.weight [experts, rows, columns] as matrices, each named as a part of it. */
  private stack(name: string, rows: number, columns: number): Matrix[] {
    const { expertCount } = this.config
    const info = this.take(`${name}.weight`, [columns, rows, expertCount])
    const bytes = info.bytes / expertCount
    return Array.from({ length: expertCount }, (_, e) => {
      const part = { ...info, name: `${info.name}[${e}]`, offset: info.offset + e * bytes, bytes }
      return this.describe({ ...part, dimensions: [columns, rows] }, rows, columns)
    })
  }

  /** A norm's weights NAME.weight and, where LayerNorm has them, biases. */
  norm(name: string): Norm {
    const { embeddingLength, norm } = this.config
    const weight = this.vector(`${name}.weight`, embeddingLength)
    return norm === 'rms' ? { weight } : { weight, bias: this.optional(`${name}.bias`, embeddingLength) }
  }

  /** An f32 vector: norms are kept as they are. */
  vector(name: string, length: number): TensorPart {
    return this.float32(name, [length])
  }

  optional(name: string, length: number): TensorPart | undefined {
    return this.has(name) ? this.vector(name, length) : undefined
  }

  private float32(name: string, dimensions: number[]): TensorPart {
    const info = this.take(name, dimensions)
    if (info.type !== 'F32') throw unsupportedType(info, ['F32'])
    return info
  }

  protected take(name: string, dimensions: number[]): TensorPart {
    const info = this.tensors.get(name)
    if (!info) {
      const message = `The file has no tensor ${name}: it is incomplete, or not a whole ${this.config.architecture} model.`
      throw new FormatError('TENSOR_MISSING', message, name)
    }
    // Trailing dimensions of 1 are the same shape.
    const trimmed = (sizes: readonly number[]): string => sizes.join().replace(/(,1)+$/, '')
    if (trimmed(info.dimensions) !== trimmed(dimensions)) {
      throw new FormatError(
        'TENSOR_SHAPE',
        `The tensor ${name} is [${info.dimensions.join(', ')}]; the metadata makes it [${dimensions.join(', ')}].`,
        info.dimensions,
      )
    }
    this.used.add(name)
    return { ...info, tensor: name }
  }

  /** A tensor that would go unused would mean a model computed wrongly. Layers beyond `ignoredFrom` are for other uses. */
  refuseOthers(ignoredFrom: number): void {
    for (const name of this.tensors.keys()) {
      if (this.used.has(name) || IGNORED.test(name) || Number(/^blk\.(\d+)\./.exec(name)?.[1]) >= ignoredFrom) continue
      throw new UnsupportedError(
        'TENSOR_UNKNOWN',
        `The file has a tensor ${name}, which cria does not know of a ${this.config.architecture} model: leaving it out would give wrong results.`,
        name,
      )
    }
  }
}

/** `count` rows, or values, of a tensor from the one at `from` on. */
function cut(info: TensorPart, from: number, count: number, dimensions: number[], halfSplit?: HalfSplit): TensorPart {
  const all = info.dimensions.at(dimensions.length - 1) ?? 1
  if (count === all) return { ...info, dimensions, halfSplit }
  const bytes = info.bytes / all
  const name = `${info.name}[${from}:${from + count}]`
  return { ...info, name, dimensions, offset: info.offset + from * bytes, bytes: count * bytes, halfSplit }
}

function unsupportedType(info: TensorInfo, known: string[]): UnsupportedError {
  return new UnsupportedError(
    'TENSOR_TYPE',
    `The tensor ${info.name} is of type ${info.type}; cria computes with ${known.join(', ')} here. Use a file of another quantization.`,
    info.type,
  )
}

/** A tensor to be placed: a matrix, repacked, or an f32 vector as it is. */
export type Placed = { matrix: Matrix; vector?: undefined } | { vector: TensorPart; matrix?: undefined }

/** The tensors outside all layers, each once. */
export function* sharedTensors({ embedding, output, outputNorm, ropeFactors }: ModelTensors): Generator<Placed> {
  yield { matrix: embedding }
  for (const vector of new Set([ropeFactors.long, ropeFactors.short])) if (vector) yield { vector }
  if (output.info.name !== embedding.info.name) yield { matrix: output }
  else if (output.bias) yield { vector: output.bias }
  yield* normTensors(outputNorm)
}

function* normTensors(norm: Norm | undefined): Generator<Placed> {
  if (norm) yield { vector: norm.weight }
  if (norm?.bias) yield { vector: norm.bias }
}

export function* layerTensors(layer: LayerTensors): Generator<Placed> {
  yield* normTensors(layer.attnNorm)
  yield* normTensors(layer.ffnNorm)
  const { attnQ, attnK, attnV, attnOutput, ffnGateInp, ffnGateInpShexp, shared } = layer
  for (const vector of [layer.attnQNorm, layer.attnKNorm, layer.attnPostNorm, layer.ffnPostNorm]) {
    if (vector) yield { vector }
  }
  const networks = [...layer.experts, ...(shared ? [shared] : [])]
  const rest = networks.flatMap(({ ffnGate, ffnUp, ffnDown }) => [ffnGate, ffnUp, ffnDown])
  for (const matrix of [attnQ, attnK, attnV, attnOutput, ffnGateInp, ffnGateInpShexp, ...rest]) {
    if (matrix) yield { matrix }
  }
}

export function* allTensors(tensors: ModelTensors): Generator<Placed> {
  yield* sharedTensors(tensors)
  for (const layer of tensors.layers) yield* layerTensors(layer)
}

/** Ids of the types that the model's matrices have. */
export function matrixTypes(tensors: ModelTensors): Set<number> {
  const ids = new Set<number>()
  for (const { matrix } of allTensors(tensors)) if (matrix) ids.add(matrix.type.id)
  return ids
}

/** Weights of the model, and of them those that one token meets: of its experts only. Rotary tables are no weights. */
export function countParameters(tensors: ModelTensors, config: ModelConfig): { total: number; active: number } {
  const tables = [tensors.ropeFactors.long, tensors.ropeFactors.short]
  let total = 0
  for (const { matrix, vector } of allTensors(tensors)) {
    if (matrix) total += matrix.rows * matrix.columns + (matrix.bias ? matrix.rows : 0)
    else if (!tables.includes(vector)) total += vector.dimensions.reduce((product, size) => product * size, 1)
  }
  const { blockCount, expertCount, expertUsedCount, embeddingLength, expertFeedForwardLength } = config
  const idle = Math.max(0, expertCount - expertUsedCount)
  return { total, active: total - blockCount * idle * 3 * embeddingLength * expertFeedForwardLength }
}
