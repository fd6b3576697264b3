import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { dot16, stepF16 } from '../steps'

/** Adds the products of vector j (quads j and j + 4) of four rows. i16 lanes of w: bytes (0, 2) after & 15 … */
// @ts-ignore: decorator
@inline
export function dotNibbles(c: v128, w: v128, low: v128, a0: v128, a1: v128, b0: v128, b1: v128): v128 {
  c = dot16(c, a0, v128.and(w, low))
  c = dot16(c, a1, v128.and(i16x8.shr_u(w, 8), low))
  c = dot16(c, b0, v128.and(i16x8.shr_u(w, 4), low))
  return dot16(c, b1, i16x8.shr_u(w, 12))
}

/** 8 rows of a group · one token → f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = i16x8.splat(15)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    let c0 = i32x4.splat(-8 * load<i32>(acts, ACTS_S))
    let c1 = c0
    for (let j: usize = 0; j < 4; j++) {
      const a0 = v128.load32_splat(acts + j * 8)
      const a1 = v128.load32_splat(acts + j * 8, 4)
      const b0 = v128.load32_splat(acts + j * 8, 32)
      const b1 = v128.load32_splat(acts + j * 8, 36)
      c0 = dotNibbles(c0, v128.load(w + j * 32), low, a0, a1, b0, b1)
      c1 = dotNibbles(c1, v128.load(w + j * 32, 16), low, a0, a1, b0, b1)
    }
    const da = v128.load32_splat(acts, ACTS_DA)
    f0 = stepF16(f0, c0, w + 128, ratio, da)
    f1 = stepF16(f1, c1, w + 136, ratio, da)
    w += PACKED_Q4_0
    acts += ACTS_BLOCK
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
