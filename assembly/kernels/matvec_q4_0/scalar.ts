import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { GROUP_HEADER, RATIO_D, scale } from '../../quant/scales'
import { PACKED_Q4_0 } from '../../quant/q4_0'

/** The dot of 32 nibbles of row `lane` with one token's q (t tokens side by side). */
@inline
export function dotNibbles(block: usize, lane: usize, acts: usize, t: usize): i32 {
  let c = 0
  for (let i: usize = 0; i < 16; i++) {
    const byte = <i32>load<u8>(block + (i >> 2) * 32 + lane * 4 + (i & 3))
    c += (byte & 15) * <i32>load<i8>(acts + (i >> 2) * t * 4 + (i & 3))
    c += (byte >> 4) * <i32>load<i8>(acts + ((i >> 2) + 4) * t * 4 + (i & 3))
  }
  return c
}

/** 8 rows of a group · one token of a tile of t added to f32[8] at out. */
export function matvec(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q4_0
      const a = acts + <usize>b * ACTS_BLOCK * t
      const c = dotNibbles(w, lane, a, t) + load<i32>(a + ACTS_S * t)
      f += <f32>c * scale(w + 128 + lane * 2, ratio * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
