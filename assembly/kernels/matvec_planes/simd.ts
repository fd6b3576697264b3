// Types made of planes, in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only).
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1, ACTS_SA } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { k16PartBytes, k16Parts, planeBytes } from '../../quant/planes'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { K32_PARTS, k32PartBytes } from '../../quant/q4_k'
import { dotFirst, dotSecond, lowMask, minPairs, signedScales, sumPair, topMask, unsignedScales } from '../quads'
import { step, stepF16, stepMin } from '../steps'

/** Four rows of a part: the dots of 32 columns. */
// @ts-ignore: decorator
@inline
function dotPart(p: usize, planes: i32, acts: usize, low: v128, top: v128, add: bool): v128 {
  return dotSecond(dotFirst(i32x4.splat(0), p, planes, acts, low, top, add), p, planes, acts, low, top, add)
}

/** Q5_1, and Q5_0 whose offset of 16 is a minimum of −16 · d. */
// @ts-ignore: decorator
@inline
export function matvec32(
  planes: i32,
  hasMin: bool,
  group: usize,
  blocks: i32,
  acts: usize,
  out: usize,
  add: bool,
): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = hasMin ? v128.load32_splat(group, RATIO_M) : f32x4.mul(ratioD, f32x4.splat(-16))
  const low = lowMask(planes)
  const top = topMask(planes)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  const bytes = planeBytes(planes) + (hasMin ? 32 : 16)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * bytes; w < end; w += bytes, acts += ACTS_BLOCK) {
    const d = w + planeBytes(planes)
    const m = hasMin ? d + 16 : d
    const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratioD)
    const sa = f32x4.mul(v128.load32_splat(acts, ACTS_SA), ratioM)
    f0 = stepF16(f0, dotPart(w, planes, acts, low, top, add), d, mask, da)
    f1 = stepF16(f1, dotPart(w + 16, planes, acts, low, top, add), d + 8, mask, da)
    f0 = stepMin(f0, shiftF16x4(m, mask), sa)
    f1 = stepMin(f1, shiftF16x4(m + 8, mask), sa)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}

/** Q4_K and Q5_K. */
// @ts-ignore: decorator
@inline
export function matvecK32(planes: i32, group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.neg(v128.load32_splat(group, RATIO_M))
  const low = lowMask(planes)
  const top = topMask(planes)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = shiftF16x4(w, mask)
    const d1 = shiftF16x4(w + 8, mask)
    const m0 = shiftF16x4(w + 16, mask)
    const m1 = shiftF16x4(w + 24, mask)
    w += K32_PARTS
    for (const end = w + 8 * k32PartBytes(planes); w < end; w += k32PartBytes(planes), acts += ACTS_BLOCK) {
      const sc = w + planeBytes(planes)
      const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratioD)
      const sa = f32x4.mul(v128.load32_splat(acts, ACTS_SA), ratioM)
      f0 = step(f0, dotPart(w, planes, acts, low, top, add), f32x4.mul(d0, unsignedScales(sc)), da)
      f1 = step(f1, dotPart(w + 16, planes, acts, low, top, add), f32x4.mul(d1, unsignedScales(sc + 4)), da)
      f0 = stepMin(f0, f32x4.mul(m0, unsignedScales(sc + 8)), sa)
      f1 = stepMin(f1, f32x4.mul(m1, unsignedScales(sc + 12)), sa)
    }
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}

/** Four sub-scales as i32: signed, or the low nibbles. */
// @ts-ignore: decorator
@inline
function subScales(p: usize, hasMin: bool): v128 {
  const sc = signedScales(p)
  return hasMin ? v128.and(sc, i32x4.splat(15)) : sc
}

/** Four rows of a part: sc0 · (dot of columns 0–15) + sc1 · (dot of columns 16–31), which begin at b0 and b1. */
// @ts-ignore: decorator
@inline
function dotPart16(
  p: usize,
  sc: usize,
  planes: i32,
  hasMin: bool,
  acts: usize,
  b0: v128,
  b1: v128,
  low: v128,
  top: v128,
  add: bool,
): v128 {
  const c0 = i32x4.mul(dotFirst(b0, p, planes, acts, low, top, add), subScales(sc, hasMin))
  const c1 = i32x4.mul(dotSecond(b1, p, planes, acts, low, top, add), subScales(sc + 8, hasMin))
  return i32x4.add(c0, c1)
}

/** Q3_K, values offset by 4, and with minima Q2_K. */
// @ts-ignore: decorator
@inline
export function matvecK16(
  planes: i32,
  hasMin: bool,
  group: usize,
  blocks: i32,
  acts: usize,
  out: usize,
  add: bool,
): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.mul(v128.load32_splat(group, RATIO_M), f32x4.splat(0.125))
  const low = lowMask(planes)
  const top = topMask(planes)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let g0 = f32x4.splat(0)
  let g1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = shiftF16x4(w, mask)
    const d1 = shiftF16x4(w + 8, mask)
    const m0 = shiftF16x4(w + 16, mask)
    const m1 = shiftF16x4(w + 24, mask)
    w += k16Parts(hasMin)
    for (const end = w + 8 * k16PartBytes(planes); w < end; w += k16PartBytes(planes), acts += ACTS_BLOCK) {
      const sc = w + planeBytes(planes)
      // s = −8 · sum, the offset is 4.
      const s1 = load<i32>(acts, ACTS_S1)
      const b0 = i32x4.splat(hasMin ? 0 : (load<i32>(acts, ACTS_S) - s1) >> 1)
      const b1 = i32x4.splat(hasMin ? 0 : s1 >> 1)
      const da = v128.load32_splat(acts, ACTS_DA)
      const scale = f32x4.mul(da, ratioD)
      f0 = step(f0, dotPart16(w, sc, planes, hasMin, acts, b0, b1, low, top, add), d0, scale)
      f1 = step(f1, dotPart16(w + 16, sc + 4, planes, hasMin, acts, b0, b1, low, top, add), d1, scale)
      if (hasMin) {
        const sums = sumPair(load<i32>(acts, ACTS_S), s1)
        const pairs = minPairs(sc)
        const min = f32x4.mul(da, ratioM)
        g0 = step(g0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(pairs), sums), m0, min)
        g1 = step(g1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(pairs), sums), m1, min)
      }
    }
  }
  v128.store(out, hasMin ? f32x4.add(f0, g0) : f0)
  v128.store(out, hasMin ? f32x4.add(f1, g1) : f1, 16)
}
