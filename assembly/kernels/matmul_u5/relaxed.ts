// Types of up to 5 bits, unpacked to bytes 0…31: with a minimum, or with a sub-scale for 16 columns. i16 lanes sum four
// quads: at most 4 · 2 · 31 · 127 = 31,496.
import { hoistedWords } from '../../quant/hoisted'
import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR, ACTS_SA } from '../acts'
import { addDot8, dot8, splat0, splat1, splat2, splat3, step, stepMin } from '../steps'
import { I8_BLOCK, I8_D, I8_M, I8_Q6_BLOCK, I8_SC0, I8_SC1 } from '../unpack/layout'

/** The dots of four quads of one token (its quads lie 16 bytes apart), pairs of columns as i16. */
@inline
function dotFour(acts: usize, w0: v128, w1: v128, w2: v128, w3: v128): v128 {
  let s = dot8(v128.load32_splat(acts), w0)
  s = addDot8(s, v128.load32_splat(acts, 16), w1)
  s = addDot8(s, v128.load32_splat(acts, 32), w2)
  return addDot8(s, v128.load32_splat(acts, 48), w3)
}

/** f + the block's two steps. */
@inline
function finish(f: v128, c: v128, d: v128, m: v128, acts: usize): v128 {
  f = step(f, c, d, v128.load32_splat(acts, 4 * ACTS_DA))
  return stepMin(f, m, v128.load32_splat(acts, 4 * ACTS_SA))
}

/** The same with sub-scales, sums s of both halves of the columns: a dot of i16 adds a pair and scales it. */
@inline
function finish16(f: v128, s0: v128, s1: v128, sc0: v128, sc1: v128, d: v128, acts: usize): v128 {
  const c = i32x4.add(i32x4.dot_i16x8_s(s0, sc0), i32x4.dot_i16x8_s(s1, sc1))
  return step(f, c, d, v128.load32_splat(acts, 4 * ACTS_DA))
}

@inline
function widen(s: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_s(s)
}

// One loop for both: four rows after the other.
@inline
function tile(w: usize, blocks: i32, acts: usize, out: usize, hasMin: bool, hasOffset: bool): void {
  const blockBytes = hasMin ? I8_BLOCK : I8_Q6_BLOCK
  const end = w + <usize>blocks * blockBytes
  const low = hoistedWords(0xffff)
  for (let half: usize = 0; half < 32; half += 16) {
    let f0 = f32x4.splat(0)
    let f1 = f0
    let f2 = f0
    let f3 = f0
    let a = acts
    for (let p = w + half; p < end; p += blockBytes, a += 4 * ACTS_BLOCK) {
      let w0 = v128.load(p)
      let w1 = v128.load(p, 32)
      let w2 = v128.load(p, 64)
      let w3 = v128.load(p, 96)
      let c0 = dotFour(a, w0, w1, w2, w3)
      let c1 = dotFour(a + 4, w0, w1, w2, w3)
      let c2 = dotFour(a + 8, w0, w1, w2, w3)
      let c3 = dotFour(a + 12, w0, w1, w2, w3)
      w0 = v128.load(p, 128)
      w1 = v128.load(p, 160)
      w2 = v128.load(p, 192)
      w3 = v128.load(p, 224)
      let e0 = dotFour(a + 64, w0, w1, w2, w3)
      let e1 = dotFour(a + 68, w0, w1, w2, w3)
      let e2 = dotFour(a + 72, w0, w1, w2, w3)
      let e3 = dotFour(a + 76, w0, w1, w2, w3)
      const d = v128.load(p, I8_D)
      if (hasMin) {
        const m = v128.load(p, I8_M)
        f0 = finish(f0, i32x4.add(widen(c0), widen(e0)), d, m, a)
        f1 = finish(f1, i32x4.add(widen(c1), widen(e1)), d, m, a + 4)
        f2 = finish(f2, i32x4.add(widen(c2), widen(e2)), d, m, a + 8)
        f3 = finish(f3, i32x4.add(widen(c3), widen(e3)), d, m, a + 12)
      } else {
        if (hasOffset) {
          // −4 · the sum of 16 columns, in one lane of each pair: with up to 4 · 2 · 7 · 127 in i16.
          const sums = i16x8.shr_s(v128.load(a, 4 * ACTS_PAIR), 1)
          const b = v128.and(sums, low)
          c0 = i16x8.add(c0, splat0(b))
          c1 = i16x8.add(c1, splat1(b))
          c2 = i16x8.add(c2, splat2(b))
          c3 = i16x8.add(c3, splat3(b))
          const b1 = v128.andnot(sums, low)
          e0 = i16x8.add(e0, splat0(b1))
          e1 = i16x8.add(e1, splat1(b1))
          e2 = i16x8.add(e2, splat2(b1))
          e3 = i16x8.add(e3, splat3(b1))
        }
        const sc0 = v128.load(p, I8_SC0)
        const sc1 = v128.load(p, I8_SC1)
        f0 = finish16(f0, c0, e0, sc0, sc1, d, a)
        f1 = finish16(f1, c1, e1, sc0, sc1, d, a + 4)
        f2 = finish16(f2, c2, e2, sc0, sc1, d, a + 8)
        f3 = finish16(f3, c3, e3, sc0, sc1, d, a + 12)
      }
    }
    v128.store(out + half, f0)
    v128.store(out + half, f1, 32)
    v128.store(out + half, f2, 64)
    v128.store(out + half, f3, 96)
  }
}

/** Q5_0, Q5_1, Q5_K: 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmulMin(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, true, false)
}

/** Q3_K. */
export function matmulQ3_K(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, false, true)
}

/** Q2_K, without its minima. */
export function matmulQ2_K(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, false, false)
}
