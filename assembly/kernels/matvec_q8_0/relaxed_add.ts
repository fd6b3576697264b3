import { hoistedBytes, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { dotAdd, splat0, splat1, stepF16 } from '../steps'

/**
 * 8 rows of a group · one token added to f32[8] at out. The weights' top bits are flipped, which makes them unsigned, w + 128:
 * beyond the 0…127 that the instruction promises, so only where a probe has shown the engine's to be exact.
 */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const flip = hoistedBytes(0x80)
  const mask = hoistedWords(F16_MASK)
  const zero = hoistedWords(0)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q8_0; w < end; w += PACKED_Q8_0, acts += ACTS_BLOCK) {
    const tail = v128.load(acts, ACTS_DA)
    let c0 = i32x4.shl(splat1(tail), 4)
    let c1 = c0
    let e0 = zero
    let e1 = zero
    let x = v128.load32_splat(acts)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 16), flip))
    x = v128.load32_splat(acts, 4)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 32), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 48), flip))
    x = v128.load32_splat(acts, 8)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 64), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 80), flip))
    x = v128.load32_splat(acts, 12)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 96), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 112), flip))
    x = v128.load32_splat(acts, 16)
    e0 = dotAdd(e0, x, v128.xor(v128.load(w, 128), flip))
    e1 = dotAdd(e1, x, v128.xor(v128.load(w, 144), flip))
    x = v128.load32_splat(acts, 20)
    e0 = dotAdd(e0, x, v128.xor(v128.load(w, 160), flip))
    e1 = dotAdd(e1, x, v128.xor(v128.load(w, 176), flip))
    x = v128.load32_splat(acts, 24)
    e0 = dotAdd(e0, x, v128.xor(v128.load(w, 192), flip))
    e1 = dotAdd(e1, x, v128.xor(v128.load(w, 208), flip))
    x = v128.load32_splat(acts, 28)
    e0 = dotAdd(e0, x, v128.xor(v128.load(w, 224), flip))
    e1 = dotAdd(e1, x, v128.xor(v128.load(w, 240), flip))
    const da = f32x4.mul(splat0(tail), ratio)
    f0 = stepF16(f0, i32x4.add(c0, e0), w + 256, mask, da)
    f1 = stepF16(f1, i32x4.add(c1, e1), w + 264, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
