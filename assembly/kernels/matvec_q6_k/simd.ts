import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1 } from '../acts'
import { PACKED_Q6_K, Q6_K_D, Q6_K_HIGH, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC } from '../../quant/q6_k'
import { dot16, step } from '../steps'

/** Adds one quad of four rows, bytes in 0…63. */
// @ts-ignore: decorator
@inline
function dotBytes(c: v128, w: v128, byte: v128, acts: usize): v128 {
  c = dot16(c, v128.load32_splat(acts), v128.and(w, byte))
  return dot16(c, v128.load32_splat(acts, 4), i16x8.shr_u(w, 8))
}

/** Four rows of one part: sc0 · (dot of columns 0–15) + sc1 · (dot of columns 16–31), q − 32 throughout. */
// @ts-ignore: decorator
@inline
function dotPart(part: usize, half: usize, acts: usize): v128 {
  const low = i8x16.splat(15)
  const top = i8x16.splat(0x30)
  const byte = i16x8.splat(255)
  let h0 = v128.load(part + half * 16, Q6_K_HIGH)
  let h1 = v128.load(part + half * 16, Q6_K_HIGH + 32)
  const s1 = load<i32>(acts, ACTS_S1)
  let c0 = i32x4.splat(4 * (load<i32>(acts, ACTS_S) - s1))
  let c1 = i32x4.splat(4 * s1)
  // Bits 2j of h belong to quad j; shifting by 4 − 2j brings them to bits 4 and 5.
  let w = v128.load(part + half * 16)
  c0 = dotBytes(c0, v128.or(v128.and(w, low), v128.and(i16x8.shl(h0, 4), top)), byte, acts)
  c1 = dotBytes(c1, v128.or(v128.and(i16x8.shr_u(w, 4), low), v128.and(i16x8.shl(h1, 4), top)), byte, acts + 32)
  w = v128.load(part + half * 16, 32)
  c0 = dotBytes(c0, v128.or(v128.and(w, low), v128.and(i16x8.shl(h0, 2), top)), byte, acts + 8)
  c1 = dotBytes(c1, v128.or(v128.and(i16x8.shr_u(w, 4), low), v128.and(i16x8.shl(h1, 2), top)), byte, acts + 40)
  w = v128.load(part + half * 16, 64)
  c0 = dotBytes(c0, v128.or(v128.and(w, low), v128.and(h0, top)), byte, acts + 16)
  c1 = dotBytes(c1, v128.or(v128.and(i16x8.shr_u(w, 4), low), v128.and(h1, top)), byte, acts + 48)
  w = v128.load(part + half * 16, 96)
  c0 = dotBytes(c0, v128.or(v128.and(w, low), v128.and(i16x8.shr_u(h0, 2), top)), byte, acts + 24)
  c1 = dotBytes(c1, v128.or(v128.and(i16x8.shr_u(w, 4), low), v128.and(i16x8.shr_u(h1, 2), top)), byte, acts + 56)
  return i32x4.add(i32x4.mul(c0, subScales(part, half)), i32x4.mul(c1, subScales(part + 8, half)))
}

/** Four sub-scales as i32. */
// @ts-ignore: decorator
@inline
export function subScales(part: usize, half: usize): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(part + half * 4, Q6_K_SC)))
}

/** 8 rows of a group · one token → f32[8] at out. `blocks` counts 32 columns. */
export function matvec(group: usize, blocks: i32, acts: usize, out: usize): void {
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  for (let b = 0; b < blocks; b += 8) {
    const d0 = v128.load(group, Q6_K_D)
    const d1 = v128.load(group, Q6_K_D + 16)
    let part = group + Q6_K_PARTS
    for (let p = 0; p < 8; p++) {
      const da = v128.load32_splat(acts, ACTS_DA)
      f0 = step(f0, dotPart(part, 0, acts), d0, da)
      f1 = step(f1, dotPart(part, 1, acts), d1, da)
      part += Q6_K_PART_BYTES
      acts += ACTS_BLOCK
    }
    group += PACKED_Q6_K
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
