/** The rows of one forward pass, and the arrays that describe them to the wasm functions. */
import * as L from '../../assembly/layout.ts'
import type { ModelConfig } from '../models/config.ts'
import { queryScale } from '../models/rope.ts'
import type { SegmentPlan } from './plan.ts'

/** Tokens of one sequence at positions that follow each other, and the cache pages of the sequence from position 0 on. */
export interface BatchSpan {
  ids: readonly number[]
  position: number
  pages: readonly { readonly index: number }[]
  /** Sees what the matrices of each layer read: then the pass goes layer by layer. */
  observer?: LayerObserver | undefined
}

/** Sees what the matrices of each layer read, row by row. */
export interface LayerObserver {
  /** Whether to show what a layer reads at a position. */
  wants(layer: number, position: number): boolean
  /**
   * @param names the matrices, by GGUF's names without `blk.N.` and `.weight`, with spaces between
   * @param input f32, one value a column of theirs; good until this returns
   * @param expert whose matrices they are, of `experts`
   */
  observe(layer: number, names: string, input: Float32Array, expert?: number, experts?: number): void
}

/** Queries of one sequence that attention takes at once: those of every kv head, from `first` on. */
interface Unit {
  first: number
  queries: number
  work: number
}

/** `group`: query heads that share a kv head. The longest units come first, so that the threads end together. */
export function attentionUnits(spans: readonly BatchSpan[], group: number): Unit[] {
  const units: Unit[] = []
  let row = 0
  for (const { ids, position } of spans) {
    const all = ids.length * group
    for (let from = 0; from < all; from += L.QUERY_UNIT) {
      const queries = Math.min(all - from, L.QUERY_UNIT)
      const seen = position + Math.ceil((from + queries) / group)
      units.push({ first: row * group + from, queries, work: queries * seen })
    }
    row += ids.length
  }
  return units.sort((a, b) => b.work - a.work)
}

/** Fills in the batch of a segment. */
export function writeBatch(
  memory: WebAssembly.Memory,
  { buffers, model }: SegmentPlan,
  spans: readonly BatchSpan[],
  units: readonly Unit[],
  config: ModelConfig,
): void {
  const words = new Uint32Array(memory.buffer)
  const floats = new Float32Array(memory.buffer)
  let row = 0
  for (const [i, { ids, position, pages }] of spans.entries()) {
    const table = buffers.pages + i * buffers.tableBytes
    for (const [p, { index }] of pages.entries()) words[(table >> 2) + p] = index
    for (const [j, id] of ids.entries()) {
      words[(buffers.tokens >> 2) + row] = id
      words[(buffers.positions >> 2) + row] = position + j
      if (buffers.queryScales) floats[(buffers.queryScales >> 2) + row] = queryScale(config, position + j)
      words[(buffers.tables >> 2) + row] = table
      row++
    }
  }
  words[(model + L.MODEL_N) >> 2] = row
  words[(model + L.MODEL_N_UNITS) >> 2] = units.length
  for (const [i, { first, queries }] of units.entries()) {
    words[(buffers.units >> 2) + 2 * i] = first
    words[(buffers.units >> 2) + 2 * i + 1] = queries
  }
}
