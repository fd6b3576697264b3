/**
 * What the matrices of a model read, as sums of squares by column: how much each column weighs (js/imatrix). A pass that is
 * looked into goes layer by layer; after each its buffers still hold, as f32, what its matrices read. No other pass takes
 * longer for it, and no worker holds this file until it is asked for.
 */
import * as L from '../../assembly/layout.ts'
import type { Run } from './batch.ts'
import type { Engine } from './engine.ts'
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
  const { plan, segments, config } = engine
  const { exports, model, x } = segments[0]!
  const structs = segments.map((one) => new Uint32Array(one.memory.buffer, one.model, L.MODEL_BYTES / 4))
  const saved = structs.map((struct) => struct.slice())
  const ids = runs.flatMap((run) => run.ids)
  for (const [i, id] of ids.entries()) exports.row(model + L.MODEL_EMBEDDING, id, x + i * config.dim * 4)
  try {
    for (const struct of structs) {
      struct[L.MODEL_FIRST >> 2] = 0
      struct[L.MODEL_LAYERS >> 2] = 0
      struct[L.MODEL_KEEP >> 2] = 1
    }
    for (const [s, struct] of structs.entries()) {
      for (let layer = 0; layer < plan.segments[s]!.layers; layer++) {
        const attention = attentionInputs(engine, s, layer, ids.length)
        // Segments without a layer hand the hidden state on as it is.
        struct[L.MODEL_LAYERS >> 2] = 1
        const status = pass()
        if (status !== L.STATUS_OK) return status
        struct[L.MODEL_LAYERS >> 2] = 0
        struct[L.MODEL_LAYER_TABLE >> 2]! += L.LAYER_BYTES
        count(engine, s, layer, runs, attention)
      }
    }
    return L.STATUS_OK
  } finally {
    for (const [s, struct] of structs.entries()) struct.set(saved[s]!)
  }
}

/** The normed hidden state before a layer of segment `s`, f32 [rows, dim]. It always returns to segment 0. */
function attentionInputs(
  { config, tensors, plan, segments }: Engine,
  s: number,
  layer: number,
  rows: number,
): Float32Array {
  const { addresses, firstLayer, buffers } = plan.segments[s]!
  const { memory, exports, x } = segments[s]!
  const [first] = segments
  const bytes = config.dim * 4
  if (s > 0) new Uint8Array(memory.buffer, x).set(new Uint8Array(first!.memory.buffer, first!.x, rows * bytes))
  const weight = addresses.get(tensors.layers[firstLayer + layer]!.attnNorm.name)!
  for (let i = 0; i < rows; i++) {
    exports.rmsnorm(x + i * bytes, weight, config.dim, config.epsilon, buffers.norm + i * bytes)
  }
  return new Float32Array(memory.buffer, buffers.norm, rows * config.dim).slice()
}

/** Counts what the matrices of a layer of segment `s` have just read. */
function count(
  { config, plan, segments }: Engine,
  s: number,
  layer: number,
  runs: readonly Run[],
  attention: Float32Array,
): void {
  const { dim, ffn, heads, headDim, experts, expertsUsed } = config
  const { buffers, firstLayer } = plan.segments[s]!
  const { buffer } = segments[s]!.memory
  const floats = (at: number, row: number, width: number) => new Float32Array(buffer, at + row * width * 4, width)
  // A single token's norm is in its private place.
  const norm = attention.length === dim ? buffers.privates : buffers.norm
  const prefix = `blk.${firstLayer + layer}.`
  let row = 0
  for (const { ids, position, activations } of runs) {
    for (let p = position; p < position + ids.length; p++, row++) {
      if (!activations?.counts(firstLayer + layer, p)) continue
      const normed = floats(norm, row, dim)
      activations.add(prefix, 'attn_q attn_k attn_v', attention.subarray(row * dim, (row + 1) * dim))
      activations.add(prefix, 'attn_output', floats(buffers.attn, row, heads * headDim))
      activations.add(prefix, experts > 0 ? 'ffn_gate_inp' : 'ffn_gate ffn_up', normed)
      if (experts === 0) activations.add(prefix, 'ffn_down', floats(buffers.h, row, ffn))
      for (let j = 0; j < expertsUsed; j++) {
        const route = new Int32Array(buffer, buffers.routes + (row * expertsUsed + j) * L.ROUTE_BYTES)
        const expert = route[L.ROUTE_EXPERT >> 2]!
        activations.add(prefix, 'ffn_gate_exps ffn_up_exps', normed, expert, experts)
        activations.add(prefix, 'ffn_down_exps', floats(buffers.h, ~route[L.ROUTE_SLOT >> 2]!, ffn), expert, experts)
      }
    }
  }
}
