/** Writes the structs of assembly/layout.ts that describe a segment to its wasm functions. */
import * as L from '../../assembly/layout.ts'
import type { ModelConfig } from '../models/config.ts'
import type { RopeTable } from '../models/rope.ts'
import type { FeedForward, LayerTensors, Matrix, ModelTensors, Norm, TensorPart } from '../models/tensors.ts'
import type { KvType } from './kv.ts'
import type { SegmentPlan } from './plan.ts'

const KV_TYPES: Record<KvType, number> = { f32: L.KV_F32, f16: L.KV_F16, q8_0: L.KV_Q8_0 }
const NORMS = { rms: L.NORM_RMS, layer: L.NORM_LAYER }
const HEAD_NORMS = {
  before: L.HEAD_NORM_BEFORE,
  after: L.HEAD_NORM_AFTER,
  each: L.HEAD_NORM_EACH,
  row: L.HEAD_NORM_ROW,
}
const ACTIVATIONS = { swiglu: L.ACTIVATION_SWIGLU, geglu: L.ACTIVATION_GEGLU, relu2: L.ACTIVATION_RELU2 }

/** The forms of activations that matrices read. */
function forms(...matrices: (Matrix | undefined)[]): number {
  return matrices.reduce((bits, matrix) => bits | (!matrix ? 0 : matrix.type.float ? L.FORM_F32 : L.FORM_Q8), 0)
}

/**
 * Fills in everything but the weights, the rotary frequencies and the batch. `alternates`: ids of the types to multiply
 * with their alternate kernels.
 * @returns addresses of the matrices' TENSORs, by the names of the tensors
 */
export function writeSegment(
  memory: WebAssembly.Memory,
  segment: SegmentPlan,
  config: ModelConfig,
  tensors: ModelTensors,
  kv: KvType,
  alternates: readonly number[],
): ReadonlyMap<string, number> {
  return new SegmentWriter(memory, segment, alternates).write(config, tensors, kv)
}

/** Fills in the rotary frequencies, once a model's own factors are read. */
export function writeRopes(memory: WebAssembly.Memory, segment: SegmentPlan, tables: readonly RopeTable[]): void {
  const view = new DataView(memory.buffer)
  for (const [i, { frequencies, scale }] of tables.entries()) {
    const rope = segment.ropes + i * L.ROPE_BYTES
    view.setFloat32(rope + L.ROPE_SCALE, scale, true)
    new Float64Array(memory.buffer, view.getUint32(rope + L.ROPE_FREQUENCIES, true), frequencies.length).set(
      frequencies,
    )
  }
}

class SegmentWriter {
  private readonly view: DataView
  private readonly structs = new Map<string, number>()

  constructor(
    memory: WebAssembly.Memory,
    private readonly segment: SegmentPlan,
    private readonly alternates: readonly number[],
  ) {
    this.view = new DataView(memory.buffer)
  }

  write(config: ModelConfig, tensors: ModelTensors, kv: KvType): ReadonlyMap<string, number> {
    const { segment } = this
    this.model(config, kv)
    this.ropes(config)
    if (segment.first) {
      this.put(segment.model + L.MODEL_FIRST, 1)
      this.put(segment.model + L.MODEL_FORMS_OUTPUT, forms(tensors.output))
      this.norm(segment.model + L.MODEL_OUTPUT_NORM, tensors.outputNorm)
      this.matrix(segment.model + L.MODEL_EMBEDDING, tensors.embedding)
      this.matrix(segment.model + L.MODEL_OUTPUT, tensors.output)
    }
    for (let i = 0; i < segment.layers; i++) this.layer(config, i, tensors.layers[segment.firstLayer + i]!)
    return this.structs
  }

  private put(at: number, value: number): void {
    this.view.setUint32(at, value, true)
  }

  private putFloat(at: number, value: number): void {
    this.view.setFloat32(at, value, true)
  }

  private address(part: TensorPart | undefined): number {
    return part ? this.segment.addresses.get(part.name)! : 0
  }

  /** The address of a norm's weights, and after it that of its biases. */
  private norm(at: number, norm: Norm | undefined): void {
    this.put(at, this.address(norm?.weight))
    this.put(at + 4, this.address(norm?.bias))
  }

  /** A TENSOR; of a matrix that is absent, one without rows. */
  private matrix(at: number, matrix: Matrix | undefined): void {
    if (!matrix) {
      this.put(at + L.TENSOR_ROWS, 0)
      return
    }
    this.structs.set(matrix.info.name, at)
    const { id } = matrix.type
    this.put(at + L.TENSOR_TYPE, id | (this.alternates.includes(id) ? L.ALTERNATE : 0))
    this.put(at + L.TENSOR_ROWS, matrix.rows)
    this.put(at + L.TENSOR_COLUMNS, matrix.columns)
    this.put(at + L.TENSOR_DATA, this.address(matrix.info))
    this.put(at + L.TENSOR_BIAS, this.address(matrix.bias))
    this.put(at + L.TENSOR_GROUP_BYTES, matrix.groupBytes)
    this.put(at + L.TENSOR_PANEL_COLUMNS, matrix.panelColumns)
    this.put(at + L.TENSOR_PANEL_BYTES, matrix.panelBytes)
  }

  private model(config: ModelConfig, kv: KvType): void {
    const { model, buffers, layers, layerTable, control, ropes } = this.segment
    const fields: [offset: number, value: number][] = [
      [L.MODEL_DIM, config.embeddingLength],
      [L.MODEL_LAYERS, layers],
      [L.MODEL_HEADS, config.headCount],
      [L.MODEL_KV_HEADS, config.headCountKv],
      [L.MODEL_HEAD_DIM, config.headDim],
      [L.MODEL_VOCAB, config.vocabSize],
      [L.MODEL_KV_TYPE, KV_TYPES[kv]],
      [L.MODEL_LAYER_TABLE, layerTable],
      [L.MODEL_CONTROL, control],
      [L.MODEL_NORM, NORMS[config.norm]],
      [L.MODEL_HEAD_NORM, HEAD_NORMS[config.headNorm]],
      [L.MODEL_ACTIVATION, ACTIVATIONS[config.activation]],
      [L.MODEL_GATING, config.expertWeightsNorm ? L.GATING_NORMALIZED : 0],
      [L.MODEL_PARALLEL, config.parallel ? 1 : 0],
      [L.MODEL_ROPES, ropes],
      [L.MODEL_N_ROPES, config.ropes.length],
      [L.MODEL_X, buffers.x],
      [L.MODEL_NORMED, buffers.normed],
      [L.MODEL_POST, buffers.post],
      [L.MODEL_ACTS, buffers.acts],
      [L.MODEL_ACTS_F32, buffers.actsF32],
      [L.MODEL_H_ACTS, buffers.hActs],
      [L.MODEL_H_ACTS_F32, buffers.hActsF32],
      [L.MODEL_QB, buffers.q],
      [L.MODEL_KB, buffers.k],
      [L.MODEL_VB, buffers.v],
      [L.MODEL_ATTN, buffers.attn],
      [L.MODEL_H, buffers.h],
      [L.MODEL_H_SHARED, buffers.hShared],
      [L.MODEL_PARTIALS, buffers.partials],
      [L.MODEL_LOGITS, buffers.logits],
      [L.MODEL_SCRATCH, buffers.scratch],
      [L.MODEL_SCRATCH_BYTES, buffers.scratchBytes],
      [L.MODEL_PRIVATE, buffers.privates],
      [L.MODEL_PRIVATE_BYTES, buffers.privateBytes],
      [L.MODEL_PRIVATE_ACTS, buffers.privateActs],
      [L.MODEL_TOKENS, buffers.tokens],
      [L.MODEL_POSITIONS, buffers.positions],
      [L.MODEL_QUERY_SCALES, buffers.queryScales],
      [L.MODEL_TABLES, buffers.tables],
      [L.MODEL_OUTPUTS, buffers.outputs],
      [L.MODEL_UNITS, buffers.units],
      [L.MODEL_EXPERTS, config.expertCount],
      [L.MODEL_EXPERTS_USED, config.expertUsedCount],
      [L.MODEL_ROUTER, buffers.router],
      [L.MODEL_ROUTES, buffers.routes],
      [L.MODEL_SLOTS, buffers.slots],
      [L.MODEL_PARTS, buffers.parts],
      [L.MODEL_SHARED_GATES, buffers.sharedGates],
    ]
    for (const [offset, value] of fields) this.put(model + offset, value)
    const floats: [offset: number, value: number][] = [
      [L.MODEL_EPS, config.epsilon],
      [L.MODEL_EMBEDDING_SCALE, config.embeddingScale],
      [L.MODEL_RESIDUAL_SCALE, config.residualScale],
      [L.MODEL_ATTN_SCALE, config.attentionScale],
      [L.MODEL_LOGIT_SCALE, config.logitScale],
      [L.MODEL_EXPERT_SCALE, config.expertWeightsScale],
      [L.MODEL_ATTN_CAP, config.attentionCap],
      [L.MODEL_LOGIT_CAP, config.logitCap],
    ]
    for (const [offset, value] of floats) this.putFloat(model + offset, value)
  }

  private ropes({ ropes }: ModelConfig): void {
    const { segment } = this
    for (const [i, { dimensions }] of ropes.entries()) {
      const at = segment.ropes + i * L.ROPE_BYTES
      this.put(at + L.ROPE_DIM, dimensions)
      this.put(at + L.ROPE_FREQUENCIES, segment.ropeFrequencies[i]!)
      this.put(at + L.ROPE_TABLE, segment.buffers.ropes[i]!)
    }
  }

  private layer({ layers }: ModelConfig, index: number, layer: LayerTensors): void {
    const { segment } = this
    const at = segment.layerTable + index * L.LAYER_BYTES
    const { k, v } = segment.caches[index]!
    const { window, rope } = layers[segment.firstLayer + index]!
    this.norm(at + L.LAYER_ATTN_NORM, layer.attnNorm)
    this.norm(at + L.LAYER_FFN_NORM, layer.ffnNorm)
    this.put(at + L.LAYER_ATTN_POST_NORM, this.address(layer.attnPostNorm))
    this.put(at + L.LAYER_FFN_POST_NORM, this.address(layer.ffnPostNorm))
    this.put(at + L.LAYER_ATTN_Q_NORM, this.address(layer.attnQNorm))
    this.put(at + L.LAYER_ATTN_K_NORM, this.address(layer.attnKNorm))
    this.put(at + L.LAYER_K_CACHE, k)
    this.put(at + L.LAYER_V_CACHE, v)
    this.put(at + L.LAYER_WINDOW, window)
    this.put(at + L.LAYER_ROPE, rope < 0 ? 0 : segment.ropes + rope * L.ROPE_BYTES)
    const { experts, shared, ffnGateInp, ffnGateInpShexp } = layer
    const networks = shared ? [...experts, shared] : experts
    this.put(at + L.LAYER_FORMS_QKV, forms(layer.attnQ, layer.attnK, layer.attnV))
    this.put(at + L.LAYER_FORMS_OUTPUT, forms(layer.attnOutput))
    this.put(
      at + L.LAYER_FORMS_FFN,
      forms(...networks.flatMap(({ ffnGate, ffnUp }) => [ffnGate, ffnUp]), ffnGateInpShexp),
    )
    this.put(at + L.LAYER_FORMS_DOWN, forms(...experts.map(({ ffnDown }) => ffnDown)))
    this.put(at + L.LAYER_FORMS_GATE_INP, forms(ffnGateInp))
    this.put(at + L.LAYER_FORMS_SHARED_DOWN, forms(shared?.ffnDown))
    this.matrix(at + L.LAYER_ATTN_Q, layer.attnQ)
    this.matrix(at + L.LAYER_ATTN_K, layer.attnK)
    this.matrix(at + L.LAYER_ATTN_V, layer.attnV)
    this.matrix(at + L.LAYER_ATTN_OUTPUT, layer.attnOutput)
    this.matrix(at + L.LAYER_FFN_GATE_INP, ffnGateInp)
    this.matrix(at + L.LAYER_FFN_GATE_INP_SHEXP, ffnGateInpShexp)
    if (!ffnGateInp) {
      this.feedForward(at + L.LAYER_FFN, experts[0]!)
      return
    }
    const table = segment.expertTables[index]!
    this.put(at + L.LAYER_EXPERTS, table)
    for (const [i, network] of networks.entries()) this.feedForward(table + i * L.FFN_BYTES, network)
    if (shared) this.put(at + L.LAYER_SHARED, table + experts.length * L.FFN_BYTES)
  }

  /** An FFN. */
  private feedForward(at: number, { ffnGate, ffnUp, ffnDown }: FeedForward): void {
    this.matrix(at + L.FFN_GATE, ffnGate)
    this.matrix(at + L.FFN_UP, ffnUp)
    this.matrix(at + L.FFN_DOWN, ffnDown)
  }
}
