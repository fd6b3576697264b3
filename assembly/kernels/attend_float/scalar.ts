// The scalar twins of simd.ts, for one query of a tile.
import * as L from '../../layout'
import { f16ToF32 } from '../../quant/f16'

@inline
function load1(p: usize, f16: bool): f32 {
  return f16 ? f16ToF32(load<u16>(p)) : load<f32>(p)
}

@inline
export function scores(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
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

@inline
export function weighV(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  for (let d = 0; d < width; d++) {
    let a = load<f32>(acc + ((<usize>d) << 2))
    for (let j = 0; j < count; j++) {
      const at = <usize>(((d >> 3) * L.PAGE + j) * 8 + (d & 7))
      a += load1(v + (at << shift), f16) * load<f32>(p + ((<usize>j) << 2))
    }
    store<f32>(acc + ((<usize>d) << 2), a)
  }
}
