/**
 * A pass that stops after each layer, whose buffers then still hold, as f32, what its matrices read. Passes that nobody
 * observes take no longer for it.
 */
import * as L from '../../assembly/layout.ts'
import type { TensorInfo } from '../gguf/types.ts'
import type { ModelConfig } from '../models/config.ts'
import type { ModelTensors } from '../models/tensors.ts'
import type { BatchSpan } from './batch.ts'
import type { MemoryPlan } from './plan.ts'
import type { Segment } from './wasm.ts'

/** Of the engine, what such a pass goes by. */
export interface Layers {
  readonly config: ModelConfig
  readonly tensors: ModelTensors
  readonly plan: MemoryPlan
  readonly segments: readonly Segment[]
  /** See Engine.hidden. */
  hidden(row: number, norm: TensorInfo, segment: number): Float32Array
}

/**
 * Runs a batch layer by layer, and shows the rows of spans with an observer. `pass`: all threads over all segments. Returns
 * a STATUS_.
 */
export function forwardByLayer(engine: Layers, spans: readonly BatchSpan[], pass: () => number): number {
  const { plan, segments, tensors, config } = engine
  const { exports, memory, model, x } = segments[0]!
  const structs = segments.map((one) => new Uint32Array(one.memory.buffer, one.model, L.MODEL_BYTES / 4))
  const saved = structs.map((struct) => struct.slice())
  const ids = spans.flatMap((span) => span.ids)
  const stateBytes = config.dim * 4
  for (const [row, id] of ids.entries()) exports.row(model + L.MODEL_EMBEDDING, id, x + row * stateBytes)
  try {
    for (const struct of structs) {
      struct[L.MODEL_FIRST >> 2] = 0
      struct[L.MODEL_LAYERS >> 2] = 0
      struct[L.MODEL_KEEP >> 2] = 1
    }
    for (const [s, struct] of structs.entries()) {
      const { firstLayer, layers } = plan.segments[s]!
      for (let layer = firstLayer; layer < firstLayer + layers; layer++) {
        // The hidden state always returns to segment 0.
        const state = new Uint8Array(memory.buffer, x, ids.length * stateBytes)
        if (s > 0) new Uint8Array(segments[s]!.memory.buffer, segments[s]!.x).set(state)
        const normed = ids.map((_, row) => engine.hidden(row, tensors.layers[layer]!.attnNorm, s).slice())
        // Segments without a layer hand it on as it is.
        struct[L.MODEL_LAYERS >> 2] = 1
        const status = pass()
        if (status !== L.STATUS_OK) return status
        struct[L.MODEL_LAYERS >> 2] = 0
        struct[L.MODEL_LAYER_TABLE >> 2]! += L.LAYER_BYTES
        show(engine, s, layer, spans, normed)
      }
    }
    return L.STATUS_OK
  } finally {
    for (const [s, struct] of structs.entries()) struct.set(saved[s]!)
  }
}

/** Shows what the matrices of a layer, which is in segment `s`, have just read; q, k and v read `attention`. */
function show(
  { config, plan, segments }: Layers,
  s: number,
  layer: number,
  spans: readonly BatchSpan[],
  attention: readonly Float32Array[],
): void {
  const { dim, ffn, heads, headDim, experts, expertsUsed } = config
  const { buffers } = plan.segments[s]!
  const { buffer } = segments[s]!.memory
  const floats = (at: number, row: number, width: number) => new Float32Array(buffer, at + row * width * 4, width)
  // A single token's norm is in its private place.
  const norm = attention.length === 1 ? buffers.privates : buffers.norm
  let row = 0
  for (const { ids, position, observer } of spans) {
    for (let p = position; p < position + ids.length; p++, row++) {
      if (!observer?.wants(layer, p)) continue
      const see = (names: string, input: Float32Array, expert?: number, of?: number): void =>
        observer.observe(layer, names, input, expert, of)
      const normed = floats(norm, row, dim)
      see('attn_q attn_k attn_v', attention[row]!)
      see('attn_output', floats(buffers.attn, row, heads * headDim))
      see(experts > 0 ? 'ffn_gate_inp' : 'ffn_gate ffn_up', normed)
      if (experts === 0) see('ffn_down', floats(buffers.h, row, ffn))
      for (let j = 0; j < expertsUsed; j++) {
        const route = new Int32Array(buffer, buffers.routes + (row * expertsUsed + j) * L.ROUTE_BYTES)
        const expert = route[L.ROUTE_EXPERT >> 2]!
        see('ffn_gate_exps ffn_up_exps', normed, expert, experts)
        see('ffn_down_exps', floats(buffers.h, ~route[L.ROUTE_SLOT >> 2]!, ffn), expert, experts)
      }
    }
  }
}
