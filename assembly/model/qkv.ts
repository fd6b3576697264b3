// Queries, keys and values: the three projections as one range of row groups. A group's results are rotated (Su et al.
// 2021, interleaved pairs as GGUF's llama architecture stores them), queries scaled by their position, and put where
// attention reads them, right away.
import * as L from '../layout'
import { readsF32, tileBytes, typeFor } from '../kernels/dispatch'
import { UNIT } from '../panels'
import { keyOf, putBlock, putKey, putValue, valueOf } from './cache'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import {
  RESULT_BYTES,
  groupsAtOnce,
  groupsOf,
  multiplyGroups,
  placesOf,
  readyGroup,
  tokensAtOnce,
  unitsOf,
  weightBytes,
} from './linear'
import { storeCosSin } from './math'
import { chunksOf, claim, share } from './work'

/** From here on a half rounds to infinity. NaN is no smaller either. */
@inline
const F16_LIMIT: f32 = 65520

const QUERY = 0
const KEY = 1
const VALUE = 2

/** Cosines and sines of row `row`'s position → MODEL_ROPE, (ropeDim / 2, 2). */
export function ropeTable(model: usize, row: i32): void {
  const half = i32At(model, L.MODEL_ROPE_DIM) >> 1
  const position = <f64>i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
  const freqs = pointerAt(model, L.MODEL_ROPE_FREQS)
  const scale = <f64>f32At(model, L.MODEL_ROPE_SCALE)
  let dst = f32Of(pointerAt(model, L.MODEL_ROPE), row * half * 2)
  for (let i = 0; i < half; i++, dst += 8) storeCosSin(position * load<f64>(freqs + ((<usize>i) << 3)), scale, dst)
}

/** Eight results of one token, rows `first`… of a projection: rotates pairs, scales queries and puts them in their places. */
function place(
  model: usize,
  layer: usize,
  kind: i32,
  row: i32,
  result: usize,
  first: i32,
  rows: i32,
  bias: usize,
): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kvType = i32At(model, L.MODEL_KV_TYPE)
  const ropeDim = kind == VALUE ? 0 : i32At(model, L.MODEL_ROPE_DIM)
  const table = f32Of(pointerAt(model, L.MODEL_ROPE), row * i32At(model, L.MODEL_ROPE_DIM))
  const scale = load<f32>(f32Of(pointerAt(model, L.MODEL_QUERY_SCALES), row))
  const end = min(first + L.GROUP_ROWS, rows)
  let head = first / headDim
  let d = first - head * headDim
  let to = headAt(model, layer, kind, row, head)
  for (let r = first; r < end; r += 2, result += 8, d += 2) {
    if (d == headDim) {
      d = 0
      to = headAt(model, layer, kind, row, ++head)
    }
    let a = load<f32>(result)
    let b = load<f32>(result, 4)
    if (bias) {
      a += load<f32>(f32Of(bias, r))
      b += load<f32>(f32Of(bias, r), 4)
    }
    if (d < ropeDim) {
      const cos = load<f32>(f32Of(table, d))
      const sin = load<f32>(f32Of(table, d), 4)
      const turned = a * cos - b * sin
      b = a * sin + b * cos
      a = turned
    }
    if (kind != QUERY && kvType == L.KV_F16 && !(max(abs(a), abs(b)) < F16_LIMIT)) {
      store<i32>(pointerAt(model, L.MODEL_CONTROL), 1, L.CONTROL_OVERFLOW)
    }
    if (kind == KEY) putKey(kvType, to, d, a, b)
    else if (kind == VALUE) putValue(kvType, to, d, a, b)
    else {
      store<f32>(f32Of(to, d), a * scale)
      store<f32>(f32Of(to, d), b * scale, 4)
    }
  }
}

/** Where head `head` of row `row` of a projection goes. */
function headAt(model: usize, layer: usize, kind: i32, row: i32, head: i32): usize {
  if (kind == KEY) return keyOf(model, layer, row, head)
  if (kind == VALUE) return valueOf(model, layer, row, head)
  return f32Of(
    pointerAt(model, L.MODEL_QB),
    (row * i32At(model, L.MODEL_HEADS) + head) * i32At(model, L.MODEL_HEAD_DIM),
  )
}

/** Units [firstUnit, lastUnit) of one projection for n tokens. */
function project(
  model: usize,
  layer: usize,
  tensor: usize,
  kind: i32,
  firstUnit: i32,
  lastUnit: i32,
  n: i32,
  q8: usize,
  f32s: usize,
  scratch: usize,
): void {
  const from = firstUnit * UNIT
  const to = min(lastUnit * UNIT, groupsOf(tensor))
  const type = typeFor(i32At(tensor, L.TENSOR_TYPE), n)
  const rows = i32At(tensor, L.TENSOR_ROWS)
  const bias = pointerAt(tensor, L.TENSOR_BIAS)
  const acts = readsF32(type) ? f32s : q8
  const results = scratch + L.SCRATCH_RESULTS
  const step = tokensAtOnce(type, n)
  const stepBytes = tileBytes(type, i32At(tensor, L.TENSOR_COLUMNS), step)
  for (let g = from; g < to; ) {
    const end = groupsAtOnce(type, n, g, to)
    const ready = readyGroup(tensor, type, g, n, scratch)
    let a = acts
    for (let first = 0; first < n; first += step, a += stepBytes) {
      const count = min(n - first, step)
      multiplyGroups(tensor, type, ready, g, end, n, count, a, results)
      let result = results
      for (let h = g; h < end; h++, result += <usize>placesOf(n, count) * RESULT_BYTES) {
        for (let i = 0; i < count; i++) {
          place(model, layer, kind, first + i, result + <usize>i * RESULT_BYTES, h * L.GROUP_ROWS, rows, bias)
        }
      }
    }
    g = end
  }
  if (kind == QUERY || i32At(model, L.MODEL_KV_TYPE) != L.KV_Q8_0) return
  for (let first = from * L.GROUP_ROWS; first < min(to * L.GROUP_ROWS, rows); first += L.BLOCK) {
    for (let row = 0; row < n; row++) putBlock(model, layer, row, first, kind == KEY)
  }
}

/** All three projections, chunk by chunk. */
export function projectQKV(
  model: usize,
  layer: usize,
  n: i32,
  q8: usize,
  f32s: usize,
  thread: i32,
  threads: i32,
  scratch: usize,
): void {
  const control = pointerAt(model, L.MODEL_CONTROL)
  // In units of 32 rows, which a quantized cache takes at once.
  const q = unitsOf(layer + L.LAYER_Q)
  const k = unitsOf(layer + L.LAYER_K)
  const all = q + k + unitsOf(layer + L.LAYER_V)
  const bytes = weightBytes(layer + L.LAYER_Q) + weightBytes(layer + L.LAYER_K) + weightBytes(layer + L.LAYER_V)
  const chunks = chunksOf(all, bytes, threads)
  for (let c = claim(control, thread, threads, chunks); c >= 0; c = claim(control, thread, threads, chunks)) {
    const from = share(all, c, chunks)
    const to = share(all, c + 1, chunks)
    project(model, layer, layer + L.LAYER_Q, QUERY, min(from, q), min(to, q), n, q8, f32s, scratch)
    const k0 = min(max(from - q, 0), k)
    const k1 = min(max(to - q, 0), k)
    project(model, layer, layer + L.LAYER_K, KEY, k0, k1, n, q8, f32s, scratch)
    const v0 = max(from - q - k, 0)
    const v1 = max(to - q - k, 0)
    project(model, layer, layer + L.LAYER_V, VALUE, v0, v1, n, q8, f32s, scratch)
  }
}
