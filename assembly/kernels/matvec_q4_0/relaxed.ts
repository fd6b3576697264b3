import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { dot8, stepF16 } from '../steps'

/**
 * 32 nibbles of four rows (vectors 32 bytes apart) · q → i32x4. i16 lanes hold pairs of columns; the sum of the eight
 * quads stays below 8 · 2 · 15 · 127 = 30,480.
 */
// @ts-ignore: decorator
@inline
export function dotNibbles(w: usize, acts: usize, low: v128): v128 {
  let v = v128.load(w)
  let s = i16x8.add(
    dot8(v128.load32_splat(acts), v128.and(v, low)),
    dot8(v128.load32_splat(acts, 16), v128.and(i16x8.shr_u(v, 4), low)),
  )
  v = v128.load(w, 32)
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 4), v128.and(v, low)))
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 20), v128.and(i16x8.shr_u(v, 4), low)))
  v = v128.load(w, 64)
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 8), v128.and(v, low)))
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 24), v128.and(i16x8.shr_u(v, 4), low)))
  v = v128.load(w, 96)
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 12), v128.and(v, low)))
  s = i16x8.add(s, dot8(v128.load32_splat(acts, 28), v128.and(i16x8.shr_u(v, 4), low)))
  return i32x4.extadd_pairwise_i16x8_s(s)
}

/** 8 rows of a group · one token → f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = i8x16.splat(15)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    const bias = i32x4.splat(-8 * load<i32>(acts, ACTS_S))
    const da = v128.load32_splat(acts, ACTS_DA)
    f0 = stepF16(f0, i32x4.add(bias, dotNibbles(w, acts, low)), w + 128, ratio, da)
    f1 = stepF16(f1, i32x4.add(bias, dotNibbles(w + 16, acts, low)), w + 136, ratio, da)
    w += PACKED_Q4_0
    acts += ACTS_BLOCK
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
