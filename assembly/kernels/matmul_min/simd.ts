import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR } from '../acts'
import { step } from '../steps'
import { MINIMA_BLOCK, MINIMA_D } from '../unpack/layout'

/** 8 rows' minima for 16 columns each (unpack/layout.ts) · a tile of 4 tokens, added to f32[4 tokens][8 rows] at out. */
export function addMinima(minima: usize, blocks: i32, acts: usize, out: usize): void {
  for (let token: usize = 0; token < 4; token++) {
    let g0 = f32x4.splat(0)
    let g1 = f32x4.splat(0)
    let a = acts + token * 4
    let m = minima
    for (const end = m + <usize>blocks * MINIMA_BLOCK; m < end; m += MINIMA_BLOCK, a += 4 * ACTS_BLOCK) {
      const sums = v128.load32_splat(a, 4 * ACTS_PAIR)
      const da = v128.load32_splat(a, 4 * ACTS_DA)
      g0 = step(g0, i32x4.dot_i16x8_s(v128.load(m), sums), v128.load(m, MINIMA_D), da)
      g1 = step(g1, i32x4.dot_i16x8_s(v128.load(m, 16), sums), v128.load(m, MINIMA_D + 16), da)
    }
    const to = out + token * 32
    v128.store(to, f32x4.add(v128.load(to), g0))
    v128.store(to, f32x4.add(v128.load(to, 16), g1), 16)
  }
}
