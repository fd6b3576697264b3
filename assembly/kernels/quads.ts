// Planes (quant/planes.ts) in registers: quads of columns of four rows as bytes, and their dots, in every SIMD build.
import { BITS, NIBBLES, PAIRS } from '../quant/planes'
import { addDot8, dot16, dot8, dotAdd } from './steps'

/** Bytes from one token's quad to the next in its activations. */
// @ts-ignore: decorator
@inline
export const QUAD_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 4 : 8

/** Bits of the first plane, and the bit above them: to be held in locals, registers for the loop. */
// @ts-ignore: decorator
@inline
export function lowMask(planes: i32): v128 {
  return i8x16.splat((planes & NIBBLES) != 0 ? 15 : 3)
}

// @ts-ignore: decorator
@inline
export function topMask(planes: i32): v128 {
  return i8x16.splat((planes & NIBBLES) != 0 ? 16 : 4)
}

/** Vector v of the first plane of four rows; p: the part, 16 bytes on for rows 4–7. */
// @ts-ignore: decorator
@inline
export function loadLow(p: usize, planes: i32, v: i32): v128 {
  return v128.load(p + <usize>((planes & NIBBLES) != 0 ? v : v & 1) * 32)
}

/** The plane of bits, if there is one. */
// @ts-ignore: decorator
@inline
export function loadBits(p: usize, planes: i32): v128 {
  return (planes & BITS) != 0 ? v128.load(p + ((planes & NIBBLES) != 0 ? 128 : 64)) : i8x16.splat(0)
}

/** Bit j of every byte of h at bit `to`. */
// @ts-ignore: decorator
@inline
function bitAt(h: v128, j: i32, to: i32, top: v128): v128 {
  return v128.and(j < to ? i16x8.shl(h, to - j) : j == to ? h : i16x8.shr_u(h, j - to), top)
}

/** Quad j of four rows as bytes; w: the vector of the first plane that has it, h: the bits. */
// @ts-ignore: decorator
@inline
export function quad(j: i32, planes: i32, w: v128, h: v128, low: v128, top: v128): v128 {
  const first = (planes & NIBBLES) != 0 ? NIBBLES : PAIRS
  const at = j & ~(first - 1)
  const q = v128.and(at == 0 ? w : i16x8.shr_u(w, at), low)
  return (planes & BITS) != 0 ? v128.or(q, bitAt(h, j, first, top)) : q
}

/**
 * c + the dots of four quads, bytes 0…31. In the relaxed build i16 lanes sum them: at most 4 · 2 · 31 · 127 = 31,496; or
 * `add`: dots that add to i32.
 */
// @ts-ignore: decorator
@inline
export function dotFour(c: v128, acts: usize, w0: v128, w1: v128, w2: v128, w3: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (add) {
      c = dotAdd(c, v128.load32_splat(acts), w0)
      c = dotAdd(c, v128.load32_splat(acts, 4), w1)
      c = dotAdd(c, v128.load32_splat(acts, 8), w2)
      return dotAdd(c, v128.load32_splat(acts, 12), w3)
    }
    let s = dot8(v128.load32_splat(acts), w0)
    s = addDot8(s, v128.load32_splat(acts, 4), w1)
    s = addDot8(s, v128.load32_splat(acts, 8), w2)
    s = addDot8(s, v128.load32_splat(acts, 12), w3)
    return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(s))
  } else {
    const byte = i16x8.splat(255)
    c = dot16(dot16(c, v128.load32_splat(acts), v128.and(w0, byte)), v128.load32_splat(acts, 4), i16x8.shr_u(w0, 8))
    c = dot16(dot16(c, v128.load32_splat(acts, 8), v128.and(w1, byte)), v128.load32_splat(acts, 12), i16x8.shr_u(w1, 8))
    c = dot16(
      dot16(c, v128.load32_splat(acts, 16), v128.and(w2, byte)),
      v128.load32_splat(acts, 20),
      i16x8.shr_u(w2, 8),
    )
    return dot16(
      dot16(c, v128.load32_splat(acts, 24), v128.and(w3, byte)),
      v128.load32_splat(acts, 28),
      i16x8.shr_u(w3, 8),
    )
  }
}

/** c + the dots of columns 0–15 of four rows of a part. */
// @ts-ignore: decorator
@inline
export function dotFirst(c: v128, p: usize, planes: i32, acts: usize, low: v128, top: v128, add: bool): v128 {
  const h = loadBits(p, planes)
  const w0 = quad(0, planes, loadLow(p, planes, 0), h, low, top)
  const w1 = quad(1, planes, loadLow(p, planes, 1), h, low, top)
  const w2 = quad(2, planes, loadLow(p, planes, 2), h, low, top)
  const w3 = quad(3, planes, loadLow(p, planes, 3), h, low, top)
  return dotFour(c, acts, w0, w1, w2, w3, add)
}

/** c + the dots of columns 16–31. */
// @ts-ignore: decorator
@inline
export function dotSecond(c: v128, p: usize, planes: i32, acts: usize, low: v128, top: v128, add: bool): v128 {
  const h = loadBits(p, planes)
  const w0 = quad(4, planes, loadLow(p, planes, 0), h, low, top)
  const w1 = quad(5, planes, loadLow(p, planes, 1), h, low, top)
  const w2 = quad(6, planes, loadLow(p, planes, 2), h, low, top)
  const w3 = quad(7, planes, loadLow(p, planes, 3), h, low, top)
  return dotFour(c, acts + 4 * QUAD_BYTES, w0, w1, w2, w3, add)
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

/** The high nibbles of two bytes a row, 8 of columns 0–15 and 8 of 16–31, side by side: (m0, m1) of each row as bytes. */
// @ts-ignore: decorator
@inline
export function minPairs(p: usize): v128 {
  const m = v128.and(i16x8.shr_u(v128.load(p), 4), i8x16.splat(15))
  return v128.shuffle<i8>(m, m, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15)
}

/** −8 · the sums of columns 0–15 and 16–31 as pairs of i16, from those of all 32 and of the last 16. */
// @ts-ignore: decorator
@inline
export function sumPair(s: i32, s1: i32): v128 {
  return i32x4.splat(((s - s1) & 0xffff) | (s1 << 16))
}
