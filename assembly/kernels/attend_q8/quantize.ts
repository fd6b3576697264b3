// Quantization of keys, values and queries for the q8_0 cache: per 32 dimensions, q in −127…127, value ≈ d · q. Scalar in
// every build: it is a small part of the work.
import * as L from '../../layout'
import { TINY } from '../acts'

/** x f32[32] → i8[32] at dst: fours of dimensions `stride` bytes apart, pairs of fours `pair` bytes; returns d. */
export function quantize32(x: usize, dst: usize, stride: usize, pair: usize): f32 {
  let amax: f32 = 0
  for (let i: usize = 0; i < <usize>L.BLOCK; i++) amax = max(amax, abs(load<f32>(x + (i << 2))))
  const id: f32 = amax < TINY ? 0 : 127 / amax
  for (let i: usize = 0; i < <usize>L.BLOCK; i++) {
    const at = dst + (i >> 3) * pair + ((i >> 2) & 1) * stride + (i & 3)
    store<i8>(at, <i8>(<i32>nearest<f32>(load<f32>(x + (i << 2)) * id)))
  }
  return amax / 127
}
