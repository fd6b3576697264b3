import { hoistedHalves, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { dot16, splat0, splat1, stepF16 } from '../steps'

/**
 * Adds vector j (quads j and j + 4) of four rows. i16 lanes: bytes (0, 2) of a row after & 15, (1, 3) after >> 8; a0, a1
 * are the pairs of quad j, b0, b1 those of quad j + 4.
 */
@inline
export function dotNibbles(c: v128, w: v128, low: v128, a0: v128, a1: v128, b0: v128, b1: v128): v128 {
  c = dot16(c, a0, v128.and(w, low))
  c = dot16(c, a1, v128.and(i16x8.shr_u(w, 8), low))
  c = dot16(c, b0, v128.and(i16x8.shr_u(w, 4), low))
  return dot16(c, b1, i16x8.shr_u(w, 12))
}

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = hoistedHalves(15)
  const mask = hoistedWords(F16_MASK)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q4_0; w < end; w += PACKED_Q4_0, acts += ACTS_BLOCK) {
    const tail = v128.load(acts, ACTS_DA)
    let c0 = splat1(tail)
    let c1 = c0
    let a0 = v128.load32_splat(acts)
    let a1 = v128.load32_splat(acts, 4)
    let b0 = v128.load32_splat(acts, 32)
    let b1 = v128.load32_splat(acts, 36)
    c0 = dotNibbles(c0, v128.load(w), low, a0, a1, b0, b1)
    c1 = dotNibbles(c1, v128.load(w, 16), low, a0, a1, b0, b1)
    a0 = v128.load32_splat(acts, 8)
    a1 = v128.load32_splat(acts, 12)
    b0 = v128.load32_splat(acts, 40)
    b1 = v128.load32_splat(acts, 44)
    c0 = dotNibbles(c0, v128.load(w, 32), low, a0, a1, b0, b1)
    c1 = dotNibbles(c1, v128.load(w, 48), low, a0, a1, b0, b1)
    a0 = v128.load32_splat(acts, 16)
    a1 = v128.load32_splat(acts, 20)
    b0 = v128.load32_splat(acts, 48)
    b1 = v128.load32_splat(acts, 52)
    c0 = dotNibbles(c0, v128.load(w, 64), low, a0, a1, b0, b1)
    c1 = dotNibbles(c1, v128.load(w, 80), low, a0, a1, b0, b1)
    a0 = v128.load32_splat(acts, 24)
    a1 = v128.load32_splat(acts, 28)
    b0 = v128.load32_splat(acts, 56)
    b1 = v128.load32_splat(acts, 60)
    c0 = dotNibbles(c0, v128.load(w, 96), low, a0, a1, b0, b1)
    c1 = dotNibbles(c1, v128.load(w, 112), low, a0, a1, b0, b1)
    const da = f32x4.mul(splat0(tail), ratio)
    f0 = stepF16(f0, c0, w + 128, mask, da)
    f1 = stepF16(f1, c1, w + 136, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
