import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_S1 } from '../acts'
import { PACKED_Q6_K, Q6_K_D, Q6_K_HIGH, Q6_K_PARTS, Q6_K_PART_BYTES } from '../../quant/q6_k'
import { dotAdd, step } from '../steps'
import { subScales } from './simd'

/** Adds two quads' products. */
// @ts-ignore: decorator
@inline
function dotTwo(c: v128, acts: usize, w0: v128, w1: v128): v128 {
  return dotAdd(dotAdd(c, v128.load32_splat(acts), w0), v128.load32_splat(acts, 4), w1)
}

/** Four rows of one part: sc0 · (dot of columns 0–15) + sc1 · (dot of columns 16–31), q − 32 throughout. */
// @ts-ignore: decorator
@inline
function dotPart(part: usize, half: usize, acts: usize): v128 {
  const low = i8x16.splat(15)
  const top = i8x16.splat(0x30)
  const h0 = v128.load(part + half * 16, Q6_K_HIGH)
  const h1 = v128.load(part + half * 16, Q6_K_HIGH + 32)
  const w0 = v128.load(part + half * 16)
  const w1 = v128.load(part + half * 16, 32)
  const w2 = v128.load(part + half * 16, 64)
  const w3 = v128.load(part + half * 16, 96)
  const s1 = load<i32>(acts, ACTS_S1)
  // Bits 2j of h belong to quad j; shifting by 4 − 2j brings them to bits 4 and 5.
  let c0 = i32x4.splat(4 * (load<i32>(acts, ACTS_S) - s1))
  c0 = dotTwo(
    c0,
    acts,
    v128.or(v128.and(w0, low), v128.and(i16x8.shl(h0, 4), top)),
    v128.or(v128.and(w1, low), v128.and(i16x8.shl(h0, 2), top)),
  )
  c0 = dotTwo(
    c0,
    acts + 8,
    v128.or(v128.and(w2, low), v128.and(h0, top)),
    v128.or(v128.and(w3, low), v128.and(i16x8.shr_u(h0, 2), top)),
  )
  let c1 = i32x4.splat(4 * s1)
  c1 = dotTwo(
    c1,
    acts + 16,
    v128.or(v128.and(i16x8.shr_u(w0, 4), low), v128.and(i16x8.shl(h1, 4), top)),
    v128.or(v128.and(i16x8.shr_u(w1, 4), low), v128.and(i16x8.shl(h1, 2), top)),
  )
  c1 = dotTwo(
    c1,
    acts + 24,
    v128.or(v128.and(i16x8.shr_u(w2, 4), low), v128.and(h1, top)),
    v128.or(v128.and(i16x8.shr_u(w3, 4), low), v128.and(i16x8.shr_u(h1, 2), top)),
  )
  return i32x4.add(i32x4.mul(c0, subScales(part, half)), i32x4.mul(c1, subScales(part + 8, half)))
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
