// Q2_K: 256 columns, 84 bytes: 16 × (scale u4, minimum u4) │ 64 × u8 │ d f16 │ dmin f16. Source: ggml-common.h.
//   value = d · scale · level − dmin · minimum; 16 columns share scale and minimum
//   column c: half h = c / 128, bits 2p of byte 32h + l, p = (c mod 128) / 32, l = c mod 32
import { f32ToF16 } from '../quant/f16'
import { at, clamp, nearestInt, put } from './round'
import { FOUND, LEVELS, MINIMA, MINIMUM_LEVELS, SCALE_LEVELS, SCALES, SUMS, WEIGHTS } from './scratch'
import { searchAffine, searchPositive } from './search'
import { single } from './single'

export const Q2_K_BYTES: usize = 84

export function quantizeQ2_K(x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): void {
  for (let b = 0; b < columns; b += 256, x += 1024, dst += Q2_K_BYTES) {
    if (importance) {
      searchImportant(x, importance + ((<usize>b) << 2), scratch)
      pickImportant(dst, scratch)
    } else {
      searchPlain(x, scratch)
      pickPlain(dst, scratch)
    }
    roundLevels(x, dst, scratch + LEVELS)
    putTwoBits(scratch + LEVELS, dst + 16)
  }
}

/** Scale and minimum of each part, its error measured as Σ |x| · |d|. */
function searchPlain(x: usize, scratch: usize): void {
  const weights = scratch + WEIGHTS
  for (let j = 0; j < 16; j++) {
    const part = x + ((<usize>j) << 6)
    for (let l = 0; l < 16; l++) put(weights, l, f32.abs(at(part, l)))
    const levels = scratch + LEVELS + ((<usize>j) << 4)
    put(scratch + SCALES, j, searchAffine(16, 3, part, weights, levels, scratch, -0.5, 0.1, 15, true))
    put(scratch + MINIMA, j, load<f32>(scratch + FOUND))
  }
}

function searchImportant(x: usize, importance: usize, scratch: usize): void {
  const weights = scratch + WEIGHTS
  let square: f32 = 0
  for (let j = 0; j < 256; j++) square += at(x, j) * at(x, j)
  square /= 256
  for (let j = 0; j < 16; j++) {
    const part = x + ((<usize>j) << 6)
    const q = importance + ((<usize>j) << 6)
    let sum: f32 = 0
    for (let l = 0; l < 16; l++) {
      const w = at(q, l) * f32.sqrt(square + at(part, l) * at(part, l))
      put(weights, l, w)
      sum += w
    }
    put(scratch + SUMS, j, sum)
    const levels = scratch + LEVELS + ((<usize>j) << 4)
    put(scratch + SCALES, j, searchAffine(16, 3, part, weights, levels, scratch, -0.9, 0.05, 36, false))
    put(scratch + MINIMA, j, load<f32>(scratch + FOUND))
  }
}

/** The largest scale and minimum become 15. */
function pickPlain(dst: usize, scratch: usize): void {
  const topScale = largest(scratch + SCALES)
  const topMinimum = largest(scratch + MINIMA)
  const scale = topScale > 0 ? <f32>15 / topScale : 0
  const minimum = topMinimum > 0 ? <f32>15 / topMinimum : 0
  for (let j = 0; j < 16; j++) {
    const low = topScale > 0 ? nearestInt(scale * at(scratch + SCALES, j)) : 0
    const high = topMinimum > 0 ? nearestInt(minimum * at(scratch + MINIMA, j)) << 4 : 0
    store<u8>(dst + j, <u8>(low | high))
  }
  store<u16>(dst + 80, <u16>f32ToF16(topScale > 0 ? topScale / 15 : 0))
  store<u16>(dst + 82, <u16>f32ToF16(topMinimum > 0 ? topMinimum / 15 : 0))
}

function largest(values: usize): f32 {
  let top: f32 = 0
  for (let j = 0; j < 16; j++) if (at(values, j) > top) top = at(values, j)
  return top
}

function pickImportant(dst: usize, scratch: usize): void {
  const d = searchPositive(16, 15, scratch + SCALES, scratch + SCALE_LEVELS, scratch + SUMS)
  const m = searchPositive(16, 15, scratch + MINIMA, scratch + MINIMUM_LEVELS, scratch + SUMS)
  for (let j = 0; j < 16; j++) {
    store<u8>(dst + j, load<u8>(scratch + SCALE_LEVELS + j) | (load<u8>(scratch + MINIMUM_LEVELS + j) << 4))
  }
  store<u16>(dst + 80, <u16>f32ToF16(d))
  store<u16>(dst + 82, <u16>f32ToF16(m))
}

/** Levels for the scales as they are stored; where a scale is 0 the search's stay. */
function roundLevels(x: usize, block: usize, levels: usize): void {
  const d = single(load<u16>(block + 80))
  const dmin = single(load<u16>(block + 82))
  for (let j = 0; j < 16; j++) {
    const packed = load<u8>(block + j)
    const scale = d * <f32>(packed & 15)
    if (scale == 0) continue
    const minimum = dmin * <f32>(packed >> 4)
    for (let l = 0; l < 16; l++) {
      const c = (j << 4) + l
      store<u8>(levels + c, <u8>clamp(nearestInt((at(x, c) + minimum) / scale), 0, 3))
    }
  }
}

/** levels u8[256] of 0…3 → 64 bytes, as Q2_K and Q3_K hold them. */
export function putTwoBits(levels: usize, dst: usize): void {
  for (let h: usize = 0; h < 2; h++, levels += 128, dst += 32) {
    for (let l: usize = 0; l < 32; l++) {
      const q = levels + l
      store<u8>(dst + l, load<u8>(q) | (load<u8>(q + 32) << 2) | (load<u8>(q + 64) << 4) | (load<u8>(q + 96) << 6))
    }
  }
}

/** The two bits of column c. */
@inline
export function twoBits(bytes: usize, c: i32): i32 {
  return (<i32>load<u8>(bytes + ((c >> 7) << 5) + (c & 31)) >> (((c >> 5) & 3) << 1)) & 3
}

export function dequantizeQ2_K(src: usize, columns: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 256, src += Q2_K_BYTES, dst += 1024) {
    const d = single(load<u16>(src + 80))
    const dmin = single(load<u16>(src + 82))
    for (let c = 0; c < 256; c++) {
      const packed = load<u8>(src + (c >> 4))
      put(dst, c, d * <f32>(packed & 15) * <f32>twoBits(src + 16, c) - dmin * <f32>(packed >> 4))
    }
  }
}
