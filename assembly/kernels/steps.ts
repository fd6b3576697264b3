// What the kernels have in common.
//
// The float step that ends each block of 32 columns is the same in every SIMD kernel and in the scalar twins:
//   f = f + c · (dw · da)            and for types with a minimum      f = f + m · sa
// Where dw is stored as a half it is h · ratio, ratio a power of two; h · (ratio · da) is then the same product, as long as
// ratio · da stays below 2^128: with scales below 2, for activations below 10^9.
import { shiftF16x4 } from '../quant/f16'

/** Lane i of v in all four lanes. */
@inline
export function splat0(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 0, 0, 0, 0)
}

@inline
export function splat1(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 1, 1, 1, 1)
}

@inline
export function splat2(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 2, 2, 2, 2)
}

@inline
export function splat3(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3)
}

/** f + convert(c) · (dw · da) on four rows. */
@inline
export function step(f: v128, c: v128, dw: v128, da: v128): v128 {
  return f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(c), f32x4.mul(dw, da)))
}

/** The same with four scales stored as halves at p; da comes multiplied by the ratio. */
@inline
export function stepF16(f: v128, c: v128, p: usize, mask: v128, da: v128): v128 {
  return step(f, c, shiftF16x4(p, mask), da)
}

/** f + m · sa. */
@inline
export function stepMin(f: v128, m: v128, sa: v128): v128 {
  return f32x4.add(f, f32x4.mul(m, sa))
}

/** acc + the dot of i16 pairs. */
@inline
export function dot16(acc: v128, a: v128, w: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, w))
}

/** Pairs of int8 products as i16; `w` must be in 0…127, or `a` where w is signed. Exact while a pair fits 16 bits. */
@inline
export function dot8(a: v128, w: v128): v128 {
  return i16x8.relaxed_dot_i8x16_i7x16_s(a, w)
}

/** acc + the same, in i16. */
@inline
export function addDot8(acc: v128, a: v128, w: v128): v128 {
  return i16x8.add(acc, dot8(a, w))
}

/** acc + the dots of four bytes each: `w` must be in 0…127, or where a probe allows it 0…255. */
@inline
export function dotAdd(acc: v128, a: v128, w: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, w, acc)
}
