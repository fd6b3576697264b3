// The KV cache. A page holds PAGE positions of one layer, for each kv head:
//   K: for each 8 positions: dimension 0 of the 8 │ dimension 1 │ …     (PAGE / 8, headDim, 8)
//   V: for each 8 dimensions: those of position 0 │ of position 1 │ …   (padded / 8, PAGE, 8)
// so that attention reads both as one stream; q8_0's is drawn in kernels/attend_q8/layout.ts. Head dimensions are padded to a multiple of 8 in V. A sequence's page table
// (i32) maps position / PAGE to a page.
import * as L from '../layout'
import { f32ToF16 } from '../quant/f16'
import { K_BLOCK, K_D, headBytes } from '../kernels/attend_q8/layout'
import { quantize32 } from '../kernels/attend_q8/quantize'
import { f32Of, i32At, i32Of, pointerAt } from './fields'

@inline
export function padded(headDim: i32): i32 {
  return (headDim + 7) & ~7
}

/** Bytes of one kv head in a page of K, and of V. */
@inline
export function kHeadBytes(headDim: i32, kind: i32): usize {
  return kind == L.KV_Q8_0 ? headBytes(headDim) : (<usize>(headDim * L.PAGE)) << (kind == L.KV_F16 ? 1 : 2)
}

@inline
export function vHeadBytes(headDim: i32, kind: i32): usize {
  return kind == L.KV_Q8_0 ? headBytes(headDim) : (<usize>(padded(headDim) * L.PAGE)) << (kind == L.KV_F16 ? 1 : 2)
}

@inline
function put(cache: usize, index: i32, f16: bool, value: f32): void {
  if (f16) store<u16>(cache + ((<usize>index) << 1), <u16>f32ToF16(value))
  else store<f32>(cache + ((<usize>index) << 2), value)
}

/** Where row `row`'s page begins for kv head `kv`, in K or in V. */
@inline
function headOf(model: usize, cache: usize, bytes: usize, row: i32, position: i32, kv: i32): usize {
  return cache + (pageOf(model, row, position) * <usize>i32At(model, L.MODEL_KV_HEADS) + kv) * bytes
}

/** Where dimension 0 of row `row`'s key stands for kv head `kv`, in a cache of floats. */
export function keyOf(model: usize, layer: usize, row: i32, kv: i32): usize {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  const position = i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
  const slot = position % L.PAGE
  const cache = headOf(model, pointerAt(layer, L.LAYER_K_CACHE), kHeadBytes(headDim, kind), row, position, kv)
  return cache + ((<usize>((slot >> 3) * headDim * 8 + (slot & 7))) << (kind == L.KV_F16 ? 1 : 2))
}

/** The same for its value. */
export function valueOf(model: usize, layer: usize, row: i32, kv: i32): usize {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  const position = i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
  const cache = headOf(model, pointerAt(layer, L.LAYER_V_CACHE), vHeadBytes(headDim, kind), row, position, kv)
  return cache + ((<usize>((position % L.PAGE) * 8)) << (kind == L.KV_F16 ? 1 : 2))
}

/** Stores dimensions d and d + 1 (d even) of a key at `key`. */
@inline
export function putKey(kind: i32, key: usize, d: i32, a: f32, b: f32): void {
  put(key, d * 8, kind == L.KV_F16, a)
  put(key, (d + 1) * 8, kind == L.KV_F16, b)
}

/** Stores dimensions d and d + 1 (d even) of a value at `value`. */
@inline
export function putValue(kind: i32, value: usize, d: i32, a: f32, b: f32): void {
  const index = (d >> 3) * (L.PAGE * 8) + (d & 7)
  put(value, index, kind == L.KV_F16, a)
  put(value, index + 1, kind == L.KV_F16, b)
}

/** Quantizes x f32[32], dimensions d… of row `row`'s key (or value) of kv head `kv`, into a q8_0 cache. */
export function putBlock(model: usize, layer: usize, row: i32, kv: i32, d: i32, x: usize, isKey: bool): void {
  const headDim = i32At(model, L.MODEL_HEAD_DIM)
  const position = i32Of(pointerAt(model, L.MODEL_POSITIONS), row)
  const slot = <usize>(position % L.PAGE)
  const block = <usize>(d >> 5)
  const cache = pointerAt(layer, isKey ? L.LAYER_K_CACHE : L.LAYER_V_CACHE)
  const head = headOf(model, cache, headBytes(headDim), row, position, kv)
  if (isKey) {
    const at = head + ((slot >> 3) * <usize>(headDim >> 5) + block) * K_BLOCK + (slot & 7) * 4
    store<f32>(at + K_D, quantize32(x, at, 32, 64))
  } else {
    const at = head + (block * (4 * L.PAGE) + slot) * 8
    store<f32>(head + <usize>(headDim * L.PAGE) + ((block * L.PAGE + slot) << 2), quantize32(x, at, 4, L.PAGE * 8))
  }
}

/** The page that holds a position of row `row`'s sequence. */
@inline
function pageOf(model: usize, row: i32, position: i32): usize {
  return <usize>i32Of(<usize>i32Of(pointerAt(model, L.MODEL_TABLES), row), position / L.PAGE)
}
