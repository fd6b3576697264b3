import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { GROUP_HEADER, RATIO_D, scale } from '../../quant/scales'
import { PACKED_Q8_0 } from '../../quant/q8_0'

/** 8 rows of a group · one token of a tile of t added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q8_0
      const a = acts + <usize>b * ACTS_BLOCK * t
      let c = 0
      for (let i: usize = 0; i < 32; i++) {
        c += <i32>load<i8>(w + (i >> 2) * 32 + lane * 4 + (i & 3)) * <i32>load<i8>(a + (i >> 2) * t * 4 + (i & 3))
      }
      f += <f32>c * scale(w + 256 + lane * 2, ratio * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
