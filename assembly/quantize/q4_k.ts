// Q4_K and Q5_K: 256 columns in 8 parts of 32. Source: ggml-common.h.
//   Q4_K, 144 bytes: d f16 │ dmin f16 │ 8 scales and 8 minima of 6 bits in 12 bytes │ 128 × u8
//   Q5_K, 176 bytes: d f16 │ dmin f16 │ the same 12 bytes │ qh 32 × u8 │ 128 × u8
//   value = d · scale · level − dmin · minimum
//   part p: low (p even) or high nibble of bytes 32 (p / 2) + l; the fifth bit is bit p of qh[l]
//   scale p < 4: bits 0–5 of byte p; minimum p < 4: bits 0–5 of byte p + 4; of p ≥ 4 the low four bits are the low (scale)
//   and high (minimum) nibble of byte p + 4, the high two are bits 6–7 of bytes p − 4 and p
import { f32ToF16 } from '../quant/f16'
import { at, clamp, nearestInt, put } from './round'
import { FOUND, LEVELS, MINIMA, MINIMUM_LEVELS, SCALE_LEVELS, SCALES, SUMS, WEIGHTS } from './scratch'
import { searchAffine, searchPositive } from './search'
import { single } from './single'

const SCALES_AT: usize = 4

/** Levels 0…15 are Q4_K, 0…31 Q5_K. */
@inline
function blockBytes(most: i32): usize {
  return most == 15 ? 144 : 176
}

export function quantizeQ4_K(x: usize, columns: i32, most: i32, importance: usize, dst: usize, scratch: usize): void {
  for (let b = 0; b < columns; b += 256, x += 1024, dst += blockBytes(most)) {
    if (importance) {
      searchImportant(x, most, importance + ((<usize>b) << 2), scratch)
      pickImportant(dst, scratch)
    } else {
      searchPlain(x, most, scratch)
      pickPlain(dst, scratch)
    }
    putScales(scratch + SCALE_LEVELS, scratch + MINIMUM_LEVELS, dst + SCALES_AT)
    roundLevels(x, most, dst, scratch + LEVELS)
    putLevels(most, scratch + LEVELS, dst + 16)
  }
}

/** Scale and minimum of each part. */
function searchPlain(x: usize, most: i32, scratch: usize): void {
  const weights = scratch + WEIGHTS
  for (let j = 0; j < 8; j++) {
    const part = x + ((<usize>j) << 7)
    let square: f32 = 0
    for (let l = 0; l < 32; l++) square += at(part, l) * at(part, l)
    const average = f32.sqrt(square / 32)
    for (let l = 0; l < 32; l++) put(weights, l, average + f32.abs(at(part, l)))
    const levels = scratch + LEVELS + ((<usize>j) << 5)
    const scale =
      most == 15
        ? searchAffine(32, 15, part, weights, levels, scratch, -1, 0.1, 20, false)
        : searchAffine(32, 31, part, weights, levels, scratch, -0.5, 0.1, 15, false)
    put(scratch + SCALES, j, scale)
    put(scratch + MINIMA, j, load<f32>(scratch + FOUND))
  }
}

function searchImportant(x: usize, most: i32, importance: usize, scratch: usize): void {
  const weights = scratch + WEIGHTS
  let square: f32 = 0
  for (let j = 0; j < 256; j++) square += at(x, j) * at(x, j)
  square = (<f32>2 * square) / 256
  for (let j = 0; j < 8; j++) {
    const part = x + ((<usize>j) << 7)
    const q = importance + ((<usize>j) << 7)
    let sum: f32 = 0
    for (let l = 0; l < 32; l++) {
      const w = at(q, l) * f32.sqrt(square + at(part, l) * at(part, l))
      put(weights, l, w)
      sum += w
    }
    put(scratch + SUMS, j, sum)
    const levels = scratch + LEVELS + ((<usize>j) << 5)
    put(scratch + SCALES, j, searchAffine(32, most, part, weights, levels, scratch, -0.9, 0.05, 36, false))
    put(scratch + MINIMA, j, load<f32>(scratch + FOUND))
  }
}

/** The largest scale and minimum become 63. */
function pickPlain(dst: usize, scratch: usize): void {
  pick(dst, scratch + SCALES, scratch + SCALE_LEVELS)
  pick(dst + 2, scratch + MINIMA, scratch + MINIMUM_LEVELS)
}

function pick(d: usize, values: usize, levels: usize): void {
  let top: f32 = 0
  for (let j = 0; j < 8; j++) if (at(values, j) > top) top = at(values, j)
  const inverse = top > 0 ? <f32>63 / top : 0
  for (let j = 0; j < 8; j++) store<u8>(levels + j, <u8>min<i32>(63, nearestInt(inverse * at(values, j)) & 255))
  store<u16>(d, <u16>f32ToF16(top / 63))
}

function pickImportant(dst: usize, scratch: usize): void {
  store<u16>(dst, <u16>f32ToF16(searchPositive(8, 63, scratch + SCALES, scratch + SCALE_LEVELS, scratch + SUMS)))
  store<u16>(dst + 2, <u16>f32ToF16(searchPositive(8, 63, scratch + MINIMA, scratch + MINIMUM_LEVELS, scratch + SUMS)))
}

function putScales(scales: usize, minima: usize, dst: usize): void {
  for (let j: usize = 0; j < 4; j++) {
    const scale = load<u8>(scales + j + 4)
    const minimum = load<u8>(minima + j + 4)
    store<u8>(dst + j, load<u8>(scales + j) | ((scale >> 4) << 6))
    store<u8>(dst + j + 4, load<u8>(minima + j) | ((minimum >> 4) << 6))
    store<u8>(dst + j + 8, (scale & 15) | ((minimum & 15) << 4))
  }
}

@inline
function scaleAt(scales: usize, p: usize): u32 {
  if (p < 4) return load<u8>(scales + p) & 63
  return (load<u8>(scales + p + 4) & 15) | ((load<u8>(scales + p - 4) >> 6) << 4)
}

@inline
function minimumAt(scales: usize, p: usize): u32 {
  if (p < 4) return load<u8>(scales + p + 4) & 63
  return (load<u8>(scales + p + 4) >> 4) | ((load<u8>(scales + p) >> 6) << 4)
}

/** Levels for the scales as they are stored; where a scale is 0 the search's stay. */
function roundLevels(x: usize, most: i32, block: usize, levels: usize): void {
  const d = single(load<u16>(block))
  const dmin = single(load<u16>(block + 2))
  for (let p = 0; p < 8; p++) {
    const scale = d * <f32>scaleAt(block + SCALES_AT, p)
    if (scale == 0) continue
    const minimum = dmin * <f32>minimumAt(block + SCALES_AT, p)
    for (let l = 0; l < 32; l++) {
      const c = (p << 5) + l
      store<u8>(levels + c, <u8>clamp(nearestInt((at(x, c) + minimum) / scale), 0, most))
    }
  }
}

/** levels u8[256] → nibbles, after the fifth bits where there are any. */
function putLevels(most: i32, levels: usize, dst: usize): void {
  if (most == 31) {
    for (let l: usize = 0; l < 32; l++) {
      let bits: u32 = 0
      for (let p: usize = 0; p < 8; p++) bits |= ((<u32>load<u8>(levels + 32 * p + l) >> 4) & 1) << (<u32>p)
      store<u8>(dst + l, <u8>bits)
    }
    dst += 32
  }
  for (let p: usize = 0; p < 8; p += 2, levels += 64, dst += 32) {
    for (let l: usize = 0; l < 32; l++) {
      store<u8>(dst + l, (load<u8>(levels + l) & 15) | (load<u8>(levels + l + 32) << 4))
    }
  }
}

export function dequantizeQ4_K(src: usize, columns: i32, most: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 256, src += blockBytes(most), dst += 1024) {
    const d = single(load<u16>(src))
    const dmin = single(load<u16>(src + 2))
    const nibbles = src + (most == 15 ? 16 : 48)
    for (let p = 0; p < 8; p++) {
      const scale = d * <f32>scaleAt(src + SCALES_AT, p)
      const minimum = dmin * <f32>minimumAt(src + SCALES_AT, p)
      for (let l = 0; l < 32; l++) {
        let level = (<i32>load<u8>(nibbles + ((p >> 1) << 5) + l) >> ((p & 1) << 2)) & 15
        if (most == 31) level |= ((<i32>load<u8>(src + 16 + l) >> p) & 1) << 4
        put(dst, (p << 5) + l, scale * <f32>level - minimum)
      }
    }
  }
}
