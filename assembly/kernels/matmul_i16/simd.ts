// All quantized types in the simd build: the group is unpacked to i16, so that one kernel serves them.
import { ACTS_BLOCK, ACTS_DA, ACTS_SA } from '../acts'
import { dot16, splat0, splat1, splat2, splat3, step, stepMin } from '../steps'
import { I16_BLOCK, I16_D, I16_M } from '../unpack/layout'

// The inner loop takes two pairs of columns at a time: unrolled whole, V8 in Node 20 spills its accumulators.
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
  for (const end = w + <usize>blocks * I16_BLOCK; w < end; w += I16_BLOCK, acts += 4 * ACTS_BLOCK) {
    let c00 = i32x4.splat(0)
    let c01 = c00
    let c10 = c00
    let c11 = c00
    let c20 = c00
    let c21 = c00
    let c30 = c00
    let c31 = c00
    let q = acts
    for (let p = w; p < w + I16_D; p += 64, q += 32) {
      let w0 = v128.load(p)
      let w1 = v128.load(p, 16)
      let a = v128.load(q)
      let x = splat0(a)
      c00 = dot16(c00, x, w0)
      c01 = dot16(c01, x, w1)
      x = splat1(a)
      c10 = dot16(c10, x, w0)
      c11 = dot16(c11, x, w1)
      x = splat2(a)
      c20 = dot16(c20, x, w0)
      c21 = dot16(c21, x, w1)
      x = splat3(a)
      c30 = dot16(c30, x, w0)
      c31 = dot16(c31, x, w1)
      w0 = v128.load(p, 32)
      w1 = v128.load(p, 48)
      a = v128.load(q, 16)
      x = splat0(a)
      c00 = dot16(c00, x, w0)
      c01 = dot16(c01, x, w1)
      x = splat1(a)
      c10 = dot16(c10, x, w0)
      c11 = dot16(c11, x, w1)
      x = splat2(a)
      c20 = dot16(c20, x, w0)
      c21 = dot16(c21, x, w1)
      x = splat3(a)
      c30 = dot16(c30, x, w0)
      c31 = dot16(c31, x, w1)
    }
    const d0 = v128.load(w, I16_D)
    const d1 = v128.load(w, I16_D + 16)
    const da = v128.load(acts, 4 * ACTS_DA)
    const da0 = splat0(da)
    f00 = step(f00, c00, d0, da0)
    f01 = step(f01, c01, d1, da0)
    const da1 = splat1(da)
    f10 = step(f10, c10, d0, da1)
    f11 = step(f11, c11, d1, da1)
    const da2 = splat2(da)
    f20 = step(f20, c20, d0, da2)
    f21 = step(f21, c21, d1, da2)
    const da3 = splat3(da)
    f30 = step(f30, c30, d0, da3)
    f31 = step(f31, c31, d1, da3)
    if (hasMin) {
      const m0 = v128.load(w, I16_M)
      const m1 = v128.load(w, I16_M + 16)
      const sa = v128.load(acts, 4 * ACTS_SA)
      let sat = splat0(sa)
      f00 = stepMin(f00, m0, sat)
      f01 = stepMin(f01, m1, sat)
      sat = splat1(sa)
      f10 = stepMin(f10, m0, sat)
      f11 = stepMin(f11, m1, sat)
      sat = splat2(sa)
      f20 = stepMin(f20, m0, sat)
      f21 = stepMin(f21, m1, sat)
      sat = splat3(sa)
      f30 = stepMin(f30, m0, sat)
      f31 = stepMin(f31, m1, sat)
    }
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
