// The float step that ends each block of 32 columns, the same in every SIMD kernel and in the scalar twins:
//   f = f + c · (dw · da)            and for types with a minimum      f = f + m · sa
import { loadF16x4 } from '../quant/f16'

/** f + convert(c) · (dw · da) on four rows. */
// @ts-ignore: decorator
@inline
export function step(f: v128, c: v128, dw: v128, da: v128): v128 {
  return f32x4.add(f, f32x4.mul(f32x4.convert_i32x4_s(c), f32x4.mul(dw, da)))
}

/** The same with four scales stored as halves at p. */
// @ts-ignore: decorator
@inline
export function stepF16(f: v128, c: v128, p: usize, ratio: v128, da: v128): v128 {
  return step(f, c, loadF16x4(p, ratio), da)
}

/** f + m · sa. */
// @ts-ignore: decorator
@inline
export function stepMin(f: v128, m: v128, sa: v128): v128 {
  return f32x4.add(f, f32x4.mul(m, sa))
}

/** acc + the dot of i16 pairs. */
// @ts-ignore: decorator
@inline
export function dot16(acc: v128, a: v128, w: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, w))
}

/** Pairs of int8 products as i16; `w` must be in 0…127, or `a` where w is signed. Exact while a pair fits 16 bits. */
// @ts-ignore: decorator
@inline
export function dot8(a: v128, w: v128): v128 {
  return i16x8.relaxed_dot_i8x16_i7x16_s(a, w)
}
