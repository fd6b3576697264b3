import { hoistedBytes, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { dotAdd, splat0, splat1, stepF16 } from '../steps'

/** 8 rows of a group · one token added to f32[8] at out, with dots that add to i32. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = hoistedBytes(15)
  const mask = hoistedWords(F16_MASK)
  const zero = hoistedWords(0)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q4_0; w < end; w += PACKED_Q4_0, acts += ACTS_BLOCK) {
    const tail = v128.load(acts, ACTS_DA)
    let c0 = splat1(tail)
    let c1 = c0
    let e0 = zero
    let e1 = zero
    let v = v128.load(w)
    let u = v128.load(w, 16)
    let x = v128.load32_splat(acts)
    let y = v128.load32_splat(acts, 16)
    c0 = dotAdd(c0, x, v128.and(v, low))
    c1 = dotAdd(c1, x, v128.and(u, low))
    e0 = dotAdd(e0, y, v128.and(i16x8.shr_u(v, 4), low))
    e1 = dotAdd(e1, y, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 32)
    u = v128.load(w, 48)
    x = v128.load32_splat(acts, 4)
    y = v128.load32_splat(acts, 20)
    c0 = dotAdd(c0, x, v128.and(v, low))
    c1 = dotAdd(c1, x, v128.and(u, low))
    e0 = dotAdd(e0, y, v128.and(i16x8.shr_u(v, 4), low))
    e1 = dotAdd(e1, y, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 64)
    u = v128.load(w, 80)
    x = v128.load32_splat(acts, 8)
    y = v128.load32_splat(acts, 24)
    c0 = dotAdd(c0, x, v128.and(v, low))
    c1 = dotAdd(c1, x, v128.and(u, low))
    e0 = dotAdd(e0, y, v128.and(i16x8.shr_u(v, 4), low))
    e1 = dotAdd(e1, y, v128.and(i16x8.shr_u(u, 4), low))
    v = v128.load(w, 96)
    u = v128.load(w, 112)
    x = v128.load32_splat(acts, 12)
    y = v128.load32_splat(acts, 28)
    c0 = dotAdd(c0, x, v128.and(v, low))
    c1 = dotAdd(c1, x, v128.and(u, low))
    e0 = dotAdd(e0, y, v128.and(i16x8.shr_u(v, 4), low))
    e1 = dotAdd(e1, y, v128.and(i16x8.shr_u(u, 4), low))
    const da = f32x4.mul(splat0(tail), ratio)
    f0 = stepF16(f0, i32x4.add(c0, e0), w + 128, mask, da)
    f1 = stepF16(f1, i32x4.add(c1, e1), w + 136, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
