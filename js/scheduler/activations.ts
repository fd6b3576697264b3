/**
 * What the matrices of a model read, as sums of squares by column: how much each column weighs (js/imatrix). Each token of
 * a sequence counts once, in the order of positions: neither threads nor the cut into passes change a bit.
 */
import type { LayerObserver } from '../engine/batch.ts'
import type { Task } from './scheduler.ts'

/** What matrices that read the same have read. */
export interface InputSums {
  /** GGUF's names of them. */
  names: string[]
  /** [experts, columns], of a dense matrix [columns]: sums of squares over the tokens. */
  sums: Float64Array
  /** [experts], or [1]: tokens. */
  counts: Float64Array
}

export class ActivationsTask implements Task, LayerObserver {
  readonly priority = 0
  readonly output = 'hidden'
  readonly observer = this
  wanted = 0
  /** By layer and names. What the output head reads comes last. */
  readonly sums = new Map<string, InputSums>()
  /** Of each layer the first position that is not counted: what is computed a second time does not count. */
  private readonly next: number[] = []

  constructor(readonly ids: readonly number[]) {}

  wants(layer: number, position: number): boolean {
    if (position < (this.next[layer] ?? 0)) return false
    this.next[layer] = position + 1
    return true
  }

  observe(layer: number, names: string, input: Float32Array, expert?: number, experts?: number): void {
    this.add(`blk.${layer}.`, names, input, expert, experts)
  }

  private add(prefix: string, parts: string, input: Float32Array, expert = 0, experts = 1): void {
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
