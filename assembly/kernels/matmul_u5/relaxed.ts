// Types of 5 bits with a minimum, unpacked to bytes 0…31. i16 lanes sum four quads: at most 4 · 2 · 31 · 127 = 31,496.
import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { addDot8, dot8, step, stepMin } from '../steps'
import { I8_BLOCK, I8_D, I8_M } from '../unpack/layout'

/** The dots of four quads of one token (its quads lie 16 bytes apart). */
// @ts-ignore: decorator
@inline
function dotFour(acts: usize, w0: v128, w1: v128, w2: v128, w3: v128): v128 {
  let s = dot8(v128.load32_splat(acts), w0)
  s = addDot8(s, v128.load32_splat(acts, 16), w1)
  s = addDot8(s, v128.load32_splat(acts, 32), w2)
  return i32x4.extadd_pairwise_i16x8_s(addDot8(s, v128.load32_splat(acts, 48), w3))
}

/** f + the block's two steps. */
// @ts-ignore: decorator
@inline
function finish(f: v128, c: v128, d: v128, m: v128, acts: usize): v128 {
  f = step(f, c, d, v128.load32_splat(acts, 4 * ACTS_DA))
  return stepMin(f, m, v128.load32_splat(acts, 4 * ACTS_SA))
}

/** 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out: four rows after the other. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  const end = w + <usize>blocks * I8_BLOCK
  for (let half: usize = 0; half < 32; half += 16) {
    let f0 = f32x4.splat(0)
    let f1 = f0
    let f2 = f0
    let f3 = f0
    let a = acts
    for (let p = w + half; p < end; p += I8_BLOCK, a += 4 * ACTS_BLOCK) {
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
      c0 = i32x4.add(c0, dotFour(a + 64, w0, w1, w2, w3))
      c1 = i32x4.add(c1, dotFour(a + 68, w0, w1, w2, w3))
      c2 = i32x4.add(c2, dotFour(a + 72, w0, w1, w2, w3))
      c3 = i32x4.add(c3, dotFour(a + 76, w0, w1, w2, w3))
      const d = v128.load(p, I8_D)
      const m = v128.load(p, I8_M)
      f0 = finish(f0, c0, d, m, a)
      f1 = finish(f1, c1, d, m, a + 4)
      f2 = finish(f2, c2, d, m, a + 8)
      f3 = finish(f3, c3, d, m, a + 12)
    }
    v128.store(out + half, f0)
    v128.store(out + half, f1, 32)
    v128.store(out + half, f2, 64)
    v128.store(out + half, f3, 96)
  }
}
