/** Which tensors a llama model has, of which shapes, and what the kernels make of their types. */
import { FormatError, UnsupportedError } from '../errors.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import type { Gguf, TensorInfo } from '../gguf/types.ts'
import type { ModelConfig } from './config.ts'

/** A weight type that has kernels. */
export interface WeightType {
  id: number
  /** Columns of a block; bytes of a block of one row in the file, and of 8 packed rows; bytes before a group's blocks. */
  columns: number
  fileBytes: number
  packedBytes: number
  headerBytes: number
  /** Bytes of 32 columns of 8 rows, unpacked: the largest of all builds. */
  unpackedBytes: number
  /** Whether it is multiplied with f32 activations rather than int8 blocks. */
  float: boolean
  /** Whether the relaxed build has an alternate kernel. */
  alternate: boolean
  /** Whether wide matrices are cut into panels: a row must be one sum of f32, block after block. */
  panels: boolean
  /**
   * Where f16s are in a block of the file, and which value of each makes quants and sub-scales that are random bits weights
   * of mean 0 and deviation 1.
   */
  scales: readonly (readonly [at: number, unit: number])[]
}

type Scales = WeightType['scales']

/** F32, F16 and BF16: bytes of a column of 8 rows, as it is and unpacked. */
function floats(name: string, packedBytes: number, unpackedBytes: number, scales: Scales): [string, WeightType] {
  return row(name, { packedBytes, headerBytes: 0, unpackedBytes, float: true, alternate: false, panels: false, scales })
}

/** Types of blocks: bytes of a block of 8 rows. */
function blocks(
  name: string,
  packedBytes: number,
  scales: Scales,
  { headerBytes = 16, panels = true } = {},
): [string, WeightType] {
  return row(name, {
    packedBytes,
    headerBytes,
    unpackedBytes: 640,
    float: false,
    alternate: true,
    panels,
    scales,
  })
}

function row(name: string, rest: Omit<WeightType, 'id' | 'columns' | 'fileBytes'>): [string, WeightType] {
  const { id, blockColumns, blockBytes } = GGML_TYPES.get(name)!
  return [name, { id, columns: blockColumns, fileBytes: blockBytes, ...rest }]
}

// biome-ignore format: a table, a type a line
/** By ggml's name. The numbers are those of assembly/quant. */
export const WEIGHT_TYPES: ReadonlyMap<string, WeightType> = new Map([
  floats('F32', 32, 0, []),
  floats('F16', 16, 1024, [[0, 1]]),
  floats('BF16', 16, 1024, [[0, 1]]),
  blocks('Q4_0', 144, [[0, 1 / 4.61]]),
  blocks('Q4_1', 160, [[0, 1 / 4.61], [2, -7.5 / 4.61]]),
  blocks('Q5_0', 176, [[0, 1 / 9.23]]),
  blocks('Q5_1', 192, [[0, 1 / 9.23], [2, -15.5 / 9.23]]),
  blocks('Q8_0', 272, [[0, 1 / 73.9]]),
  blocks('Q2_K', 672, [[80, 1 / 13.9], [82, 1.5 / 13.9]], { panels: false }),
  blocks('Q3_K', 912, [[108, 1 / 43.3]]),
  blocks('Q4_K', 1184, [[0, 1 / 258], [2, 7.5 / 258]]),
  blocks('Q5_K', 1440, [[0, 1 / 527], [2, 15.5 / 527]]),
  blocks('Q6_K', 1696, [[208, 1 / 1365]], { headerBytes: 0 }),
  blocks('IQ4_NL', 144, [[0, 1 / 67.4]]),
  blocks('IQ4_XS', 1104, [[0, 1 / 1246]]),
])

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

export interface Matrix extends Packing {
  info: TensorInfo
  type: WeightType
  rows: number
  /** Bytes of all packed rows. */
  packedBytes: number
  /** f32[rows]. */
  bias: TensorInfo | undefined
}

export interface LayerTensors {
  attnNorm: TensorInfo
  ffnNorm: TensorInfo
  q: Matrix
  k: Matrix
  v: Matrix
  o: Matrix
  /** Of a layer with experts: the matrix whose products with a token say how well each suits it. */
  router: Matrix | undefined
  /** The experts, or the one feed-forward network of a dense layer. */
  experts: Expert[]
}

/** A feed-forward network. */
export interface Expert {
  gate: Matrix
  up: Matrix
  down: Matrix
}

export interface ModelTensors {
  embedding: Matrix
  outputNorm: TensorInfo
  /** The embedding where the model ties them. */
  output: Matrix
  ropeFactors: TensorInfo | undefined
  layers: LayerTensors[]
}

/** Tensors that some files hold and no llama needs: rotary tables, which are computed. */
const IGNORED = /^blk\.\d+\.(attn_rot_embd|rope_freqs)\.weight$|rotary_emb\.inv_freq$/

/**
 * Finds every tensor of the model and checks its type and shape.
 * @throws FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_TYPE, TENSOR_UNKNOWN
 */
export function findTensors(gguf: Gguf, config: ModelConfig): ModelTensors {
  const finder = new Finder(gguf)
  const { dim, ffn, heads, kvHeads, headDim, vocabulary } = config
  const embedding = finder.lookup('token_embd', vocabulary, dim)
  const outputNorm = finder.vector('output_norm.weight', dim)
  const output = gguf.tensors.has('output.weight') ? finder.matrix('output', vocabulary, dim) : embedding
  const ropeFactors = finder.optional('rope_freqs.weight', config.rope.dimensions / 2)
  const layers = Array.from({ length: config.layers }, (_, i): LayerTensors => {
    const name = (part: string): string => `blk.${i}.${part}`
    return {
      attnNorm: finder.vector(name('attn_norm.weight'), dim),
      ffnNorm: finder.vector(name('ffn_norm.weight'), dim),
      q: finder.matrix(name('attn_q'), heads * headDim, dim),
      k: finder.matrix(name('attn_k'), kvHeads * headDim, dim),
      v: finder.matrix(name('attn_v'), kvHeads * headDim, dim),
      o: finder.matrix(name('attn_output'), dim, heads * headDim),
      router: config.experts > 0 ? finder.lookup(name('ffn_gate_inp'), config.experts, dim) : undefined,
      experts: config.experts > 0 ? finder.experts(name, config) : [finder.dense(name, ffn, dim)],
    }
  })
  finder.refuseOthers()
  return { embedding, outputNorm, output, ropeFactors, layers }
}

class Finder {
  private readonly used = new Set<string>()

  constructor(private readonly gguf: Gguf) {}

  /** NAME.weight [rows, columns] and, where there is one, NAME.bias [rows]. */
  matrix(name: string, rows: number, columns: number): Matrix {
    return { ...this.lookup(name, rows, columns), bias: this.optional(`${name}.bias`, rows) }
  }

  /** NAME.weight [rows, columns], which has no bias. */
  lookup(name: string, rows: number, columns: number): Matrix {
    return this.describe(this.take(`${name}.weight`, [columns, rows]), rows, columns)
  }

  private describe(info: TensorInfo, rows: number, columns: number): Matrix {
    const type = WEIGHT_TYPES.get(info.type)
    if (!type) throw unsupportedType(info, [...WEIGHT_TYPES.keys()])
    const packing = packingOf(type, columns)
    return { info, type, rows, ...packing, packedBytes: Math.ceil(rows / 8) * packing.groupBytes, bias: undefined }
  }

  dense(name: (part: string) => string, ffn: number, dim: number): Expert {
    return {
      gate: this.matrix(name('ffn_gate'), ffn, dim),
      up: this.matrix(name('ffn_up'), ffn, dim),
      down: this.matrix(name('ffn_down'), dim, ffn),
    }
  }

  /** All experts of a layer, stacked in three tensors; or three tensors each, as in files from before April 2024. */
  experts(name: (part: string) => string, { experts, ffn, dim }: ModelConfig): Expert[] {
    const matrices = (part: string, rows: number, columns: number): Matrix[] =>
      this.gguf.tensors.has(name(`${part}.0.weight`))
        ? Array.from({ length: experts }, (_, i) => this.lookup(name(`${part}.${i}`), rows, columns))
        : this.stack(name(`${part}_exps`), experts, rows, columns)
    const gates = matrices('ffn_gate', ffn, dim)
    const ups = matrices('ffn_up', ffn, dim)
    const downs = matrices('ffn_down', dim, ffn)
    return gates.map((gate, i) => ({ gate, up: ups[i]!, down: downs[i]! }))
  }

  /** NAME.weight [count, rows, columns] as matrices, each named as a part of it. */
  private stack(name: string, count: number, rows: number, columns: number): Matrix[] {
    const info = this.take(`${name}.weight`, [columns, rows, count])
    const bytes = info.bytes / count
    return Array.from({ length: count }, (_, i) => {
      const part = { ...info, name: `${info.name}[${i}]`, offset: info.offset + i * bytes, bytes }
      return this.describe({ ...part, dimensions: [columns, rows] }, rows, columns)
    })
  }

  /** An f32 vector: norms are kept as they are. */
  vector(name: string, length: number): TensorInfo {
    const info = this.take(name, [length])
    if (info.type !== 'F32') throw unsupportedType(info, ['F32'])
    return info
  }

  optional(name: string, length: number): TensorInfo | undefined {
    return this.gguf.tensors.has(name) ? this.vector(name, length) : undefined
  }

  private take(name: string, dimensions: number[]): TensorInfo {
    const info = this.gguf.tensors.get(name)
    if (!info) {
      const message = `The file has no tensor ${name}: it is incomplete, or not a whole llama model.`
      throw new FormatError('TENSOR_MISSING', message, name)
    }
    // Trailing dimensions of 1 are the same shape.
    const found = [...info.dimensions]
    while (found.length > dimensions.length && found.at(-1) === 1) found.pop()
    if (found.length !== dimensions.length || found.some((size, i) => size !== dimensions[i])) {
      throw new FormatError(
        'TENSOR_SHAPE',
        `The tensor ${name} is [${info.dimensions.join(', ')}]; the metadata makes it [${dimensions.join(', ')}].`,
        info.dimensions,
      )
    }
    this.used.add(name)
    return info
  }

  /** A tensor that would go unused would mean a model computed wrongly. */
  refuseOthers(): void {
    for (const name of this.gguf.tensors.keys()) {
      if (this.used.has(name) || IGNORED.test(name)) continue
      throw new UnsupportedError(
        'TENSOR_UNKNOWN',
        `The file has a tensor ${name}, which cria does not know: leaving it out would give wrong results.`,
        name,
      )
    }
  }
}

function unsupportedType(info: TensorInfo, known: string[]): UnsupportedError {
  return new UnsupportedError(
    'TENSOR_TYPE',
    `The tensor ${info.name} is of type ${info.type}; cria computes with ${known.join(', ')} here. Use a file of another quantization.`,
    info.type,
  )
}

/** A tensor to be placed: a matrix, repacked, or an f32 vector as it is. */
export type Placed = { matrix: Matrix; vector?: undefined } | { vector: TensorInfo; matrix?: undefined }

/** The tensors outside all layers, each once. */
export function* sharedTensors({ embedding, output, outputNorm, ropeFactors }: ModelTensors): Generator<Placed> {
  yield { matrix: embedding }
  if (ropeFactors) yield { vector: ropeFactors }
  if (output !== embedding) yield { matrix: output }
  yield { vector: outputNorm }
}

export function* layerTensors(layer: LayerTensors): Generator<Placed> {
  yield { vector: layer.attnNorm }
  yield { vector: layer.ffnNorm }
  for (const matrix of [layer.q, layer.k, layer.v, layer.o]) yield { matrix }
  if (layer.router) yield { matrix: layer.router }
  for (const { gate, up, down } of layer.experts) {
    yield { matrix: gate }
    yield { matrix: up }
    yield { matrix: down }
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
  let total = tensors.ropeFactors ? -tensors.ropeFactors.dimensions[0]! : 0
  for (const { matrix, vector } of allTensors(tensors)) {
    total += matrix ? matrix.rows * matrix.columns + (matrix.bias ? matrix.rows : 0) : vector!.dimensions[0]!
  }
  const idle = Math.max(0, config.experts - config.expertsUsed)
  return { total, active: total - config.layers * idle * 3 * config.dim * config.ffn }
}
