/** Writes the structs of assembly/layout.ts that describe a segment to its wasm functions. */
import * as L from '../../assembly/layout.ts'
import type { ModelConfig } from '../models/config.ts'
import type { RopeTable } from '../models/rope.ts'
import type { Expert, LayerTensors, Matrix, ModelTensors } from '../models/tensors.ts'
import type { KvType } from './kv.ts'
import type { SegmentPlan } from './plan.ts'

const KV_TYPES: Record<KvType, number> = { f32: L.KV_F32, f16: L.KV_F16, q8_0: L.KV_Q8_0 }

/** The forms of activations that matrices read. */
function forms(...matrices: Matrix[]): number {
  return matrices.reduce((bits, { type }) => bits | (type.float ? L.FORM_F32 : L.FORM_Q8), 0)
}

/**
 * Fills in everything but the weights, the rotary frequencies and the batch. `alternates`: ids of the types to multiply
 * with their alternate kernels.
 */
export function writeSegment(
  memory: WebAssembly.Memory,
  segment: SegmentPlan,
  config: ModelConfig,
  tensors: ModelTensors,
  kv: KvType,
  alternates: readonly number[],
): void {
  const view = new DataView(memory.buffer)
  const put = (at: number, value: number): void => view.setUint32(at, value, true)
  const matrix = (at: number, m: Matrix): void => {
    put(at + L.TENSOR_TYPE, m.type.id | (alternates.includes(m.type.id) ? L.ALTERNATE : 0))
    put(at + L.TENSOR_ROWS, m.rows)
    put(at + L.TENSOR_COLUMNS, m.columns)
    put(at + L.TENSOR_DATA, segment.addresses.get(m.info.name)!)
    put(at + L.TENSOR_BIAS, m.bias ? segment.addresses.get(m.bias.name)! : 0)
    put(at + L.TENSOR_GROUP_BYTES, m.groupBytes)
    put(at + L.TENSOR_PANEL_COLUMNS, m.panelColumns)
    put(at + L.TENSOR_PANEL_BYTES, m.panelBytes)
  }
  writeModel(segment, config, kv, put, view)
  if (segment.first) {
    put(segment.model + L.MODEL_FIRST, 1)
    put(segment.model + L.MODEL_FORMS_OUTPUT, forms(tensors.output))
    put(segment.model + L.MODEL_OUTPUT_NORM, segment.addresses.get(tensors.outputNorm.name)!)
    matrix(segment.model + L.MODEL_EMBEDDING, tensors.embedding)
    matrix(segment.model + L.MODEL_OUTPUT, tensors.output)
  }
  for (let i = 0; i < segment.layers; i++) {
    writeLayer(segment, i, tensors.layers[segment.firstLayer + i]!, put, matrix)
  }
}

/** Fills in the rotary frequencies, once a model's own factors are read. */
export function writeRope(memory: WebAssembly.Memory, segment: SegmentPlan, rope: RopeTable): void {
  new Float64Array(memory.buffer, segment.ropeFrequencies, rope.frequencies.length).set(rope.frequencies)
  new DataView(memory.buffer).setFloat32(segment.model + L.MODEL_ROPE_SCALE, rope.scale, true)
}

function writeModel(
  segment: SegmentPlan,
  config: ModelConfig,
  kv: KvType,
  put: (at: number, value: number) => void,
  view: DataView,
): void {
  const { model, buffers } = segment
  const fields: [offset: number, value: number][] = [
    [L.MODEL_DIM, config.dim],
    [L.MODEL_FFN, config.ffn],
    [L.MODEL_LAYERS, segment.layers],
    [L.MODEL_HEADS, config.heads],
    [L.MODEL_KV_HEADS, config.kvHeads],
    [L.MODEL_HEAD_DIM, config.headDim],
    [L.MODEL_ROPE_DIM, config.rope.dimensions],
    [L.MODEL_VOCAB, config.vocabulary],
    [L.MODEL_KV_TYPE, KV_TYPES[kv]],
    [L.MODEL_LAYER_TABLE, segment.layerTable],
    [L.MODEL_ROPE_FREQS, segment.ropeFrequencies],
    [L.MODEL_CONTROL, segment.control],
    [L.MODEL_X, buffers.x],
    [L.MODEL_NORM, buffers.norm],
    [L.MODEL_ACTS, buffers.acts],
    [L.MODEL_ACTS_F32, buffers.actsF32],
    [L.MODEL_H_ACTS, buffers.hActs],
    [L.MODEL_H_ACTS_F32, buffers.hActsF32],
    [L.MODEL_QB, buffers.q],
    [L.MODEL_KB, buffers.kb],
    [L.MODEL_VB, buffers.vb],
    [L.MODEL_ATTN, buffers.attn],
    [L.MODEL_H, buffers.h],
    [L.MODEL_ROPE, buffers.rope],
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
    [L.MODEL_EXPERTS, config.experts],
    [L.MODEL_EXPERTS_USED, config.expertsUsed],
    [L.MODEL_ROUTER, buffers.router],
    [L.MODEL_ROUTES, buffers.routes],
    [L.MODEL_SLOTS, buffers.slots],
    [L.MODEL_PARTS, buffers.parts],
  ]
  for (const [offset, value] of fields) put(model + offset, value)
  view.setFloat32(model + L.MODEL_EPS, config.epsilon, true)
  view.setFloat32(model + L.MODEL_ATTN_SCALE, config.attentionScale, true)
}

function writeLayer(
  segment: SegmentPlan,
  index: number,
  layer: LayerTensors,
  put: (at: number, value: number) => void,
  matrix: (at: number, m: Matrix) => void,
): void {
  const at = segment.layerTable + index * L.LAYER_BYTES
  const { k, v } = segment.caches[index]!
  put(at + L.LAYER_ATTN_NORM, segment.addresses.get(layer.attnNorm.name)!)
  put(at + L.LAYER_FFN_NORM, segment.addresses.get(layer.ffnNorm.name)!)
  put(at + L.LAYER_K_CACHE, k)
  put(at + L.LAYER_V_CACHE, v)
  put(at + L.LAYER_FORMS_QKV, forms(layer.q, layer.k, layer.v))
  put(at + L.LAYER_FORMS_OUT, forms(layer.o))
  const experts = layer.experts
  put(at + L.LAYER_FORMS_FFN, forms(...experts.flatMap(({ gate, up }) => [gate, up])))
  put(at + L.LAYER_FORMS_DOWN, forms(...experts.map(({ down }) => down)))
  matrix(at + L.LAYER_Q, layer.q)
  matrix(at + L.LAYER_K, layer.k)
  matrix(at + L.LAYER_V, layer.v)
  matrix(at + L.LAYER_O, layer.o)
  if (!layer.router) {
    writeExpert(at + L.LAYER_GATE, experts[0]!, matrix)
    return
  }
  put(at + L.LAYER_FORMS_ROUTER, forms(layer.router))
  matrix(at + L.LAYER_ROUTER, layer.router)
  const table = segment.expertTables[index]!
  put(at + L.LAYER_EXPERTS, table)
  for (const [i, expert] of experts.entries()) writeExpert(table + i * L.EXPERT_BYTES, expert, matrix)
}

/** An EXPERT; LAYER_GATE, LAYER_UP and LAYER_DOWN of a dense layer are one too. */
function writeExpert(at: number, { gate, up, down }: Expert, matrix: (at: number, m: Matrix) => void): void {
  matrix(at + L.EXPERT_GATE, gate)
  matrix(at + L.EXPERT_UP, up)
  matrix(at + L.EXPERT_DOWN, down)
}
