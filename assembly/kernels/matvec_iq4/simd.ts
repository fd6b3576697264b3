// IQ4_NL and IQ4_XS in the simd and the relaxed build: codes are looked up in a register, then multiplied as Q8_0's are.
import { ACTS_BLOCK, ACTS_DA, ACTS_S } from '../acts'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { CODES_HIGH, CODES_LOW, IQ4_XS_PARTS, IQ4_XS_PART_BYTES } from '../../quant/iq4'
import { PACKED_Q4_0 } from '../../quant/q4_0'
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
 * c + the dot of a quad of four rows. In the relaxed build activations are a⁺ − a⁻, both in 0…127; a pair
 * stays within 2 · 127 · 127 = 32,258, and so does the difference, since for each column one of the two is 0.
 */
// @ts-ignore: decorator
@inline
function dotQuad(c: v128, w: v128, acts: usize, add: bool): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const a = v128.load32_splat(acts)
    if (add) return dotAdd(c, a, w)
    const plus = i8x16.max_s(a, i8x16.splat(0))
    return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(i16x8.sub(dot8(w, plus), dot8(w, i8x16.sub(plus, a)))))
  } else {
    c = dot16(c, v128.load32_splat(acts), i16x8.shr_s(i16x8.shl(w, 8), 8))
    return dot16(c, v128.load32_splat(acts, 4), i16x8.shr_s(w, 8))
  }
}

/** c + the dots of quads j and j + 4 of four rows, whose indices are the nibbles at p. */
// @ts-ignore: decorator
@inline
function dotTwo(c: v128, p: usize, table: v128, low: v128, acts: usize, add: bool): v128 {
  const w = v128.load(p)
  c = dotQuad(c, lookUp(table, v128.and(w, low)), acts, add)
  return dotQuad(c, lookUp(table, v128.and(i16x8.shr_u(w, 4), low)), acts + 4 * QUAD_BYTES, add)
}

/** Four rows of a part: the dot of 32 columns. */
// @ts-ignore: decorator
@inline
function dotPart(p: usize, table: v128, low: v128, acts: usize, add: bool): v128 {
  // s = −8 · sum, the offset of flipped codes is 128.
  let c = add ? i32x4.splat(load<i32>(acts, ACTS_S) << 4) : i32x4.splat(0)
  c = dotTwo(c, p, table, low, acts, add)
  c = dotTwo(c, p + 32, table, low, acts + QUAD_BYTES, add)
  c = dotTwo(c, p + 64, table, low, acts + 2 * QUAD_BYTES, add)
  return dotTwo(c, p + 96, table, low, acts + 3 * QUAD_BYTES, add)
}

// @ts-ignore: decorator
@inline
export function matvecNL(group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = i8x16.splat(15)
  const table = codes(add)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (const end = w + <usize>blocks * PACKED_Q4_0; w < end; w += PACKED_Q4_0, acts += ACTS_BLOCK) {
    const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratio)
    f0 = stepF16(f0, dotPart(w, table, low, acts, add), w + 128, mask, da)
    f1 = stepF16(f1, dotPart(w + 16, table, low, acts, add), w + 136, mask, da)
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}

// @ts-ignore: decorator
@inline
export function matvecXS(group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const low = i8x16.splat(15)
  const table = codes(add)
  const mask = i32x4.splat(F16_MASK)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  let w = group + GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = shiftF16x4(w, mask)
    const d1 = shiftF16x4(w + 8, mask)
    w += IQ4_XS_PARTS
    for (const end = w + 8 * IQ4_XS_PART_BYTES; w < end; w += IQ4_XS_PART_BYTES, acts += ACTS_BLOCK) {
      const da = f32x4.mul(v128.load32_splat(acts, ACTS_DA), ratio)
      const sc0 = f32x4.convert_i32x4_s(signedScales(w + 128))
      const sc1 = f32x4.convert_i32x4_s(signedScales(w + 132))
      f0 = step(f0, dotPart(w, table, low, acts, add), f32x4.mul(d0, sc0), da)
      f1 = step(f1, dotPart(w + 16, table, low, acts, add), f32x4.mul(d1, sc1), da)
    }
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
