import { hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { F16_MASK } from '../../quant/f16'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { dot16, splat0, splat1, splat2, splat3, stepF16 } from '../steps'

/** Adds one quad of four rows: bytes (0, 2) and (1, 3) of each row, widened to i16. */
@inline
function dotBytes(c: v128, w: v128, a0: v128, a1: v128): v128 {
  c = dot16(c, a0, i16x8.shr_s(i16x8.shl(w, 8), 8))
  return dot16(c, a1, i16x8.shr_s(w, 8))
}

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const mask = hoistedWords(F16_MASK)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q8_0; w < end; w += PACKED_Q8_0, acts += ACTS_BLOCK) {
    let c0 = i32x4.splat(0)
    let c1 = c0
    for (let j: usize = 0; j < 4; j++) {
      const a = v128.load(acts + j * 16)
      const at = w + j * 64
      let a0 = splat0(a)
      let a1 = splat1(a)
      c0 = dotBytes(c0, v128.load(at), a0, a1)
      c1 = dotBytes(c1, v128.load(at, 16), a0, a1)
      a0 = splat2(a)
      a1 = splat3(a)
      c0 = dotBytes(c0, v128.load(at, 32), a0, a1)
      c1 = dotBytes(c1, v128.load(at, 48), a0, a1)
    }
    const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratio)
    f0 = stepF16(f0, c0, w + 256, mask, da)
    f1 = stepF16(f1, c1, w + 264, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
