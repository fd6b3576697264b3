import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1, ACTS_SA } from '../acts'
import { planeBytes, planeValue } from '../../quant/planes'
import { GROUP_HEADER, RATIO_D, RATIO_M, scale } from '../../quant/scales'
import { K32_PARTS, k32Bytes, k32PartBytes } from '../../quant/q4_k'
import { PACKED_Q5_0, PLANES_Q5_0 } from '../../quant/q5_0'
import { PACKED_Q5_1, PLANES_Q5_1 } from '../../quant/q5_1'
import { PACKED_Q3_K, PLANES_Q3_K, Q3_K_PARTS, Q3_K_PART_BYTES } from '../../quant/q3_k'

/** The dot of 16 columns from c0 on of row `lane` with one token's q (t tokens side by side). */
function dot(part: usize, planes: i32, lane: usize, c0: i32, acts: usize, t: usize): i32 {
  let sum = 0
  for (let c = c0; c < c0 + 16; c++) {
    sum += planeValue(part, planes, lane, c) * <i32>load<i8>(acts + <usize>(c >> 2) * t * 4 + (c & 3))
  }
  return sum
}

function dot32(part: usize, planes: i32, lane: usize, acts: usize, t: usize): i32 {
  return dot(part, planes, lane, 0, acts, t) + dot(part, planes, lane, 16, acts, t)
}

/** 8 rows of a group · one token of a tile of t → f32[8] at out; the offset of 16 is a minimum of −16 · d. */
export function matvecQ5_0(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q5_0
      const a = acts + <usize>b * ACTS_BLOCK * t
      const d = w + planeBytes(PLANES_Q5_0) + lane * 2
      f += <f32>dot32(w, PLANES_Q5_0, lane, a, t) * scale(d, ratio * load<f32>(a + ACTS_DA * t))
      f += scale(d, -16 * ratio * load<f32>(a + ACTS_SA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}

export function matvecQ5_1(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const w = group + GROUP_HEADER + <usize>b * PACKED_Q5_1
      const a = acts + <usize>b * ACTS_BLOCK * t
      const d = w + planeBytes(PLANES_Q5_1) + lane * 2
      f += <f32>dot32(w, PLANES_Q5_1, lane, a, t) * scale(d, ratioD * load<f32>(a + ACTS_DA * t))
      f += scale(d + 16, ratioM * load<f32>(a + ACTS_SA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}

/** Q4_K and Q5_K. d · sc and dmin · m are exact in f32. */
export function matvecK32(planes: i32, group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const block = group + GROUP_HEADER + <usize>(b >> 3) * k32Bytes(planes)
      const part = block + K32_PARTS + <usize>(b & 7) * k32PartBytes(planes)
      const sc = part + planeBytes(planes) + lane
      const a = acts + <usize>b * ACTS_BLOCK * t
      const d = scale(block + lane * 2, ratioD) * <f32>load<u8>(sc)
      const m = scale(block + 16 + lane * 2, ratioM) * <f32>load<u8>(sc, 8)
      f += <f32>dot32(part, planes, lane, a, t) * (d * load<f32>(a + ACTS_DA * t))
      f += -m * load<f32>(a + ACTS_SA * t)
    }
    store<f32>(out + lane * 4, f)
  }
}

export function matvecQ3_K(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const block = group + GROUP_HEADER + <usize>(b >> 3) * PACKED_Q3_K
      const part = block + Q3_K_PARTS + <usize>(b & 7) * Q3_K_PART_BYTES
      const a = acts + <usize>b * ACTS_BLOCK * t
      // s = −8 · sum
      const s1 = load<i32>(a + ACTS_S1 * t)
      const c0 = dot(part, PLANES_Q3_K, lane, 0, a, t) + ((load<i32>(a + ACTS_S * t) - s1) >> 1)
      const c1 = dot(part, PLANES_Q3_K, lane, 16, a, t) + (s1 >> 1)
      const sc = part + planeBytes(PLANES_Q3_K) + lane
      const c = c0 * <i32>load<i8>(sc) + c1 * <i32>load<i8>(sc, 8)
      f += <f32>c * scale(block + lane * 2, ratio * load<f32>(a + ACTS_DA * t))
    }
    store<f32>(out + lane * 4, f)
  }
}
