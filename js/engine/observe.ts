/**
 * A pass that stops after each layer, whose buffers then still hold, as f32, what its matrices read. Passes that nobody
 * observes take no longer for it.
 */
import * as L from '../../assembly/layout.ts'
import type { ModelConfig } from '../models/config.ts'
import type { Matrix, ModelTensors } from '../models/tensors.ts'
import type { BatchSpan } from './batch.ts'
import type { MemoryPlan } from './plan.ts'
import type { Segment } from './wasm.ts'

/** Of the engine, what such a pass goes by. */
export interface Layers {
  readonly config: ModelConfig
  readonly tensors: ModelTensors
  readonly plan: MemoryPlan
  readonly segments: readonly Segment[]
}

/**
 * Runs a batch layer by layer, and shows the rows of spans with an observer. `pass`: all threads over all segments. Returns
 * a STATUS_.
 */
export function forwardByLayer(engine: Layers, spans: readonly BatchSpan[], pass: () => number): number {
  const { plan, segments, config } = engine
  const { exports, memory, model, x } = segments[0]!
  const structs = segments.map((one) => new Uint32Array(one.memory.buffer, one.model, L.MODEL_BYTES / 4))
  const saved = structs.map((struct) => struct.slice())
  const ids = spans.flatMap((span) => span.ids)
  const stateBytes = config.embeddingLength * 4
  for (const row of ids.keys()) exports.embed(model, row, x + row * stateBytes)
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
        const normed = ids.map((_, row) => attentionInput(engine, s, row))
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

/** What attention of the layer at hand reads of a row: f32[embeddingLength]. */
function attentionInput({ plan, segments, config }: Layers, s: number, row: number): Float32Array {
  const { buffers, model } = plan.segments[s]!
  const { exports, memory } = segments[s]!
  exports.attnNorm(model, row, buffers.normed)
  return new Float32Array(memory.buffer, buffers.normed, config.embeddingLength).slice()
}

/** Names of the matrices' tensors as LayerObserver has them, each once. */
function namesOf(...matrices: (Matrix | undefined)[]): string {
  const names = matrices.flatMap((matrix) => (matrix ? [matrix.info.tensor.replace(/^blk\.\d+\.|\.weight$/g, '')] : []))
  return [...new Set(names)].join(' ')
}

/** Shows what the matrices of a layer, which is in segment `s`, have just read; q, k and v read `attention`. */
function show(
  { config, plan, segments, tensors }: Layers,
  s: number,
  layer: number,
  spans: readonly BatchSpan[],
  attention: readonly Float32Array[],
): void {
  const { embeddingLength, headCount, headDim, expertCount, expertUsedCount } = config
  const { attnQ, attnK, attnV, attnOutput, ffnGateInp, ffnGateInpShexp, experts, shared } = tensors.layers[layer]!
  const { ffnGate, ffnUp, ffnDown } = experts[0]!
  const { buffers } = plan.segments[s]!
  const { buffer } = segments[s]!.memory
  const floats = (at: number, row: number, width: number) => new Float32Array(buffer, at + row * width * 4, width)
  // A single token's norm is in its private place.
  const norm = attention.length === 1 ? buffers.privates : buffers.normed
  let row = 0
  for (const { ids, position, observer } of spans) {
    for (let p = position; p < position + ids.length; p++, row++) {
      if (!observer?.wants(layer, p)) continue
      const see = (names: string, input: Float32Array, expert?: number, of?: number): void =>
        observer.observe(layer, names, input, expert, of)
      const normed = config.parallel ? attention[row]! : floats(norm, row, embeddingLength)
      see(namesOf(attnQ, attnK, attnV), attention[row]!)
      see(namesOf(attnOutput), floats(buffers.attn, row, headCount * headDim))
      if (!ffnGateInp) {
        see(namesOf(ffnGate, ffnUp), normed)
        see(namesOf(ffnDown), floats(buffers.h, row, ffnUp.rows))
        continue
      }
      see(namesOf(ffnGateInp, ffnGateInpShexp, shared?.ffnGate, shared?.ffnUp), normed)
      if (shared) see(namesOf(shared.ffnDown), floats(buffers.hShared, row, shared.ffnUp.rows))
      for (let j = 0; j < expertUsedCount; j++) {
        const route = new Int32Array(buffer, buffers.routes + (row * expertUsedCount + j) * L.ROUTE_BYTES)
        const expert = route[L.ROUTE_EXPERT >> 2]!
        see('ffn_gate_exps ffn_up_exps', normed, expert, expertCount)
        see('ffn_down_exps', floats(buffers.h, ~route[L.ROUTE_SLOT >> 2]!, ffnUp.rows), expert, expertCount)
      }
    }
  }
}
