import { hoistedBytes, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { dot8, splat0, splat1, splat2, splat3, stepF16 } from '../steps'

/**
 * One quad: w · a⁺ − w · a⁻, where a = a⁺ − a⁻ and both are in 0…127. A pair stays within 2 · 128 · 127 = 32,512, and so
 * does the difference, since for each column one of the two is 0.
 */
@inline
function dotBytes(c: v128, w: v128, plus: v128, minus: v128): v128 {
  return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(i16x8.sub(dot8(w, plus), dot8(w, minus))))
}

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const mask = hoistedWords(F16_MASK)
  const zero = hoistedBytes(0)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q8_0; w < end; w += PACKED_Q8_0, acts += ACTS_BLOCK) {
    const a = v128.load(acts)
    const p = i8x16.max_s(a, zero)
    const m = i8x16.sub(p, a)
    let x = splat0(p)
    let y = splat0(m)
    let c0 = dotBytes(zero, v128.load(w), x, y)
    let c1 = dotBytes(zero, v128.load(w, 16), x, y)
    x = splat1(p)
    y = splat1(m)
    c0 = dotBytes(c0, v128.load(w, 32), x, y)
    c1 = dotBytes(c1, v128.load(w, 48), x, y)
    x = splat2(p)
    y = splat2(m)
    c0 = dotBytes(c0, v128.load(w, 64), x, y)
    c1 = dotBytes(c1, v128.load(w, 80), x, y)
    x = splat3(p)
    y = splat3(m)
    c0 = dotBytes(c0, v128.load(w, 96), x, y)
    c1 = dotBytes(c1, v128.load(w, 112), x, y)
    const b = v128.load(acts, 16)
    const q = i8x16.max_s(b, zero)
    const n = i8x16.sub(q, b)
    x = splat0(q)
    y = splat0(n)
    c0 = dotBytes(c0, v128.load(w, 128), x, y)
    c1 = dotBytes(c1, v128.load(w, 144), x, y)
    x = splat1(q)
    y = splat1(n)
    c0 = dotBytes(c0, v128.load(w, 160), x, y)
    c1 = dotBytes(c1, v128.load(w, 176), x, y)
    x = splat2(q)
    y = splat2(n)
    c0 = dotBytes(c0, v128.load(w, 192), x, y)
    c1 = dotBytes(c1, v128.load(w, 208), x, y)
    x = splat3(q)
    y = splat3(n)
    c0 = dotBytes(c0, v128.load(w, 224), x, y)
    c1 = dotBytes(c1, v128.load(w, 240), x, y)
    const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratio)
    f0 = stepF16(f0, c0, w + 256, mask, da)
    f1 = stepF16(f1, c1, w + 264, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
