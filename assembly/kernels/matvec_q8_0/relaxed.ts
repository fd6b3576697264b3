import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { dot8, stepF16 } from '../steps'

/**
 * One quad: w · a⁺ − w · a⁻, where a = a⁺ − a⁻ and both are in 0…127. A pair stays within 2 · 128 · 127 = 32,512, and so
 * does the difference, since for each column one of the two is 0.
 */
// @ts-ignore: decorator
@inline
export function dotBytes(c: v128, w: v128, plus: v128, minus: v128): v128 {
  return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(i16x8.sub(dot8(w, plus), dot8(w, minus))))
}

/** 8 rows of a group · one token → f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const zero = i8x16.splat(0)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    let c0 = i32x4.splat(0)
    let c1 = c0
    for (let j: usize = 0; j < 8; j++) {
      const a = v128.load32_splat(acts + j * 4)
      const plus = i8x16.max_s(a, zero)
      const minus = i8x16.sub(plus, a)
      c0 = dotBytes(c0, v128.load(w + j * 32), plus, minus)
      c1 = dotBytes(c1, v128.load(w + j * 32, 16), plus, minus)
    }
    const da = v128.load32_splat(acts, ACTS_DA)
    f0 = stepF16(f0, c0, w + 256, ratio, da)
    f1 = stepF16(f1, c1, w + 264, ratio, da)
    w += PACKED_Q8_0
    acts += ACTS_BLOCK
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
