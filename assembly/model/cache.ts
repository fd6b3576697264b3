// The KV cache. A page holds PAGE positions of one layer, for each kv head:
//   K: for each 8 positions: dimension 0 of the 8 │ dimension 1 │ …     (PAGE / 8, headDim, 8)
//   V: for each 8 dimensions: those of position 0 │ of position 1 │ …   (padded / 8, PAGE, 8)
// so that attention reads both as one stream; q8_0's is drawn in kernels/attend_q8/layout.ts. Head dimensions are padded to a multiple of 8 in V. A sequence's page table
// (i32) maps position / PAGE to a page.
import {
  KV_F16,
  KV_Q8_0,
  LAYER_K_CACHE,
  LAYER_V_CACHE,
  MODEL_HEAD_DIM,
  MODEL_KB,
  MODEL_KV_HEADS,
  MODEL_KV_TYPE,
  MODEL_POSITIONS,
  MODEL_TABLES,
  MODEL_VB,
  PAGE,
} from '../layout'
import { f32ToF16 } from '../quant/f16'
import { K_BLOCK, K_D, headBytes } from '../kernels/attend_q8/layout'
import { quantize32 } from '../kernels/attend_q8/quantize'
import { f32Of, i32At, i32Of, pointerAt } from './fields'

// @ts-ignore: decorator
@inline
export function padded(headDim: i32): i32 {
  return (headDim + 7) & ~7
}

/** Bytes of one kv head in a page of K, and of V. */
// @ts-ignore: decorator
@inline
export function kHeadBytes(headDim: i32, kind: i32): usize {
  return kind == KV_Q8_0 ? headBytes(headDim) : (<usize>(headDim * PAGE)) << (kind == KV_F16 ? 1 : 2)
}

// @ts-ignore: decorator
@inline
export function vHeadBytes(headDim: i32, kind: i32): usize {
  return kind == KV_Q8_0 ? headBytes(headDim) : (<usize>(padded(headDim) * PAGE)) << (kind == KV_F16 ? 1 : 2)
}

// @ts-ignore: decorator
@inline
function put(cache: usize, index: i32, f16: bool, value: f32): void {
  if (f16) store<u16>(cache + ((<usize>index) << 1), <u16>f32ToF16(value))
  else store<f32>(cache + ((<usize>index) << 2), value)
}

/** Where row `row`'s page begins for kv head `kv`, in K or in V. */
// @ts-ignore: decorator
@inline
function headOf(model: usize, cache: usize, bytes: usize, row: i32, position: i32, kv: i32): usize {
  return cache + (pageOf(model, row, position) * <usize>i32At(model, MODEL_KV_HEADS) + kv) * bytes
}

/** Where dimension 0 of row `row`'s key stands for kv head `kv`; in a quantized cache, where its f32 wait for `putBlock`. */
export function keyOf(model: usize, layer: usize, row: i32, kv: i32): usize {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const kind = i32At(model, MODEL_KV_TYPE)
  if (kind == KV_Q8_0) return waitingOf(model, MODEL_KB, row, kv)
  const position = i32Of(pointerAt(model, MODEL_POSITIONS), row)
  const slot = position % PAGE
  const cache = headOf(model, pointerAt(layer, LAYER_K_CACHE), kHeadBytes(headDim, kind), row, position, kv)
  return cache + ((<usize>((slot >> 3) * headDim * 8 + (slot & 7))) << (kind == KV_F16 ? 1 : 2))
}

/** The same for its value. */
export function valueOf(model: usize, layer: usize, row: i32, kv: i32): usize {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const kind = i32At(model, MODEL_KV_TYPE)
  if (kind == KV_Q8_0) return waitingOf(model, MODEL_VB, row, kv)
  const position = i32Of(pointerAt(model, MODEL_POSITIONS), row)
  const cache = headOf(model, pointerAt(layer, LAYER_V_CACHE), vHeadBytes(headDim, kind), row, position, kv)
  return cache + ((<usize>((position % PAGE) * 8)) << (kind == KV_F16 ? 1 : 2))
}

function waitingOf(model: usize, field: usize, row: i32, kv: i32): usize {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  return f32Of(pointerAt(model, field), (row * i32At(model, MODEL_KV_HEADS) + kv) * headDim)
}

/** Stores dimensions d and d + 1 (d even) of a key at `key`. */
// @ts-ignore: decorator
@inline
export function putKey(kind: i32, key: usize, d: i32, a: f32, b: f32): void {
  const each = kind == KV_Q8_0 ? 1 : 8
  put(key, d * each, kind == KV_F16, a)
  put(key, (d + 1) * each, kind == KV_F16, b)
}

/** Stores dimensions d and d + 1 (d even) of a value at `value`. */
// @ts-ignore: decorator
@inline
export function putValue(kind: i32, value: usize, d: i32, a: f32, b: f32): void {
  const index = kind == KV_Q8_0 ? d : (d >> 3) * (PAGE * 8) + (d & 7)
  put(value, index, kind == KV_F16, a)
  put(value, index + 1, kind == KV_F16, b)
}

/** Quantizes 32 dimensions, from kv row `first` on, of row `row`'s key (or value) into a q8_0 cache. */
export function putBlock(model: usize, layer: usize, row: i32, first: i32, isKey: bool): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const width = i32At(model, MODEL_KV_HEADS) * headDim
  const position = i32Of(pointerAt(model, MODEL_POSITIONS), row)
  const slot = <usize>(position % PAGE)
  const block = <usize>((first % headDim) >> 5)
  const x = f32Of(pointerAt(model, isKey ? MODEL_KB : MODEL_VB), row * width + first)
  const cache = pointerAt(layer, isKey ? LAYER_K_CACHE : LAYER_V_CACHE)
  const head = headOf(model, cache, headBytes(headDim), row, position, first / headDim)
  if (isKey) {
    const at = head + ((slot >> 3) * <usize>(headDim >> 5) + block) * K_BLOCK + (slot & 7) * 4
    store<f32>(at + K_D, quantize32(x, at, 32, 64))
  } else {
    const at = head + (block * (4 * PAGE) + slot) * 8
    store<f32>(head + <usize>(headDim * PAGE) + ((block * PAGE + slot) << 2), quantize32(x, at, 4, PAGE * 8))
  }
}

/** The page that holds a position of row `row`'s sequence. */
// @ts-ignore: decorator
@inline
function pageOf(model: usize, row: i32, position: i32): usize {
  return <usize>i32Of(<usize>i32Of(pointerAt(model, MODEL_TABLES), row), position / PAGE)
}
