// Q6_K, unpacked to bytes 0…63. i16 lanes sum two quads, at most 2 · 2 · 63 · 127 = 32,004; a dot of i16 scales and adds them.
import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR } from '../acts'
import { sumPair } from '../quads'
import { addDot8, dot8, splat0, splat1, splat2, splat3, step } from '../steps'
import { I8_D, I8_Q6_BLOCK, I8_SC0, I8_SC1 } from '../unpack/layout'

/** Two quads of a tile's token (its quads lie 16 bytes apart), scaled. */
@inline
function dotTwo(acts: usize, w0: v128, w1: v128, sc: v128): v128 {
  return i32x4.dot_i16x8_s(addDot8(dot8(v128.load32_splat(acts), w0), v128.load32_splat(acts, 16), w1), sc)
}

/** 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out: four rows after the other. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  const end = w + <usize>blocks * I8_Q6_BLOCK
  for (let half: usize = 0; half < 32; half += 16) {
    let f0 = f32x4.splat(0)
    let f1 = f0
    let f2 = f0
    let f3 = f0
    let a = acts
    for (let p = w + half; p < end; p += I8_Q6_BLOCK, a += 4 * ACTS_BLOCK) {
      const sc0 = v128.load(p, I8_SC0)
      const sc1 = v128.load(p, I8_SC1)
      // −32 · the sums of the activations, from −8 · them.
      const pairs = i16x8.shl(sumPair(sc0, sc1), 2)
      const sums = v128.load(a, 4 * ACTS_PAIR)
      let c0 = i32x4.dot_i16x8_s(pairs, splat0(sums))
      let c1 = i32x4.dot_i16x8_s(pairs, splat1(sums))
      let c2 = i32x4.dot_i16x8_s(pairs, splat2(sums))
      let c3 = i32x4.dot_i16x8_s(pairs, splat3(sums))
      let w0 = v128.load(p)
      let w1 = v128.load(p, 32)
      c0 = i32x4.add(c0, dotTwo(a, w0, w1, sc0))
      c1 = i32x4.add(c1, dotTwo(a + 4, w0, w1, sc0))
      c2 = i32x4.add(c2, dotTwo(a + 8, w0, w1, sc0))
      c3 = i32x4.add(c3, dotTwo(a + 12, w0, w1, sc0))
      w0 = v128.load(p, 64)
      w1 = v128.load(p, 96)
      c0 = i32x4.add(c0, dotTwo(a + 32, w0, w1, sc0))
      c1 = i32x4.add(c1, dotTwo(a + 36, w0, w1, sc0))
      c2 = i32x4.add(c2, dotTwo(a + 40, w0, w1, sc0))
      c3 = i32x4.add(c3, dotTwo(a + 44, w0, w1, sc0))
      w0 = v128.load(p, 128)
      w1 = v128.load(p, 160)
      c0 = i32x4.add(c0, dotTwo(a + 64, w0, w1, sc1))
      c1 = i32x4.add(c1, dotTwo(a + 68, w0, w1, sc1))
      c2 = i32x4.add(c2, dotTwo(a + 72, w0, w1, sc1))
      c3 = i32x4.add(c3, dotTwo(a + 76, w0, w1, sc1))
      w0 = v128.load(p, 192)
      w1 = v128.load(p, 224)
      c0 = i32x4.add(c0, dotTwo(a + 96, w0, w1, sc1))
      c1 = i32x4.add(c1, dotTwo(a + 100, w0, w1, sc1))
      c2 = i32x4.add(c2, dotTwo(a + 104, w0, w1, sc1))
      c3 = i32x4.add(c3, dotTwo(a + 108, w0, w1, sc1))
      const d = v128.load(p, I8_D)
      f0 = step(f0, c0, d, v128.load32_splat(a, 4 * ACTS_DA))
      f1 = step(f1, c1, d, v128.load32_splat(a, 4 * ACTS_DA + 4))
      f2 = step(f2, c2, d, v128.load32_splat(a, 4 * ACTS_DA + 8))
      f3 = step(f3, c3, d, v128.load32_splat(a, 4 * ACTS_DA + 12))
    }
    v128.store(out + half, f0)
    v128.store(out + half, f1, 32)
    v128.store(out + half, f2, 64)
    v128.store(out + half, f3, 96)
  }
}
