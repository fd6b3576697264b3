/**
 * What the matrices of a model read, as sums of squares by column: how much each column weighs (js/imatrix). A pass that is
 * looked into goes layer by layer; after each its buffers still hold, as f32, what its matrices read. No other pass takes
 * longer for it, and no worker holds this file until it is asked for.
 */
import * as L from '../../assembly/layout.ts'
import type { Run } from '../engine/batch.ts'
import type { Engine } from '../engine/engine.ts'
import type { Work } from './scheduler.ts'

/** What matrices that read the same have read. */
export interface InputSums {
  /** GGUF's names of them. */
  names: string[]
  /** [experts, columns], of a dense matrix [columns]: sums of squares over the tokens. */
  sums: Float64Array
  /** [experts], or [1]: tokens. */
  counts: Float64Array
}

/**
 * Sums over a sequence. Each of its tokens counts once, in the order of positions: neither threads nor the cut into passes
 * change a bit.
 */
export class Activations implements Work {
  readonly priority = 0
  readonly output = 'hidden'
  readonly activations = this
  readonly forward = forwardByLayer
  wanted = 0
  /** By layer and names. What the output head reads comes last. */
  readonly sums = new Map<string, InputSums>()
  /** Of each layer the first position that is not counted: what is computed a second time does not count. */
  private readonly next: number[] = []

  constructor(readonly ids: readonly number[]) {}

  /** Whether what a layer reads at a position is to be counted: once. */
  counts(layer: number, position: number): boolean {
    if (position < (this.next[layer] ?? 0)) return false
    this.next[layer] = position + 1
    return true
  }

  /** Adds what one token gave some matrices to read, or one of their experts. */
  add(prefix: string, parts: string, input: Float32Array, expert = 0, experts = 1): void {
    let found = this.sums.get(prefix + parts)
    if (!found) {
      found = {
        names: parts.split(' ').map((part) => `${prefix}${part}.weight`),
        sums: new Float64Array(experts * input.length),
        counts: new Float64Array(experts),
      }
      this.sums.set(prefix + parts, found)
    }
    const { sums, counts } = found
    const first = expert * input.length
    for (let i = 0; i < input.length; i++) sums[first + i]! += input[i]! * input[i]!
    counts[expert]!++
  }

  take(position: number, state: Float32Array): boolean {
    this.add('', 'output', state)
    this.wanted = position + 1
    return this.wanted === this.ids.length
  }
}

/**
 * Runs the batch at hand layer by layer, and counts the rows of runs that have `activations`. `pass`: a pass of all threads
 * over all segments. Returns a STATUS_.
 */
function forwardByLayer(engine: Engine, runs: readonly Run[], pass: () => number): number {
  const { plan, segments, tensors, config } = engine
  const { exports, memory, model, x } = segments[0]!
  const structs = segments.map((one) => new Uint32Array(one.memory.buffer, one.model, L.MODEL_BYTES / 4))
  const saved = structs.map((struct) => struct.slice())
  const ids = runs.flatMap((run) => run.ids)
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
        count(engine, s, layer, runs, normed)
      }
    }
    return L.STATUS_OK
  } finally {
    for (const [s, struct] of structs.entries()) struct.set(saved[s]!)
  }
}

/** Counts what the matrices of a layer, which is in segment `s`, have just read; q, k and v read `attention`. */
function count(
  { config, plan, segments }: Engine,
  s: number,
  layer: number,
  runs: readonly Run[],
  attention: readonly Float32Array[],
): void {
  const { dim, ffn, heads, headDim, experts, expertsUsed } = config
  const { buffers } = plan.segments[s]!
  const { buffer } = segments[s]!.memory
  const floats = (at: number, row: number, width: number) => new Float32Array(buffer, at + row * width * 4, width)
  // A single token's norm is in its private place.
  const norm = attention.length === 1 ? buffers.privates : buffers.norm
  let row = 0
  for (const { ids, position, activations } of runs) {
    for (let p = position; p < position + ids.length; p++, row++) {
      if (!activations?.counts(layer, p)) continue
      const add = (parts: string, input: Float32Array, expert?: number, of?: number): void =>
        activations.add(`blk.${layer}.`, parts, input, expert, of)
      const normed = floats(norm, row, dim)
      add('attn_q attn_k attn_v', attention[row]!)
      add('attn_output', floats(buffers.attn, row, heads * headDim))
      add(experts > 0 ? 'ffn_gate_inp' : 'ffn_gate ffn_up', normed)
      if (experts === 0) add('ffn_down', floats(buffers.h, row, ffn))
      for (let j = 0; j < expertsUsed; j++) {
        const route = new Int32Array(buffer, buffers.routes + (row * expertsUsed + j) * L.ROUTE_BYTES)
        const expert = route[L.ROUTE_EXPERT >> 2]!
        add('ffn_gate_exps ffn_up_exps', normed, expert, experts)
        add('ffn_down_exps', floats(buffers.h, ~route[L.ROUTE_SLOT >> 2]!, ffn), expert, experts)
      }
    }
  }
}
