/**
 * What the matrices of a model read, as sums of squares by column: how much each column weighs (js/imatrix). A pass that is
 * looked into goes layer by layer; after each its buffers still hold, as f32, what its matrices read. No other pass takes
 * longer for it, and no worker holds this file until it is asked for.
 */
import * as L from '../../assembly/layout.ts'
import type { Run } from '../engine/batch.ts'
import type { Engine } from '../engine/engine.ts'
import type { Matrix } from '../models/tensors.ts'
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
  const { exports, memory, model, x } = segments[0]!
  const structs = segments.map((one) => new Uint32Array(one.memory.buffer, one.model, L.MODEL_BYTES / 4))
  const saved = structs.map((struct) => struct.slice())
  const ids = runs.flatMap((run) => run.ids)
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
        count(engine, s, layer, runs, normed)
      }
    }
    return L.STATUS_OK
  } finally {
    for (const [s, struct] of structs.entries()) struct.set(saved[s]!)
  }
}

/** What attention of the layer at hand reads of a row: f32[embeddingLength]. */
function attentionInput({ plan, segments, config }: Engine, s: number, row: number): Float32Array {
  const { buffers, model } = plan.segments[s]!
  const { exports, memory } = segments[s]!
  exports.attnNorm(model, row, buffers.normed)
  return new Float32Array(memory.buffer, buffers.normed, config.embeddingLength).slice()
}

/** Names of matrices without their layer's prefix and `.weight`, each once. */
function namesOf(...matrices: (Matrix | undefined)[]): string {
  const names = matrices.flatMap((matrix) => (matrix ? [matrix.info.tensor.replace(/^blk\.\d+\.|\.weight$/g, '')] : []))
  return [...new Set(names)].join(' ')
}

/** Counts what the matrices of a layer, which is in segment `s`, have just read; q, k and v read `attention`. */
function count(
  { config, plan, segments, tensors }: Engine,
  s: number,
  layer: number,
  runs: readonly Run[],
  attention: readonly Float32Array[],
): void {
  const { embeddingLength, headCount, headDim, expertCount, expertUsedCount } = config
  const { attnQ, attnK, attnV, attnOutput, ffnGateInp, ffnGateInpShexp, experts, shared } = tensors.layers[layer]!
  const { ffnGate, ffnUp, ffnDown } = experts[0]!
  const width = ffnUp.rows
  const { buffers } = plan.segments[s]!
  const { buffer } = segments[s]!.memory
  const floats = (at: number, row: number, width: number) => new Float32Array(buffer, at + row * width * 4, width)
  // A single token's norm is in its private place.
  const norm = attention.length === 1 ? buffers.privates : buffers.normed
  let row = 0
  for (const { ids, position, activations } of runs) {
    for (let p = position; p < position + ids.length; p++, row++) {
      if (!activations?.counts(layer, p)) continue
      const add = (parts: string, input: Float32Array, expert?: number, of?: number): void =>
        activations.add(`blk.${layer}.`, parts, input, expert, of)
      const normed = config.parallel ? attention[row]! : floats(norm, row, embeddingLength)
      add(namesOf(attnQ, attnK, attnV), attention[row]!)
      add(namesOf(attnOutput), floats(buffers.attn, row, headCount * headDim))
      if (!ffnGateInp) {
        add(namesOf(ffnGate, ffnUp), normed)
        add(namesOf(ffnDown), floats(buffers.h, row, width))
        continue
      }
      add(namesOf(ffnGateInp, ffnGateInpShexp, shared?.ffnGate, shared?.ffnUp), normed)
      if (shared) add(namesOf(shared.ffnDown), floats(buffers.hShared, row, shared.ffnUp.rows))
      for (let j = 0; j < expertUsedCount; j++) {
        const route = new Int32Array(buffer, buffers.routes + (row * expertUsedCount + j) * L.ROUTE_BYTES)
        const expert = route[L.ROUTE_EXPERT >> 2]!
        add('ffn_gate_exps ffn_up_exps', normed, expert, expertCount)
        add('ffn_down_exps', floats(buffers.h, ~route[L.ROUTE_SLOT >> 2]!, width), expert, expertCount)
      }
    }
  }
}
