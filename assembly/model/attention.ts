// Attention over the KV cache (cache.ts), in pieces of PIECE positions at fixed absolute places. Each gives its state
// (max, sum, accumulator), whichever thread computes it, and states merge in order of position (online softmax: Milakov
// and Gimelshein 2018).
import * as L from '../layout'
import { F16_BIAS_RATIO } from '../quant/f16'
import { pageScores, pageValues, widen, widens } from '../kernels/attend'
import { Q_BLOCK, Q_D } from '../kernels/attend_q8/layout'
import { quantize32 } from '../kernels/attend_q8/quantize'
import { kHeadBytes, padded, vHeadBytes } from './cache'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import { expSum_simd, exp_scalar, softcap } from './math'
import { Thread } from './thread'

// Queries that share a kv head are taken four at a time, so that each key and value is loaded once for all four: the
// query heads of a group, and the rows of a prompt. Query i of a kv head is head kv · group + i mod group of row i / group.
// A batch's are taken in units of up to 64, each of one sequence, for which a piece of a cache of halves is made f32 once.

/** Tiles for which making a piece f32 pays. */
@inline
const WIDEN_TILES = 3

/** What SIMD kernels want queries and softmax weights multiplied by (attend_float/simd.ts). */
@inline
function factorOf(kind: i32): f32 {
  return ASC_FEATURE_SIMD && kind == L.KV_F16 ? F16_BIAS_RATIO : 1
}

/**
 * Scores s f32 [from, count) → exp(s − max) · factor in place, with zeros before and up to `end`; max and the sum of
 * exp(s − max) → state. The sum has four parts, by position mod 4. Scores are finite, or the sum is NaN.
 */
function softmaxPiece(s: usize, from: i32, count: i32, end: i32, factor: f32, state: usize): void {
  if (from > 0) memory.fill(s, 0, (<usize>from) << 2)
  if (ASC_FEATURE_SIMD) softmax_simd(s, from, count, end, factor, state)
  else softmax_scalar(s, from, count, end, factor, state)
}

function softmax_scalar(s: usize, from: i32, count: i32, end: i32, factor: f32, state: usize): void {
  const first = s + ((<usize>from) << 2)
  const last = s + ((<usize>count) << 2)
  let most = load<f32>(first)
  for (let p = first; p < last; p += 4) most = max(most, load<f32>(p))
  for (let p = first; p < last; p += 4) store<f32>(p, exp_scalar(load<f32>(p) - most))
  for (let p = last; p < s + ((<usize>((end + 3) & ~3)) << 2); p += 4) store<f32>(p, 0)
  let s0: f32 = 0
  let s1: f32 = 0
  let s2: f32 = 0
  let s3: f32 = 0
  for (let p = s + ((<usize>(from & ~3)) << 2); p < last; p += 16) {
    s0 += load<f32>(p)
    s1 += load<f32>(p, 4)
    s2 += load<f32>(p, 8)
    s3 += load<f32>(p, 12)
  }
  store<f32>(state, most)
  store<f32>(state, s0 + s2 + (s1 + s3), 4)
  for (let p = first; p < last; p += 4) store<f32>(p, load<f32>(p) * factor)
}

function softmax_simd(s: usize, from: i32, count: i32, end: i32, factor: f32, state: usize): void {
  const begin = s + ((<usize>(from & ~3)) << 2)
  const whole = s + ((<usize>(count & ~3)) << 2)
  const last = s + ((<usize>count) << 2)
  // Scores that are not seen stand for the first that is.
  const seen = load<f32>(s + ((<usize>from) << 2))
  for (let p = begin; p < s + ((<usize>from) << 2); p += 4) store<f32>(p, seen)
  let m = f32x4.splat(seen)
  for (let p = begin; p < whole; p += 16) m = f32x4.pmax(m, v128.load(p))
  for (let p = max(begin, whole); p < last; p += 4) m = f32x4.pmax(m, v128.load32_splat(p))
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 2, 3, 2, 3))
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 1, 1, 1, 1))
  const most = f32x4.extract_lane(m, 0)
  const sum = expSum_simd(begin, from & 3, count - (from & ~3), f32x4.splat(most), f32x4.splat(factor))
  const first = s + ((<usize>((count + 3) & ~3)) << 2)
  for (let p = first; p < s + ((<usize>end) << 2); p += 16) v128.store(p, f32x4.splat(0))
  const halves = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 2, 3))
  store<f32>(state, most)
  store<f32>(state, f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1), 4)
}

/** Positions of piece `piece` that a query at `position` sees. */
@inline
function countOf(position: i32, piece: i32): i32 {
  return max(min(position + 1 - piece * L.PIECE, L.PIECE), 0)
}

/** First position of piece `piece` that a query at `position` sees, where it sees any; `window`: see LAYER_WINDOW. */
@inline
function fromOf(position: i32, window: i32, piece: i32): i32 {
  return window == 0 ? 0 : max(position + 1 - window - piece * L.PIECE, 0)
}

/** The first piece of which a query at `position` sees anything. */
@inline
export function firstPieceOf(layer: usize, position: i32): i32 {
  const window = i32At(layer, L.LAYER_WINDOW)
  return window == 0 ? 0 : max(position + 1 - window, 0) / L.PIECE
}

/** Keys (or values) of kv head `kv` in the page of positions `j`… of a piece, whose page table begins at `pages`. */
@inline
function pageAt(cache: usize, headBytes: usize, kvHeads: i32, kv: i32, pages: usize, j: i32): usize {
  return cache + (<usize>load<u32>(pages + <usize>(j / L.PAGE) * 4) * kvHeads + kv) * headBytes
}

/** The page table of piece `piece` of row `row`'s sequence. */
@inline
function piecePages(model: usize, row: i32, piece: i32): usize {
  return <usize>i32Of(pointerAt(model, L.MODEL_TABLES), row) + <usize>piece * ((L.PIECE / L.PAGE) * 4)
}

/** Positions [from, count) of a piece → f32, page by page: keys at `keys`, values behind all keys. */
function widenPiece(model: usize, layer: usize, kv: i32, pages: usize, from: i32, count: i32, keys: usize): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kvHeads = i32At(model, L.MODEL_KV_HEADS)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  const width = padded(headDim)
  const values = keys + kHeadBytes(headDim, L.KV_F32) * (L.PIECE / L.PAGE)
  for (let j = from & -L.PAGE; j < count; j += L.PAGE) {
    const k = pageAt(pointerAt(layer, L.LAYER_K_CACHE), kHeadBytes(headDim, kind), kvHeads, kv, pages, j)
    const v = pageAt(pointerAt(layer, L.LAYER_V_CACHE), vHeadBytes(headDim, kind), kvHeads, kv, pages, j)
    widen(k, headDim * L.PAGE, keys + ((<usize>(j * headDim)) << 2))
    widen(v, width * L.PAGE, values + ((<usize>(j * width)) << 2))
  }
}

/**
 * States of a tile of `queries` queries from query `first` of kv head `kv` over piece `piece` → `states`. All of them
 * belong to rows of one sequence, in order of position. Queries that see nothing of the piece leave no state. q: the
 * tile's queries; `wide`: the piece as f32, or 0 to read the cache itself.
 */
function pieceStates(
  model: usize,
  layer: usize,
  kv: i32,
  first: i32,
  queries: i32,
  piece: i32,
  q: usize,
  wide: usize,
  states: usize,
  scratch: usize,
): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kvHeads = i32At(model, L.MODEL_KV_HEADS)
  const group = i32At(model, L.MODEL_HEADS) / kvHeads
  const scale = f32At(model, L.MODEL_ATTN_SCALE)
  const stored = i32At(model, L.MODEL_KV_TYPE)
  const kind = wide ? L.KV_F32 : stored
  const width = padded(headDim)
  const s = scratch + L.SCRATCH_ATTENTION
  const window = i32At(layer, L.LAYER_WINDOW)
  const cap = f32At(model, L.MODEL_ATTN_CAP)
  const lastRow = (first + queries - 1) / group
  const most = countOf(positionOf(model, lastRow), piece)
  if (most == 0) return
  // Pages that no query of the tile sees are not read.
  const start = fromOf(positionOf(model, first / group), window, piece) & -L.PAGE
  const pages = piecePages(model, lastRow, piece)
  const kBytes = kHeadBytes(headDim, kind)
  for (let j = start; j < most; j += L.PAGE) {
    const k = wide
      ? wide + <usize>(j / L.PAGE) * kBytes
      : pageAt(pointerAt(layer, L.LAYER_K_CACHE), kBytes, kvHeads, kv, pages, j)
    pageScores(kind, queries, q, k, min(most - j, L.PAGE), headDim, scale, s + ((<usize>j) << 2))
  }
  for (let t = 0; t < queries; t++) {
    const state = states + <usize>t * L.MAX_STATE_BYTES
    const scores = s + <usize>t * (L.PIECE * 4)
    const position = positionOf(model, (first + t) / group)
    const count = countOf(position, piece)
    const from = fromOf(position, window, piece)
    if (count > from) {
      if (cap != 0) softcap(f32Of(scores, start), count - start, cap)
      softmaxPiece(scores, from, count, most, factorOf(stored), state)
    } else memory.fill(scores, 0, L.PIECE * 4)
    memory.fill(state + L.STATE_HEAD * 4, 0, (<usize>width) << 2)
  }
  const acc = states + L.STATE_HEAD * 4
  const vBytes = vHeadBytes(headDim, kind)
  const values = wide + kBytes * (L.PIECE / L.PAGE)
  for (let j = start; j < most; j += L.PAGE) {
    const v = wide
      ? values + <usize>(j / L.PAGE) * vBytes
      : pageAt(pointerAt(layer, L.LAYER_V_CACHE), vBytes, kvHeads, kv, pages, j)
    pageValues(kind, queries, s + ((<usize>j) << 2), v, min(most - j, L.PAGE), headDim, width, acc)
  }
}

/** Copies the queries of a tile side by side, in the form that the cache's kernels read; missing ones become zeros. */
function gatherQueries(model: usize, kv: i32, first: i32, queries: i32, dst: usize): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  const factor = factorOf(kind)
  if (kind == L.KV_Q8_0) memory.fill(dst, 0, <usize>(headDim >> 5) * Q_BLOCK)
  if (ASC_FEATURE_SIMD && kind != L.KV_Q8_0 && queries == L.QUERY_TILE && headDim % 4 == 0) {
    transpose_simd(model, kv, first, headDim, factor, dst)
    return
  }
  for (let t = 0; t < L.QUERY_TILE; t++) {
    const q = headAt(model, pointerAt(model, L.MODEL_QB), kv, first + t)
    const at = dst + ((<usize>t) << 2)
    if (kind == L.KV_Q8_0) {
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

/** Four queries · factor side by side: dimension 0 of all four, dimension 1 … */
function transpose_simd(model: usize, kv: i32, first: i32, headDim: i32, factor: f32, dst: usize): void {
  const array = pointerAt(model, L.MODEL_QB)
  const q0 = headAt(model, array, kv, first)
  const q1 = headAt(model, array, kv, first + 1)
  const q2 = headAt(model, array, kv, first + 2)
  const q3 = headAt(model, array, kv, first + 3)
  const factors = f32x4.splat(factor)
  for (let d: usize = 0; d < (<usize>headDim) << 2; d += 16, dst += 64) {
    const a = f32x4.mul(v128.load(q0 + d), factors)
    const b = f32x4.mul(v128.load(q1 + d), factors)
    const c = f32x4.mul(v128.load(q2 + d), factors)
    const e = f32x4.mul(v128.load(q3 + d), factors)
    const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
    const ab2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
    const ce0 = v128.shuffle<i32>(c, e, 0, 4, 1, 5)
    const ce2 = v128.shuffle<i32>(c, e, 2, 6, 3, 7)
    v128.store(dst, v128.shuffle<i64>(ab0, ce0, 0, 2))
    v128.store(dst, v128.shuffle<i64>(ab0, ce0, 1, 3), 16)
    v128.store(dst, v128.shuffle<i64>(ab2, ce2, 0, 2), 32)
    v128.store(dst, v128.shuffle<i64>(ab2, ce2, 1, 3), 48)
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
  const end = (<usize>(L.STATE_HEAD + width)) << 2
  let at: usize = L.STATE_HEAD * 4
  if (ASC_FEATURE_SIMD) {
    const w0s = f32x4.splat(w0)
    const w1s = f32x4.splat(w1)
    for (; at < end; at += 16) {
      const sum = f32x4.add(f32x4.mul(v128.load(state + at), w0s), f32x4.mul(v128.load(next + at), w1s))
      v128.store(state + at, sum)
    }
  }
  for (; at < end; at += 4) {
    store<f32>(state + at, load<f32>(state + at) * w0 + load<f32>(next + at) * w1)
  }
}

/** accumulator / sum → f32[headDim] at out. */
function finish(state: usize, headDim: i32, out: usize): void {
  const inverse = <f32>1 / load<f32>(state, 4)
  const accumulator = state + L.STATE_HEAD * 4
  let at: usize = 0
  if (ASC_FEATURE_SIMD) {
    const inverses = f32x4.splat(inverse)
    for (; at < (<usize>(headDim & ~3)) << 2; at += 16) {
      v128.store(out + at, f32x4.mul(v128.load(accumulator + at), inverses))
    }
  }
  for (; at < (<usize>headDim) << 2; at += 4) store<f32>(out + at, load<f32>(accumulator + at) * inverse)
}

@inline
export function piecesOf(position: i32): i32 {
  return position / L.PIECE + 1
}

@inline
function positionOf(model: usize, row: i32): i32 {
  return i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
}

/** Query heads that share a kv head. */
@inline
function groupOf(model: usize): i32 {
  return i32At(model, L.MODEL_HEADS) / i32At(model, L.MODEL_KV_HEADS)
}

/** Tiles of queries of one kv head in one row. */
export function queryTiles(model: usize): i32 {
  return (groupOf(model) + L.QUERY_TILE - 1) / L.QUERY_TILE
}

/** Where query `query` of kv head `kv` has its f32[headDim] in an array like MODEL_QB or MODEL_ATTN. */
@inline
function headAt(model: usize, array: usize, kv: i32, query: i32): usize {
  const group = groupOf(model)
  const head = (query / group) * i32At(model, L.MODEL_HEADS) + kv * group + (query % group)
  return f32Of(array, head * i32At(model, L.MODEL_HEAD_DIM))
}

/** All pieces of one of MODEL_UNITS, merged in order → MODEL_ATTN. */
export function attend(t: Thread, layer: usize, kv: i32, unit: i32): void {
  const model = t.model
  const group = groupOf(model)
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const first = i32Of(pointerAt(model, L.MODEL_UNITS), 2 * unit)
  const queries = i32Of(pointerAt(model, L.MODEL_UNITS), 2 * unit + 1)
  const tiles = (queries + L.QUERY_TILE - 1) / L.QUERY_TILE
  const firstPosition = positionOf(model, first / group)
  const lastRow = (first + queries - 1) / group
  const last = positionOf(model, lastRow)
  const pieces = piecesOf(last)
  const q = t.scratch + L.SCRATCH_QUERIES
  const tileBytes = (<usize>(headDim * L.QUERY_TILE)) << 2
  const wide =
    widens(i32At(model, L.MODEL_KV_TYPE)) && tiles >= WIDEN_TILES
      ? q + <usize>(L.QUERY_UNIT / L.QUERY_TILE) * tileBytes
      : 0
  for (let tile = 0; tile < tiles; tile++) {
    const from = tile * L.QUERY_TILE
    gatherQueries(model, kv, first + from, min(queries - from, L.QUERY_TILE), q + <usize>tile * tileBytes)
  }
  for (let piece = firstPieceOf(layer, firstPosition); piece < pieces; piece++) {
    if (wide) {
      const from = fromOf(firstPosition, i32At(layer, L.LAYER_WINDOW), piece)
      widenPiece(model, layer, kv, piecePages(model, lastRow, piece), from, countOf(last, piece), wide)
    }
    for (let tile = 0; tile < tiles; tile++) {
      attendTile(t, layer, kv, first, tile * L.QUERY_TILE, queries, piece, q + <usize>tile * tileBytes, wide)
    }
  }
  for (let i = 0; i < queries; i++) {
    const state = t.scratch + L.SCRATCH_STATES + <usize>i * L.MAX_STATE_BYTES
    finish(state, headDim, headAt(model, pointerAt(model, L.MODEL_ATTN), kv, first + i))
  }
}

/** One piece of the tile that begins with query `from` of a unit, merged into the states of the pieces before. */
function attendTile(
  t: Thread,
  layer: usize,
  kv: i32,
  first: i32,
  from: i32,
  queries: i32,
  piece: i32,
  q: usize,
  wide: usize,
): void {
  const model = t.model
  const group = groupOf(model)
  const count = min(queries - from, L.QUERY_TILE)
  const states = t.scratch + L.SCRATCH_NEXT_STATES
  const width = padded(i32At(model, L.MODEL_HEAD_DIM))
  const window = i32At(layer, L.LAYER_WINDOW)
  // Where the tile's last query sees nothing of the piece any more, no other does.
  const lastPosition = positionOf(model, (first + from + count - 1) / group)
  const firstPosition = positionOf(model, (first + from) / group)
  if (countOf(lastPosition, piece) == 0 || fromOf(firstPosition, window, piece) >= L.PIECE) return
  pieceStates(model, layer, kv, first + from, count, piece, q, wide, states, t.scratch)
  for (let i = 0; i < count; i++) {
    const position = positionOf(model, (first + from + i) / group)
    if (countOf(position, piece) <= fromOf(position, window, piece)) continue
    const state = t.scratch + L.SCRATCH_STATES + <usize>(from + i) * L.MAX_STATE_BYTES
    const next = states + <usize>i * L.MAX_STATE_BYTES
    if (firstPieceOf(layer, position) == piece) memory.copy(state, next, (<usize>(L.STATE_HEAD + width)) << 2)
    else merge(state, next, width)
  }
}

@inline
function stateBytes(headDim: i32): usize {
  return (<usize>(L.STATE_HEAD + padded(headDim))) << 2
}

/** Brings the queries of a tile of row 0 into the form that `attendPiece` reads. */
export function gatherTile(t: Thread, kv: i32, tile: i32): void {
  const first = tile * L.QUERY_TILE
  gatherQueries(t.model, kv, first, min(groupOf(t.model) - first, L.QUERY_TILE), t.scratch + L.SCRATCH_QUERIES)
}

/** The `index`-th of `pieces` pieces, from piece `from` on, of row 0 for one tile of queries → MODEL_PARTIALS (heads, pieces, state). */
export function attendPiece(t: Thread, layer: usize, kv: i32, tile: i32, from: i32, index: i32, pieces: i32): void {
  const model = t.model
  const group = groupOf(model)
  const bytes = stateBytes(i32At(model, L.MODEL_HEAD_DIM))
  const first = tile * L.QUERY_TILE
  const queries = min(group - first, L.QUERY_TILE)
  const q = t.scratch + L.SCRATCH_QUERIES
  const states = t.scratch + L.SCRATCH_STATES
  pieceStates(model, layer, kv, first, queries, from + index, q, 0, states, t.scratch)
  for (let i = 0; i < queries; i++) {
    const to = pointerAt(model, L.MODEL_PARTIALS) + <usize>((kv * group + first + i) * pieces + index) * bytes
    memory.copy(to, states + <usize>i * L.MAX_STATE_BYTES, bytes)
  }
}

/** Merges the pieces of one query head of row 0, in order, into its first. */
export function mergePieces(model: usize, head: i32, pieces: i32): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const bytes = stateBytes(headDim)
  const state = pointerAt(model, L.MODEL_PARTIALS) + <usize>(head * pieces) * bytes
  for (let piece = 1; piece < pieces; piece++) merge(state, state + <usize>piece * bytes, padded(headDim))
}

/** Row 0's attention from its merged states → f32 [heads · headDim] at out. */
export function finishPieces(model: usize, pieces: i32, out: usize): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const heads = i32At(model, L.MODEL_HEADS)
  const bytes = stateBytes(headDim) * pieces
  let state = pointerAt(model, L.MODEL_PARTIALS)
  for (let h = 0; h < heads; h++, state += bytes) finish(state, headDim, f32Of(out, h * headDim))
}
