// Q6_K: 256 columns, 210 bytes: 128 × u8 │ 64 × u8 │ 16 scales i8 │ d f16. Layout: assembly/quant/q6_k.ts.
//   value = d · scale · (level − 32); 16 columns share a scale
import { f32ToF16 } from '../quant/f16'
import { at, clamp, nearestInt, put } from './round'
import { LEVELS, SCALES } from './scratch'
import { searchSigned } from './search'
import { single } from './single'

export const Q6_K_BYTES: usize = 210
const SCALES_AT: usize = 192
const D_AT: usize = 208
/** A block whose scales are all smaller is zero. */
const LEAST: f32 = 1e-15

export function quantizeQ6_K(x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): void {
  const levels = scratch + LEVELS
  for (let b = 0; b < columns; b += 256, x += 1024, dst += Q6_K_BYTES) {
    let most: f32 = 0
    let top: f32 = 0
    for (let j: usize = 0; j < 16; j++) {
      // The importance alone is the weight here.
      const weights = importance ? importance + ((<usize>b) << 2) + (j << 6) : 0
      const scale = searchSigned(16, 32, x + (j << 6), levels + (j << 4), weights)
      put(scratch + SCALES, <i32>j, scale)
      if (f32.abs(scale) > most) {
        most = f32.abs(scale)
        top = scale
      }
    }
    if (most < LEAST) {
      memory.fill(dst, 0, Q6_K_BYTES)
      continue
    }
    const inverse = <f32>-128 / top
    store<u16>(dst + D_AT, <u16>f32ToF16(<f32>1 / inverse))
    for (let j = 0; j < 16; j++) {
      store<i8>(dst + SCALES_AT + j, <i8>min<i32>(127, nearestInt(inverse * at(scratch + SCALES, j))))
    }
    roundLevels(x, dst, levels)
    putLevels(levels, dst)
  }
}

/** Levels for the scales as they are stored; where a scale is 0 the search's stay. */
function roundLevels(x: usize, block: usize, levels: usize): void {
  const d = single(load<u16>(block + D_AT))
  for (let j = 0; j < 16; j++) {
    const scale = d * <f32>load<i8>(block + SCALES_AT + j)
    if (scale == 0) continue
    for (let l = 0; l < 16; l++) {
      const c = (j << 4) + l
      store<u8>(levels + c, <u8>(clamp(nearestInt(at(x, c) / scale), -32, 31) + 32))
    }
  }
}

function putLevels(levels: usize, dst: usize): void {
  let low = dst
  let high = dst + 128
  for (let h = 0; h < 2; h++, levels += 128, low += 64, high += 32) {
    for (let l: usize = 0; l < 32; l++) {
      const a = load<u8>(levels + l)
      const b = load<u8>(levels + l + 32)
      const c = load<u8>(levels + l + 64)
      const d = load<u8>(levels + l + 96)
      store<u8>(low + l, (a & 15) | ((c & 15) << 4))
      store<u8>(low + l + 32, (b & 15) | ((d & 15) << 4))
      store<u8>(high + l, (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6))
    }
  }
}

export function dequantizeQ6_K(src: usize, columns: i32, dst: usize): void {
  for (let b = 0; b < columns; b += 256, src += Q6_K_BYTES, dst += 1024) {
    const d = single(load<u16>(src + D_AT))
    for (let c = 0; c < 256; c++) {
      const h = c >> 7
      const p = (c >> 5) & 3
      const l = c & 31
      const low = (<i32>load<u8>(src + (h << 6) + ((p & 1) << 5) + l) >> ((p >> 1) << 2)) & 15
      const high = (<i32>load<u8>(src + 128 + (h << 5) + l) >> (p << 1)) & 3
      put(dst, c, d * <f32>load<i8>(src + SCALES_AT + (c >> 4)) * <f32>((low | (high << 4)) - 32))
    }
  }
}
