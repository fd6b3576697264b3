// Half-precision scales of a row group. They are stored multiplied by a power of two that brings the group's largest to
// [2^15, 2^16): exact, and it keeps the others out of the subnormal halves, on which the kernels' conversion is slow.
//
// Group header, 16 bytes:
//   ┌──────────────┬──────────────┬─────────┐
//   │ ratio of d   │ ratio of m   │ unused  │   f32 each: what turns the shifted bits of a stored half into the scale
//   └──────────────┴──────────────┴─────────┘
import { f16ToF32, f32ToF16, isFiniteF16 } from './f16'

export const GROUP_HEADER: usize = 16
export const RATIO_D: usize = 0
export const RATIO_M: usize = 4

/** Largest magnitude (as half bits) among `count` halves that lie `stride` bytes apart, or -1 if one is not finite. */
export function largestHalf(p: usize, count: i32, stride: usize): i32 {
  let largest = 0
  for (let i = 0; i < count; i++, p += stride) {
    const h = <u32>load<u16>(p)
    if (!isFiniteF16(h)) return -1
    largest = max(largest, <i32>(h & 0x7fff))
  }
  return largest
}

/** The exponent shift for a group whose largest half is `largest`. */
export function shiftOf(largest: i32): i32 {
  return largest == 0 ? 0 : 15 + 127 - <i32>(reinterpret<u32>(f16ToF32(largest)) >>> 23)
}

/** 2^(112 − shift): the ratio for the group's header. */
export function ratioOf(shift: i32): f32 {
  return reinterpret<f32>((127 + 112 - shift) << 23)
}

// @ts-ignore: decorator
@inline
export function shiftHalf(h: u32, shift: i32): u32 {
  return f32ToF16(f16ToF32(h) * reinterpret<f32>((127 + shift) << 23))
}

/** A stored half, its exponent still the half's, times `factor`: the ratio, or the ratio times another scale. */
// @ts-ignore: decorator
@inline
export function scale(p: usize, factor: f32): f32 {
  const h = <u32>load<u16>(p)
  return reinterpret<f32>(((h & 0x7fff) << 13) | ((h & 0x8000) << 16)) * factor
}

/**
 * Writes one scale of each block of 8 rows. `src`: the half of row 0, block 0; rows lie `rowBytes` apart, blocks
 * `blockBytes`. `dst`: 8 halves of block 0; blocks lie `packedBytes` apart. Missing rows get 0. False: not finite.
 */
export function packScales(
  src: usize,
  rowBytes: usize,
  blockBytes: usize,
  rows: i32,
  blocks: i32,
  dst: usize,
  packedBytes: usize,
  ratio: usize,
): bool {
  let largest = 0
  for (let r = 0; r < rows; r++) {
    const l = largestHalf(src + <usize>r * rowBytes, blocks, blockBytes)
    if (l < 0) return false
    largest = max(largest, l)
  }
  const shift = shiftOf(largest)
  store<f32>(ratio, ratioOf(shift))
  for (let b = 0; b < blocks; b++) {
    for (let r = 0; r < 8; r++) {
      const h = r < rows ? shiftHalf(load<u16>(src + <usize>r * rowBytes + <usize>b * blockBytes), shift) : 0
      store<u16>(dst + <usize>b * packedBytes + r * 2, <u16>h)
    }
  }
  return true
}

/** Copies `words` 4-byte words of each of 8 rows so that the same word of all rows lies side by side. */
// @ts-ignore: decorator
@inline
export function interleave(src: usize, rowBytes: usize, rows: i32, words: i32, dst: usize): void {
  for (let w = 0; w < words; w++) {
    for (let r = 0; r < 8; r++) {
      store<u32>(dst + w * 32 + r * 4, r < rows ? load<u32>(src + <usize>r * rowBytes + w * 4) : 0)
    }
  }
}
