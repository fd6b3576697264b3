import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { GROUP_HEADER, RATIO_D, RATIO_M, scale } from '../../quant/scales'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { dotNibbles } from '../matvec_q4_0/scalar'

/** 8 rows of a group · one token of a tile of t added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q4_1
      const a = acts + <usize>b * ACTS_BLOCK * t
      f += <f32>dotNibbles(w, lane, a, t) * scale(w + 128 + lane * 2, ratioD * load<f32>(a + ACTS_DA * t))
      f += scale(w + 144 + lane * 2, ratioM * load<f32>(a + ACTS_SA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
