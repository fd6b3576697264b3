// Q6_K in the simd and the relaxed build; `add`: with dots that add to i32 (relaxed only).
import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR } from '../acts'
import { hoistedHalves } from '../../quant/hoisted'
import { PLANES_Q6_K, Q6_K_D, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC } from '../../quant/q6_k'
import { actsX, actsY, dotQuad, loadLow, lowMask, pairHigh, pairLow, quad, twiceHigh, twiceLow } from '../quads'
import { addDot8, dot8, step } from '../steps'

@inline
function six(p: usize, j: i32, low: v128): v128 {
  return quad(j, PLANES_Q6_K, p, loadLow(p, PLANES_Q6_K, j), low)
}

/** c + the sums of two quads each, pairs of columns as i16, times sc. */
@inline
function scalePairs(c: v128, a: v128, b: v128, sc: v128): v128 {
  return i32x4.add(c, i32x4.add(i32x4.dot_i16x8_s(a, sc), i32x4.dot_i16x8_s(b, sc)))
}

/** −32 · the sums of the activations of both halves, each times its sub-scale; sums: −8 · them, as i16. */
@inline
function biasOf(pairs: v128, sums: v128): v128 {
  return i32x4.shl(i32x4.dot_i16x8_s(pairs, sums), 2)
}

/** 8 rows of a group · one token added to f32[8] at out. `blocks` counts 32 columns. */
@inline
function matvecOf(group: usize, blocks: i32, acts: usize, out: usize, add: bool): void {
  const low = lowMask(PLANES_Q6_K)
  const byte = hoistedHalves(255)
  let f0 = v128.load(out)
  let f1 = v128.load(out, 16)
  let part = group
  for (const end = acts + <usize>blocks * ACTS_BLOCK; acts < end; ) {
    const d0 = v128.load(part, Q6_K_D)
    const d1 = v128.load(part, Q6_K_D + 16)
    part += Q6_K_PARTS
    const stop = acts + 8 * ACTS_BLOCK
    do {
      const part1 = part + 16
      // −8 · the sums of the activations of columns 0–15 and 16–31, i16 each; the offset is 32.
      const sums = v128.load32_splat(acts, ACTS_PAIR)
      const sc = v128.load(part, Q6_K_SC)
      const sc0 = i16x8.extend_low_i8x16_s(sc)
      const sc1 = i16x8.extend_high_i8x16_s(sc)
      if (ASC_FEATURE_RELAXED_SIMD && !add) {
        // i16 lanes sum at most 2 · 2 · 63 · 127 = 32,004.
        let x = actsX(acts, 0)
        let a0 = dot8(x, six(part, 0, low))
        let a1 = dot8(x, six(part1, 0, low))
        x = actsX(acts, 1)
        a0 = addDot8(a0, x, six(part, 1, low))
        a1 = addDot8(a1, x, six(part1, 1, low))
        x = actsX(acts, 2)
        let b0 = dot8(x, six(part, 2, low))
        let b1 = dot8(x, six(part1, 2, low))
        x = actsX(acts, 3)
        b0 = addDot8(b0, x, six(part, 3, low))
        b1 = addDot8(b1, x, six(part1, 3, low))
        let c0 = scalePairs(biasOf(pairLow(sc0, sc1), sums), a0, b0, twiceLow(sc0))
        let c1 = scalePairs(biasOf(pairHigh(sc0, sc1), sums), a1, b1, twiceHigh(sc0))
        x = actsX(acts, 4)
        a0 = dot8(x, six(part, 4, low))
        a1 = dot8(x, six(part1, 4, low))
        x = actsX(acts, 5)
        a0 = addDot8(a0, x, six(part, 5, low))
        a1 = addDot8(a1, x, six(part1, 5, low))
        x = actsX(acts, 6)
        b0 = dot8(x, six(part, 6, low))
        b1 = dot8(x, six(part1, 6, low))
        x = actsX(acts, 7)
        b0 = addDot8(b0, x, six(part, 7, low))
        b1 = addDot8(b1, x, six(part1, 7, low))
        c0 = scalePairs(c0, a0, b0, twiceLow(sc1))
        c1 = scalePairs(c1, a1, b1, twiceHigh(sc1))
        const da = v128.load32_splat(acts, ACTS_DA)
        f0 = step(f0, c0, d0, da)
        f1 = step(f1, c1, d1, da)
      } else {
        let c0 = i32x4.shr_s(i32x4.shl(sums, 16), 14)
        let c1 = c0
        let e0 = i32x4.shl(i32x4.shr_s(sums, 16), 2)
        let e1 = e0
        let x = actsX(acts, 0)
        let y = actsY(acts, 0, x)
        c0 = dotQuad(c0, false, x, y, six(part, 0, low), byte, add)
        c1 = dotQuad(c1, false, x, y, six(part1, 0, low), byte, add)
        x = actsX(acts, 1)
        y = actsY(acts, 1, x)
        c0 = dotQuad(c0, false, x, y, six(part, 1, low), byte, add)
        c1 = dotQuad(c1, false, x, y, six(part1, 1, low), byte, add)
        x = actsX(acts, 2)
        y = actsY(acts, 2, x)
        c0 = dotQuad(c0, false, x, y, six(part, 2, low), byte, add)
        c1 = dotQuad(c1, false, x, y, six(part1, 2, low), byte, add)
        x = actsX(acts, 3)
        y = actsY(acts, 3, x)
        c0 = dotQuad(c0, false, x, y, six(part, 3, low), byte, add)
        c1 = dotQuad(c1, false, x, y, six(part1, 3, low), byte, add)
        x = actsX(acts, 4)
        y = actsY(acts, 4, x)
        e0 = dotQuad(e0, false, x, y, six(part, 4, low), byte, add)
        e1 = dotQuad(e1, false, x, y, six(part1, 4, low), byte, add)
        x = actsX(acts, 5)
        y = actsY(acts, 5, x)
        e0 = dotQuad(e0, false, x, y, six(part, 5, low), byte, add)
        e1 = dotQuad(e1, false, x, y, six(part1, 5, low), byte, add)
        x = actsX(acts, 6)
        y = actsY(acts, 6, x)
        e0 = dotQuad(e0, false, x, y, six(part, 6, low), byte, add)
        e1 = dotQuad(e1, false, x, y, six(part1, 6, low), byte, add)
        x = actsX(acts, 7)
        y = actsY(acts, 7, x)
        e0 = dotQuad(e0, false, x, y, six(part, 7, low), byte, add)
        e1 = dotQuad(e1, false, x, y, six(part1, 7, low), byte, add)
        c0 = i32x4.mul(c0, i32x4.extend_low_i16x8_s(sc0))
        c1 = i32x4.mul(c1, i32x4.extend_high_i16x8_s(sc0))
        e0 = i32x4.mul(e0, i32x4.extend_low_i16x8_s(sc1))
        e1 = i32x4.mul(e1, i32x4.extend_high_i16x8_s(sc1))
        const da = v128.load32_splat(acts, ACTS_DA)
        f0 = step(f0, i32x4.add(c0, e0), d0, da)
        f1 = step(f1, i32x4.add(c1, e1), d1, da)
      }
      part += Q6_K_PART_BYTES
      acts += ACTS_BLOCK
    } while (acts < stop)
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
