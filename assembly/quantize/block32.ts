// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 columns. Source: ggml-common.h, ggml-quants.c.
//   Q4_0: d f16 │ 16 × u8                        value = d · (level − 8)
//   Q4_1: d f16 │ m f16 │ 16 × u8                value = d · level + m
//   Q5_0: d f16 │ qh u32 │ 16 × u8               value = d · (level − 16)
//   Q5_1: d f16 │ m f16 │ qh u32 │ 16 × u8       value = d · level + m
//   Q8_0: d f16 │ 32 × i8                        value = d · level
// Column c < 16 has the low nibble of byte c, column c + 16 the high one; bit c of qh is the fifth.
import { f32ToF16 } from '../quant/f16'
import { at, inverse, put, roundAway, truncate } from './round'
import { FOUND, LEVELS, WEIGHTS } from './scratch'
import { searchAffine, searchSigned } from './search'
import { single } from './single'

/** levels u8[32] → nibbles at dst + `nibbles`, and fifth bits at `high` where there are any. */
function putLevels(levels: usize, nibbles: usize, high: usize): void {
  let bits: u32 = 0
  for (let j: usize = 0; j < 16; j++) {
    const a = <u32>load<u8>(levels + j)
    const b = <u32>load<u8>(levels + j + 16)
    store<u8>(nibbles + j, <u8>((a & 15) | ((b & 15) << 4)))
    bits |= (((a >> 4) & 1) << (<u32>j)) | (((b >> 4) & 1) << (<u32>j + 16))
  }
  if (high) store<u32>(high, bits)
}

/** Weights of 32 columns: importance · √(mean square of the row + x²). */
function weigh(x: usize, importance: usize, meanSquare: f32, weights: usize): void {
  for (let j = 0; j < 32; j++) {
    put(weights, j, at(importance, j) * f32.sqrt(meanSquare + at(x, j) * at(x, j)))
  }
}

function meanSquare(x: usize, columns: i32): f32 {
  let sum: f32 = 0
  for (let j = 0; j < columns; j++) sum += at(x, j) * at(x, j)
  return sum / <f32>columns
}

/** A row of Q4_0 (half = 8) or Q5_0 (half = 16). */
export function quantizeSigned(x: usize, columns: i32, half: i32, importance: usize, dst: usize, scratch: usize): void {
  const levels = scratch + LEVELS
  const nibbles: usize = half == 8 ? 2 : 6
  const square = importance ? meanSquare(x, columns) : 0
  for (let b = 0; b < columns; b += 32, x += 128, dst += nibbles + 16) {
    let d: f32
    if (importance) {
      weigh(x, importance + ((<usize>b) << 2), square, scratch + WEIGHTS)
      d = searchSigned(32, half, x, levels, scratch + WEIGHTS)
    } else d = nearestSigned(x, half, levels)
    store<u16>(dst, <u16>f32ToF16(d))
    putLevels(levels, dst + nibbles, half == 8 ? 0 : dst + 2)
  }
}

/** The value farthest from 0 becomes level 0; returns the scale. */
function nearestSigned(x: usize, half: i32, levels: usize): f32 {
  let most: f32 = 0
  let value: f32 = 0
  for (let j = 0; j < 32; j++) {
    const v = at(x, j)
    if (most < f32.abs(v)) {
      most = f32.abs(v)
      value = v
    }
  }
  const d = value / <f32>-half
  const id = inverse(d)
  for (let j = 0; j < 32; j++) {
    const level = <i32>(<i8>truncate(at(x, j) * id + (<f32>half + 0.5)))
    store<u8>(levels + j, <u8>min<i32>(2 * half - 1, level))
  }
  return d
}

/** A row of Q4_1 (most = 15) or Q5_1 (most = 31). */
export function quantizeAffine(x: usize, columns: i32, most: i32, importance: usize, dst: usize, scratch: usize): void {
  const levels = scratch + LEVELS
  const nibbles: usize = most == 15 ? 4 : 8
  const square = importance ? meanSquare(x, columns) : 0
  for (let b = 0; b < columns; b += 32, x += 128, dst += nibbles + 16) {
    let d: f32
    if (importance) {
      weigh(x, importance + ((<usize>b) << 2), square, scratch + WEIGHTS)
      d = searchAffine(32, most, x, scratch + WEIGHTS, levels, scratch, -0.9, 0.05, 36, false)
      store<u16>(dst + 2, <u16>f32ToF16(-load<f32>(scratch + FOUND)))
    } else {
      d = nearestAffine(x, most, levels, scratch)
      store<u16>(dst + 2, <u16>f32ToF16(load<f32>(scratch + FOUND)))
    }
    store<u16>(dst, <u16>f32ToF16(d))
    putLevels(levels, dst + nibbles, most == 15 ? 0 : dst + 4)
  }
}

/** The least value becomes level 0, the greatest the last; returns the scale and leaves the least in scratch. */
function nearestAffine(x: usize, most: i32, levels: usize, scratch: usize): f32 {
  let least = f32.MAX_VALUE
  let top = -f32.MAX_VALUE
  for (let j = 0; j < 32; j++) {
    const v = at(x, j)
    if (v < least) least = v
    if (v > top) top = v
  }
  const d = (top - least) / <f32>most
  const id = inverse(d)
  for (let j = 0; j < 32; j++) {
    const level = truncate((at(x, j) - least) * id + <f32>0.5)
    store<u8>(levels + j, <u8>(most == 15 ? min<i32>(15, <i32>(<i8>level)) : level))
  }
  store<f32>(scratch + FOUND, least)
  return d
}

/** A row of Q8_0. Importance is not used: rounding is as good as can be. */
export function quantizeQ8_0(x: usize, columns: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 32, x += 128, dst += 34) {
    let most: f32 = 0
    for (let j = 0; j < 32; j++) most = max<f32>(most, f32.abs(at(x, j)))
    const d = most / 127
    const id = inverse(d)
    store<u16>(dst, <u16>f32ToF16(d))
    for (let j = 0; j < 32; j++) store<i8>(dst + 2 + j, <i8>roundAway(at(x, j) * id))
  }
}

/** A row of Q4_0 or Q5_0 → f32[columns]. */
export function dequantizeSigned(src: usize, columns: i32, half: i32, dst: usize): void {
  const nibbles: usize = half == 8 ? 2 : 6
  for (let b = 0; b < columns; b += 32, src += nibbles + 16, dst += 128) {
    const d = single(load<u16>(src))
    const high = half == 8 ? 0 : load<u32>(src + 2)
    for (let j = 0; j < 32; j++) put(dst, j, d * <f32>(level(src + nibbles, high, j) - half))
  }
}

/** A row of Q4_1 or Q5_1 → f32[columns]. */
export function dequantizeAffine(src: usize, columns: i32, most: i32, dst: usize): void {
  const nibbles: usize = most == 15 ? 4 : 8
  for (let b = 0; b < columns; b += 32, src += nibbles + 16, dst += 128) {
    const d = single(load<u16>(src))
    const m = single(load<u16>(src + 2))
    const high = most == 15 ? 0 : load<u32>(src + 4)
    for (let j = 0; j < 32; j++) put(dst, j, d * <f32>level(src + nibbles, high, j) + m)
  }
}

@inline
function level(nibbles: usize, high: u32, j: i32): i32 {
  return ((<i32>load<u8>(nibbles + (j & 15)) >> ((j >> 4) << 2)) & 15) | (((high >> j) & 1) << 4)
}

export function dequantizeQ8_0(src: usize, columns: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 32, src += 34, dst += 128) {
    const d = single(load<u16>(src))
    for (let j = 0; j < 32; j++) put(dst, j, d * <f32>load<i8>(src + 2 + j))
  }
}
