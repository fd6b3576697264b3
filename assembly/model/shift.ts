// Keys that move to earlier positions, when the beginning of a context is given up: a rotation by the angles of the distance
// (Su et al. 2021: rotations add). Values do not depend on positions. As llama.cpp does it, keys are rounded once more, so
// that this is the one thing whose results are not those of computing anew.
import * as L from '../layout'
import { K_BLOCK, K_D } from '../kernels/attend_q8/layout'
import { quantize32 } from '../kernels/attend_q8/quantize'
import { f16ToF32 } from '../quant/f16'
import { kHeadBytes, putKey } from './cache'
import { f32Of, i32At, pointerAt } from './fields'
import { storeCosSin } from './math'
import { rotate } from './qkv'

/** All keys of a page, `distance` positions back. One thread does it. */
export function shift(model: usize, page: usize, distance: i32): void {
  let rope = pointerAt(model, L.MODEL_ROPES)
  for (let r = i32At(model, L.MODEL_N_ROPES); r > 0; r--, rope += L.ROPE_BYTES) {
    const frequencies = pointerAt(rope, L.ROPE_FREQUENCIES)
    const table = pointerAt(rope, L.ROPE_TABLE)
    for (let i: usize = 0; i < <usize>(i32At(rope, L.ROPE_DIM) >> 1); i++) {
      storeCosSin(-(<f64>distance) * load<f64>(frequencies + (i << 3)), 1, table + (i << 3))
    }
  }
  const kvHeads = i32At(model, L.MODEL_KV_HEADS)
  const bytes = kHeadBytes(i32At(model, L.MODEL_HEAD_DIM), i32At(model, L.MODEL_KV_TYPE))
  let layer = pointerAt(model, L.MODEL_LAYER_TABLE)
  for (let l = i32At(model, L.MODEL_LAYERS); l > 0; l--, layer += L.LAYER_BYTES) {
    const rope = pointerAt(layer, L.LAYER_ROPE)
    if (!rope) continue
    for (let kv = 0; kv < kvHeads; kv++) {
      const head = pointerAt(layer, L.LAYER_K_CACHE) + (page * kvHeads + kv) * bytes
      for (let slot: usize = 0; slot < <usize>L.PAGE; slot++) shiftKey(model, head, slot, rope)
    }
  }
}

/** One key of a head's page. It goes by way of f32 [headDim] at the scratch. */
function shiftKey(model: usize, head: usize, slot: usize, rope: usize): void {
  const headDim = <usize>i32At(model, L.MODEL_HEAD_DIM)
  const kind = i32At(model, L.MODEL_KV_TYPE)
  const x = pointerAt(model, L.MODEL_SCRATCH)
  const at = (((slot >> 3) * headDim) << 3) + (slot & 7)
  for (let d: usize = 0; d < headDim; d++) {
    const index = at + (d << 3)
    const value =
      kind == L.KV_Q8_0
        ? quantizedKey(head, slot, headDim, d)
        : kind == L.KV_F16
          ? f16ToF32(load<u16>(head + (index << 1)))
          : load<f32>(head + (index << 2))
    store<f32>(x + (d << 2), value)
  }
  rotate(x, pointerAt(rope, L.ROPE_TABLE), i32At(rope, L.ROPE_DIM))
  if (kind == L.KV_Q8_0) {
    for (let b: usize = 0; b < headDim >> 5; b++) {
      const block = keyBlock(head, slot, headDim, b)
      store<f32>(block + K_D, quantize32(x + (b << 7), block, 32, 64))
    }
    return
  }
  const key = head + (at << (kind == L.KV_F16 ? 1 : 2))
  for (let d = 0; d < <i32>headDim; d += 2) {
    putKey(kind, key, d, load<f32>(f32Of(x, d)), load<f32>(f32Of(x, d), 4))
  }
}

/** Where 32 dimensions of a position begin in a quantized page. */
@inline
function keyBlock(head: usize, slot: usize, headDim: usize, block: usize): usize {
  return head + ((slot >> 3) * (headDim >> 5) + block) * K_BLOCK + (slot & 7) * 4
}

function quantizedKey(head: usize, slot: usize, headDim: usize, d: usize): f32 {
  const block = keyBlock(head, slot, headDim, d >> 5)
  const i = d & 31
  return <f32>load<i8>(block + (i >> 3) * 64 + ((i >> 2) & 1) * 32 + (i & 3)) * load<f32>(block + K_D)
}
