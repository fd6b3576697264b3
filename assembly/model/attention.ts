// Attention over the KV cache (cache.ts), in pieces of PIECE positions at fixed absolute places. Each gives its state
// (max, sum, accumulator), whichever thread computes it, and states merge in order of position (online softmax: Milakov
// and Gimelshein 2018).
import {
  KV_F16,
  KV_Q8_0,
  LAYER_K_CACHE,
  LAYER_V_CACHE,
  MAX_HEAD_DIM,
  MAX_STATE_BYTES,
  MODEL_ATTN,
  MODEL_ATTN_SCALE,
  MODEL_HEADS,
  MODEL_HEAD_DIM,
  MODEL_KV_HEADS,
  MODEL_KV_TYPE,
  MODEL_PARTIALS,
  MODEL_POSITIONS,
  MODEL_QB,
  MODEL_TABLES,
  PAGE,
  PIECE,
  SCRATCH_ATTENTION,
  STATE_HEAD,
} from '../layout'
import { F16_BIAS_RATIO } from '../quant/f16'
import { pageScores, pageValues } from '../kernels/attend'
import { Q_BLOCK, Q_D } from '../kernels/attend_q8/layout'
import { quantize32 } from '../kernels/attend_q8/quantize'
import { kHeadBytes, padded, vHeadBytes } from './cache'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import { exp_scalar, exp_simd } from './math'

// Queries that share a kv head are taken four at a time, so that each key and value is loaded once for all four: the
// query heads of a group, and the rows of a prompt. Query i of a kv head is head kv · group + i mod group of row i / group.

/** Queries of a tile. */
// @ts-ignore: decorator
@inline
const QUERIES = 4
// Parts of SCRATCH_ATTENTION: the queries side by side (headDim, QUERIES), scores (QUERIES, PIECE), two sets of states.
// @ts-ignore: decorator
@inline
const SCORES: usize = SCRATCH_ATTENTION + MAX_HEAD_DIM * QUERIES * 4
// @ts-ignore: decorator
@inline
const STATES: usize = SCORES + PIECE * QUERIES * 4
// @ts-ignore: decorator
@inline
const NEXT_STATES: usize = STATES + QUERIES * MAX_STATE_BYTES

/** What SIMD kernels want queries and softmax weights multiplied by (attend_float/simd.ts). */
// @ts-ignore: decorator
@inline
function factorOf(kind: i32): f32 {
  return ASC_FEATURE_SIMD && kind == KV_F16 ? F16_BIAS_RATIO : 1
}

/** Scores s f32[count] → exp(s − max) · factor in place, with zeros up to `end`; max and sum → state. */
function softmaxPiece(s: usize, count: i32, end: i32, factor: f32, state: usize): void {
  const whole = s + ((<usize>(count & ~3)) << 2)
  const last = s + ((<usize>count) << 2)
  let most = load<f32>(s)
  if (ASC_FEATURE_SIMD) {
    let m = f32x4.splat(most)
    for (let p = s; p < whole; p += 16) m = f32x4.max(m, v128.load(p))
    most = max(
      max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
      max(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
    )
    for (let p = whole; p < last; p += 4) most = max(most, load<f32>(p))
    const shift = f32x4.splat(most)
    for (let p = s; p < whole; p += 16) v128.store(p, exp_simd(f32x4.sub(v128.load(p), shift)))
    for (let p = whole; p < last; p += 4) store<f32>(p, exp_scalar(load<f32>(p) - most))
  } else {
    for (let p = s; p < last; p += 4) most = max(most, load<f32>(p))
    for (let p = s; p < last; p += 4) store<f32>(p, exp_scalar(load<f32>(p) - most))
  }
  for (let p = last; p < s + ((<usize>((end + 3) & ~3)) << 2); p += 4) store<f32>(p, 0)
  // Four partial sums, position mod 4; zeros beyond `count` change none.
  let s0: f32 = 0
  let s1: f32 = 0
  let s2: f32 = 0
  let s3: f32 = 0
  for (let p = s; p < last; p += 16) {
    s0 += load<f32>(p)
    s1 += load<f32>(p, 4)
    s2 += load<f32>(p, 8)
    s3 += load<f32>(p, 12)
  }
  store<f32>(state, most)
  store<f32>(state, s0 + s2 + (s1 + s3), 4)
  if (factor == 1) return
  for (let p = s; p < last; p += 4) store<f32>(p, load<f32>(p) * factor)
}

/** Positions of piece `piece` that a query at `position` sees. */
// @ts-ignore: decorator
@inline
function countOf(position: i32, piece: i32): i32 {
  return max(min(position + 1 - piece * PIECE, PIECE), 0)
}

/**
 * States of `queries` queries from query `first` of kv head `kv` over piece `piece` → `states` (scratch). All of them
 * belong to rows of one sequence, in order of position. Queries that see nothing of the piece leave no state.
 */
function pieceStates(
  model: usize,
  layer: usize,
  kv: i32,
  first: i32,
  queries: i32,
  piece: i32,
  states: usize,
  scratch: usize,
): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const kvHeads = i32At(model, MODEL_KV_HEADS)
  const group = i32At(model, MODEL_HEADS) / kvHeads
  const scale = f32At(model, MODEL_ATTN_SCALE)
  const kind = i32At(model, MODEL_KV_TYPE)
  const width = padded(headDim)
  const q = scratch + SCRATCH_ATTENTION
  const s = scratch + SCORES
  const lastRow = (first + queries - 1) / group
  const most = countOf(positionOf(model, lastRow), piece)
  const pages = pagesOf(model, lastRow) + <usize>piece * ((PIECE / PAGE) * 4)
  for (let j = 0; j < most; j += PAGE) {
    const page = <usize>load<u32>(pages + <usize>(j / PAGE) * 4)
    const k = pointerAt(layer, LAYER_K_CACHE) + (page * kvHeads + kv) * kHeadBytes(headDim, kind)
    const n = min(most - j, PAGE)
    pageScores(kind, queries, q, k, n, headDim, scale, s + ((<usize>j) << 2))
  }
  for (let t = 0; t < queries; t++) {
    const state = states + <usize>t * MAX_STATE_BYTES
    const count = countOf(positionOf(model, (first + t) / group), piece)
    if (count > 0) softmaxPiece(s + <usize>t * (PIECE * 4), count, most, factorOf(kind), state)
    else memory.fill(s + <usize>t * (PIECE * 4), 0, PIECE * 4)
  }
  for (let t: usize = 0; t < <usize>queries; t++) {
    memory.fill(states + t * MAX_STATE_BYTES + STATE_HEAD * 4, 0, (<usize>width) << 2)
  }
  const acc = states + STATE_HEAD * 4
  for (let j = 0; j < most; j += PAGE) {
    const page = <usize>load<u32>(pages + <usize>(j / PAGE) * 4)
    const v = pointerAt(layer, LAYER_V_CACHE) + (page * kvHeads + kv) * vHeadBytes(headDim, kind)
    const n = min(most - j, PAGE)
    pageValues(kind, queries, s + ((<usize>j) << 2), v, n, headDim, width, acc)
  }
}

/** Copies the queries of a tile side by side, in the form that the cache's kernels read; missing ones become zeros. */
function gatherQueries(model: usize, kv: i32, first: i32, queries: i32, dst: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const kind = i32At(model, MODEL_KV_TYPE)
  const factor = factorOf(kind)
  if (kind == KV_Q8_0) memory.fill(dst, 0, <usize>(headDim >> 5) * Q_BLOCK)
  for (let t = 0; t < QUERIES; t++) {
    const q = headAt(model, pointerAt(model, MODEL_QB), kv, first + t)
    const at = dst + ((<usize>t) << 2)
    if (kind == KV_Q8_0) {
      if (t >= queries) break
      for (let b: usize = 0; b < <usize>(headDim >> 5); b++) {
        const block = at + b * Q_BLOCK
        store<f32>(block + Q_D, quantize32(q + (b << 7), block, 16, 32))
      }
      continue
    }
    for (let d: usize = 0; d < <usize>headDim; d++) {
      store<f32>(at + (d << 4), t < queries ? load<f32>(q + (d << 2)) * factor : 0)
    }
  }
}

/** Merges the state of the next piece into `state`. */
function merge(state: usize, next: usize, width: i32): void {
  const m0 = load<f32>(state)
  const m1 = load<f32>(next)
  const most = max(m0, m1)
  const w0 = exp_scalar(m0 - most)
  const w1 = exp_scalar(m1 - most)
  store<f32>(state, most)
  store<f32>(state, load<f32>(state, 4) * w0 + load<f32>(next, 4) * w1, 4)
  for (let i = STATE_HEAD; i < STATE_HEAD + width; i++) {
    const at = (<usize>i) << 2
    store<f32>(state + at, load<f32>(state + at) * w0 + load<f32>(next + at) * w1)
  }
}

/** accumulator / sum → f32[headDim] at out. */
function finish(state: usize, headDim: i32, out: usize): void {
  const inverse = <f32>1 / load<f32>(state, 4)
  for (let i = 0; i < headDim; i++) {
    store<f32>(out + ((<usize>i) << 2), load<f32>(state + ((<usize>(STATE_HEAD + i)) << 2)) * inverse)
  }
}

// @ts-ignore: decorator
@inline
export function piecesOf(position: i32): i32 {
  return position / PIECE + 1
}

// @ts-ignore: decorator
@inline
function positionOf(model: usize, row: i32): i32 {
  return i32Of(pointerAt(model, MODEL_POSITIONS), row)
}

// @ts-ignore: decorator
@inline
function pagesOf(model: usize, row: i32): usize {
  return <usize>i32Of(pointerAt(model, MODEL_TABLES), row)
}

/** Query heads that share a kv head. */
// @ts-ignore: decorator
@inline
function groupOf(model: usize): i32 {
  return i32At(model, MODEL_HEADS) / i32At(model, MODEL_KV_HEADS)
}

/** Tiles of queries of one kv head, over n rows. */
export function queryTiles(model: usize, n: i32): i32 {
  return (n * groupOf(model) + QUERIES - 1) / QUERIES
}

/** Where query `query` of kv head `kv` has its f32[headDim] in an array like MODEL_QB or MODEL_ATTN. */
// @ts-ignore: decorator
@inline
function headAt(model: usize, array: usize, kv: i32, query: i32): usize {
  const group = groupOf(model)
  const head = (query / group) * i32At(model, MODEL_HEADS) + kv * group + (query % group)
  return f32Of(array, head * i32At(model, MODEL_HEAD_DIM))
}

/** All pieces of one tile of queries, merged in order → MODEL_ATTN. */
export function attend(model: usize, layer: usize, n: i32, kv: i32, tile: i32, scratch: usize): void {
  const group = groupOf(model)
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const first = tile * QUERIES
  const queries = min(n * group - first, QUERIES)
  const pieces = piecesOf(positionOf(model, (first + queries - 1) / group))
  gatherQueries(model, kv, first, queries, scratch + SCRATCH_ATTENTION)
  for (let piece = 0; piece < pieces; piece++) {
    const states = scratch + (piece == 0 ? STATES : NEXT_STATES)
    pieceStates(model, layer, kv, first, queries, piece, states, scratch)
    if (piece == 0) continue
    for (let t = 0; t < queries; t++) {
      if (countOf(positionOf(model, (first + t) / group), piece) == 0) continue
      merge(scratch + STATES + <usize>t * MAX_STATE_BYTES, states + <usize>t * MAX_STATE_BYTES, padded(headDim))
    }
  }
  for (let t = 0; t < queries; t++) {
    const state = scratch + STATES + <usize>t * MAX_STATE_BYTES
    finish(state, headDim, headAt(model, pointerAt(model, MODEL_ATTN), kv, first + t))
  }
}

// @ts-ignore: decorator
@inline
function stateBytes(headDim: i32): usize {
  return (<usize>(STATE_HEAD + padded(headDim))) << 2
}

/** One piece of row 0 for one tile of queries → MODEL_PARTIALS (heads, pieces, state). */
export function attendPiece(model: usize, layer: usize, kv: i32, tile: i32, piece: i32, scratch: usize): void {
  const group = groupOf(model)
  const bytes = stateBytes(i32At(model, MODEL_HEAD_DIM))
  const pieces = piecesOf(positionOf(model, 0))
  const first = tile * QUERIES
  const queries = min(group - first, QUERIES)
  gatherQueries(model, kv, first, queries, scratch + SCRATCH_ATTENTION)
  pieceStates(model, layer, kv, first, queries, piece, scratch + STATES, scratch)
  for (let t = 0; t < queries; t++) {
    const to = pointerAt(model, MODEL_PARTIALS) + <usize>((kv * group + first + t) * pieces + piece) * bytes
    memory.copy(to, scratch + STATES + <usize>t * MAX_STATE_BYTES, bytes)
  }
}

/** Merges the pieces of one query head of row 0, in order, into its first. */
export function mergePieces(model: usize, head: i32): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const bytes = stateBytes(headDim)
  const pieces = piecesOf(positionOf(model, 0))
  const state = pointerAt(model, MODEL_PARTIALS) + <usize>(head * pieces) * bytes
  for (let piece = 1; piece < pieces; piece++) merge(state, state + <usize>piece * bytes, padded(headDim))
}

/** Row 0's attention from its merged states → f32 [heads · headDim] at out. */
export function finishPieces(model: usize, out: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const heads = i32At(model, MODEL_HEADS)
  const bytes = stateBytes(headDim) * piecesOf(positionOf(model, 0))
  let state = pointerAt(model, MODEL_PARTIALS)
  for (let h = 0; h < heads; h++, state += bytes) finish(state, headDim, f32Of(out, h * headDim))
}
