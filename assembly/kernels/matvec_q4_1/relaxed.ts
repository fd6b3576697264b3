import { hoistedBytes, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { addDot8, dot8, splat0, splat3, stepF16, stepMin } from '../steps'

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  const low = hoistedBytes(15)
  const mask = hoistedWords(F16_MASK)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q4_1; w < end; w += PACKED_Q4_1, acts += ACTS_BLOCK) {
    // i16 lanes sum the eight quads: at most 8 · 2 · 15 · 127 = 30,480.
    let v = v128.load(w)
    let u = v128.load(w, 16)
    let x = v128.load32_splat(acts)
    let s0 = dot8(x, v128.and(v, low))
    let s1 = dot8(x, v128.and(u, low))
    x = v128.load32_splat(acts, 16)
    s0 = addDot8(s0, x, v128.and(i16x8.shr_u(v, 4), low))
    s1 = addDot8(s1, x, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 32)
    u = v128.load(w, 48)
    x = v128.load32_splat(acts, 4)
    s0 = addDot8(s0, x, v128.and(v, low))
    s1 = addDot8(s1, x, v128.and(u, low))
    x = v128.load32_splat(acts, 20)
    s0 = addDot8(s0, x, v128.and(i16x8.shr_u(v, 4), low))
    s1 = addDot8(s1, x, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 64)
    u = v128.load(w, 80)
    x = v128.load32_splat(acts, 8)
    s0 = addDot8(s0, x, v128.and(v, low))
    s1 = addDot8(s1, x, v128.and(u, low))
    x = v128.load32_splat(acts, 24)
    s0 = addDot8(s0, x, v128.and(i16x8.shr_u(v, 4), low))
    s1 = addDot8(s1, x, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 96)
    u = v128.load(w, 112)
    x = v128.load32_splat(acts, 12)
    s0 = addDot8(s0, x, v128.and(v, low))
    s1 = addDot8(s1, x, v128.and(u, low))
    x = v128.load32_splat(acts, 28)
    s0 = addDot8(s0, x, v128.and(i16x8.shr_u(v, 4), low))
    s1 = addDot8(s1, x, v128.and(i16x8.shr_u(u, 4), low))
    const tail = v128.load(acts, ACTS_DA)
    const da = f32x4.mul(splat0(tail), ratioD)
    const sa = f32x4.mul(splat3(tail), ratioM)
    f0 = stepF16(f0, i32x4.extadd_pairwise_i16x8_s(s0), w + 128, mask, da)
    f1 = stepF16(f1, i32x4.extadd_pairwise_i16x8_s(s1), w + 136, mask, da)
    f0 = stepMin(f0, shiftF16x4(w + 144, mask), sa)
    f1 = stepMin(f1, shiftF16x4(w + 152, mask), sa)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
