// All quantized types in the simd build: the group is unpacked to i16, so that one kernel serves them.
import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { dot16, step, stepMin } from '../steps'
import { UNPACKED_BLOCK, UNPACKED_D, UNPACKED_M } from '../unpack/layout'

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
    let c00 = i32x4.splat(0),
      c01 = c00,
      c10 = c00,
      c11 = c00,
      c20 = c00,
      c21 = c00,
      c30 = c00,
      c31 = c00
    for (let p: usize = 0; p < 16; p++) {
      const w0 = v128.load(w + p * 32)
      const w1 = v128.load(w + p * 32, 16)
      let a = v128.load32_splat(acts + p * 16)
      c00 = dot16(c00, a, w0)
      c01 = dot16(c01, a, w1)
      a = v128.load32_splat(acts + p * 16, 4)
      c10 = dot16(c10, a, w0)
      c11 = dot16(c11, a, w1)
      a = v128.load32_splat(acts + p * 16, 8)
      c20 = dot16(c20, a, w0)
      c21 = dot16(c21, a, w1)
      a = v128.load32_splat(acts + p * 16, 12)
      c30 = dot16(c30, a, w0)
      c31 = dot16(c31, a, w1)
    }
    const d0 = v128.load(w, UNPACKED_D)
    const d1 = v128.load(w, UNPACKED_D + 16)
    let da = v128.load32_splat(acts, 4 * ACTS_DA)
    f00 = step(f00, c00, d0, da)
    f01 = step(f01, c01, d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 4)
    f10 = step(f10, c10, d0, da)
    f11 = step(f11, c11, d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 8)
    f20 = step(f20, c20, d0, da)
    f21 = step(f21, c21, d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 12)
    f30 = step(f30, c30, d0, da)
    f31 = step(f31, c31, d1, da)
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

/** 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, false)
}

/** The same for types with a minimum. */
export function matmulMin(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, true)
}
