// Rotary embedding, the KV cache, and attention over it.
//
// A page holds PAGE positions of one layer, for each kv head:
//   K, transposed:  dimension 0: PAGE positions │ dimension 1 │ …            (headDim, PAGE)
//   V:              position 0: headDim values, padded to a multiple of 4 │ … (PAGE, padded)
// A sequence's page table (i32) maps position / PAGE to a page.
//
// Attention works in pieces of PIECE positions at fixed absolute places. Each gives its state (max, sum, accumulator),
// whichever thread computes it, and states merge in order of position (online softmax: Milakov and Gimelshein 2018).
import {
  KV_F16,
  LAYER_K_CACHE,
  LAYER_V_CACHE,
  MODEL_ATTN,
  MODEL_ATTN_SCALE,
  MODEL_HEADS,
  MODEL_HEAD_DIM,
  MODEL_KB,
  MODEL_KV_HEADS,
  MODEL_KV_TYPE,
  MODEL_PARTIALS,
  MODEL_POSITIONS,
  MODEL_QB,
  MODEL_ROPE,
  MODEL_ROPE_DIM,
  MODEL_ROPE_FREQS,
  MODEL_ROPE_SCALE,
  MODEL_TABLES,
  MODEL_VB,
  PAGE,
  PIECE,
  SCRATCH_PIECE,
  SCRATCH_SCORES,
  SCRATCH_STATE,
  STATE_HEAD,
} from '../layout'
import { F16_BIAS_RATIO, f16ToF32, f32ToF16, loadF16x4 } from '../quant/f16'
import { exp_scalar, exp_simd, storeCosSin } from './math'

// @ts-ignore: decorator
@inline
function i32At(p: usize, field: usize): i32 {
  return load<i32>(p + field)
}

// @ts-ignore: decorator
@inline
function pointerAt(p: usize, field: usize): usize {
  return <usize>load<u32>(p + field)
}

// @ts-ignore: decorator
@inline
function padded(headDim: i32): i32 {
  return (headDim + 3) & ~3
}

/** Cosines and sines of row `row`'s position → MODEL_ROPE, (ropeDim / 2, 2). */
export function ropeTable(model: usize, row: i32): void {
  const half = i32At(model, MODEL_ROPE_DIM) >> 1
  const position = <f64>load<i32>(pointerAt(model, MODEL_POSITIONS) + ((<usize>row) << 2))
  const freqs = pointerAt(model, MODEL_ROPE_FREQS)
  const scale = <f64>load<f32>(model + MODEL_ROPE_SCALE)
  let dst = pointerAt(model, MODEL_ROPE) + ((<usize>(row * half)) << 3)
  for (let i = 0; i < half; i++, dst += 8) storeCosSin(position * load<f64>(freqs + ((<usize>i) << 3)), scale, dst)
}

/** Turns interleaved pairs of one head in place. */
function rotate(x: usize, table: usize, ropeDim: i32): void {
  for (let i = 0; i < ropeDim; i += 2, x += 8, table += 8) {
    const a = load<f32>(x)
    const b = load<f32>(x, 4)
    const cos = load<f32>(table)
    const sin = load<f32>(table, 4)
    store<f32>(x, a * cos - b * sin)
    store<f32>(x, a * sin + b * cos, 4)
  }
}

/** Bytes of one kv head in a page of K, and of V. */
// @ts-ignore: decorator
@inline
function kHeadBytes(headDim: i32, f16: bool): usize {
  return (<usize>headDim * PAGE) << (f16 ? 1 : 2)
}

// @ts-ignore: decorator
@inline
function vHeadBytes(headDim: i32, f16: bool): usize {
  return (<usize>padded(headDim) * PAGE) << (f16 ? 1 : 2)
}

/** Rotates head `head` of row `row`: query heads first, then kv heads, whose k and v go into the cache. */
export function ropeAndStore(model: usize, layer: usize, row: i32, head: i32): void {
  const heads = i32At(model, MODEL_HEADS)
  const kvHeads = i32At(model, MODEL_KV_HEADS)
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const ropeDim = i32At(model, MODEL_ROPE_DIM)
  const table = pointerAt(model, MODEL_ROPE) + ((<usize>(row * ropeDim)) << 2)
  if (head < heads) {
    rotate(pointerAt(model, MODEL_QB) + ((<usize>((row * heads + head) * headDim)) << 2), table, ropeDim)
    return
  }
  const kv = head - heads
  const at = (<usize>((row * kvHeads + kv) * headDim)) << 2
  const k = pointerAt(model, MODEL_KB) + at
  rotate(k, table, ropeDim)
  const position = load<i32>(pointerAt(model, MODEL_POSITIONS) + ((<usize>row) << 2))
  const pages = <usize>load<u32>(pointerAt(model, MODEL_TABLES) + ((<usize>row) << 2))
  const page = <usize>load<u32>(pages + ((<usize>(position / PAGE)) << 2))
  const slot = <usize>(position % PAGE)
  const f16 = i32At(model, MODEL_KV_TYPE) == KV_F16
  const index = page * kvHeads + kv
  storeKV(
    k,
    pointerAt(model, MODEL_VB) + at,
    headDim,
    f16,
    pointerAt(layer, LAYER_K_CACHE) + index * kHeadBytes(headDim, f16) + (slot << (f16 ? 1 : 2)),
    pointerAt(layer, LAYER_V_CACHE) + index * vHeadBytes(headDim, f16) + ((slot * padded(headDim)) << (f16 ? 1 : 2)),
  )
}

function storeKV(k: usize, v: usize, headDim: i32, f16: bool, toK: usize, toV: usize): void {
  for (let d = 0; d < headDim; d++, k += 4, v += 4) {
    if (f16) {
      store<u16>(toK, <u16>f32ToF16(load<f32>(k)))
      store<u16>(toV, <u16>f32ToF16(load<f32>(v)))
      toK += PAGE * 2
      toV += 2
    } else {
      store<f32>(toK, load<f32>(k))
      store<f32>(toV, load<f32>(v))
      toK += PAGE * 4
      toV += 4
    }
  }
}

/** Four elements of the cache. */
// @ts-ignore: decorator
@inline
function load4(p: usize, f16: bool): v128 {
  return f16 ? loadF16x4(p, f32x4.splat(F16_BIAS_RATIO)) : v128.load(p)
}

// @ts-ignore: decorator
@inline
function load1(p: usize, f16: bool): f32 {
  return f16 ? f16ToF32(load<u16>(p)) : load<f32>(p)
}

/** Scores of up to PAGE positions: (q · k) · scale, each sum in order of dimension. Whole sixteens are computed. */
// @ts-ignore: decorator
@inline
function scores(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, dst: usize): void {
  const shift: usize = f16 ? 1 : 2
  if (ASC_FEATURE_SIMD) {
    for (let j = 0; j < count; j += 16) {
      let c0 = f32x4.splat(0)
      let c1 = c0
      let c2 = c0
      let c3 = c0
      let p = k + ((<usize>j) << shift)
      for (let d = 0; d < headDim; d++, p += (<usize>PAGE) << shift) {
        const a = v128.load32_splat(q + ((<usize>d) << 2))
        c0 = f32x4.add(c0, f32x4.mul(load4(p, f16), a))
        c1 = f32x4.add(c1, f32x4.mul(load4(p + (4 << shift), f16), a))
        c2 = f32x4.add(c2, f32x4.mul(load4(p + (8 << shift), f16), a))
        c3 = f32x4.add(c3, f32x4.mul(load4(p + (12 << shift), f16), a))
      }
      const s = f32x4.splat(scale)
      const to = dst + ((<usize>j) << 2)
      v128.store(to, f32x4.mul(c0, s))
      v128.store(to, f32x4.mul(c1, s), 16)
      v128.store(to, f32x4.mul(c2, s), 32)
      v128.store(to, f32x4.mul(c3, s), 48)
    }
  } else {
    for (let j = 0; j < count; j++) {
      let c: f32 = 0
      for (let d = 0; d < headDim; d++) {
        c += load1(k + ((<usize>(d * PAGE + j)) << shift), f16) * load<f32>(q + ((<usize>d) << 2))
      }
      store<f32>(dst + ((<usize>j) << 2), c * scale)
    }
  }
}

/** Scores s f32[count] → exp(s − max) in place, with zeros up to a multiple of 4; max and sum → state. */
function softmaxPiece(s: usize, count: i32, state: usize): void {
  const end = s + ((<usize>((count + 3) & ~3)) << 2)
  let most = load<f32>(s)
  for (let p = s + 4; p < s + ((<usize>count) << 2); p += 4) most = max(most, load<f32>(p))
  if (ASC_FEATURE_SIMD) {
    const m = f32x4.splat(most)
    for (let p = s; p < end; p += 16) v128.store(p, exp_simd(f32x4.sub(v128.load(p), m)))
  } else {
    for (let p = s; p < end; p += 4) store<f32>(p, exp_scalar(load<f32>(p) - most))
  }
  for (let p = s + ((<usize>count) << 2); p < end; p += 4) store<f32>(p, 0)
  // Four partial sums, position mod 4.
  let s0: f32 = 0
  let s1: f32 = 0
  let s2: f32 = 0
  let s3: f32 = 0
  for (let p = s; p < end; p += 16) {
    s0 += load<f32>(p)
    s1 += load<f32>(p, 4)
    s2 += load<f32>(p, 8)
    s3 += load<f32>(p, 12)
  }
  store<f32>(state, most)
  store<f32>(state, s0 + s2 + (s1 + s3), 4)
}

/** acc f32[padded] += Σ p[j] · v[j] over up to PAGE positions, in order of position. */
// @ts-ignore: decorator
@inline
function weighV(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  const stride = (<usize>width) << shift
  let d = 0
  if (ASC_FEATURE_SIMD) {
    for (; d + 16 <= width; d += 16) {
      const to = acc + ((<usize>d) << 2)
      let a0 = v128.load(to)
      let a1 = v128.load(to, 16)
      let a2 = v128.load(to, 32)
      let a3 = v128.load(to, 48)
      let from = v + ((<usize>d) << shift)
      for (let j = 0; j < count; j++, from += stride) {
        const w = v128.load32_splat(p + ((<usize>j) << 2))
        a0 = f32x4.add(a0, f32x4.mul(load4(from, f16), w))
        a1 = f32x4.add(a1, f32x4.mul(load4(from + (4 << shift), f16), w))
        a2 = f32x4.add(a2, f32x4.mul(load4(from + (8 << shift), f16), w))
        a3 = f32x4.add(a3, f32x4.mul(load4(from + (12 << shift), f16), w))
      }
      v128.store(to, a0)
      v128.store(to, a1, 16)
      v128.store(to, a2, 32)
      v128.store(to, a3, 48)
    }
  }
  for (; d < width; d++) {
    let a = load<f32>(acc + ((<usize>d) << 2))
    let from = v + ((<usize>d) << shift)
    for (let j = 0; j < count; j++, from += stride) a += load1(from, f16) * load<f32>(p + ((<usize>j) << 2))
    store<f32>(acc + ((<usize>d) << 2), a)
  }
}

/** The state of query q over `count` positions of piece `piece`, of kv head `kv`. */
function pieceState(
  model: usize,
  layer: usize,
  q: usize,
  kv: i32,
  pages: usize,
  piece: i32,
  count: i32,
  state: usize,
  s: usize,
): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const kvHeads = i32At(model, MODEL_KV_HEADS)
  const scale = load<f32>(model + MODEL_ATTN_SCALE)
  const f16 = i32At(model, MODEL_KV_TYPE) == KV_F16
  const width = padded(headDim)
  const first = pages + <usize>piece * ((PIECE / PAGE) * 4)
  for (let j = 0; j < count; j += PAGE) {
    const page = <usize>load<u32>(first + <usize>(j / PAGE) * 4)
    const k = pointerAt(layer, LAYER_K_CACHE) + (page * kvHeads + kv) * kHeadBytes(headDim, f16)
    const n = min(count - j, PAGE)
    if (f16) scores(q, k, n, headDim, scale, true, s + ((<usize>j) << 2))
    else scores(q, k, n, headDim, scale, false, s + ((<usize>j) << 2))
  }
  softmaxPiece(s, count, state)
  const acc = state + STATE_HEAD * 4
  memory.fill(acc, 0, (<usize>width) << 2)
  for (let j = 0; j < count; j += PAGE) {
    const page = <usize>load<u32>(first + <usize>(j / PAGE) * 4)
    const v = pointerAt(layer, LAYER_V_CACHE) + (page * kvHeads + kv) * vHeadBytes(headDim, f16)
    const n = min(count - j, PAGE)
    if (f16) weighV(s + ((<usize>j) << 2), v, n, width, true, acc)
    else weighV(s + ((<usize>j) << 2), v, n, width, false, acc)
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
  for (let i = 0; i < width; i++) {
    const at = (<usize>(STATE_HEAD + i)) << 2
    store<f32>(state + at, load<f32>(state + at) * w0 + load<f32>(next + at) * w1)
  }
}

/** accumulator / sum → out f32[headDim]. */
function finish(state: usize, headDim: i32, out: usize): void {
  const inverse = <f32>1 / load<f32>(state, 4)
  for (let i = 0; i < headDim; i++) {
    store<f32>(out + ((<usize>i) << 2), load<f32>(state + ((<usize>(STATE_HEAD + i)) << 2)) * inverse)
  }
}

// @ts-ignore: decorator
@inline
function stateBytes(headDim: i32): usize {
  return (<usize>(STATE_HEAD + padded(headDim))) << 2
}

// @ts-ignore: decorator
@inline
export function piecesOf(position: i32): i32 {
  return position / PIECE + 1
}

// @ts-ignore: decorator
@inline
function positionOf(model: usize, row: i32): i32 {
  return load<i32>(pointerAt(model, MODEL_POSITIONS) + ((<usize>row) << 2))
}

// @ts-ignore: decorator
@inline
function pagesOf(model: usize, row: i32): usize {
  return <usize>load<u32>(pointerAt(model, MODEL_TABLES) + ((<usize>row) << 2))
}

/** All pieces of one row for the query heads of kv head `kv`, merged → MODEL_ATTN. */
export function attend(model: usize, layer: usize, row: i32, kv: i32, scratch: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const heads = i32At(model, MODEL_HEADS)
  const group = heads / i32At(model, MODEL_KV_HEADS)
  const position = positionOf(model, row)
  const pieces = piecesOf(position)
  const state = scratch + SCRATCH_STATE
  for (let h = kv * group; h < (kv + 1) * group; h++) {
    const at = (<usize>((row * heads + h) * headDim)) << 2
    for (let piece = 0; piece < pieces; piece++) {
      const count = min(position + 1 - piece * PIECE, PIECE)
      const to = piece == 0 ? state : scratch + SCRATCH_PIECE
      const q = pointerAt(model, MODEL_QB) + at
      pieceState(model, layer, q, kv, pagesOf(model, row), piece, count, to, scratch + SCRATCH_SCORES)
      if (piece > 0) merge(state, to, padded(headDim))
    }
    finish(state, headDim, pointerAt(model, MODEL_ATTN) + at)
  }
}

/** One piece of row 0 for the query heads of kv head `kv` → MODEL_PARTIALS (heads, pieces, state). */
export function attendPiece(model: usize, layer: usize, kv: i32, piece: i32, scratch: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const group = i32At(model, MODEL_HEADS) / i32At(model, MODEL_KV_HEADS)
  const position = positionOf(model, 0)
  const pieces = piecesOf(position)
  const count = min(position + 1 - piece * PIECE, PIECE)
  for (let h = kv * group; h < (kv + 1) * group; h++) {
    const q = pointerAt(model, MODEL_QB) + ((<usize>(h * headDim)) << 2)
    const to = pointerAt(model, MODEL_PARTIALS) + <usize>(h * pieces + piece) * stateBytes(headDim)
    pieceState(model, layer, q, kv, pagesOf(model, 0), piece, count, to, scratch + SCRATCH_SCORES)
  }
}

/** Merges the pieces of one query head of row 0, in order → MODEL_ATTN. */
export function mergePieces(model: usize, head: i32): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const pieces = piecesOf(positionOf(model, 0))
  const state = pointerAt(model, MODEL_PARTIALS) + <usize>(head * pieces) * stateBytes(headDim)
  for (let piece = 1; piece < pieces; piece++) merge(state, state + <usize>piece * stateBytes(headDim), padded(headDim))
  finish(state, headDim, pointerAt(model, MODEL_ATTN) + ((<usize>(head * headDim)) << 2))
}
