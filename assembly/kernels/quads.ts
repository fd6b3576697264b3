// Planes (quant/planes.ts) in registers: quads of columns of four rows as bytes, and their dots, in every SIMD build.
import { hoistedBytes } from '../quant/hoisted'
import { FIVES, NIBBLES, PAIRS, SIXES, TRIPLES } from '../quant/planes'
import { addDot8, dot16, dot8, dotAdd } from './steps'

/** A token's quad j in every lane, in the simd build its columns 0 and 2. Such loads are free beside the dots. */
@inline
export function actsX(acts: usize, j: i32): v128 {
  return v128.load32_splat(acts + <usize>j * (ASC_FEATURE_RELAXED_SIMD ? 4 : 8))
}

/** In the simd build its columns 1 and 3; x: what `actsX` gave. */
@inline
export function actsY(acts: usize, j: i32, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return x
  else return v128.load32_splat(acts + <usize>j * 8, 4)
}

/** The mask of a quant, to be held in a local: a register for the loop. */
@inline
export function lowMask(planes: i32): v128 {
  return hoistedBytes(planes == PAIRS ? 3 : planes == TRIPLES ? 7 : planes == NIBBLES ? 15 : planes == FIVES ? 31 : 63)
}

/** Vector v of four rows at p: the offset is part of the instruction, which a sum is not. */
@inline
export function vectorAt(p: usize, v: i32): v128 {
  return v == 0
    ? v128.load(p)
    : v == 1
      ? v128.load(p, 32)
      : v == 2
        ? v128.load(p, 64)
        : v == 3
          ? v128.load(p, 96)
          : v == 4
            ? v128.load(p, 128)
            : v128.load(p, 160)
}

/** The vector of the part p that quad j of four rows is in, or its low bits; 16 bytes on for rows 4–7. */
@inline
export function loadLow(p: usize, planes: i32, j: i32): v128 {
  if (planes == SIXES) return vectorAt(p, j < 6 ? j : (j - 6) * 3)
  if (planes == FIVES) return vectorAt(p, j < 5 ? j : (j - 5) * 2)
  if (planes == TRIPLES) return vectorAt(p, j == 3 ? 0 : j == 7 ? 2 : j & 3)
  return vectorAt(p, j & (planes - 1))
}

/** Whether quad j and quad j − 4 are in the same vector. */
@inline
export function isBesideFourth(planes: i32, j: i32): bool {
  return planes == FIVES ? false : planes == TRIPLES ? j != 7 : true
}

/** Quad j of four rows as bytes; w: what `loadLow` gave, low: `lowMask`. */
@inline
export function quad(j: i32, planes: i32, p: usize, w: v128, low: v128): v128 {
  if (planes == TRIPLES) {
    if ((j & 3) < 3) return v128.and(j < 4 ? w : i16x8.shr_u(w, 3), low)
    return v128.and(v128.xor(i64x2.shr_u(w, 6), i64x2.shr_u(v128.load(p, 32), j == 3 ? 4 : 5)), low)
  }
  if (planes == FIVES) {
    if (j < 5) return v128.and(w, low)
    const first = i64x2.shr_u(w, 5)
    if (j < 7) return v128.and(v128.xor(first, i64x2.shr_u(vectorAt(p, j == 5 ? 1 : 3), 2)), low)
    const others = v128.xor(i64x2.shr_u(v128.load(p, 32), 4), i64x2.shr_u(v128.load(p, 96), 3))
    return v128.and(v128.xor(first, others), low)
  }
  if (planes == SIXES) {
    if (j < 6) return v128.and(w, low)
    const second = i64x2.shr_u(vectorAt(p, j == 6 ? 1 : 4), 4)
    const third = i64x2.shr_u(vectorAt(p, j == 6 ? 2 : 5), 2)
    return v128.and(v128.xor(i64x2.shr_u(w, 6), v128.xor(second, third)), low)
  }
  const at = j & ~(planes - 1)
  return v128.and(at == 0 ? w : i16x8.shr_u(w, at), low)
}

/**
 * s + the dots of one quad of four rows, bytes in 0…63, where `first` of the quad alone. x, y: a token's quad, as `actsX` and
 * `actsY` gave it; byte: i16x8.splat(255). Sums are pairs of columns as i16 in the relaxed build; else, and with `add` there
 * too, i32.
 */
@inline
export function dotQuad(s: v128, first: bool, x: v128, y: v128, q: v128, byte: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return add ? dotAdd(s, x, q) : first ? dot8(x, q) : addDot8(s, x, q)
  else {
    const even = i32x4.dot_i16x8_s(x, v128.and(q, byte))
    return dot16(first ? even : i32x4.add(s, even), y, i16x8.shr_u(q, 8))
  }
}

/** The same of quad j of the part p, w (`quad`); in the simd build nibbles become i16 at once, low: i16x8.splat(15). */
@inline
export function dotPlanes(
  s: v128,
  j: i32,
  x: v128,
  y: v128,
  planes: i32,
  p: usize,
  w: v128,
  low: v128,
  byte: v128,
  first: bool,
  add: bool,
): v128 {
  if (ASC_FEATURE_RELAXED_SIMD || planes != NIBBLES) {
    return dotQuad(s, first, x, y, quad(j, planes, p, w, low), byte, add)
  }
  const even = i32x4.dot_i16x8_s(x, v128.and(j < 4 ? w : i16x8.shr_u(w, 4), low))
  return dot16(first ? even : i32x4.add(s, even), y, j < 4 ? v128.and(i16x8.shr_u(w, 8), low) : i16x8.shr_u(w, 12))
}

/** Four quads' sum as i32; in the relaxed build at most 4 · 2 · 31 · 127 = 31,496 before. ones: i16x8.splat(1). */
@inline
function widen(s: v128, ones: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return add ? s : i32x4.dot_i16x8_s(s, ones)
  else return s
}

/** The sum of eight quads, given that of each four: those of nibbles fit i16, 8 · 2 · 15 · 127 = 30,480. */
@inline
export function widenBoth(s: v128, t: v128, planes: i32, ones: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && planes == NIBBLES && !add) return i32x4.dot_i16x8_s(i16x8.add(s, t), ones)
  return i32x4.add(widen(s, ones, add), widen(t, ones, add))
}

/** i16 lanes 0–3, each twice: of a value for each row, lanes for the two columns of a pair of rows 0–3. */
@inline
export function twiceLow(s: v128): v128 {
  return v128.shuffle<i16>(s, s, 0, 0, 1, 1, 2, 2, 3, 3)
}

/** Lanes 4–7. */
@inline
export function twiceHigh(s: v128): v128 {
  return v128.shuffle<i16>(s, s, 4, 4, 5, 5, 6, 6, 7, 7)
}

/** i16 lanes 0–3 of s and t by turns. */
@inline
export function pairLow(s: v128, t: v128): v128 {
  return v128.shuffle<i16>(s, t, 0, 8, 1, 9, 2, 10, 3, 11)
}

/** Lanes 4–7. */
@inline
export function pairHigh(s: v128, t: v128): v128 {
  return v128.shuffle<i16>(s, t, 4, 12, 5, 13, 6, 14, 7, 15)
}

/** Byte i of each word → f32x4. */
@inline
export function byteOfWords(words: v128, i: i32): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_u(i32x4.shl(words, 24 - 8 * i), 24))
}

/** 4 signed bytes → i32x4. */
@inline
export function signedScales(p: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)))
}

/** The low halves of words, by turns. */
@inline
export function sumPair(s0: v128, s1: v128): v128 {
  return v128.or(v128.and(s0, i32x4.splat(0xffff)), i32x4.shl(s1, 16))
}
