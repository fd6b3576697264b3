import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { dotNibbles } from '../matvec_q4_0/relaxed'
import { stepF16, stepMin } from '../steps'

/** 8 rows of a group · one token → f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  const low = i8x16.splat(15)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    const da = v128.load32_splat(acts, ACTS_DA)
    const sa = v128.load32_splat(acts, ACTS_SA)
    f0 = stepF16(f0, dotNibbles(w, acts, low), w + 128, ratioD, da)
    f1 = stepF16(f1, dotNibbles(w + 16, acts, low), w + 136, ratioD, da)
    f0 = stepMin(f0, loadF16x4(w + 144, ratioM), sa)
    f1 = stepMin(f1, loadF16x4(w + 152, ratioM), sa)
    w += PACKED_Q4_1
    acts += ACTS_BLOCK
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
