// Q4_0 and Q4_1, unpacked to bytes 0…15. i16 lanes sum the eight quads of a block: at most 8 · 2 · 15 · 127 = 30,480.
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_SA } from '../acts'
import { dot8, step, stepMin } from '../steps'
import { UNPACKED_BLOCK, UNPACKED_D, UNPACKED_M } from '../unpack/layout'

/** The block's integer: Σ of the pairs, less 8 · the sum of the activations where the values are offset by 8. */
// @ts-ignore: decorator
@inline
function finish(s: v128, acts: usize, token: usize, offset: bool): v128 {
  const c = i32x4.extadd_pairwise_i16x8_s(s)
  return offset ? i32x4.add(c, i32x4.splat(load<i32>(acts + token * 4, 4 * ACTS_S))) : c
}

// @ts-ignore: decorator
@inline
function tile(w: usize, blocks: i32, acts: usize, out: usize, hasMin: bool): void {
  let f00 = f32x4.splat(0),
    f01 = f00,
    f10 = f00,
    f11 = f00,
    f20 = f00,
    f21 = f00,
    f30 = f00,
    f31 = f00
  for (let b = 0; b < blocks; b++) {
    let c00 = i16x8.splat(0),
      c01 = c00,
      c10 = c00,
      c11 = c00,
      c20 = c00,
      c21 = c00,
      c30 = c00,
      c31 = c00
    for (let q: usize = 0; q < 8; q++) {
      const w0 = v128.load(w + q * 32)
      const w1 = v128.load(w + q * 32, 16)
      let a = v128.load32_splat(acts + q * 16)
      c00 = i16x8.add(c00, dot8(a, w0))
      c01 = i16x8.add(c01, dot8(a, w1))
      a = v128.load32_splat(acts + q * 16, 4)
      c10 = i16x8.add(c10, dot8(a, w0))
      c11 = i16x8.add(c11, dot8(a, w1))
      a = v128.load32_splat(acts + q * 16, 8)
      c20 = i16x8.add(c20, dot8(a, w0))
      c21 = i16x8.add(c21, dot8(a, w1))
      a = v128.load32_splat(acts + q * 16, 12)
      c30 = i16x8.add(c30, dot8(a, w0))
      c31 = i16x8.add(c31, dot8(a, w1))
    }
    const d0 = v128.load(w, UNPACKED_D)
    const d1 = v128.load(w, UNPACKED_D + 16)
    let da = v128.load32_splat(acts, 4 * ACTS_DA)
    f00 = step(f00, finish(c00, acts, 0, !hasMin), d0, da)
    f01 = step(f01, finish(c01, acts, 0, !hasMin), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 4)
    f10 = step(f10, finish(c10, acts, 1, !hasMin), d0, da)
    f11 = step(f11, finish(c11, acts, 1, !hasMin), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 8)
    f20 = step(f20, finish(c20, acts, 2, !hasMin), d0, da)
    f21 = step(f21, finish(c21, acts, 2, !hasMin), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 12)
    f30 = step(f30, finish(c30, acts, 3, !hasMin), d0, da)
    f31 = step(f31, finish(c31, acts, 3, !hasMin), d1, da)
    if (hasMin) {
      const m0 = v128.load(w, UNPACKED_M)
      const m1 = v128.load(w, UNPACKED_M + 16)
      let sa = v128.load32_splat(acts, 4 * ACTS_SA)
      f00 = stepMin(f00, m0, sa)
      f01 = stepMin(f01, m1, sa)
      sa = v128.load32_splat(acts, 4 * ACTS_SA + 4)
      f10 = stepMin(f10, m0, sa)
      f11 = stepMin(f11, m1, sa)
      sa = v128.load32_splat(acts, 4 * ACTS_SA + 8)
      f20 = stepMin(f20, m0, sa)
      f21 = stepMin(f21, m1, sa)
      sa = v128.load32_splat(acts, 4 * ACTS_SA + 12)
      f30 = stepMin(f30, m0, sa)
      f31 = stepMin(f31, m1, sa)
    }
    w += UNPACKED_BLOCK
    acts += 4 * ACTS_BLOCK
  }
  v128.store(out, f00)
  v128.store(out, f01, 16)
  v128.store(out, f10, 32)
  v128.store(out, f11, 48)
  v128.store(out, f20, 64)
  v128.store(out, f21, 80)
  v128.store(out, f30, 96)
  v128.store(out, f31, 112)
}

/** Q4_0: 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, false)
}

/** Q4_1. */
export function matmulMin(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, true)
}
