// IQ4_NL: 32 columns, 18 bytes: d f16 │ 16 × u8. IQ4_XS: 256 columns, 136 bytes: d f16 │ scales_h u16 │ scales_l 4 × u8 │
// 128 × u8. Source: ggml-common.h.
//   IQ4_NL: value = d · codebook[level]; IQ4_XS: value = d · (scale − 32) · codebook[level], a scale for 32 columns
//   nibbles as in Q4_0, 32 columns at a time; scale p: nibble p of scales_l, then bits 2p of scales_h
import { f32ToF16 } from '../quant/f16'
import { at, clamp, inverse, nearestInt, put } from './round'
import { CODEBOOK, LEVELS, SCALES, WEIGHTS } from './scratch'
import { extreme } from './search'
import { single } from './single'

/** Trials around the first scale, to each side. */
const TRIALS = 7

/** The 16 values, −127 … 113: kvalues_iq4nl of ggml-common.h, a byte each. */
export function putCodebook(dst: usize): void {
  store<u64>(dst, 0xf6eaddcfbfad9881)
  store<u64>(dst, 0x7159453526190d01, 8)
}

/** The level whose value is nearest. */
function nearestLevel(codebook: usize, x: f32): i32 {
  if (x <= <f32>load<i8>(codebook)) return 0
  if (x >= <f32>load<i8>(codebook + 15)) return 15
  let low = 0
  let high = 15
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (x < <f32>load<i8>(codebook + middle)) high = middle
    else low = middle
  }
  return x - <f32>load<i8>(codebook + high - 1) < <f32>load<i8>(codebook + high) - x ? high - 1 : high
}

/** The scale of 32 columns; weights are x² or importance · √(square + x²). */
function searchScale(x: usize, importance: usize, square: f32, codebook: usize, weights: usize): f32 {
  for (let j = 0; j < 32; j++) {
    const v = at(x, j)
    put(weights, j, importance ? at(importance, j) * f32.sqrt(square + v * v) : v * v)
  }
  const value = extreme(32, x)
  if (value == 0) return 0
  const end = <i32>load<i8>(codebook)
  let d: f32 = 0
  let best: f32 = 0
  for (let k = -TRIALS - 1; k <= TRIALS; k++) {
    const first = k == -TRIALS - 1
    const id = first ? <f32>1 / (-value / <f32>end) : <f32>(k + end) / value
    let sumQx: f32 = 0
    let sumQ2: f32 = 0
    for (let j = 0; j < 32; j++) {
      const v = at(x, j)
      const q = <f32>load<i8>(codebook + nearestLevel(codebook, id * v))
      const w = at(weights, j)
      sumQx += w * q * v
      sumQ2 += w * q * q
    }
    if (first) {
      d = sumQ2 > 0 ? sumQx / sumQ2 : 0
      best = d * sumQx
    } else if (sumQ2 > 0 && sumQx * sumQx > best * sumQ2) {
      d = sumQx / sumQ2
      best = d * sumQx
    }
  }
  return d
}

/** Twice the mean square. */
function squareOf(x: usize, columns: i32): f32 {
  let sum: f32 = 0
  for (let j = 0; j < columns; j++) sum += at(x, j) * at(x, j)
  return sum * (<f32>2 / <f32>columns)
}

function putLevels(x: usize, id: f32, codebook: usize, dst: usize): void {
  for (let j = 0; j < 16; j++) {
    const low = nearestLevel(codebook, id * at(x, j))
    const high = nearestLevel(codebook, id * at(x, j + 16))
    store<u8>(dst + j, <u8>(low | (high << 4)))
  }
}

export function quantizeIQ4_NL(x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): void {
  const codebook = scratch + CODEBOOK
  putCodebook(codebook)
  for (let b = 0; b < columns; b += 32, x += 128, dst += 18) {
    const q = importance ? importance + ((<usize>b) << 2) : 0
    const d = searchScale(x, q, squareOf(x, 32), codebook, scratch + WEIGHTS)
    store<u16>(dst, <u16>f32ToF16(d))
    putLevels(x, inverse(d), codebook, dst + 2)
  }
}

export function quantizeIQ4_XS(x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): void {
  const codebook = scratch + CODEBOOK
  const scales = scratch + SCALES
  putCodebook(codebook)
  for (let b = 0; b < columns; b += 256, x += 1024, dst += 136) {
    const square = squareOf(x, 256)
    let most: f32 = 0
    let top: f32 = 0
    for (let p: usize = 0; p < 8; p++) {
      const q = importance ? importance + ((<usize>b) << 2) + (p << 7) : 0
      const scale = searchScale(x + (p << 7), q, square, codebook, scratch + WEIGHTS)
      put(scales, <i32>p, scale)
      if (f32.abs(scale) > most) {
        most = f32.abs(scale)
        top = scale
      }
    }
    putScaled(x, -top / 32, scales, codebook, dst)
  }
}

/** A block of IQ4_XS: the scales as multiples of d, and levels for what they become. */
function putScaled(x: usize, d: f32, scales: usize, codebook: usize, dst: usize): void {
  store<u16>(dst, <u16>f32ToF16(d))
  store<u32>(dst, 0, 4)
  const id = inverse(d)
  let high: u32 = 0
  for (let p = 0; p < 8; p++) {
    const level = clamp(nearestInt(id * at(scales, p)), -32, 31)
    putLevels(x + ((<usize>p) << 7), inverse(d * <f32>level), codebook, dst + 8 + ((<usize>p) << 4))
    const bits = <u32>(level + 32)
    const low = dst + 4 + (p >> 1)
    store<u8>(low, load<u8>(low) | <u8>((bits & 15) << ((p & 1) << 2)))
    high |= (bits >> 4) << (p << 1)
  }
  store<u16>(dst + 2, <u16>high)
}

export function dequantizeIQ4_NL(src: usize, columns: i32, dst: usize, scratch: usize): void {
  const codebook = scratch + CODEBOOK
  putCodebook(codebook)
  for (let b = 0; b < columns; b += 32, src += 18, dst += 128) getValues(src + 2, single(load<u16>(src)), codebook, dst)
}

export function dequantizeIQ4_XS(src: usize, columns: i32, dst: usize, scratch: usize): void {
  const codebook = scratch + CODEBOOK
  putCodebook(codebook)
  for (let b = 0; b < columns; b += 256, src += 136) {
    const d = single(load<u16>(src))
    const high = <u32>load<u16>(src + 2)
    for (let p = 0; p < 8; p++, dst += 128) {
      const low = (<u32>load<u8>(src + 4 + (p >> 1)) >> ((p & 1) << 2)) & 15
      const scale = <i32>(low | (((high >> (p << 1)) & 3) << 4)) - 32
      getValues(src + 8 + ((<usize>p) << 4), d * <f32>scale, codebook, dst)
    }
  }
}

function getValues(nibbles: usize, d: f32, codebook: usize, dst: usize): void {
  for (let j = 0; j < 16; j++) {
    const packed = load<u8>(nibbles + j)
    put(dst, j, d * <f32>load<i8>(codebook + (packed & 15)))
    put(dst, j + 16, d * <f32>load<i8>(codebook + (packed >> 4)))
  }
}
