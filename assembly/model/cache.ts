// The KV cache. A page holds PAGE positions of one layer, for each kv head:
//   K: for each 8 positions: dimension 0 of the 8 │ dimension 1 │ …     (PAGE / 8, headDim, 8)
//   V: for each 8 dimensions: those of position 0 │ of position 1 │ …   (padded / 8, PAGE, 8)
// so that attention reads both as one stream. Head dimensions are padded to a multiple of 8 in V. A sequence's page table
// (i32) maps position / PAGE to a page.
import {
  KV_F16,
  LAYER_K_CACHE,
  LAYER_V_CACHE,
  MODEL_HEAD_DIM,
  MODEL_KV_HEADS,
  MODEL_KV_TYPE,
  MODEL_POSITIONS,
  MODEL_TABLES,
  PAGE,
} from '../layout'
import { f32ToF16 } from '../quant/f16'
import { i32At, i32Of, pointerAt } from './fields'

// @ts-ignore: decorator
@inline
export function padded(headDim: i32): i32 {
  return (headDim + 7) & ~7
}

/** Bytes of one kv head in a page of K, and of V. */
// @ts-ignore: decorator
@inline
export function kHeadBytes(headDim: i32, f16: bool): usize {
  return (<usize>(headDim * PAGE)) << (f16 ? 1 : 2)
}

// @ts-ignore: decorator
@inline
export function vHeadBytes(headDim: i32, f16: bool): usize {
  return (<usize>(padded(headDim) * PAGE)) << (f16 ? 1 : 2)
}

// @ts-ignore: decorator
@inline
function put(cache: usize, index: i32, f16: bool, value: f32): void {
  if (f16) store<u16>(cache + ((<usize>index) << 1), <u16>f32ToF16(value))
  else store<f32>(cache + ((<usize>index) << 2), value)
}

/** Stores dimensions d and d + 1 of row `row`'s key in kv head `kv`. */
export function putK(model: usize, layer: usize, row: i32, kv: i32, d: i32, a: f32, b: f32): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const f16 = i32At(model, MODEL_KV_TYPE) == KV_F16
  const position = i32Of(pointerAt(model, MODEL_POSITIONS), row)
  const slot = position % PAGE
  const head = pageOf(model, row, position) * <usize>i32At(model, MODEL_KV_HEADS) + kv
  const cache = pointerAt(layer, LAYER_K_CACHE) + head * kHeadBytes(headDim, f16)
  const index = ((slot >> 3) * headDim + d) * 8 + (slot & 7)
  put(cache, index, f16, a)
  put(cache, index + 8, f16, b)
}

/** Stores dimensions d and d + 1 of row `row`'s value in kv head `kv`; d is even. */
export function putV(model: usize, layer: usize, row: i32, kv: i32, d: i32, a: f32, b: f32): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const f16 = i32At(model, MODEL_KV_TYPE) == KV_F16
  const position = i32Of(pointerAt(model, MODEL_POSITIONS), row)
  const head = pageOf(model, row, position) * <usize>i32At(model, MODEL_KV_HEADS) + kv
  const cache = pointerAt(layer, LAYER_V_CACHE) + head * vHeadBytes(headDim, f16)
  const index = ((d >> 3) * PAGE + (position % PAGE)) * 8 + (d & 7)
  put(cache, index, f16, a)
  put(cache, index + 1, f16, b)
}

/** The page that holds a position of row `row`'s sequence. */
// @ts-ignore: decorator
@inline
export function pageOf(model: usize, row: i32, position: i32): usize {
  return <usize>i32Of(<usize>i32Of(pointerAt(model, MODEL_TABLES), row), position / PAGE)
}
