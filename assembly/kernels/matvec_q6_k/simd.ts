// Q6_K in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only).
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1 } from '../acts'
import { heldHalves } from '../../quant/held'
import { PLANES_Q6_K, Q6_K_D, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC } from '../../quant/q6_k'
import {
  actsX,
  actsY,
  bottomMask,
  dotQuad,
  lastMask,
  loadLow,
  lowMask,
  pairHigh,
  pairLow,
  quad,
  sumPair,
  topMask,
  twiceHigh,
  twiceLow,
} from '../quads'
import { addDot8, dot8, step } from '../steps'

// @ts-ignore: decorator
@inline
function six(p: usize, j: i32, low: v128, bottom: v128, top: v128, last: v128): v128 {
  return quad(j, PLANES_Q6_K, p, loadLow(p, PLANES_Q6_K, j), low, bottom, top, last)
}

/** The sums of two quads each, pairs of columns as i16: the first two times sc0, the others times sc1. */
// @ts-ignore: decorator
@inline
function scalePairs(a: v128, b: v128, c: v128, e: v128, sc0: v128, sc1: v128): v128 {
  const first = i32x4.add(i32x4.dot_i16x8_s(a, sc0), i32x4.dot_i16x8_s(b, sc0))
  return i32x4.add(first, i32x4.add(i32x4.dot_i16x8_s(c, sc1), i32x4.dot_i16x8_s(e, sc1)))
}

/** 8 rows of a group · one token → f32[8] at out. `blocks` counts 32 columns. */
// @ts-ignore: decorator
@inline
function matvecOf(group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const low = lowMask(PLANES_Q6_K)
  const bottom = bottomMask(PLANES_Q6_K)
  const top = topMask(PLANES_Q6_K)
  const last = lastMask(PLANES_Q6_K)
  const byte = heldHalves(255)
  let f0 = f32x4.splat(0)
  let f1 = f0
  let d0 = f0
  let d1 = f0
  let part = group
  for (let b = 0; b < blocks; b++, acts += ACTS_BLOCK) {
    if ((b & 7) == 0) {
      d0 = v128.load(part, Q6_K_D)
      d1 = v128.load(part, Q6_K_D + 16)
      part += Q6_K_PARTS
    }
    const part1 = part + 16
    // −8 · the sums of the activations of columns 0–15 and 16–31; the offset is 32.
    const s1 = v128.load32_splat(acts, ACTS_S1)
    const s0 = i32x4.sub(v128.load32_splat(acts, ACTS_S), s1)
    const sc = v128.load(part, Q6_K_SC)
    const sc0 = i16x8.extend_low_i8x16_s(sc)
    const sc1 = i16x8.extend_high_i8x16_s(sc)
    const da = v128.load32_splat(acts, ACTS_DA)
    if (ASC_FEATURE_RELAXED_SIMD && !add) {
      // i16 lanes sum at most 2 · 2 · 63 · 127 = 32,004.
      let x = actsX(acts, 0)
      let a0 = dot8(x, six(part, 0, low, bottom, top, last))
      let a1 = dot8(x, six(part1, 0, low, bottom, top, last))
      x = actsX(acts, 1)
      a0 = addDot8(a0, x, six(part, 1, low, bottom, top, last))
      a1 = addDot8(a1, x, six(part1, 1, low, bottom, top, last))
      x = actsX(acts, 2)
      let b0 = dot8(x, six(part, 2, low, bottom, top, last))
      let b1 = dot8(x, six(part1, 2, low, bottom, top, last))
      x = actsX(acts, 3)
      b0 = addDot8(b0, x, six(part, 3, low, bottom, top, last))
      b1 = addDot8(b1, x, six(part1, 3, low, bottom, top, last))
      x = actsX(acts, 4)
      let c0 = dot8(x, six(part, 4, low, bottom, top, last))
      let c1 = dot8(x, six(part1, 4, low, bottom, top, last))
      x = actsX(acts, 5)
      c0 = addDot8(c0, x, six(part, 5, low, bottom, top, last))
      c1 = addDot8(c1, x, six(part1, 5, low, bottom, top, last))
      x = actsX(acts, 6)
      let e0 = dot8(x, six(part, 6, low, bottom, top, last))
      let e1 = dot8(x, six(part1, 6, low, bottom, top, last))
      x = actsX(acts, 7)
      e0 = addDot8(e0, x, six(part, 7, low, bottom, top, last))
      e1 = addDot8(e1, x, six(part1, 7, low, bottom, top, last))
      const sums = sumPair(s0, s1)
      const bias0 = i32x4.shl(i32x4.dot_i16x8_s(pairLow(sc0, sc1), sums), 2)
      const bias1 = i32x4.shl(i32x4.dot_i16x8_s(pairHigh(sc0, sc1), sums), 2)
      f0 = step(f0, i32x4.add(bias0, scalePairs(a0, b0, c0, e0, twiceLow(sc0), twiceLow(sc1))), d0, da)
      f1 = step(f1, i32x4.add(bias1, scalePairs(a1, b1, c1, e1, twiceHigh(sc0), twiceHigh(sc1))), d1, da)
    } else {
      let c0 = i32x4.shl(s0, 2)
      let c1 = c0
      let e0 = i32x4.shl(s1, 2)
      let e1 = e0
      let x = actsX(acts, 0)
      let y = actsY(acts, 0, x)
      c0 = dotQuad(c0, false, x, y, six(part, 0, low, bottom, top, last), byte, add)
      c1 = dotQuad(c1, false, x, y, six(part1, 0, low, bottom, top, last), byte, add)
      x = actsX(acts, 1)
      y = actsY(acts, 1, x)
      c0 = dotQuad(c0, false, x, y, six(part, 1, low, bottom, top, last), byte, add)
      c1 = dotQuad(c1, false, x, y, six(part1, 1, low, bottom, top, last), byte, add)
      x = actsX(acts, 2)
      y = actsY(acts, 2, x)
      c0 = dotQuad(c0, false, x, y, six(part, 2, low, bottom, top, last), byte, add)
      c1 = dotQuad(c1, false, x, y, six(part1, 2, low, bottom, top, last), byte, add)
      x = actsX(acts, 3)
      y = actsY(acts, 3, x)
      c0 = dotQuad(c0, false, x, y, six(part, 3, low, bottom, top, last), byte, add)
      c1 = dotQuad(c1, false, x, y, six(part1, 3, low, bottom, top, last), byte, add)
      x = actsX(acts, 4)
      y = actsY(acts, 4, x)
      e0 = dotQuad(e0, false, x, y, six(part, 4, low, bottom, top, last), byte, add)
      e1 = dotQuad(e1, false, x, y, six(part1, 4, low, bottom, top, last), byte, add)
      x = actsX(acts, 5)
      y = actsY(acts, 5, x)
      e0 = dotQuad(e0, false, x, y, six(part, 5, low, bottom, top, last), byte, add)
      e1 = dotQuad(e1, false, x, y, six(part1, 5, low, bottom, top, last), byte, add)
      x = actsX(acts, 6)
      y = actsY(acts, 6, x)
      e0 = dotQuad(e0, false, x, y, six(part, 6, low, bottom, top, last), byte, add)
      e1 = dotQuad(e1, false, x, y, six(part1, 6, low, bottom, top, last), byte, add)
      x = actsX(acts, 7)
      y = actsY(acts, 7, x)
      e0 = dotQuad(e0, false, x, y, six(part, 7, low, bottom, top, last), byte, add)
      e1 = dotQuad(e1, false, x, y, six(part1, 7, low, bottom, top, last), byte, add)
      c0 = i32x4.mul(c0, i32x4.extend_low_i16x8_s(sc0))
      c1 = i32x4.mul(c1, i32x4.extend_high_i16x8_s(sc0))
      e0 = i32x4.mul(e0, i32x4.extend_low_i16x8_s(sc1))
      e1 = i32x4.mul(e1, i32x4.extend_high_i16x8_s(sc1))
      f0 = step(f0, i32x4.add(c0, e0), d0, da)
      f1 = step(f1, i32x4.add(c1, e1), d1, da)
    }
    part += Q6_K_PART_BYTES
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}

export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  matvecOf(group, blocks, acts, out, false)
}

export function matvecAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  matvecOf(group, blocks, acts, out, true)
}
