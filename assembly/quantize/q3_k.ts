// Q3_K: 256 columns, 110 bytes: hmask 32 × u8 │ 64 × u8 │ 16 scales of 6 bits in 12 bytes │ d f16. Source: ggml-common.h.
//   value = d · (scale − 32) · (level − 4); 16 columns share a scale
//   column c: low two bits as in Q2_K, the third is bit c / 32 of hmask[c mod 32]
//   scale j: low four bits are a nibble of byte j mod 8 (high for j ≥ 8), high two are bits 2 (j / 4) of byte 8 + j mod 4
import { f32ToF16 } from '../quant/f16'
import { putTwoBits, twoBits } from './q2_k'
import { at, clamp, nearestInt, put } from './round'
import { LEVELS, SCALE_LEVELS, SCALES, SUMS, WEIGHTS } from './scratch'
import { refineSigned, searchSigned } from './search'
import { single } from './single'

export const Q3_K_BYTES: usize = 110
const SCALES_AT: usize = 96
const D_AT: usize = 108

export function quantizeQ3_K(x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): void {
  for (let b = 0; b < columns; b += 256, x += 1024, dst += Q3_K_BYTES) {
    const d = importance ? searchImportant(x, importance + ((<usize>b) << 2), scratch) : searchPlain(x, scratch)
    store<u16>(dst + D_AT, <u16>f32ToF16(d))
    putScales(scratch + SCALE_LEVELS, dst + SCALES_AT)
    roundLevels(x, dst, scratch + LEVELS)
    putHighBits(scratch + LEVELS, dst)
    putTwoBits(scratch + LEVELS, dst + 32)
  }
}

/** Returns d; the scales' levels (0…63) are left in scratch. */
function searchPlain(x: usize, scratch: usize): f32 {
  const scales = scratch + SCALES
  const scaleLevels = scratch + SCALE_LEVELS
  let most: f32 = 0
  let top: f32 = 0
  for (let j = 0; j < 16; j++) {
    const scale = refineSigned(16, 4, x + ((<usize>j) << 6), scratch + LEVELS + ((<usize>j) << 4))
    put(scales, j, scale)
    if (f32.abs(scale) > most) {
      most = f32.abs(scale)
      top = scale
    }
  }
  // Bits that are all 0 stand for −32, but with d = 0.
  memory.fill(scaleLevels, 0, 16)
  if (top == 0) return 0
  const inverse = <f32>-32 / top
  for (let j = 0; j < 16; j++) {
    const level = <i32>(<i8>nearestInt(inverse * at(scales, j)))
    store<u8>(scaleLevels + j, <u8>(clamp(level, -32, 31) + 32))
  }
  return <f32>1 / inverse
}

function searchImportant(x: usize, importance: usize, scratch: usize): f32 {
  const weights = scratch + WEIGHTS
  let square: f32 = 0
  for (let j = 0; j < 256; j++) square += at(x, j) * at(x, j)
  square = (<f32>2 * square) / 256
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
    put(scratch + SCALES, j, searchSigned(16, 4, part, scratch + LEVELS + ((<usize>j) << 4), weights))
  }
  return searchSigned(16, 32, scratch + SCALES, scratch + SCALE_LEVELS, scratch + SUMS)
}

function putScales(levels: usize, dst: usize): void {
  for (let j: usize = 0; j < 8; j++) {
    store<u8>(dst + j, (load<u8>(levels + j) & 15) | ((load<u8>(levels + j + 8) & 15) << 4))
  }
  for (let j: usize = 0; j < 4; j++) {
    let bits: u32 = 0
    for (let k: usize = 0; k < 4; k++) bits |= (<u32>load<u8>(levels + j + 4 * k) >> 4) << (2 * <u32>k)
    store<u8>(dst + 8 + j, <u8>bits)
  }
}

/** Scale j, less 32. */
@inline
function scaleAt(scales: usize, j: i32): i32 {
  const low = (<i32>load<u8>(scales + (j & 7)) >> ((j >> 3) << 2)) & 15
  const high = (<i32>load<u8>(scales + 8 + (j & 3)) >> ((j >> 2) << 1)) & 3
  return (low | (high << 4)) - 32
}

function roundLevels(x: usize, block: usize, levels: usize): void {
  const d = single(load<u16>(block + D_AT))
  for (let j = 0; j < 16; j++) {
    const scale = d * <f32>scaleAt(block + SCALES_AT, j)
    if (scale == 0) continue
    for (let l = 0; l < 16; l++) {
      const c = (j << 4) + l
      store<u8>(levels + c, <u8>(clamp(nearestInt(at(x, c) / scale), -4, 3) + 4))
    }
  }
}

/** Moves the third bit of each level to hmask. */
function putHighBits(levels: usize, hmask: usize): void {
  for (let m = 0; m < 32; m++) {
    let bits: u32 = 0
    for (let k = 0; k < 8; k++) {
      const level = <u32>load<u8>(levels + m + 32 * k)
      bits |= ((level >> 2) & 1) << k
      store<u8>(levels + m + 32 * k, <u8>(level & 3))
    }
    store<u8>(hmask + m, <u8>bits)
  }
}

export function dequantizeQ3_K(src: usize, columns: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 256, src += Q3_K_BYTES, dst += 1024) {
    const d = single(load<u16>(src + D_AT))
    for (let c = 0; c < 256; c++) {
      const high = (<i32>load<u8>(src + (c & 31)) >> (c >> 5)) & 1
      const level = twoBits(src + 32, c) + (high << 2) - 4
      put(dst, c, d * <f32>scaleAt(src + SCALES_AT, c >> 4) * <f32>level)
    }
  }
}
