// Types made of planes, in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only). One loop serves
// all: the integers of a part are the same for each, how they are scaled is not.
import { hoistedBytes, hoistedFloats, hoistedHalves, hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR, ACTS_SA } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { NIBBLES, planeBytes } from '../../quant/planes'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import {
  actsX,
  actsY,
  dotPlanes,
  isBesideFourth,
  loadLow,
  lowMask,
  pairHigh,
  pairLow,
  twiceHigh,
  twiceLow,
  widenBoth,
} from '../quads'
import { step, stepMin } from '../steps'

// How a type's parts of 32 columns are scaled.
/** d; the offset of 16 is a minimum of −16 · d (Q5_0). */
@inline
export const BY_D = 0
/** d and m (Q5_1). */
@inline
export const BY_D_M = 1
/** d · sc and dmin · m, one sc and m for 32 columns (Q4_K, Q5_K). */
@inline
export const BY_K32 = 2
/** d · sc, one sc for 16 columns, values offset by 4 (Q3_K). */
@inline
export const BY_K16 = 3
/** d · sc and dmin · m, one sc and m for 16 columns (Q2_K). */
@inline
export const BY_K16_M = 4

/** Whether sums are pairs of columns as i16, rather than i32. */
@inline
function isPaired(add: bool): bool {
  return ASC_FEATURE_RELAXED_SIMD && !add
}

/**
 * −4 · the sum of the activations of the first or the last 16 columns, which four quads' sums start with (the offset is 4).
 * sums: −8 · both, as i16; low: i32x4.splat(0xffff).
 */
@inline
function startOf(sums: v128, last: bool, low: v128, add: bool): v128 {
  if (isPaired(add)) {
    const fours = i16x8.shr_s(sums, 1)
    return last ? v128.andnot(fours, low) : v128.and(fours, low)
  }
  return i32x4.shr_s(last ? sums : i32x4.shl(sums, 16), 17)
}

/**
 * sc0 · (first half's sum) + sc1 · (second half's) of rows 0–3, or `high` 4–7; sc0, sc1: i16, a lane for each of 8 rows. One
 * dot adds and scales sums in pairs; those that are i32 fit i16, 16 · 7 · 127 = 14,224. low: i32x4.splat(0xffff).
 */
@inline
function scaleHalves(c: v128, e: v128, sc0: v128, sc1: v128, high: bool, low: v128, add: bool): v128 {
  if (isPaired(add)) {
    const first = i32x4.dot_i16x8_s(c, high ? twiceHigh(sc0) : twiceLow(sc0))
    return i32x4.add(first, i32x4.dot_i16x8_s(e, high ? twiceHigh(sc1) : twiceLow(sc1)))
  }
  const both = v128.or(v128.and(c, low), i32x4.shl(e, 16))
  return i32x4.dot_i16x8_s(both, high ? pairHigh(sc0, sc1) : pairLow(sc0, sc1))
}

/** 8 rows of a group · one token added to f32[8] at out. */
@inline
export function matvec(planes: i32, scaling: i32, group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM =
    scaling == BY_D
      ? f32x4.mul(ratioD, hoistedFloats(-16))
      : scaling == BY_K32
        ? f32x4.neg(v128.load32_splat(group, RATIO_M))
        : scaling == BY_K16_M
          ? f32x4.mul(v128.load32_splat(group, RATIO_M), hoistedFloats(0.125))
          : v128.load32_splat(group, RATIO_M)
  const hasParts = scaling >= BY_K32
  const hasMin = scaling == BY_K32 || scaling == BY_K16_M
  // Alike in all types, used or not: locals of the same numbers make code that compresses well.
  const low = !ASC_FEATURE_RELAXED_SIMD && planes == NIBBLES ? hoistedHalves(15) : lowMask(planes)
  const byte = hoistedHalves(255)
  const ones = hoistedHalves(1)
  const half = hoistedWords(0xffff)
  const nibble = hoistedBytes(15)
  const four = hoistedHalves(15)
  const mask = hoistedWords(F16_MASK)
  const zero = hoistedWords(0)
  // Of Q4_K's and Q5_K's sub-scales, a word for rows r and r + 4 (quant/q4_k.ts), what is a multiple of 2^8 or 2^16.
  const byte0 = hoistedWords(0xff)
  const byte1 = hoistedWords(0xff00)
  const byte2 = hoistedWords(0xff0000)
  // False, but no compiler knows: V8 of Node 20 moves all loads of a stretch of code to its front, where they do not fit
  // the registers. The simd build's stretches are short.
  const never = !ASC_FEATURE_RELAXED_SIMD && group == 0
  const ratioD1 = scaling == BY_K32 ? f32x4.mul(ratioD, hoistedFloats(1 / 65536)) : ratioD
  const ratioM0 = scaling == BY_K32 ? f32x4.mul(ratioM, hoistedFloats(1 / 256)) : ratioM
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let g0 = f32x4.splat(0)
  let g1 = g0
  let d0 = g0
  let d1 = g0
  let m0 = g0
  let m1 = g0
  let w = group + GROUP_HEADER
  for (const end = acts + <usize>blocks * ACTS_BLOCK; acts < end; ) {
    let stop = end
    if (hasParts) {
      d0 = f32x4.mul(shiftF16x4(w, mask), ratioD)
      d1 = f32x4.mul(shiftF16x4(w + 8, mask), ratioD1)
      if (hasMin) {
        m0 = f32x4.mul(shiftF16x4(w + 16, mask), ratioM0)
        m1 = f32x4.mul(shiftF16x4(w + 24, mask), ratioM)
      }
      w += hasMin ? 32 : 16
      stop = acts + 8 * ACTS_BLOCK
    }
    do {
      // −8 · the sums of the activations of columns 0–15 and 16–31, i16 each.
      const sums = scaling >= BY_K16 ? v128.load32_splat(acts, ACTS_PAIR) : zero
      // Rows 0–3 (0) and 4–7 (1); quads 0–3 (c) and 4–7 (e).
      const start0 = scaling == BY_K16 ? startOf(sums, false, half, add) : zero
      const start1 = scaling == BY_K16 ? startOf(sums, true, half, add) : zero
      const first = scaling != BY_K16
      const w1 = w + 16
      let v = loadLow(w, planes, 0)
      let u = loadLow(w1, planes, 0)
      let x = actsX(acts, 0)
      let y = actsY(acts, 0, x)
      let c0 = dotPlanes(start0, 0, x, y, planes, w, v, low, byte, first, add)
      let c1 = dotPlanes(start0, 0, x, y, planes, w1, u, low, byte, first, add)
      if (!isBesideFourth(planes, 4)) {
        v = loadLow(w, planes, 4)
        u = loadLow(w1, planes, 4)
      }
      x = actsX(acts, 4)
      y = actsY(acts, 4, x)
      let e0 = dotPlanes(start1, 4, x, y, planes, w, v, low, byte, first, add)
      let e1 = dotPlanes(start1, 4, x, y, planes, w1, u, low, byte, first, add)
      if (never) {
        c0 = zero
        c1 = zero
        e0 = zero
        e1 = zero
      }
      v = loadLow(w, planes, 1)
      u = loadLow(w1, planes, 1)
      x = actsX(acts, 1)
      y = actsY(acts, 1, x)
      c0 = dotPlanes(c0, 1, x, y, planes, w, v, low, byte, false, add)
      c1 = dotPlanes(c1, 1, x, y, planes, w1, u, low, byte, false, add)
      if (!isBesideFourth(planes, 5)) {
        v = loadLow(w, planes, 5)
        u = loadLow(w1, planes, 5)
      }
      x = actsX(acts, 5)
      y = actsY(acts, 5, x)
      e0 = dotPlanes(e0, 5, x, y, planes, w, v, low, byte, false, add)
      e1 = dotPlanes(e1, 5, x, y, planes, w1, u, low, byte, false, add)
      if (never) {
        c0 = zero
        c1 = zero
        e0 = zero
        e1 = zero
      }
      v = loadLow(w, planes, 2)
      u = loadLow(w1, planes, 2)
      x = actsX(acts, 2)
      y = actsY(acts, 2, x)
      c0 = dotPlanes(c0, 2, x, y, planes, w, v, low, byte, false, add)
      c1 = dotPlanes(c1, 2, x, y, planes, w1, u, low, byte, false, add)
      if (!isBesideFourth(planes, 6)) {
        v = loadLow(w, planes, 6)
        u = loadLow(w1, planes, 6)
      }
      x = actsX(acts, 6)
      y = actsY(acts, 6, x)
      e0 = dotPlanes(e0, 6, x, y, planes, w, v, low, byte, false, add)
      e1 = dotPlanes(e1, 6, x, y, planes, w1, u, low, byte, false, add)
      if (never) {
        c0 = zero
        c1 = zero
        e0 = zero
        e1 = zero
      }
      v = loadLow(w, planes, 3)
      u = loadLow(w1, planes, 3)
      x = actsX(acts, 3)
      y = actsY(acts, 3, x)
      c0 = dotPlanes(c0, 3, x, y, planes, w, v, low, byte, false, add)
      c1 = dotPlanes(c1, 3, x, y, planes, w1, u, low, byte, false, add)
      if (!isBesideFourth(planes, 7)) {
        v = loadLow(w, planes, 7)
        u = loadLow(w1, planes, 7)
      }
      x = actsX(acts, 7)
      y = actsY(acts, 7, x)
      e0 = dotPlanes(e0, 7, x, y, planes, w, v, low, byte, false, add)
      e1 = dotPlanes(e1, 7, x, y, planes, w1, u, low, byte, false, add)
      w += planeBytes(planes)
      const da = v128.load32_splat(acts, ACTS_DA)
      if (!hasParts) {
        const r = f32x4.mul(da, ratioD)
        f0 = step(f0, widenBoth(c0, e0, planes, ones, add), shiftF16x4(w, mask), r)
        f1 = step(f1, widenBoth(c1, e1, planes, ones, add), shiftF16x4(w + 8, mask), r)
        if (scaling == BY_D_M) w += 16
        const sa = f32x4.mul(v128.load32_splat(acts, ACTS_SA), ratioM)
        f0 = stepMin(f0, shiftF16x4(w, mask), sa)
        f1 = stepMin(f1, shiftF16x4(w + 8, mask), sa)
      } else {
        const sub = v128.load(w)
        if (scaling == BY_K32) {
          f0 = step(
            f0,
            widenBoth(c0, e0, planes, ones, add),
            f32x4.mul(d0, f32x4.convert_i32x4_s(v128.and(sub, byte0))),
            da,
          )
          f1 = step(
            f1,
            widenBoth(c1, e1, planes, ones, add),
            f32x4.mul(d1, f32x4.convert_i32x4_s(v128.and(sub, byte2))),
            da,
          )
          const sa = v128.load32_splat(acts, ACTS_SA)
          f0 = stepMin(f0, f32x4.mul(m0, f32x4.convert_i32x4_s(v128.and(sub, byte1))), sa)
          f1 = stepMin(f1, f32x4.mul(m1, f32x4.convert_i32x4_s(i32x4.shr_u(sub, 24))), sa)
        } else {
          const sc0 = hasMin ? v128.and(sub, four) : i16x8.extend_low_i8x16_s(sub)
          const sc1 = hasMin ? v128.and(i16x8.shr_u(sub, 8), four) : i16x8.extend_high_i8x16_s(sub)
          f0 = step(f0, scaleHalves(c0, e0, sc0, sc1, false, half, add), d0, da)
          f1 = step(f1, scaleHalves(c1, e1, sc0, sc1, true, half, add), d1, da)
          if (hasMin) {
            const m = v128.and(i16x8.shr_u(sub, 4), nibble)
            g0 = step(g0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(m), sums), m0, da)
            g1 = step(g1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(m), sums), m1, da)
          }
        }
      }
      w += 16
      acts += ACTS_BLOCK
    } while (acts < stop)
  }
  v128.store(out, scaling == BY_K16_M ? f32x4.add(f0, g0) : f0)
  v128.store(out, scaling == BY_K16_M ? f32x4.add(f1, g1) : f1, 16)
}
