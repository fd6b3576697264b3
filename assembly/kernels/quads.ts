// Planes (quant/planes.ts) in registers: quads of columns of four rows as bytes, and their dots, in every SIMD build.
import { BITS, NIBBLES, PAIRS, TRIPLES } from '../quant/planes'
import { addDot8, dot16, dot8, dotAdd } from './steps'

/** Bytes from one token's quad to the next in its activations. */
// @ts-ignore: decorator
@inline
export const QUAD_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 4 : 8

/** Bits of the first plane, and the bit above them: to be held in locals, registers for the loop. */
// @ts-ignore: decorator
@inline
export function lowMask(planes: i32): v128 {
  return i8x16.splat((planes & NIBBLES) != 0 ? 15 : planes == TRIPLES ? 7 : 3)
}

// @ts-ignore: decorator
@inline
export function topMask(planes: i32): v128 {
  return i8x16.splat((planes & NIBBLES) != 0 ? 16 : 4)
}

/** The vector of the first plane, or of three bits, that quad j of four rows is in; p: the part, 16 bytes on for rows 4–7. */
// @ts-ignore: decorator
@inline
export function loadLow(p: usize, planes: i32, j: i32): v128 {
  const v = (planes & NIBBLES) != 0 ? j & 3 : planes == PAIRS ? j & 1 : j == 3 ? 0 : j == 7 ? 2 : j & 3
  return v128.load(p + <usize>v * 32)
}

/** The plane of bits, or the vector of three bits that has the high bits of quads 3 and 7. */
// @ts-ignore: decorator
@inline
export function loadBits(p: usize, planes: i32): v128 {
  return (planes & BITS) != 0 ? v128.load(p + (planes == TRIPLES ? 32 : 128)) : i8x16.splat(0)
}

/** Bit j of every byte of h at bit `to`. */
// @ts-ignore: decorator
@inline
function bitAt(h: v128, j: i32, to: i32, top: v128): v128 {
  return v128.and(j < to ? i16x8.shl(h, to - j) : j == to ? h : i16x8.shr_u(h, j - to), top)
}

/** Quad j of four rows as bytes; w, h: what `loadLow` and `loadBits` gave. */
// @ts-ignore: decorator
@inline
export function quad(j: i32, planes: i32, w: v128, h: v128, low: v128, top: v128): v128 {
  if (planes == TRIPLES) {
    if ((j & 3) < 3) return v128.and(j < 4 ? w : i16x8.shr_u(w, 3), low)
    const two = v128.and(i16x8.shr_u(w, 6), i8x16.splat(3))
    return v128.or(two, v128.and(i16x8.shr_u(h, j == 3 ? 4 : 5), top))
  }
  const first = (planes & NIBBLES) != 0 ? NIBBLES : PAIRS
  const at = j & ~(first - 1)
  const q = v128.and(at == 0 ? w : i16x8.shr_u(w, at), low)
  return (planes & BITS) != 0 ? v128.or(q, bitAt(h, j, first, top)) : q
}

/**
 * s + the dots of one quad of four rows, bytes in 0…63, where `first` of the sum alone. x: a token's quad in every lane, in
 * the simd build its columns 0 and 2, and y its columns 1 and 3. Sums are pairs of columns as i16 in the relaxed build;
 * else, and with `add` there too, i32.
 */
// @ts-ignore: decorator
@inline
export function dotQuad(s: v128, first: bool, x: v128, y: v128, q: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return add ? dotAdd(s, x, q) : first ? dot8(x, q) : addDot8(s, x, q)
  else return dot16(dot16(s, x, v128.and(q, i16x8.splat(255))), y, i16x8.shr_u(q, 8))
}

/** Four quads' sum as i32; in the relaxed build at most 4 · 2 · 31 · 127 = 31,496 before. */
// @ts-ignore: decorator
@inline
export function widen(s: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return add ? s : i32x4.extadd_pairwise_i16x8_s(s)
  else return s
}

/** The sum of eight quads, given that of each four: those of nibbles fit i16, 8 · 2 · 15 · 127 = 30,480. */
// @ts-ignore: decorator
@inline
export function widenBoth(s: v128, t: v128, planes: i32, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && planes == NIBBLES && !add) return i32x4.extadd_pairwise_i16x8_s(i16x8.add(s, t))
  return i32x4.add(widen(s, add), widen(t, add))
}

/** 8 signed bytes at p, each twice, as bytes: extended, lanes for the two columns of a pair of each of 8 rows. */
// @ts-ignore: decorator
@inline
export function twice(p: usize): v128 {
  const s = v128.load64_zero(p)
  return v128.shuffle<i8>(s, s, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
}

/** 4 bytes → f32x4 of sub-scales in 0…255. */
// @ts-ignore: decorator
@inline
export function unsignedScales(p: usize): v128 {
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p))))
}

/** 4 signed bytes → i32x4. */
// @ts-ignore: decorator
@inline
export function signedScales(p: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)))
}

/** The two bytes a row side by side: (sc0, sc1) of each row. */
// @ts-ignore: decorator
@inline
export function scalePairs(p: usize): v128 {
  const s = v128.load(p)
  return v128.shuffle<i8>(s, s, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15)
}

/** Their high nibbles: (m0, m1). */
// @ts-ignore: decorator
@inline
export function minPairs(p: usize): v128 {
  return v128.and(i16x8.shr_u(scalePairs(p), 4), i8x16.splat(15))
}

/** −8 · the sums of columns 0–15 and 16–31 as pairs of i16, from those of all 32 and of the last 16. */
// @ts-ignore: decorator
@inline
export function sumPair(s: i32, s1: i32): v128 {
  return i32x4.splat(((s - s1) & 0xffff) | (s1 << 16))
}
