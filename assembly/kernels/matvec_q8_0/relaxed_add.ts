import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { dotAdd, splat0, splat1, splat2, splat3, stepF16 } from '../steps'

/**
 * 8 rows of a group · one token → f32[8] at out. The weights' top bits are flipped, which makes them unsigned, w + 128:
 * beyond the 0…127 that the instruction promises, so only where a probe has shown the engine's to be exact.
 */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const flip = i8x16.splat(<i8>0x80)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q8_0; w < end; w += PACKED_Q8_0, acts += ACTS_BLOCK) {
    const a = v128.load(acts)
    const b = v128.load(acts, 16)
    const tail = v128.load(acts, ACTS_DA)
    let c0 = i32x4.shl(splat1(tail), 4)
    let c1 = c0
    let x = splat0(a)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 16), flip))
    x = splat1(a)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 32), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 48), flip))
    x = splat2(a)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 64), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 80), flip))
    x = splat3(a)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 96), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 112), flip))
    x = splat0(b)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 128), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 144), flip))
    x = splat1(b)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 160), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 176), flip))
    x = splat2(b)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 192), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 208), flip))
    x = splat3(b)
    c0 = dotAdd(c0, x, v128.xor(v128.load(w, 224), flip))
    c1 = dotAdd(c1, x, v128.xor(v128.load(w, 240), flip))
    const da = f32x4.mul(splat0(tail), ratio)
    f0 = stepF16(f0, c0, w + 256, mask, da)
    f1 = stepF16(f1, c1, w + 264, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
