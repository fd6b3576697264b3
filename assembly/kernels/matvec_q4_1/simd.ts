import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { dotNibbles } from '../matvec_q4_0/simd'
import { stepF16, stepMin } from '../steps'

/** 8 rows of a group · one token → f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  const low = i16x8.splat(15)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    let c0 = i32x4.splat(0)
    let c1 = c0
    for (let j: usize = 0; j < 4; j++) {
      const a0 = v128.load32_splat(acts + j * 8)
      const a1 = v128.load32_splat(acts + j * 8, 4)
      const b0 = v128.load32_splat(acts + j * 8, 32)
      const b1 = v128.load32_splat(acts + j * 8, 36)
      c0 = dotNibbles(c0, v128.load(w + j * 32), low, a0, a1, b0, b1)
      c1 = dotNibbles(c1, v128.load(w + j * 32, 16), low, a0, a1, b0, b1)
    }
    const da = v128.load32_splat(acts, ACTS_DA)
    const sa = v128.load32_splat(acts, ACTS_SA)
    f0 = stepMin(stepF16(f0, c0, w + 128, ratioD, da), loadF16x4(w + 144, ratioM), sa)
    f1 = stepMin(stepF16(f1, c1, w + 136, ratioD, da), loadF16x4(w + 152, ratioM), sa)
    w += PACKED_Q4_1
    acts += ACTS_BLOCK
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
