// Queries, keys and values of a layer: projected, normed, rotated by their positions (RoPE: Su et al. 2021, interleaved pairs,
// as GGUF's llama architecture stores them) and put where attention reads them.
//
//     x ── attn_q ──→ QB ── norm → rotate → scale ──→ QB
//       ── attn_k ──→ KB ── norm → rotate ──→ K cache
//       ── attn_v ──→ VB ─────────────────→ V cache
//
// Work is claimed in whole heads, so that what claimed one also finishes it, without a barrier between. Norms of whole rows
// need one.
import * as L from '../layout'
import { UNIT } from '../panels'
import { barrier } from './barrier'
import { keyOf, putBlock, putKey, putValue, valueOf } from './cache'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import { groupsOf, linear, weightBytes } from './linear'
import { storeCosSin } from './math'
import { multiplyBy, normalize } from './norm'
import { Thread } from './thread'
import { chunksOf, claim, share } from './work'

/** From here on a half rounds to infinity. NaN is no smaller either. */
@inline
const F16_LIMIT: f32 = 65520

const QUERY = 0
const KEY = 1
const VALUE = 2

/** Cosines and sines of row `row`'s position → each ROPE's table, (dim / 2, 2). */
export function fillRopes(model: usize, row: i32): void {
  const position = <f64>i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
  let rope = pointerAt(model, L.MODEL_ROPES)
  for (let r = i32At(model, L.MODEL_N_ROPES); r > 0; r--, rope += L.ROPE_BYTES) {
    const dim = i32At(rope, L.ROPE_DIM)
    const frequencies = pointerAt(rope, L.ROPE_FREQUENCIES)
    const scale = <f64>f32At(rope, L.ROPE_SCALE)
    let dst = f32Of(pointerAt(rope, L.ROPE_TABLE), row * dim)
    for (let i = 0; i < dim >> 1; i++, dst += 8) {
      storeCosSin(position * load<f64>(frequencies + ((<usize>i) << 3)), scale, dst)
    }
  }
}

/** Rotates the first `dim` dimensions of a head x f32[…] by `table`. */
export function rotate(x: usize, table: usize, dim: i32): void {
  const end = x + ((<usize>dim) << 2)
  if (ASC_FEATURE_SIMD) {
    const signs = i32x4(<i32>0x80000000, 0, <i32>0x80000000, 0)
    for (const whole = x + ((<usize>(dim & ~3)) << 2); x < whole; x += 16, table += 16) {
      const pairs = v128.load(x)
      const rotations = v128.load(table)
      const cos = v128.shuffle<i32>(rotations, rotations, 0, 0, 2, 2)
      const sin = v128.xor(v128.shuffle<i32>(rotations, rotations, 1, 1, 3, 3), signs)
      const swapped = v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)
      v128.store(x, f32x4.add(f32x4.mul(pairs, cos), f32x4.mul(swapped, sin)))
    }
  }
  for (; x < end; x += 8, table += 8) {
    const a = load<f32>(x)
    const b = load<f32>(x, 4)
    const cos = load<f32>(table)
    const sin = load<f32>(table, 4)
    store<f32>(x, a * cos - b * sin)
    store<f32>(x, a * sin + b * cos, 4)
  }
}

@inline
function widthOf(model: usize, kind: i32): i32 {
  return i32At(model, kind == QUERY ? L.MODEL_HEADS : L.MODEL_KV_HEADS) * i32At(model, L.MODEL_HEAD_DIM)
}

/** f32 [batch, width] of a projection. */
@inline
function bufferOf(model: usize, kind: i32): usize {
  return pointerAt(model, kind == QUERY ? L.MODEL_QB : kind == KEY ? L.MODEL_KB : L.MODEL_VB)
}

/** The norm of a projection, or 0. */
@inline
function normOf(layer: usize, kind: i32): usize {
  return kind == VALUE ? 0 : pointerAt(layer, kind == QUERY ? L.LAYER_ATTN_Q_NORM : L.LAYER_ATTN_K_NORM)
}

/** The rows of a projection that are claimed at once are whole heads and whole units: lcm(headDim, 32). */
@inline
function stepOf(headDim: i32): i32 {
  let step = headDim
  while (step % L.BLOCK != 0) step <<= 1
  return step
}

/** Steps of a projection; the last may have fewer rows. */
@inline
function stepsOf(model: usize, kind: i32): i32 {
  const step = stepOf(i32At(model, L.MODEL_HEAD_DIM))
  return (widthOf(model, kind) + step - 1) / step
}

/** Steps [first, last) of one projection for all tokens. */
function project(t: Thread, layer: usize, tensor: usize, kind: i32, first: i32, last: i32): void {
  if (first >= last) return
  const model = t.model
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const width = widthOf(model, kind)
  const step = stepOf(headDim)
  const from = (first * step) / L.GROUP_ROWS
  const to = min((last * step) / L.GROUP_ROWS, groupsOf(tensor))
  linear(t, tensor, from, to, t.n, t.q8, t.f32s, L.STORE, bufferOf(model, kind), width)
  if (normOf(layer, kind) && i32At(model, L.MODEL_HEAD_NORM) == L.HEAD_NORM_ROW) return
  const end = min(last * step, width) / headDim
  for (let row = 0; row < t.n; row++) {
    for (let head = (first * step) / headDim; head < end; head++) finishHead(t, layer, kind, row, head)
  }
}

/** One head of one row: normed, rotated, and scaled or put into the cache. */
function finishHead(t: Thread, layer: usize, kind: i32, row: i32, head: i32): void {
  const model = t.model
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const x = f32Of(bufferOf(model, kind), row * widthOf(model, kind) + head * headDim)
  if (kind == VALUE) return putHead(t, layer, false, row, head, x)
  const norm = normOf(layer, kind)
  const order = i32At(model, L.MODEL_HEAD_NORM)
  if (norm && order == L.HEAD_NORM_BEFORE) normalize(model, x, norm, 0, headDim, x)
  if (norm && order == L.HEAD_NORM_EACH) normalize(model, x, f32Of(norm, head * headDim), 0, headDim, x)
  const rope = pointerAt(layer, L.LAYER_ROPE)
  if (rope) {
    const dim = i32At(rope, L.ROPE_DIM)
    rotate(x, f32Of(pointerAt(rope, L.ROPE_TABLE), row * dim), dim)
  }
  if (norm && order == L.HEAD_NORM_AFTER) normalize(model, x, norm, 0, headDim, x)
  if (kind == KEY) return putHead(t, layer, true, row, head, x)
  const scales = pointerAt(model, L.MODEL_QUERY_SCALES)
  if (scales) multiplyBy(x, load<f32>(f32Of(scales, row)), headDim)
}

/** A key or value x f32[headDim] of kv head `kv` → the cache. */
function putHead(t: Thread, layer: usize, isKey: bool, row: i32, kv: i32, x: usize): void {
  const model = t.model
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  if (kind == L.KV_Q8_0) {
    for (let d = 0; d < headDim; d += L.BLOCK) putBlock(model, layer, row, kv, d, f32Of(x, d), isKey)
    return
  }
  const to = isKey ? keyOf(model, layer, row, kv) : valueOf(model, layer, row, kv)
  let most: f32 = 0
  for (let d = 0; d < headDim; d += 2) {
    const a = load<f32>(f32Of(x, d))
    const b = load<f32>(f32Of(x, d), 4)
    most = max(most, max(abs(a), abs(b)))
    if (isKey) putKey(kind, to, d, a, b)
    else putValue(kind, to, d, a, b)
  }
  if (kind == L.KV_F16 && !(most < F16_LIMIT)) store<i32>(t.control, 1, L.CONTROL_OVERFLOW)
}

/** Norms of whole rows of queries and keys, and then what is left to do with each head. False: poisoned. */
function finishRows(t: Thread, layer: usize): bool {
  const model = t.model
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  if (!barrier(t.control, t.count)) return false
  const all = 2 * t.n
  const end = share(all, t.index + 1, t.count)
  for (let i = share(all, t.index, t.count); i < end; i++) {
    const kind = i < t.n ? QUERY : KEY
    const row = i % t.n
    const width = widthOf(model, kind)
    const x = f32Of(bufferOf(model, kind), row * width)
    normalize(model, x, normOf(layer, kind), 0, width, x)
    for (let head = 0; head < width / headDim; head++) finishHead(t, layer, kind, row, head)
  }
  return true
}

/** All three projections, chunk by chunk. False: poisoned. The caller's barrier ends the stage. */
export function projectQKV(t: Thread, layer: usize): bool {
  const model = t.model
  const q = stepsOf(model, QUERY)
  const k = stepsOf(model, KEY)
  const all = q + 2 * k
  const bytes =
    weightBytes(layer + L.LAYER_ATTN_Q) + weightBytes(layer + L.LAYER_ATTN_K) + weightBytes(layer + L.LAYER_ATTN_V)
  const chunks = chunksOf(all, bytes, t.count)
  for (let c = claim(t.control, t.index, t.count, chunks); c >= 0; c = claim(t.control, t.index, t.count, chunks)) {
    const from = share(all, c, chunks)
    const to = share(all, c + 1, chunks)
    project(t, layer, layer + L.LAYER_ATTN_Q, QUERY, from, min(to, q))
    project(t, layer, layer + L.LAYER_ATTN_K, KEY, max(from - q, 0), min(to - q, k))
    project(t, layer, layer + L.LAYER_ATTN_V, VALUE, max(from - q - k, 0), to - q - k)
  }
  if (!pointerAt(layer, L.LAYER_ATTN_Q_NORM) || i32At(model, L.MODEL_HEAD_NORM) != L.HEAD_NORM_ROW) return true
  return finishRows(t, layer)
}
