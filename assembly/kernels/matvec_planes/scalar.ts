import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR, ACTS_SA } from '../acts'
import { k16Bytes, k16PartBytes, k16Parts, planeBytes, planeValue } from '../../quant/planes'
import { GROUP_HEADER, RATIO_D, RATIO_M, scale } from '../../quant/scales'
import { K32_PARTS, k32Bytes, k32PartBytes, subScaleOf } from '../../quant/q4_k'
import { PACKED_Q5_0, PLANES_Q5_0 } from '../../quant/q5_0'
import { PACKED_Q5_1, PLANES_Q5_1 } from '../../quant/q5_1'

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

/** 8 rows of a group · one token of a tile of t added to f32[8] at out; the offset of 16 is a minimum of −16 · d. */
export function matvecQ5_0(group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
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
    let f = load<f32>(out + lane * 4)
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
    let f = load<f32>(out + lane * 4)
    for (let b = 0; b < blocks; b++) {
      const block = group + GROUP_HEADER + <usize>(b >> 3) * k32Bytes(planes)
      const part = block + K32_PARTS + <usize>(b & 7) * k32PartBytes(planes)
      const sc = part + planeBytes(planes) + subScaleOf(lane)
      const a = acts + <usize>b * ACTS_BLOCK * t
      const d = scale(block + lane * 2, ratioD) * <f32>load<u8>(sc)
      const m = scale(block + 16 + lane * 2, ratioM) * <f32>load<u8>(sc, 1)
      f += <f32>dot32(part, planes, lane, a, t) * (d * load<f32>(a + ACTS_DA * t))
      f += -m * load<f32>(a + ACTS_SA * t)
    }
    store<f32>(out + lane * 4, f)
  }
}

/**
 * Q3_K, values offset by 4, and with minima Q2_K: d · (sc0 · c0 + sc1 · c1), and the minima in a sum of their own,
 * dmin · (m0 · s0 + m1 · s1).
 */
export function matvecK16(
  planes: i32,
  hasMin: bool,
  group: usize,
  blocks: i32,
  acts: usize,
  t: usize,
  out: usize,
): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = hasMin ? load<f32>(group, RATIO_M) : 0
  const parts = k16Parts(hasMin)
  const partBytes = k16PartBytes(planes)
  for (let lane: usize = 0; lane < 8; lane++) {
    let f = load<f32>(out + lane * 4)
    let g: f32 = 0
    for (let b = 0; b < blocks; b++) {
      const block = group + GROUP_HEADER + <usize>(b >> 3) * k16Bytes(planes, hasMin)
      const part = block + parts + <usize>(b & 7) * partBytes
      const sc = part + planeBytes(planes) + (hasMin ? lane * 2 : lane)
      const a = acts + <usize>b * ACTS_BLOCK * t
      const da = load<f32>(a + ACTS_DA * t)
      // s = −8 · sum
      const s0 = <i32>load<i16>(a + ACTS_PAIR * t)
      const s1 = <i32>load<i16>(a + ACTS_PAIR * t, 2)
      let c0 = dot(part, planes, lane, 0, a, t)
      let c1 = dot(part, planes, lane, 16, a, t)
      if (hasMin) {
        c0 *= <i32>load<u8>(sc) & 15
        c1 *= <i32>load<u8>(sc, 1) & 15
        const m = s0 * <i32>(load<u8>(sc) >> 4) + s1 * <i32>(load<u8>(sc, 1) >> 4)
        g += <f32>m * (scale(block + 16 + lane * 2, ratioM * 0.125) * da)
      } else {
        c0 = (c0 + (s0 >> 1)) * <i32>load<i8>(sc)
        c1 = (c1 + (s1 >> 1)) * <i32>load<i8>(sc, 8)
      }
      f += <f32>(c0 + c1) * (scale(block + lane * 2, ratioD) * da)
    }
    store<f32>(out + lane * 4, hasMin ? f + g : f)
  }
}
