// IQ4_NL and IQ4_XS in the simd and the relaxed build: codes are looked up in a register, then multiplied as Q8_0's are.
import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { CODES_HIGH, CODES_LOW, IQ4_XS_PARTS } from '../../quant/iq4'
import { GROUP_HEADER, RATIO_D } from '../../quant/scales'
import { QUAD_BYTES, signedScales } from '../quads'
import { dot16, dot8, dotAdd, step, stepF16 } from '../steps'

/** The codebook; `flip`: with top bits flipped, unsigned, as dots that add to i32 take it. */
// @ts-ignore: decorator
@inline
export function codes(flip: bool): v128 {
  const table = i64x2.replace_lane(i64x2.splat(CODES_LOW), 1, CODES_HIGH)
  return flip ? v128.xor(table, i8x16.splat(<i8>0x80)) : table
}

/** The codes of 16 indices in 0…15. */
// @ts-ignore: decorator
@inline
export function lookUp(table: v128, indices: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, indices)
  else return i8x16.swizzle(table, indices)
}

/**
 * c + the dot of a quad of four rows, whose codes are w. In the relaxed build activations are x − y, both in 0…127; a pair
 * stays within 2 · 127 · 127 = 32,258, and so does the difference, since for each column one of the two is 0; or `add`: x
 * as they are, times unsigned codes. In the simd build x are the columns 0 and 2, y 1 and 3.
 */
// @ts-ignore: decorator
@inline
function dotQuad(c: v128, w: v128, x: v128, y: v128, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (add) return dotAdd(c, x, w)
    return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(i16x8.sub(dot8(w, x), dot8(w, y))))
  } else return dot16(dot16(c, x, i16x8.shr_s(i16x8.shl(w, 8), 8)), y, i16x8.shr_s(w, 8))
}

// @ts-ignore: decorator
@inline
function actsX(acts: usize, add: bool): v128 {
  const a = v128.load32_splat(acts)
  if (ASC_FEATURE_RELAXED_SIMD) return add ? a : i8x16.max_s(a, i8x16.splat(0))
  else return a
}

// @ts-ignore: decorator
@inline
function actsY(acts: usize, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.sub(x, v128.load32_splat(acts))
  else return v128.load32_splat(acts, 4)
}

/** IQ4_NL, and in parts with sub-scales IQ4_XS: 8 rows of a group · one token → f32[8] at out. */
// @ts-ignore: decorator
@inline
export function matvec(hasParts: bool, group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = i8x16.splat(15)
  const table = codes(add)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f0
  let d0 = f0
  let d1 = f0
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b++, acts += ACTS_BLOCK) {
    if (hasParts && (b & 7) == 0) {
      d0 = shiftF16x4(w, mask)
      d1 = shiftF16x4(w + 8, mask)
      w += IQ4_XS_PARTS
    }
    // s = −8 · sum, the offset of unsigned codes is 128.
    let c0 = i32x4.splat(add ? load<i32>(acts, ACTS_S) << 4 : 0)
    let c1 = c0
    let v = v128.load(w)
    let u = v128.load(w, 16)
    let x = actsX(acts, add)
    let y = actsY(acts, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(v, low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(u, low)), x, y, add)
    x = actsX(acts + 4 * QUAD_BYTES, add)
    y = actsY(acts + 4 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), x, y, add)
    v = v128.load(w, 32)
    u = v128.load(w, 48)
    x = actsX(acts + QUAD_BYTES, add)
    y = actsY(acts + QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(v, low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(u, low)), x, y, add)
    x = actsX(acts + 5 * QUAD_BYTES, add)
    y = actsY(acts + 5 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), x, y, add)
    v = v128.load(w, 64)
    u = v128.load(w, 80)
    x = actsX(acts + 2 * QUAD_BYTES, add)
    y = actsY(acts + 2 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(v, low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(u, low)), x, y, add)
    x = actsX(acts + 6 * QUAD_BYTES, add)
    y = actsY(acts + 6 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), x, y, add)
    v = v128.load(w, 96)
    u = v128.load(w, 112)
    x = actsX(acts + 3 * QUAD_BYTES, add)
    y = actsY(acts + 3 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(v, low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(u, low)), x, y, add)
    x = actsX(acts + 7 * QUAD_BYTES, add)
    y = actsY(acts + 7 * QUAD_BYTES, x)
    c0 = dotQuad(c0, lookUp(table, v128.and(i16x8.shr_u(v, 4), low)), x, y, add)
    c1 = dotQuad(c1, lookUp(table, v128.and(i16x8.shr_u(u, 4), low)), x, y, add)
    w += 128
    const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratio)
    if (hasParts) {
      f0 = step(f0, c0, f32x4.mul(d0, f32x4.convert_i32x4_s(signedScales(w))), da)
      f1 = step(f1, c1, f32x4.mul(d1, f32x4.convert_i32x4_s(signedScales(w + 4))), da)
      w += 8
    } else {
      f0 = stepF16(f0, c0, w, mask, da)
      f1 = stepF16(f1, c1, w + 8, mask, da)
      w += 16
    }
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
