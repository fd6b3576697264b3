// Q6_K: 256 columns, value = d · sc · (q − 32), q in 0…63, one sc (i8) for 16 columns. Source: ggml-common.h.
//
// In the file, 210 bytes a row and block:
//   ql 128 × u8 │ qh 64 × u8 │ sc 16 × i8 │ d f16
//   half h = c / 128, within it i = c mod 128, part p = i / 32, l = i mod 32:
//     low 4 bits: nibble p / 2 of ql[64h + 32 (p mod 2) + l], high 2 bits: bits 2p of qh[32h + l]
// Packed, 1696 bytes a group and block; d is widened, since halves of its size are mostly subnormal:
//   8 × d f32
//   8 × ┌ 192 bytes: six bits of 32 columns (planes.ts)      ┐
//       └  8 × sc of columns 0–15 │ 8 × sc of columns 16–31  ┘
//
// Before its six bits are packed tightly a part has
//   128 bytes: low 4 bits of 32 columns, as in Q4_0
//    64 bytes: high 2 bits; 16-byte vector [columns 0–15 | 16–31][rows 0–3 | 4–7], laid out as one quad (row, 4 columns),
//              bits 2j of a byte: quad j of the half
import { f16ToF32, isFiniteF16 } from './f16'
import { SIXES, packSixes, planeValue } from './planes'
import { gatherBytes, interleave } from './rows'

const FILE_BLOCK: usize = 210
export const PLANES_Q6_K = SIXES
export const PACKED_Q6_K: usize = 1696
export const Q6_K_D: usize = 0
export const Q6_K_PARTS: usize = 32
export const Q6_K_PART_BYTES: usize = 208
const HIGH: usize = 128
export const Q6_K_SC: usize = 192

/** The 6-bit value of column c of a block in the file. */
function fileValue(block: usize, c: i32): u32 {
  const h = c >> 7
  const p = (c >> 5) & 3
  const l = c & 31
  const low = (<u32>load<u8>(block + h * 64 + (p & 1) * 32 + l) >> ((p >> 1) * 4)) & 15
  const high = (<u32>load<u8>(block + 128 + h * 32 + l) >> (p * 2)) & 3
  return low | (high << 4)
}

/** 32 columns (from c0) of one row into part `part`. */
function packPart(block: usize, c0: i32, r: i32, part: usize): void {
  for (let i = 0; i < 16; i++) {
    const lo = fileValue(block, c0 + i)
    const hi = fileValue(block, c0 + 16 + i)
    store<u8>(part + (i >> 2) * 32 + r * 4 + (i & 3), <u8>((lo & 15) | ((hi & 15) << 4)))
  }
  for (let half = 0; half < 2; half++) {
    for (let k = 0; k < 4; k++) {
      let bits: u32 = 0
      for (let j = 0; j < 4; j++) bits |= (fileValue(block, c0 + half * 16 + j * 4 + k) >> 4) << (j * 2)
      store<u8>(part + HIGH + half * 32 + r * 4 + k, <u8>bits)
    }
  }
  store<i8>(part + Q6_K_SC + r, load<i8>(block + 192 + (c0 >> 4)))
  store<i8>(part + Q6_K_SC + 8 + r, load<i8>(block + 192 + (c0 >> 4) + 1))
}

/** Parts 4h + q and 4h + q + 2 of 8 rows: their low bits are the nibbles of the same 32 bytes of ql. */
// @ts-ignore: decorator
@inline
function packLow(ql: usize, rowBytes: usize, part: usize): void {
  const mask = i8x16.splat(15)
  const high = i8x16.splat(<i8>0xf0)
  const later = part + 2 * Q6_K_PART_BYTES
  // The bytes as they are, of 4 rows and 16 columns at a time, transposed where the nibbles will be.
  interleave(ql, rowBytes, 8, 4, part)
  interleave(ql + 16, rowBytes, 8, 4, later)
  for (let i: usize = 0; i < 128; i += 16) {
    const first = v128.load(part + i)
    const second = v128.load(later + i)
    v128.store(part + i, v128.or(v128.and(first, mask), v128.and(i16x8.shl(second, 4), high)))
    v128.store(later + i, v128.or(v128.and(i16x8.shr_u(first, 4), mask), v128.and(second, high)))
  }
}

/**
 * The high bits of columns 16 i … 16 i + 15 of parts 4h … 4h + 3 (qh: 16 bytes): a quad j of columns goes to bits 2j.
 * The bytes as they are, transposed, stand meanwhile where the first part's low bits will be.
 */
// @ts-ignore: decorator
@inline
function packHigh(qh: usize, rowBytes: usize, part: usize, i: usize): void {
  const mask = i8x16.splat(3)
  interleave(qh, rowBytes, 8, 4, part)
  for (let half: usize = 0; half < 32; half += 16) {
    const quad0 = v128.load(part + half)
    const quad1 = v128.load(part + half, 32)
    const quad2 = v128.load(part + half, 64)
    const quad3 = v128.load(part + half, 96)
    let dst = part + HIGH + i * 32 + half
    for (let p = 0; p < 8; p += 2, dst += Q6_K_PART_BYTES) {
      const bits01 = v128.or(twoBits(quad0, p, mask), i16x8.shl(twoBits(quad1, p, mask), 2))
      const bits23 = v128.or(twoBits(quad2, p, mask), i16x8.shl(twoBits(quad3, p, mask), 2))
      v128.store(dst, v128.or(bits01, i16x8.shl(bits23, 4)))
    }
  }
}

// @ts-ignore: decorator
@inline
function twoBits(x: v128, at: i32, mask: v128): v128 {
  return v128.and(i16x8.shr_u(x, at), mask)
}

/** A block of 8 rows. */
function packBlock(src: usize, rowBytes: usize, dst: usize): void {
  const parts = dst + Q6_K_PARTS
  for (let h: usize = 0; h < 2; h++) {
    const part = parts + h * 4 * Q6_K_PART_BYTES
    packHigh(src + 128 + h * 32, rowBytes, part, 0)
    packHigh(src + 128 + h * 32 + 16, rowBytes, part, 1)
    packLow(src + h * 64, rowBytes, part)
    packLow(src + h * 64 + 32, rowBytes, part + Q6_K_PART_BYTES)
  }
  for (let i: usize = 0; i < 16; i++) {
    const sc = parts + (i >> 1) * Q6_K_PART_BYTES + Q6_K_SC + (i & 1) * 8
    v128.store64_lane(sc, gatherBytes(src + 192 + i, rowBytes), 0)
  }
}

/** The scales of a block, widened. False: one is not finite. */
function packD(src: usize, rowBytes: usize, rows: i32, dst: usize): bool {
  for (let r = 0; r < rows; r++, src += rowBytes) {
    const d = <u32>load<u16>(src)
    if (!isFiniteF16(d)) return false
    store<f32>(dst + r * 4, f16ToF32(d))
  }
  return true
}

export function pack(src: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns >> 8
  const rowBytes = <usize>blocks * FILE_BLOCK
  const whole = ASC_FEATURE_SIMD && rows == 8
  if (!whole) memory.fill(dst, 0, <usize>blocks * PACKED_Q6_K)
  for (let b = 0; b < blocks; b++, src += FILE_BLOCK, dst += PACKED_Q6_K) {
    if (!packD(src + 208, rowBytes, rows, dst + Q6_K_D)) return false
    if (ASC_FEATURE_SIMD) {
      if (whole) packBlock(src, rowBytes, dst)
    }
    if (!whole) {
      for (let r = 0; r < rows; r++) {
        for (let part = 0; part < 8; part++) {
          packPart(src + <usize>r * rowBytes, part * 32, r, dst + Q6_K_PARTS + <usize>part * Q6_K_PART_BYTES)
        }
      }
    }
    for (let part: usize = 0; part < 8; part++) packSixes(dst + Q6_K_PARTS + part * Q6_K_PART_BYTES)
  }
  return true
}

/** The value q − 32 of column c (0…31) of a packed part. */
// @ts-ignore: decorator
@inline
export function partValue(part: usize, lane: usize, c: i32): i32 {
  return planeValue(part, SIXES, lane, c) - 32
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) {
    const block = group + <usize>(c >> 8) * PACKED_Q6_K
    const part = block + Q6_K_PARTS + <usize>((c >> 5) & 7) * Q6_K_PART_BYTES
    const sc = <i32>load<i8>(part + Q6_K_SC + ((c >> 4) & 1) * 8 + lane)
    // d · sc first, as ggml dequantizes.
    store<f32>(dst + c * 4, load<f32>(block + Q6_K_D + lane * 4) * <f32>sc * <f32>partValue(part, lane, c & 31))
  }
}
