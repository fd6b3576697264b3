import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { PACKED_Q6_K, Q6_K_D, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC, partValue } from '../../quant/q6_k'

/** 8 rows of a group · one token of a tile of t added to f32[8] at out. `blocks` counts 32 columns. */
export function matvec(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const w = group + <usize>(b >> 3) * PACKED_Q6_K
      const part = w + Q6_K_PARTS + <usize>(b & 7) * Q6_K_PART_BYTES
      const a = acts + <usize>b * ACTS_BLOCK * t
      let c0 = 0
      let c1 = 0
      for (let i = 0; i < 16; i++) {
        c0 += partValue(part, lane, i) * <i32>load<i8>(a + <usize>(i >> 2) * t * 4 + (i & 3))
        c1 += partValue(part, lane, i + 16) * <i32>load<i8>(a + <usize>((i >> 2) + 4) * t * 4 + (i & 3))
      }
      const c = c0 * <i32>load<i8>(part + Q6_K_SC + lane) + c1 * <i32>load<i8>(part + Q6_K_SC + 8 + lane)
      f += <f32>c * (load<f32>(w + Q6_K_D + lane * 4) * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
