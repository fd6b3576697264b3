// IQ4_NL and IQ4_XS in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only).
//
// Codes are looked up in a register. In the simd build, and where dots add, they are unsigned, code + 128. Else a dot takes
// 0…127 and its i16 sums are soon full, so a code is 15 · q + r − 128, q its index and r, in 1…19, looked up: two dots.
import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { hoistedBytes, hoistedHalves, hoistedWords } from '../../quant/hoisted'
import { CODES_HIGH, CODES_LOW, IQ4_XS_PARTS, RESTS_HIGH, RESTS_LOW } from '../../quant/iq4'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { actsX, actsY, dotQuad, vectorAt } from '../quads'
import { addDot8, dot8, step, stepF16 } from '../steps'

function table(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high)
}

/** The codebook; `flip`: with top bits flipped, unsigned. */
export function codes(flip: bool): v128 {
  return v128.xor(table(CODES_LOW, CODES_HIGH), hoistedBytes(flip ? 0x80 : 0))
}

/** code + 128 − 15 · q. */
function rests(): v128 {
  return table(RESTS_LOW, RESTS_HIGH)
}

/** The codes of 16 indices in 0…15. */
@inline
export function lookUp(table: v128, indices: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, indices)
  else return i8x16.swizzle(table, indices)
}

/** d · sc of four rows. */
@inline
function subScales(d: v128, sc: v128): v128 {
  return f32x4.mul(d, f32x4.convert_i32x4_s(sc))
}

/** IQ4_NL, and in parts with sub-scales IQ4_XS: 8 rows of a group · one token added to f32[8] at out. */
@inline
export function matvec(hasParts: bool, group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const isOneDot = !ASC_FEATURE_RELAXED_SIMD || add
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = hoistedBytes(15)
  const table = isOneDot ? codes(true) : rests()
  const byte = hoistedHalves(255)
  const ones = hoistedHalves(1)
  const fifteen = hoistedHalves(15)
  const mask = hoistedWords(F16_MASK)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let d0 = f0
  let d1 = f0
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++, acts += ACTS_BLOCK) {
    if (hasParts && (b & 7) == 0) {
      d0 = f32x4.mul(shiftF16x4(w, mask), ratio)
      d1 = f32x4.mul(shiftF16x4(w + 8, mask), ratio)
      w += IQ4_XS_PARTS
    }
    const w1 = w + 16
    let v = v128.load(w)
    let u = v128.load(w1)
    // −128 · the sum of the activations.
    let c0 = i32x4.shl(v128.load32_splat(acts, ACTS_S), 4)
    let c1 = c0
    let x = actsX(acts, 0)
    if (isOneDot) {
      let y = actsY(acts, 0, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(v, low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(u, low)), byte, add)
      x = actsX(acts, 4)
      y = actsY(acts, 4, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), byte, add)
      v = vectorAt(w, 1)
      u = vectorAt(w1, 1)
      x = actsX(acts, 1)
      y = actsY(acts, 1, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(v, low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(u, low)), byte, add)
      x = actsX(acts, 5)
      y = actsY(acts, 5, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), byte, add)
      v = vectorAt(w, 2)
      u = vectorAt(w1, 2)
      x = actsX(acts, 2)
      y = actsY(acts, 2, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(v, low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(u, low)), byte, add)
      x = actsX(acts, 6)
      y = actsY(acts, 6, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), byte, add)
      v = vectorAt(w, 3)
      u = vectorAt(w1, 3)
      x = actsX(acts, 3)
      y = actsY(acts, 3, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(v, low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(u, low)), byte, add)
      x = actsX(acts, 7)
      y = actsY(acts, 7, x)
      c0 = dotQuad(c0, false, x, y, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), byte, add)
      c1 = dotQuad(c1, false, x, y, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), byte, add)
    } else {
      // i16 lanes sum at most 8 · 2 · 15 · 127 = 30,480 and 4 · 2 · 19 · 127 = 19,304.
      let i = v128.and(v, low)
      let s0 = dot8(x, i)
      let r0 = dot8(x, lookUp(table, i))
      i = v128.and(u, low)
      let s1 = dot8(x, i)
      let r1 = dot8(x, lookUp(table, i))
      x = actsX(acts, 4)
      i = v128.and(i16x8.shr_u(v, 4), low)
      s0 = addDot8(s0, x, i)
      let t0 = dot8(x, lookUp(table, i))
      i = v128.and(i16x8.shr_u(u, 4), low)
      s1 = addDot8(s1, x, i)
      let t1 = dot8(x, lookUp(table, i))
      v = vectorAt(w, 1)
      u = vectorAt(w1, 1)
      x = actsX(acts, 1)
      i = v128.and(v, low)
      s0 = addDot8(s0, x, i)
      r0 = addDot8(r0, x, lookUp(table, i))
      i = v128.and(u, low)
      s1 = addDot8(s1, x, i)
      r1 = addDot8(r1, x, lookUp(table, i))
      x = actsX(acts, 5)
      i = v128.and(i16x8.shr_u(v, 4), low)
      s0 = addDot8(s0, x, i)
      t0 = addDot8(t0, x, lookUp(table, i))
      i = v128.and(i16x8.shr_u(u, 4), low)
      s1 = addDot8(s1, x, i)
      t1 = addDot8(t1, x, lookUp(table, i))
      v = vectorAt(w, 2)
      u = vectorAt(w1, 2)
      x = actsX(acts, 2)
      i = v128.and(v, low)
      s0 = addDot8(s0, x, i)
      r0 = addDot8(r0, x, lookUp(table, i))
      i = v128.and(u, low)
      s1 = addDot8(s1, x, i)
      r1 = addDot8(r1, x, lookUp(table, i))
      x = actsX(acts, 6)
      i = v128.and(i16x8.shr_u(v, 4), low)
      s0 = addDot8(s0, x, i)
      t0 = addDot8(t0, x, lookUp(table, i))
      i = v128.and(i16x8.shr_u(u, 4), low)
      s1 = addDot8(s1, x, i)
      t1 = addDot8(t1, x, lookUp(table, i))
      v = vectorAt(w, 3)
      u = vectorAt(w1, 3)
      x = actsX(acts, 3)
      i = v128.and(v, low)
      s0 = addDot8(s0, x, i)
      r0 = addDot8(r0, x, lookUp(table, i))
      i = v128.and(u, low)
      s1 = addDot8(s1, x, i)
      r1 = addDot8(r1, x, lookUp(table, i))
      x = actsX(acts, 7)
      i = v128.and(i16x8.shr_u(v, 4), low)
      s0 = addDot8(s0, x, i)
      t0 = addDot8(t0, x, lookUp(table, i))
      i = v128.and(i16x8.shr_u(u, 4), low)
      s1 = addDot8(s1, x, i)
      t1 = addDot8(t1, x, lookUp(table, i))
      const rest0 = i32x4.add(i32x4.dot_i16x8_s(r0, ones), i32x4.dot_i16x8_s(t0, ones))
      const rest1 = i32x4.add(i32x4.dot_i16x8_s(r1, ones), i32x4.dot_i16x8_s(t1, ones))
      c0 = i32x4.add(i32x4.add(c0, i32x4.dot_i16x8_s(s0, fifteen)), rest0)
      c1 = i32x4.add(i32x4.add(c1, i32x4.dot_i16x8_s(s1, fifteen)), rest1)
    }
    w += 128
    const da = v128.load32_splat(acts, ACTS_DA)
    if (hasParts) {
      const sc = i16x8.extend_low_i8x16_s(v128.load64_zero(w))
      f0 = step(f0, c0, subScales(d0, i32x4.extend_low_i16x8_s(sc)), da)
      f1 = step(f1, c1, subScales(d1, i32x4.extend_high_i16x8_s(sc)), da)
      w += 8
    } else {
      const r = f32x4.mul(da, ratio)
      f0 = stepF16(f0, c0, w, mask, r)
      f1 = stepF16(f1, c1, w + 8, mask, r)
      w += 16
    }
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
