// Attention over the KV cache (cache.ts), in pieces of PIECE positions at fixed absolute places. Each gives its state
// (max, sum, accumulator), whichever thread computes it, and states merge in order of position (online softmax: Milakov
// and Gimelshein 2018).
import {
  KV_F16,
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
import { F16_BIAS_RATIO, F16_MASK, f16ToF32, shiftF16x4 } from '../quant/f16'
import { splat0, splat1, splat2, splat3 } from '../kernels/steps'
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

/**
 * Four elements of the cache. Halves come with their own exponents, 2^112 too small: what they are multiplied by, queries
 * and softmax weights, is made 2^112 larger instead, once.
 */
// @ts-ignore: decorator
@inline
function load4(p: usize, mask: v128, f16: bool): v128 {
  return f16 ? shiftF16x4(p, mask) : v128.load(p)
}

// @ts-ignore: decorator
@inline
function factorOf(f16: bool): f32 {
  return ASC_FEATURE_SIMD && f16 ? F16_BIAS_RATIO : 1
}

// @ts-ignore: decorator
@inline
function load1(p: usize, f16: bool): f32 {
  return f16 ? f16ToF32(load<u16>(p)) : load<f32>(p)
}

// @ts-ignore: decorator
@inline
function addMul(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b))
}

/**
 * q · k of four queries with up to PAGE positions, each sum in order of dimension; whole eights are computed. q: queries
 * side by side; s: where each query's scores go, PIECE floats apart.
 */
// @ts-ignore: decorator
@inline
function scores(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = i32x4.splat(F16_MASK)
  const scales = f32x4.splat(scale)
  const end = q + ((<usize>headDim) << 4)
  for (let j = 0; j < count; j += 8) {
    let c00 = f32x4.splat(0)
    let c01 = c00
    let c10 = c00
    let c11 = c00
    let c20 = c00
    let c21 = c00
    let c30 = c00
    let c31 = c00
    let p = k + ((<usize>(j * headDim)) << shift)
    for (let a = q; a < end; a += 16, p += 8 << shift) {
      const x = v128.load(a)
      const k0 = load4(p, mask, f16)
      const k1 = load4(p + (4 << shift), mask, f16)
      let y = splat0(x)
      c00 = addMul(c00, k0, y)
      c01 = addMul(c01, k1, y)
      y = splat1(x)
      c10 = addMul(c10, k0, y)
      c11 = addMul(c11, k1, y)
      y = splat2(x)
      c20 = addMul(c20, k0, y)
      c21 = addMul(c21, k1, y)
      y = splat3(x)
      c30 = addMul(c30, k0, y)
      c31 = addMul(c31, k1, y)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(c00, scales))
    v128.store(to, f32x4.mul(c01, scales), 16)
    v128.store(to, f32x4.mul(c10, scales), PIECE * 4)
    v128.store(to, f32x4.mul(c11, scales), PIECE * 4 + 16)
    v128.store(to, f32x4.mul(c20, scales), PIECE * 8)
    v128.store(to, f32x4.mul(c21, scales), PIECE * 8 + 16)
    v128.store(to, f32x4.mul(c30, scales), PIECE * 12)
    v128.store(to, f32x4.mul(c31, scales), PIECE * 12 + 16)
  }
}

/** The same for one query, whose values stand QUERIES apart; whole sixteens are computed. */
// @ts-ignore: decorator
@inline
function scores1(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = i32x4.splat(F16_MASK)
  const scales = f32x4.splat(scale)
  const end = q + ((<usize>headDim) << 4)
  const eight = (<usize>headDim * 8) << shift
  for (let j = 0; j < count; j += 16) {
    let c0 = f32x4.splat(0)
    let c1 = c0
    let c2 = c0
    let c3 = c0
    let p = k + ((<usize>(j * headDim)) << shift)
    for (let a = q; a < end; a += 16, p += 8 << shift) {
      const y = v128.load32_splat(a)
      c0 = addMul(c0, load4(p, mask, f16), y)
      c1 = addMul(c1, load4(p + (4 << shift), mask, f16), y)
      c2 = addMul(c2, load4(p + eight, mask, f16), y)
      c3 = addMul(c3, load4(p + eight + (4 << shift), mask, f16), y)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(c0, scales))
    v128.store(to, f32x4.mul(c1, scales), 16)
    v128.store(to, f32x4.mul(c2, scales), 32)
    v128.store(to, f32x4.mul(c3, scales), 48)
  }
}

// @ts-ignore: decorator
@inline
function scoresScalar(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  const shift: usize = f16 ? 1 : 2
  for (let j = 0; j < count; j++) {
    let c: f32 = 0
    for (let d = 0; d < headDim; d++) {
      const at = <usize>(((j >> 3) * headDim + d) * 8 + (j & 7))
      c += load1(k + (at << shift), f16) * load<f32>(q + ((<usize>d) << 4))
    }
    store<f32>(s + ((<usize>j) << 2), c * scale)
  }
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

/**
 * acc += Σ p[j] · v[j] over up to PAGE positions, in order of position, for four queries: p PIECE floats apart, their
 * accumulators MAX_STATE_BYTES apart. Entries that a query may not see have p = 0, which changes no bit of a sum.
 */
// @ts-ignore: decorator
@inline
function weighV(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = i32x4.splat(F16_MASK)
  const end = p + ((<usize>count) << 2)
  for (let d = 0; d < width; d += 8, v += (<usize>(PAGE * 8)) << shift, acc += 32) {
    let a00 = v128.load(acc)
    let a01 = v128.load(acc, 16)
    let a10 = v128.load(acc, MAX_STATE_BYTES)
    let a11 = v128.load(acc, MAX_STATE_BYTES + 16)
    let a20 = v128.load(acc, 2 * MAX_STATE_BYTES)
    let a21 = v128.load(acc, 2 * MAX_STATE_BYTES + 16)
    let a30 = v128.load(acc, 3 * MAX_STATE_BYTES)
    let a31 = v128.load(acc, 3 * MAX_STATE_BYTES + 16)
    let from = v
    for (let j = p; j < end; j += 4, from += 8 << shift) {
      const v0 = load4(from, mask, f16)
      const v1 = load4(from + (4 << shift), mask, f16)
      let w = v128.load32_splat(j)
      a00 = addMul(a00, v0, w)
      a01 = addMul(a01, v1, w)
      w = v128.load32_splat(j, PIECE * 4)
      a10 = addMul(a10, v0, w)
      a11 = addMul(a11, v1, w)
      w = v128.load32_splat(j, PIECE * 8)
      a20 = addMul(a20, v0, w)
      a21 = addMul(a21, v1, w)
      w = v128.load32_splat(j, PIECE * 12)
      a30 = addMul(a30, v0, w)
      a31 = addMul(a31, v1, w)
    }
    v128.store(acc, a00)
    v128.store(acc, a01, 16)
    v128.store(acc, a10, MAX_STATE_BYTES)
    v128.store(acc, a11, MAX_STATE_BYTES + 16)
    v128.store(acc, a20, 2 * MAX_STATE_BYTES)
    v128.store(acc, a21, 2 * MAX_STATE_BYTES + 16)
    v128.store(acc, a30, 3 * MAX_STATE_BYTES)
    v128.store(acc, a31, 3 * MAX_STATE_BYTES + 16)
  }
}

/** The same for the first query alone: two eights of dimensions at a time, or one. */
// @ts-ignore: decorator
@inline
function weighV1(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = i32x4.splat(F16_MASK)
  const end = p + ((<usize>count) << 2)
  const eight = (<usize>(PAGE * 8)) << shift
  for (let d = 0; d < width; d += 16, v += 2 * eight, acc += 64) {
    const next: usize = d + 8 < width ? eight : 0
    let a0 = v128.load(acc)
    let a1 = v128.load(acc, 16)
    let a2 = v128.load(acc, 32)
    let a3 = v128.load(acc, 48)
    let from = v
    for (let j = p; j < end; j += 4, from += 8 << shift) {
      const w = v128.load32_splat(j)
      a0 = addMul(a0, load4(from, mask, f16), w)
      a1 = addMul(a1, load4(from + (4 << shift), mask, f16), w)
      a2 = addMul(a2, load4(from + next, mask, f16), w)
      a3 = addMul(a3, load4(from + next + (4 << shift), mask, f16), w)
    }
    v128.store(acc, a0)
    v128.store(acc, a1, 16)
    if (next == 0) continue
    v128.store(acc, a2, 32)
    v128.store(acc, a3, 48)
  }
}

// @ts-ignore: decorator
@inline
function weighVScalar(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  for (let d = 0; d < width; d++) {
    let a = load<f32>(acc + ((<usize>d) << 2))
    for (let j = 0; j < count; j++) {
      const at = <usize>(((d >> 3) * PAGE + j) * 8 + (d & 7))
      a += load1(v + (at << shift), f16) * load<f32>(p + ((<usize>j) << 2))
    }
    store<f32>(acc + ((<usize>d) << 2), a)
  }
}

/** Scores of one page for `queries` queries. */
// @ts-ignore: decorator
@inline
function pageScores(queries: i32, q: usize, k: usize, n: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  if (!ASC_FEATURE_SIMD) {
    for (let t: usize = 0; t < <usize>queries; t++) {
      scoresScalar(q + (t << 2), k, n, headDim, scale, f16, s + t * (PIECE * 4))
    }
  } else if (queries == 1) scores1(q, k, n, headDim, scale, f16, s)
  else scores(q, k, n, headDim, scale, f16, s)
}

// @ts-ignore: decorator
@inline
function pageValues(queries: i32, p: usize, v: usize, n: i32, width: i32, f16: bool, acc: usize): void {
  if (!ASC_FEATURE_SIMD) {
    for (let t: usize = 0; t < <usize>queries; t++) {
      weighVScalar(p + t * (PIECE * 4), v, n, width, f16, acc + t * MAX_STATE_BYTES)
    }
  } else if (queries == 1) weighV1(p, v, n, width, f16, acc)
  else weighV(p, v, n, width, f16, acc)
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
  const f16 = i32At(model, MODEL_KV_TYPE) == KV_F16
  const width = padded(headDim)
  const q = scratch + SCRATCH_ATTENTION
  const s = scratch + SCORES
  const lastRow = (first + queries - 1) / group
  const most = countOf(positionOf(model, lastRow), piece)
  const pages = pagesOf(model, lastRow) + <usize>piece * ((PIECE / PAGE) * 4)
  for (let j = 0; j < most; j += PAGE) {
    const page = <usize>load<u32>(pages + <usize>(j / PAGE) * 4)
    const k = pointerAt(layer, LAYER_K_CACHE) + (page * kvHeads + kv) * kHeadBytes(headDim, f16)
    const n = min(most - j, PAGE)
    if (f16) pageScores(queries, q, k, n, headDim, scale, true, s + ((<usize>j) << 2))
    else pageScores(queries, q, k, n, headDim, scale, false, s + ((<usize>j) << 2))
  }
  for (let t = 0; t < queries; t++) {
    const state = states + <usize>t * MAX_STATE_BYTES
    const count = countOf(positionOf(model, (first + t) / group), piece)
    if (count > 0) softmaxPiece(s + <usize>t * (PIECE * 4), count, most, factorOf(f16), state)
    else memory.fill(s + <usize>t * (PIECE * 4), 0, PIECE * 4)
  }
  for (let t: usize = 0; t < <usize>queries; t++) {
    memory.fill(states + t * MAX_STATE_BYTES + STATE_HEAD * 4, 0, (<usize>width) << 2)
  }
  const acc = states + STATE_HEAD * 4
  for (let j = 0; j < most; j += PAGE) {
    const page = <usize>load<u32>(pages + <usize>(j / PAGE) * 4)
    const v = pointerAt(layer, LAYER_V_CACHE) + (page * kvHeads + kv) * vHeadBytes(headDim, f16)
    const n = min(most - j, PAGE)
    if (f16) pageValues(queries, s + ((<usize>j) << 2), v, n, width, true, acc)
    else pageValues(queries, s + ((<usize>j) << 2), v, n, width, false, acc)
  }
}

/** Copies the queries of a tile side by side; those that are missing become zeros. */
function gatherQueries(model: usize, kv: i32, first: i32, queries: i32, dst: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const factor = factorOf(i32At(model, MODEL_KV_TYPE) == KV_F16)
  for (let t = 0; t < QUERIES; t++, dst += 4) {
    const q = headAt(model, pointerAt(model, MODEL_QB), kv, first + t)
    for (let d: usize = 0; d < <usize>headDim; d++) {
      store<f32>(dst + (d << 4), t < queries ? load<f32>(q + (d << 2)) * factor : 0)
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
