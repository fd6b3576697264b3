// Q4_0 and Q4_1. i16 lanes sum the eight quads of a block: at most 8 · 2 · 15 · 127 = 30,480. For many tokens a group comes
// unpacked to bytes; for few, which share the cost of unpacking badly, as it is packed. Instructions are what limits it: V8
// makes an address of each new offset of a splatting load, so a pointer moves and the offsets are few; and it reloads the
// constant of extadd_pairwise at each use, where a dot with ones keeps it in a register.
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { hoistedBytes, hoistedHalves, hoistedWords } from '../../quant/hoisted'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { ACTS_BLOCK, ACTS_DA, ACTS_S, ACTS_SA } from '../acts'
import { addDot8, dot8, step, stepMin } from '../steps'
import { I8_BLOCK, I8_D, I8_M } from '../unpack/layout'

/** The four bits of a quad of four rows as bytes: of quads 0–3 the lower ones, of quads 4–7 the upper ones of the same bytes. */
@inline
function lower(v: v128, packed: bool, low: v128): v128 {
  return packed ? v128.and(v, low) : v
}

@inline
function upper(v: v128, packed: bool, low: v128): v128 {
  return packed ? v128.and(i16x8.shr_u(v, 4), low) : v
}

/** Four scales, or minima. */
@inline
function scales(p: usize, packed: bool, mask: v128, ratio: v128): v128 {
  return packed ? f32x4.mul(shiftF16x4(p, mask), ratio) : v128.load(p)
}

/** The block's integer: Σ of the pairs, with −8 · the sum of the activations where the values are offset by 8. */
@inline
function finish(s: v128, bias: v128, offset: bool, ones: v128): v128 {
  const c = i32x4.dot_i16x8_s(s, ones)
  return offset ? i32x4.add(c, bias) : c
}

@inline
function tile(group: usize, blocks: i32, acts: usize, out: usize, hasMin: bool, packed: bool): void {
  const ratioD = packed ? v128.load32_splat(group, RATIO_D) : i32x4.splat(0)
  const ratioM = packed && hasMin ? v128.load32_splat(group, RATIO_M) : i32x4.splat(0)
  const low = hoistedBytes(15)
  const ones = hoistedHalves(1)
  const mask = hoistedWords(F16_MASK)
  const bytes = !packed ? I8_BLOCK : hasMin ? PACKED_Q4_1 : PACKED_Q4_0
  const d: usize = packed ? 128 : I8_D
  const m: usize = packed ? 144 : I8_M
  const next: usize = packed ? 8 : 16
  const zero = f32x4.splat(0)
  let f00 = packed ? v128.load(out) : zero
  let f01 = packed ? v128.load(out, 16) : zero
  let f10 = packed ? v128.load(out, 32) : zero
  let f11 = packed ? v128.load(out, 48) : zero
  let f20 = packed ? v128.load(out, 64) : zero
  let f21 = packed ? v128.load(out, 80) : zero
  let f30 = packed ? v128.load(out, 96) : zero
  let f31 = packed ? v128.load(out, 112) : zero
  let w = packed ? group + GROUP_HEADER : group
  for (const end = w + <usize>blocks * bytes; w < end; w += bytes, acts += 4 * ACTS_BLOCK) {
    let w0 = lower(v128.load(w), packed, low)
    let w1 = lower(v128.load(w, 16), packed, low)
    let a = acts
    let x = v128.load32_splat(a)
    let c00 = dot8(x, w0)
    let c01 = dot8(x, w1)
    x = v128.load32_splat(a, 4)
    let c10 = dot8(x, w0)
    let c11 = dot8(x, w1)
    x = v128.load32_splat(a, 8)
    let c20 = dot8(x, w0)
    let c21 = dot8(x, w1)
    x = v128.load32_splat(a, 12)
    let c30 = dot8(x, w0)
    let c31 = dot8(x, w1)
    w0 = lower(v128.load(w, 32), packed, low)
    w1 = lower(v128.load(w, 48), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = lower(v128.load(w, 64), packed, low)
    w1 = lower(v128.load(w, 80), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = lower(v128.load(w, 96), packed, low)
    w1 = lower(v128.load(w, 112), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = upper(packed ? v128.load(w) : v128.load(w, 128), packed, low)
    w1 = upper(packed ? v128.load(w, 16) : v128.load(w, 144), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = upper(packed ? v128.load(w, 32) : v128.load(w, 160), packed, low)
    w1 = upper(packed ? v128.load(w, 48) : v128.load(w, 176), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = upper(packed ? v128.load(w, 64) : v128.load(w, 192), packed, low)
    w1 = upper(packed ? v128.load(w, 80) : v128.load(w, 208), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    w0 = upper(packed ? v128.load(w, 96) : v128.load(w, 224), packed, low)
    w1 = upper(packed ? v128.load(w, 112) : v128.load(w, 240), packed, low)
    a += 16
    x = v128.load32_splat(a)
    c00 = addDot8(c00, x, w0)
    c01 = addDot8(c01, x, w1)
    x = v128.load32_splat(a, 4)
    c10 = addDot8(c10, x, w0)
    c11 = addDot8(c11, x, w1)
    x = v128.load32_splat(a, 8)
    c20 = addDot8(c20, x, w0)
    c21 = addDot8(c21, x, w1)
    x = v128.load32_splat(a, 12)
    c30 = addDot8(c30, x, w0)
    c31 = addDot8(c31, x, w1)
    const d0 = scales(w + d, packed, mask, ratioD)
    const d1 = scales(w + d + next, packed, mask, ratioD)
    const da = acts + 4 * ACTS_DA
    const s = acts + 4 * ACTS_S
    const da0 = v128.load32_splat(da)
    const s0 = v128.load32_splat(s)
    f00 = step(f00, finish(c00, s0, !hasMin, ones), d0, da0)
    f01 = step(f01, finish(c01, s0, !hasMin, ones), d1, da0)
    const da1 = v128.load32_splat(da, 4)
    const s1 = v128.load32_splat(s, 4)
    f10 = step(f10, finish(c10, s1, !hasMin, ones), d0, da1)
    f11 = step(f11, finish(c11, s1, !hasMin, ones), d1, da1)
    const da2 = v128.load32_splat(da, 8)
    const s2 = v128.load32_splat(s, 8)
    f20 = step(f20, finish(c20, s2, !hasMin, ones), d0, da2)
    f21 = step(f21, finish(c21, s2, !hasMin, ones), d1, da2)
    const da3 = v128.load32_splat(da, 12)
    const s3 = v128.load32_splat(s, 12)
    f30 = step(f30, finish(c30, s3, !hasMin, ones), d0, da3)
    f31 = step(f31, finish(c31, s3, !hasMin, ones), d1, da3)
    if (hasMin) {
      const m0 = scales(w + m, packed, mask, ratioM)
      const m1 = scales(w + m + next, packed, mask, ratioM)
      const sa = acts + 4 * ACTS_SA
      let sat = v128.load32_splat(sa)
      f00 = stepMin(f00, m0, sat)
      f01 = stepMin(f01, m1, sat)
      sat = v128.load32_splat(sa, 4)
      f10 = stepMin(f10, m0, sat)
      f11 = stepMin(f11, m1, sat)
      sat = v128.load32_splat(sa, 8)
      f20 = stepMin(f20, m0, sat)
      f21 = stepMin(f21, m1, sat)
      sat = v128.load32_splat(sa, 12)
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
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, false, false)
}

/** Q4_1. */
export function matmulMin(w: usize, blocks: i32, acts: usize, out: usize): void {
  tile(w, blocks, acts, out, true, false)
}

/** The same of a group, or a panel of it, as it is packed: added to out. */
export function matmulPacked(group: usize, blocks: i32, acts: usize, out: usize): void {
  tile(group, blocks, acts, out, false, true)
}

export function matmulMinPacked(group: usize, blocks: i32, acts: usize, out: usize): void {
  tile(group, blocks, acts, out, true, true)
}
