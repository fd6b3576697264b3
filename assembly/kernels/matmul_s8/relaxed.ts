// Q8_0: bytes as they are, times a⁺ and a⁻ (matvec_q8_0/relaxed.ts).
import { ACTS_BLOCK, ACTS_DA } from '../acts'
import { dotBytes } from '../matvec_q8_0/relaxed'
import { step } from '../steps'
import { UNPACKED_BLOCK, UNPACKED_D } from '../unpack/layout'

/** 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  const zero = i8x16.splat(0)
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
    for (let q: usize = 0; q < 8; q++) {
      const w0 = v128.load(w + q * 32)
      const w1 = v128.load(w + q * 32, 16)
      let a = v128.load32_splat(acts + q * 16)
      let plus = i8x16.max_s(a, zero)
      let minus = i8x16.sub(plus, a)
      c00 = dotBytes(c00, w0, plus, minus)
      c01 = dotBytes(c01, w1, plus, minus)
      a = v128.load32_splat(acts + q * 16, 4)
      plus = i8x16.max_s(a, zero)
      minus = i8x16.sub(plus, a)
      c10 = dotBytes(c10, w0, plus, minus)
      c11 = dotBytes(c11, w1, plus, minus)
      a = v128.load32_splat(acts + q * 16, 8)
      plus = i8x16.max_s(a, zero)
      minus = i8x16.sub(plus, a)
      c20 = dotBytes(c20, w0, plus, minus)
      c21 = dotBytes(c21, w1, plus, minus)
      a = v128.load32_splat(acts + q * 16, 12)
      plus = i8x16.max_s(a, zero)
      minus = i8x16.sub(plus, a)
      c30 = dotBytes(c30, w0, plus, minus)
      c31 = dotBytes(c31, w1, plus, minus)
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
