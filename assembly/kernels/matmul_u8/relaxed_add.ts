// Q4_0, Q4_1 and Q8_0 where the engine has one instruction for a dot of four bytes that adds to i32. Weights are unsigned:
// 0…15, or Q8_0's with the top bit flipped, 0…255, which a probe must have shown to be exact. Sums start at the bias
// −offset · (sum of the activations), offset 8, 0 or 128.
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_SA } from '../acts'
import { dotAdd, splat0, splat1, splat2, splat3, step, stepMin } from '../steps'
import { I8_BLOCK, I8_D, I8_M } from '../unpack/layout'

/** The bias from s = −8 · sum: 0: none, else shifted by one less. */
// @ts-ignore: decorator
@inline
function biasOf(s: v128, offset: i32): v128 {
  return offset == 0 ? i32x4.splat(0) : offset == 8 ? s : i32x4.shl(s, 4)
}

// @ts-ignore: decorator
@inline
function tile(w: usize, blocks: i32, acts: usize, out: usize, offset: i32, hasMin: bool): void {
  let f00 = f32x4.splat(0),
    f01 = f00,
    f10 = f00,
    f11 = f00,
    f20 = f00,
    f21 = f00,
    f30 = f00,
    f31 = f00
  for (const end = w + <usize>blocks * I8_BLOCK; w < end; w += I8_BLOCK, acts += 4 * ACTS_BLOCK) {
    const s = biasOf(v128.load(acts, 4 * ACTS_S), offset)
    const b0 = splat0(s)
    const b1 = splat1(s)
    const b2 = splat2(s)
    const b3 = splat3(s)
    let w0 = v128.load(w)
    let w1 = v128.load(w, 16)
    let a = v128.load(acts)
    let x = splat0(a)
    let c00 = dotAdd(b0, x, w0)
    let c01 = dotAdd(b0, x, w1)
    x = splat1(a)
    let c10 = dotAdd(b1, x, w0)
    let c11 = dotAdd(b1, x, w1)
    x = splat2(a)
    let c20 = dotAdd(b2, x, w0)
    let c21 = dotAdd(b2, x, w1)
    x = splat3(a)
    let c30 = dotAdd(b3, x, w0)
    let c31 = dotAdd(b3, x, w1)
    w0 = v128.load(w, 32)
    w1 = v128.load(w, 48)
    a = v128.load(acts, 16)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 64)
    w1 = v128.load(w, 80)
    a = v128.load(acts, 32)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 96)
    w1 = v128.load(w, 112)
    a = v128.load(acts, 48)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 128)
    w1 = v128.load(w, 144)
    a = v128.load(acts, 64)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 160)
    w1 = v128.load(w, 176)
    a = v128.load(acts, 80)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 192)
    w1 = v128.load(w, 208)
    a = v128.load(acts, 96)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    w0 = v128.load(w, 224)
    w1 = v128.load(w, 240)
    a = v128.load(acts, 112)
    x = splat0(a)
    c00 = dotAdd(c00, x, w0)
    c01 = dotAdd(c01, x, w1)
    x = splat1(a)
    c10 = dotAdd(c10, x, w0)
    c11 = dotAdd(c11, x, w1)
    x = splat2(a)
    c20 = dotAdd(c20, x, w0)
    c21 = dotAdd(c21, x, w1)
    x = splat3(a)
    c30 = dotAdd(c30, x, w0)
    c31 = dotAdd(c31, x, w1)
    const d0 = v128.load(w, I8_D)
    const d1 = v128.load(w, I8_D + 16)
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
      const m0 = v128.load(w, I8_M)
      const m1 = v128.load(w, I8_M + 16)
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

/** Q4_0: 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmulQ4_0(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, 8, false)
}

/** Q4_1. */
export function matmulQ4_1(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, 0, true)
}

/** Q8_0, its weights' top bits flipped. */
export function matmulQ8_0(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, 128, false)
}
