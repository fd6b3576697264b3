import { hoistedHalves, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { dotNibbles } from '../matvec_q4_0/simd'
import { splat0, splat3, stepF16, stepMin } from '../steps'

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  const low = hoistedHalves(15)
  const mask = hoistedWords(F16_MASK)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q4_1; w < end; w += PACKED_Q4_1, acts += ACTS_BLOCK) {
    let c0 = i32x4.splat(0)
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
    const tail = v128.load(acts, ACTS_DA)
    const da = f32x4.mul(splat0(tail), ratioD)
    const sa = f32x4.mul(splat3(tail), ratioM)
    f0 = stepMin(stepF16(f0, c0, w + 128, mask, da), shiftF16x4(w + 144, mask), sa)
    f1 = stepMin(stepF16(f1, c1, w + 136, mask, da), shiftF16x4(w + 152, mask), sa)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
