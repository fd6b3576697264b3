// Types made of planes, in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only). One loop serves
// all: the integers of a part are the same for each, how they are scaled is not.
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1, ACTS_SA } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { planeBytes } from '../../quant/planes'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import {
  QUAD_BYTES,
  dotQuad,
  loadBits,
  loadLow,
  lowMask,
  minPairs,
  quad,
  scalePairs,
  sumPair,
  topMask,
  twice,
  unsignedScales,
  widenBoth,
} from '../quads'
import { step, stepMin } from '../steps'

// How a type's parts of 32 columns are scaled.
/** d; the offset of 16 is a minimum of −16 · d (Q5_0). */
// @ts-ignore: decorator
@inline
export const BY_D = 0
/** d and m (Q5_1). */
// @ts-ignore: decorator
@inline
export const BY_D_M = 1
/** d · sc and dmin · m, one sc and m for 32 columns (Q4_K, Q5_K). */
// @ts-ignore: decorator
@inline
export const BY_K32 = 2
/** d · sc, one sc for 16 columns, values offset by 4 (Q3_K). */
// @ts-ignore: decorator
@inline
export const BY_K16 = 3
/** d · sc and dmin · m, one sc and m for 16 columns (Q2_K). */
// @ts-ignore: decorator
@inline
export const BY_K16_M = 4

/**
 * Four rows' sc0 · (first half's sum) + sc1 · (second half's); sc0, sc1: i16, each twice. In the relaxed build the sums are
 * pairs of i16 and one dot adds and scales them; else they are i32 below 16 · 7 · 127 = 14,224.
 */
// @ts-ignore: decorator
@inline
function scaleHalves(c: v128, e: v128, sc0: v128, sc1: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) if (!add) return i32x4.add(i32x4.dot_i16x8_s(c, sc0), i32x4.dot_i16x8_s(e, sc1))
  const low = i32x4.splat(0xffff)
  return i32x4.add(i32x4.dot_i16x8_s(v128.and(c, low), sc0), i32x4.dot_i16x8_s(v128.and(e, low), sc1))
}

/** 8 rows of a group · one token → f32[8] at out. */
// @ts-ignore: decorator
@inline
export function matvec(planes: i32, scaling: i32, group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM =
    scaling == BY_D
      ? f32x4.mul(ratioD, f32x4.splat(-16))
      : scaling == BY_K32
        ? f32x4.neg(v128.load32_splat(group, RATIO_M))
        : scaling == BY_K16_M
          ? f32x4.mul(v128.load32_splat(group, RATIO_M), f32x4.splat(0.125))
          : v128.load32_splat(group, RATIO_M)
  const hasParts = scaling >= BY_K32
  const hasMin = scaling == BY_K32 || scaling == BY_K16_M
  const low = lowMask(planes)
  const top = topMask(planes)
  const mask = i32x4.splat(F16_MASK)
  const zero = i32x4.splat(0)
  let f0 = f32x4.splat(0)
  let f1 = f0
  let g0 = f0
  let g1 = f0
  let d0 = f0
  let d1 = f0
  let m0 = f0
  let m1 = f0
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++, acts += ACTS_BLOCK) {
    if (hasParts && (b & 7) == 0) {
      d0 = shiftF16x4(w, mask)
      d1 = shiftF16x4(w + 8, mask)
      m0 = shiftF16x4(w + 16, mask)
      m1 = shiftF16x4(w + 24, mask)
      w += hasMin ? 32 : 16
    }
    // Rows 0–3 (0) and 4–7 (1); quads 0–3 (c) and 4–7 (e).
    const h0 = loadBits(w, planes)
    const h1 = loadBits(w + 16, planes)
    let v = loadLow(w, planes, 0)
    let u = loadLow(w + 16, planes, 0)
    let x = v128.load32_splat(acts)
    let y = v128.load32_splat(acts, 4)
    let c0 = dotQuad(zero, true, x, y, quad(0, planes, v, h0, low, top), add)
    let c1 = dotQuad(zero, true, x, y, quad(0, planes, u, h1, low, top), add)
    x = v128.load32_splat(acts, 4 * QUAD_BYTES)
    y = v128.load32_splat(acts, 4 * QUAD_BYTES + 4)
    let e0 = dotQuad(zero, true, x, y, quad(4, planes, v, h0, low, top), add)
    let e1 = dotQuad(zero, true, x, y, quad(4, planes, u, h1, low, top), add)
    v = loadLow(w, planes, 1)
    u = loadLow(w + 16, planes, 1)
    x = v128.load32_splat(acts, QUAD_BYTES)
    y = v128.load32_splat(acts, QUAD_BYTES + 4)
    c0 = dotQuad(c0, false, x, y, quad(1, planes, v, h0, low, top), add)
    c1 = dotQuad(c1, false, x, y, quad(1, planes, u, h1, low, top), add)
    x = v128.load32_splat(acts, 5 * QUAD_BYTES)
    y = v128.load32_splat(acts, 5 * QUAD_BYTES + 4)
    e0 = dotQuad(e0, false, x, y, quad(5, planes, v, h0, low, top), add)
    e1 = dotQuad(e1, false, x, y, quad(5, planes, u, h1, low, top), add)
    v = loadLow(w, planes, 2)
    u = loadLow(w + 16, planes, 2)
    x = v128.load32_splat(acts, 2 * QUAD_BYTES)
    y = v128.load32_splat(acts, 2 * QUAD_BYTES + 4)
    c0 = dotQuad(c0, false, x, y, quad(2, planes, v, h0, low, top), add)
    c1 = dotQuad(c1, false, x, y, quad(2, planes, u, h1, low, top), add)
    x = v128.load32_splat(acts, 6 * QUAD_BYTES)
    y = v128.load32_splat(acts, 6 * QUAD_BYTES + 4)
    e0 = dotQuad(e0, false, x, y, quad(6, planes, v, h0, low, top), add)
    e1 = dotQuad(e1, false, x, y, quad(6, planes, u, h1, low, top), add)
    v = loadLow(w, planes, 3)
    u = loadLow(w + 16, planes, 3)
    x = v128.load32_splat(acts, 3 * QUAD_BYTES)
    y = v128.load32_splat(acts, 3 * QUAD_BYTES + 4)
    c0 = dotQuad(c0, false, x, y, quad(3, planes, v, h0, low, top), add)
    c1 = dotQuad(c1, false, x, y, quad(3, planes, u, h1, low, top), add)
    x = v128.load32_splat(acts, 7 * QUAD_BYTES)
    y = v128.load32_splat(acts, 7 * QUAD_BYTES + 4)
    e0 = dotQuad(e0, false, x, y, quad(7, planes, loadLow(w, planes, 7), h0, low, top), add)
    e1 = dotQuad(e1, false, x, y, quad(7, planes, loadLow(w + 16, planes, 7), h1, low, top), add)
    const sc = w + planeBytes(planes)
    if (scaling < BY_K16) {
      c0 = widenBoth(c0, e0, planes, add)
      c1 = widenBoth(c1, e1, planes, add)
    } else {
      const nibble = i8x16.splat(15)
      const sc0 = scaling == BY_K16_M ? v128.and(twice(sc), nibble) : twice(sc)
      const sc1 = scaling == BY_K16_M ? v128.and(twice(sc + 8), nibble) : twice(sc + 8)
      c0 = scaleHalves(c0, e0, i16x8.extend_low_i8x16_s(sc0), i16x8.extend_low_i8x16_s(sc1), add)
      c1 = scaleHalves(c1, e1, i16x8.extend_high_i8x16_s(sc0), i16x8.extend_high_i8x16_s(sc1), add)
      if (scaling == BY_K16) {
        // −8 · the sums, the offset is 4.
        const sums = i16x8.shr_s(sumPair(load<i32>(acts, ACTS_S), load<i32>(acts, ACTS_S1)), 1)
        const pairs = scalePairs(sc)
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(pairs), sums))
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(pairs), sums))
      }
    }
    const da = v128.load32_splat(acts, ACTS_DA)
    const dw0 = !hasParts ? shiftF16x4(sc, mask) : scaling == BY_K32 ? f32x4.mul(d0, unsignedScales(sc)) : d0
    const dw1 = !hasParts ? shiftF16x4(sc + 8, mask) : scaling == BY_K32 ? f32x4.mul(d1, unsignedScales(sc + 4)) : d1
    f0 = step(f0, c0, dw0, f32x4.mul(da, ratioD))
    f1 = step(f1, c1, dw1, f32x4.mul(da, ratioD))
    if (scaling < BY_K16) {
      const m = scaling == BY_D_M ? sc + 16 : sc
      const sa = f32x4.mul(v128.load32_splat(acts, ACTS_SA), ratioM)
      f0 = stepMin(f0, hasParts ? f32x4.mul(m0, unsignedScales(sc + 8)) : shiftF16x4(m, mask), sa)
      f1 = stepMin(f1, hasParts ? f32x4.mul(m1, unsignedScales(sc + 12)) : shiftF16x4(m + 8, mask), sa)
    }
    if (scaling == BY_K16_M) {
      const sums = sumPair(load<i32>(acts, ACTS_S), load<i32>(acts, ACTS_S1))
      const pairs = minPairs(sc)
      g0 = step(g0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(pairs), sums), m0, f32x4.mul(da, ratioM))
      g1 = step(g1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(pairs), sums), m1, f32x4.mul(da, ratioM))
    }
    w += planeBytes(planes) + (scaling == BY_D_M ? 32 : 16)
  }
  v128.store(out, scaling == BY_K16_M ? f32x4.add(f0, g0) : f0)
  v128.store(out, scaling == BY_K16_M ? f32x4.add(f1, g1) : f1, 16)
}
