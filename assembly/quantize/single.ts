// Halves and bfloats ↔ singles, infinities and NaN included: what is not finite must be found, not hidden.
import { f16ToF32, f32ToF16, isFiniteF16 } from '../quant/f16'

/** A half's value; NaN for those that are not finite. */
@inline
export function single(h: u32): f32 {
  return isFiniteF16(h) ? f16ToF32(h) : f32.NaN
}

/** To the nearest bfloat, ties to even. */
@inline
function bfloat(x: f32): u32 {
  const bits = reinterpret<u32>(x)
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

export function quantizeF16(x: usize, columns: i32, dst: usize): void {
  for (let j = 0; j < columns; j++) store<u16>(dst + (j << 1), <u16>f32ToF16(load<f32>(x + (j << 2))))
}

export function quantizeBF16(x: usize, columns: i32, dst: usize): void {
  for (let j = 0; j < columns; j++) store<u16>(dst + (j << 1), <u16>bfloat(load<f32>(x + (j << 2))))
}

export function dequantizeF16(src: usize, columns: i32, dst: usize): void {
  for (let j = 0; j < columns; j++) store<f32>(dst + (j << 2), single(load<u16>(src + (j << 1))))
}

export function dequantizeBF16(src: usize, columns: i32, dst: usize): void {
  for (let j = 0; j < columns; j++) store<u32>(dst + (j << 2), (<u32>load<u16>(src + (j << 1))) << 16)
}
