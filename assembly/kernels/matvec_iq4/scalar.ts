import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { IQ4_XS_PARTS, IQ4_XS_PART_BYTES, PACKED_IQ4_XS, code } from '../../quant/iq4'
import { NIBBLES, planeValue } from '../../quant/planes'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { GROUP_HEADER, RATIO_D, scale } from '../../quant/scales'

/** The dot of 32 columns of row `lane` with one token's q (t tokens side by side). */
function dot(part: usize, lane: usize, acts: usize, t: usize): i32 {
  let sum = 0
  for (let c = 0; c < 32; c++) {
    sum += code(planeValue(part, NIBBLES, lane, c)) * <i32>load<i8>(acts + <usize>(c >> 2) * t * 4 + (c & 3))
  }
  return sum
}

/** 8 rows of a group · one token of a tile of t added to f32[8] at out. */
export function matvecNL(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q4_0
      const a = acts + <usize>b * ACTS_BLOCK * t
      f += <f32>dot(w, lane, a, t) * scale(w + 128 + lane * 2, ratio * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}

/** The same with d · sc, which is exact in f32. */
export function matvecXS(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const block = group + GROUP_HEADER + <usize>(b >> 3) * PACKED_IQ4_XS
      const part = block + IQ4_XS_PARTS + <usize>(b & 7) * IQ4_XS_PART_BYTES
      const a = acts + <usize>b * ACTS_BLOCK * t
      const d = scale(block + lane * 2, ratio) * <f32>load<i8>(part + 128 + lane)
      f += <f32>dot(part, lane, a, t) * (d * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
