// The scalar twins of simd.ts, for query `t` of a tile.
import * as L from '../../layout'
import { K_BLOCK, K_D, Q_BLOCK, Q_D } from './layout'

/** q: the tile; s f32[count]. */
export function scores(q: usize, t: usize, k: usize, count: i32, headDim: i32, scale: f32, s: usize): void {
  const blocks = headDim >> 5
  for (let j = 0; j < count; j++) {
    let f: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const key = k + <usize>((j >> 3) * blocks + b) * K_BLOCK
      const query = q + <usize>b * Q_BLOCK
      let c = 0
      for (let i: usize = 0; i < 32; i++) {
        const w = <i32>load<i8>(key + (i >> 2) * 32 + <usize>(j & 7) * 4 + (i & 3))
        c += w * <i32>load<i8>(query + (i >> 2) * 16 + t * 4 + (i & 3))
      }
      f += <f32>c * (load<f32>(key + K_D + ((<usize>(j & 7)) << 2)) * load<f32>(query + Q_D + (t << 2)))
    }
    store<f32>(s + ((<usize>j) << 2), f * scale)
  }
}

/** p f32[count]; acc f32[headDim]. */
export function weighV(p: usize, v: usize, count: i32, headDim: i32, acc: usize): void {
  const scales = v + <usize>(headDim * L.PAGE)
  for (let d = 0; d < headDim; d++) {
    let a = load<f32>(acc + ((<usize>d) << 2))
    for (let j = 0; j < count; j++) {
      const value = <f32>load<i8>(v + <usize>(((d >> 3) * L.PAGE + j) * 8 + (d & 7)))
      a += value * (load<f32>(p + ((<usize>j) << 2)) * load<f32>(scales + ((<usize>((d >> 5) * L.PAGE + j)) << 2)))
    }
    store<f32>(acc + ((<usize>d) << 2), a)
  }
}
