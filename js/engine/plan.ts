/**
 * Where everything goes, before anything is allocated. A model is a list of segments, each one memory with a contiguous
 * run of layers and their KV cache; the embedding and the output head live in segment 0.
 *
 *     0 │ guard │ control │ model │ layer table │ vectors │ batch │ buffers (while loading: staging) │ KV │ weights │
 */
import {
  CONTROL_BYTES,
  FFN_BYTES,
  LAYER_BYTES,
  MODEL_BYTES,
  PAGE,
  PART_BYTES,
  PIECE,
  QUERY_UNIT,
  ROPE_BYTES,
  ROUTE_BYTES,
  SCRATCH_DIMENSION_BYTES,
  SCRATCH_QUERIES,
  SCRATCH_UNPACK,
  STATE_HEAD,
  TILE,
} from '../../assembly/layout.ts'
import { MemoryError, UnsupportedError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import {
  allTensors,
  layerTensors,
  type Matrix,
  type ModelTensors,
  type Placed,
  sharedTensors,
} from '../models/tensors.ts'
import type { KvType } from './kv.ts'

/** A wasm page, and the most that a 32-bit memory has. */
const WASM_PAGE = 65536
export const MAX_SEGMENT_BYTES = 65536 * WASM_PAGE

/** Rows whose logits are computed at once. */
export const OUTPUT_ROWS = 4 * TILE
/** Sequences in one pass, where nobody says. */
export const DEFAULT_PARALLEL = 16

export interface PlanOptions {
  /** Most tokens of one sequence. */
  context: number
  /** Tokens of all sequences together; default, and at least: as many as one may have. */
  kvTokens?: number
  /** Most sequences in one pass. */
  parallel?: number
  kv: KvType
  batch: number
  threads: number
  maxSegmentBytes: number
}

/** Addresses of the batch's arrays and of the buffers, by the names of MODEL_ fields in assembly/layout.ts. */
export interface Buffers {
  tokens: number
  positions: number
  /** 0 where queries are not scaled. */
  queryScales: number
  tables: number
  outputs: number
  /** Where attention's units are listed. */
  units: number
  /** The page tables of the sequences in the batch, `tableBytes` each. */
  pages: number
  tableBytes: number
  x: number
  normed: number
  /** Of models with post norms or shared experts. */
  post: number
  acts: number
  actsF32: number
  hActs: number
  hActsF32: number
  /** Of a batch: queries, and keys and values before they are cached. */
  q: number
  k: number
  v: number
  attn: number
  h: number
  hShared: number
  /** Of each ROPE: cosines and sines of a batch. */
  ropes: number[]
  partials: number
  logits: number
  scratch: number
  scratchBytes: number
  /** Of each thread: a single token's activations, f32, and `privateActs` bytes on as int8 blocks. */
  privates: number
  privateBytes: number
  privateActs: number
  /** Of layers with experts: the router's logits, routes, slots, parts. */
  router: number
  routes: number
  slots: number
  parts: number
  sharedGates: number
}

export interface SegmentPlan {
  /** Bytes in use, and pages of wasm memory. */
  bytes: number
  pages: number
  control: number
  model: number
  layerTable: number
  /** ROPE structs, and the frequencies of each. */
  ropes: number
  ropeFrequencies: number[]
  /** Whether it holds the embedding and the output head. */
  first: boolean
  firstLayer: number
  layers: number
  buffers: Buffers
  /** Where file bytes wait to be repacked: the buffers, which are idle while weights load. */
  staging: { at: number; bytes: number }
  /** Of each layer: addresses of its K and V pages. */
  caches: { k: number; v: number }[]
  /** Of each layer that has experts: the FFN structs of these, and of the shared one. */
  expertTables: number[]
  /** Addresses by tensor name. */
  addresses: Map<string, number>
}

export interface MemoryPlan {
  segments: SegmentPlan[]
  /** Pages of the KV cache. */
  kvPages: number
  weightBytes: number
  kvBytes: number
  /** Buffers, tables and padding to whole wasm pages. */
  bufferBytes: number
  totalBytes: number
}

class Arena {
  /** Address 0 means none; the first bytes stay unused. */
  top = 1024
  take(bytes: number): number {
    const at = this.top
    this.top = align(at + bytes)
    return at
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}

/** Bytes of K and of V in one layer, as assembly/model/cache.ts draws them. */
export function cacheBytes(config: ModelConfig, kv: KvType, pages: number): { k: number; v: number } {
  const vectors = pages * PAGE * config.headCountKv
  const { headDim } = config
  // 32 bytes and an f32 scale a block.
  if (kv === 'q8_0') return { k: vectors * (headDim / 32) * 36, v: vectors * (headDim / 32) * 36 }
  const element = kv === 'f16' ? 2 : 4
  return { k: vectors * headDim * element, v: vectors * Math.ceil(headDim / 8) * 8 * element }
}

/**
 * Lays a model out.
 * @throws UnsupportedError where the cache type does not fit the heads; MemoryError where a single layer exceeds a segment, or what segment 0 must hold a memory.
 */
export function planMemory(config: ModelConfig, tensors: ModelTensors, options: PlanOptions): MemoryPlan {
  if (options.kv === 'q8_0' && config.headDim % 32 !== 0) {
    throw new UnsupportedError(
      'UNSUPPORTED_KV',
      `A q8_0 cache needs heads of a multiple of 32 dimensions; this model’s have ${config.headDim}. Use kv: 'f16'.`,
      config.headDim,
    )
  }
  const kvPages = Math.ceil(Math.max(options.context, options.kvTokens ?? 0) / PAGE)
  const planner = new Planner(config, tensors, options, kvPages)
  const segments = [planner.first()]
  for (let layer = segments[0]!.layers; layer < config.blockCount; ) {
    const segment = planner.next(layer)
    segments.push(segment)
    layer += segment.layers
  }
  const cache = cacheBytes(config, options.kv, kvPages)
  const kvBytes = config.blockCount * (cache.k + cache.v)
  let weightBytes = 0
  for (const { matrix, vector } of allTensors(tensors)) weightBytes += matrix ? matrix.packedBytes : vector!.bytes
  const totalBytes = segments.reduce((sum, { pages }) => sum + pages * WASM_PAGE, 0)
  return { segments, kvPages, weightBytes, kvBytes, bufferBytes: totalBytes - kvBytes - weightBytes, totalBytes }
}

class Planner {
  constructor(
    private readonly config: ModelConfig,
    private readonly tensors: ModelTensors,
    private readonly options: PlanOptions,
    private readonly kvPages: number,
  ) {}

  /**
   * The embedding, the output head, and as many layers as fit beside them. It has no layers, and is larger than asked for,
   * where those two alone are as large.
   */
  first(): SegmentPlan {
    const { bytes } = this.lay(0, 0, true)
    if (bytes > MAX_SEGMENT_BYTES) {
      throw tooSmall('The embedding and the output head need', bytes, MAX_SEGMENT_BYTES)
    }
    return this.lay(0, this.fitting(0, bytes).layers, true)
  }

  /** As many layers as fit, from `firstLayer` on: one at least. */
  next(firstLayer: number): SegmentPlan {
    const { layers, bytes } = this.fitting(firstLayer, this.lay(firstLayer, 0, false).bytes)
    if (layers > 0) return this.lay(firstLayer, layers, false)
    throw tooSmall(`Layer ${firstLayer} needs`, bytes, this.options.maxSegmentBytes)
  }

  /** Layers that fit beside `bytes` bytes, and the bytes that one more would make it. */
  private fitting(firstLayer: number, bytes: number): { layers: number; bytes: number } {
    const { config, options } = this
    const cache = cacheBytes(config, options.kv, this.kvPages)
    let layers = 0
    for (; firstLayer + layers < config.blockCount; layers++) {
      bytes += LAYER_BYTES + align(cache.k) + align(cache.v) + this.layerBytes(firstLayer + layers)
      if (bytes > options.maxSegmentBytes) break
    }
    return { layers, bytes }
  }

  private layerBytes(layer: number): number {
    let bytes = this.config.expertCount > 0 ? align((this.config.expertCount + 1) * FFN_BYTES) : 0
    for (const { matrix, vector } of layerTensors(this.tensors.layers[layer]!)) {
      bytes += matrix ? align(matrix.packedBytes) + (matrix.bias ? align(matrix.rows * 4) : 0) : align(vector!.bytes)
    }
    return bytes
  }

  private lay(firstLayer: number, layers: number, first: boolean): SegmentPlan {
    const { config, tensors } = this
    const arena = new Arena()
    const addresses = new Map<string, number>()
    const control = arena.take(CONTROL_BYTES)
    const model = arena.take(MODEL_BYTES)
    const layerTable = arena.take(layers * LAYER_BYTES)
    const tables = config.expertCount > 0 ? layers : 0
    const expertTables = Array.from({ length: tables }, () => arena.take((config.expertCount + 1) * FFN_BYTES))
    const ropes = arena.take(config.ropes.length * ROPE_BYTES)
    const ropeFrequencies = config.ropes.map(({ dimensions }) => arena.take((dimensions / 2) * 8))
    const buffers = this.takeBuffers(arena, first)
    const staging = this.staging(arena, buffers)
    const caches = Array.from({ length: layers }, () => {
      const cache = cacheBytes(config, this.options.kv, this.kvPages)
      return { k: arena.take(cache.k), v: arena.take(cache.v) }
    })
    for (const { matrix, vector } of segmentTensors(tensors, { first, firstLayer, layers })) {
      if (vector) addresses.set(vector.name, arena.take(vector.bytes))
      if (!matrix) continue
      addresses.set(matrix.info.name, arena.take(matrix.packedBytes))
      if (matrix.bias) addresses.set(matrix.bias.name, arena.take(matrix.rows * 4))
    }
    const bytes = arena.top
    const pages = Math.ceil(bytes / WASM_PAGE)
    return {
      bytes,
      pages,
      control,
      model,
      layerTable,
      ropes,
      ropeFrequencies,
      first,
      firstLayer,
      layers,
      buffers,
      staging,
      caches,
      expertTables,
      addresses,
    }
  }

  private takeBuffers(arena: Arena, first: boolean): Buffers {
    const { config, options } = this
    const { batch, context, threads } = options
    const { embeddingLength: dim, headCount, headCountKv, headDim, vocabSize, expertCount, expertUsedCount } = config
    const { ffn, shared } = feedForwardWidths(config)
    const attnDim = headCount * headDim
    const widest = Math.max(dim, attnDim)
    const { floats, unpacked, post } = this.needs()
    // A token has a slot with each of its experts. Tiles are filled up with zeros, those of each expert by themselves.
    const slots = batch * Math.max(1, expertUsedCount)
    const tokens = Math.max(
      Math.ceil(batch / TILE) * TILE,
      expertCount > 0 ? Math.min(2 * slots, slots + (TILE - 1) * expertCount) : 0,
    )
    const rows = (width: number, count = batch): number => arena.take(count * width * 4)
    const padded = Math.ceil(headDim / 8) * 8
    const state = STATE_HEAD + padded
    const int8 = (columns: number): number => arena.take(tokens * Math.ceil(columns / 32) * 80)
    const f32 = (columns: number): number => (floats ? arena.take(tokens * columns * 4) : 0)
    const attention = SCRATCH_QUERIES + padded * SCRATCH_DIMENSION_BYTES
    // Each sequence ends with a unit that may be short.
    const units = batch + Math.ceil((batch * headCount) / headCountKv / QUERY_UNIT)
    const tableBytes = align(Math.ceil(context / PAGE) * 4)
    const scratchBytes = align(Math.max(SCRATCH_UNPACK + unpacked, attention))
    const privateActs = align(widest * 4)
    const privateBytes = privateActs + align(Math.ceil(widest / 32) * 80)
    return {
      tokens: arena.take(batch * 4),
      positions: arena.take(batch * 4),
      queryScales: config.temperatureScale > 0 ? arena.take(batch * 4) : 0,
      tables: arena.take(batch * 4),
      outputs: arena.take(OUTPUT_ROWS * 4),
      units: arena.take(units * 8),
      pages: arena.take(Math.min(batch, options.parallel ?? DEFAULT_PARALLEL) * tableBytes),
      tableBytes,
      x: rows(dim),
      // The output head norms up to OUTPUT_ROWS rows even where the batch is smaller.
      normed: arena.take(Math.max(batch, OUTPUT_ROWS) * dim * 4),
      post: post ? rows(dim) : 0,
      acts: int8(widest),
      actsF32: f32(widest),
      hActs: int8(Math.max(ffn, shared)),
      hActsF32: f32(Math.max(ffn, shared)),
      q: rows(attnDim),
      k: rows(headCountKv * headDim),
      v: rows(headCountKv * headDim),
      attn: rows(attnDim),
      h: rows(ffn, slots),
      hShared: shared > 0 ? rows(shared) : 0,
      ropes: config.ropes.map(({ dimensions }) => rows(dimensions)),
      partials: arena.take(headCount * Math.ceil(context / PIECE) * state * 4),
      logits: first ? arena.take(OUTPUT_ROWS * vocabSize * 4) : 0,
      scratch: arena.take(threads * scratchBytes),
      scratchBytes,
      privates: arena.take(threads * privateBytes),
      privateBytes,
      privateActs,
      router: rows(expertCount),
      routes: arena.take(expertCount > 0 ? slots * ROUTE_BYTES : 0),
      slots: expertCount > 0 ? rows(dim, slots) : 0,
      parts: arena.take(expertCount * PART_BYTES),
      sharedGates: shared > 0 ? rows(1) : 0,
    }
  }

  /** Whether any matrix reads f32 activations, the most bytes that a group takes unpacked, and whether any layer uses `post`. */
  private needs(): { floats: boolean; unpacked: number; post: boolean } {
    let floats = false
    const post = this.tensors.layers.some((layer) => layer.attnPostNorm || layer.ffnPostNorm || layer.shared)
    let unpacked = 0
    for (const { matrix } of allTensors(this.tensors)) {
      if (!matrix) continue
      floats ||= matrix.type.float
      unpacked = Math.max(unpacked, Math.ceil(matrix.columns / 32) * matrix.type.unpackedBytes)
    }
    return { floats, unpacked, post }
  }

  /** The buffers, and more where a group of rows of the model's widest tensor needs it. */
  private staging(arena: Arena, buffers: Buffers): { at: number; bytes: number } {
    const needed = largestGroup(this.tensors)
    const at = buffers.x
    if (arena.top < at + needed) arena.take(at + needed - arena.top)
    return { at, bytes: arena.top - at }
  }
}

/** Widths of feed-forward networks between their matrices: of layers or experts, and of shared experts. */
function feedForwardWidths(config: ModelConfig): { ffn: number; shared: number } {
  const { expertCount, feedForwardLength, expertFeedForwardLength, expertSharedFeedForwardLength } = config
  if (expertCount === 0) return { ffn: feedForwardLength, shared: 0 }
  return { ffn: expertFeedForwardLength, shared: expertSharedFeedForwardLength }
}

/** Bytes in the file of the most rows that must be repacked at once, of any matrix; in whole cache lines. */
export function largestGroup(tensors: ModelTensors): number {
  let most = 0
  for (const { matrix } of allTensors(tensors)) {
    if (matrix) most = Math.max(most, Math.min(rowsAtOnce(matrix), matrix.rows) * fileRowBytes(matrix))
  }
  return align(most)
}

/** Rows of which a whole number is repacked at once: groups of 8, and whole heads where their rows change places. */
export function rowsAtOnce({ info }: Matrix): number {
  let rows = info.halfSplit?.headDim ?? 8
  while (rows % 8 !== 0) rows *= 2
  return rows
}

/** Bytes of one row of a matrix in the file. */
export function fileRowBytes(matrix: Matrix): number {
  return (matrix.columns / matrix.type.columns) * matrix.type.fileBytes
}

/** The tensors of a segment; the first also holds those outside all layers. */
export function* segmentTensors(
  tensors: ModelTensors,
  { first, firstLayer, layers }: Pick<SegmentPlan, 'first' | 'firstLayer' | 'layers'>,
): Generator<Placed> {
  if (first) yield* sharedTensors(tensors)
  for (let i = 0; i < layers; i++) yield* layerTensors(tensors.layers[firstLayer + i]!)
}

function tooSmall(what: string, bytes: number, most: number): MemoryError {
  return new MemoryError(
    'SEGMENT_TOO_SMALL',
    `${what} ${bytes} bytes with their buffers and cache, more than one memory may have (${most}). Use a shorter context or a smaller quantization.`,
    bytes,
  )
}
