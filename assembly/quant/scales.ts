// Half-precision scales of a row group. They are stored multiplied by a power of two that brings the group's largest to
// [2^15, 2^16): exact, and it keeps the others out of the subnormal halves, on which the kernels' conversion is slow.
//
// Group header, 16 bytes:
//   ┌──────────────┬──────────────┬─────────┐
//   │ ratio of d   │ ratio of m   │ unused  │   f32 each: what turns the shifted bits of a stored half into the scale
//   └──────────────┴──────────────┴─────────┘
import { f16ToF32, f32ToF16, f32x4ToF16, isFiniteF16 } from './f16'
import { gatherHalves, largestLane } from './interleave'

export const GROUP_HEADER: usize = 16
export const RATIO_D: usize = 0
export const RATIO_M: usize = 4

/** The exponent shift for a group whose largest half is `largest`. */
function shiftOf(largest: i32): i32 {
  return largest == 0 ? 0 : 15 + 127 - <i32>(reinterpret<u32>(f16ToF32(largest)) >>> 23)
}

/** 2^(112 − shift): the ratio for the group's header. */
function ratioOf(shift: i32): f32 {
  return reinterpret<f32>((127 + 112 - shift) << 23)
}

@inline
function shiftHalf(h: u32, shift: i32): u32 {
  return f32ToF16(f16ToF32(h) * reinterpret<f32>((127 + shift) << 23))
}

/** A stored half, its exponent still the half's, times `factor`: the ratio, or the ratio times another scale. */
@inline
export function scale(p: usize, factor: f32): f32 {
  const h = <u32>load<u16>(p)
  return reinterpret<f32>(((h & 0x7fff) << 13) | ((h & 0x8000) << 16)) * factor
}

/**
 * Copies one half of each block of 8 rows, the same block's side by side. `src`: the half of row 0, block 0; rows lie
 * `rowBytes` apart, blocks `blockBytes`. `dst`: 8 halves of block 0; blocks lie `packedBytes` apart. Missing rows get 0.
 * Returns the largest magnitude, as half bits.
 */
function gather(
  src: usize,
  rowBytes: usize,
  blockBytes: usize,
  rows: i32,
  blocks: i32,
  dst: usize,
  packedBytes: usize,
): i32 {
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) {
      const magnitude = i16x8.splat(0x7fff)
      let most = i16x8.splat(0)
      for (let b = 0; b < blocks; b++, src += blockBytes, dst += packedBytes) {
        const halves = gatherHalves(src, rowBytes)
        most = i16x8.max_s(most, v128.and(halves, magnitude))
        v128.store(dst, halves)
      }
      return largestLane(most)
    }
  }
  let largest = 0
  for (let b = 0; b < blocks; b++, src += blockBytes, dst += packedBytes) {
    for (let r = 0; r < 8; r++) {
      const h = r < rows ? <i32>load<u16>(src + <usize>r * rowBytes) : 0
      largest = max(largest, h & 0x7fff)
      store<u16>(dst + r * 2, <u16>h)
    }
  }
  return largest
}

/** Multiplies 8 finite halves by 2^shift, shift ≥ 0, where the results are finite. */
@inline
function shiftHalves(p: usize, shift: i32): void {
  if (ASC_FEATURE_SIMD) {
    const halves = v128.load(p)
    const small = i16x8.eq(v128.and(halves, i16x8.splat(0x7c00)), i16x8.splat(0))
    let shifted = i16x8.add(halves, i16x8.splat(<i16>(shift << 10)))
    if (v128.any_true(small)) {
      // 0 and subnormals: the mantissa · 2^-24, as a float of its own.
      const unit = f32x4.splat(reinterpret<f32>((127 - 24 + shift) << 23))
      const mantissa = v128.and(halves, i16x8.splat(0x3ff))
      const low = f32x4ToF16(f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(mantissa)), unit))
      const high = f32x4ToF16(f32x4.mul(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(mantissa)), unit))
      const sign = v128.and(halves, i16x8.splat(<i16>0x8000))
      shifted = v128.bitselect(v128.or(i16x8.narrow_i32x4_u(low, high), sign), shifted, small)
    }
    v128.store(p, shifted)
  } else {
    for (let r = 0; r < 8; r++) store<u16>(p + r * 2, <u16>shiftHalf(load<u16>(p + r * 2), shift))
  }
}

/** Writes one scale of each block of 8 rows (arguments as in `gather`) and their `ratio`. False: one is not finite. */
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
  const largest = gather(src, rowBytes, blockBytes, rows, blocks, dst, packedBytes)
  if (!isFiniteF16(largest)) return false
  const shift = shiftOf(largest)
  store<f32>(ratio, ratioOf(shift))
  for (let b = 0; b < blocks; b++, dst += packedBytes) shiftHalves(dst, shift)
  return true
}
