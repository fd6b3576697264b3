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
// With SIMD it has planes of nibbles and of pairs (planes.ts) instead.
import { f16ToF32, isFiniteF16 } from './f16'
import { SIXES, packPlane, packSixes, planeValue } from './planes'
import { interleaveBytes } from './interleave'

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

/** A block as the vectors of `packSixes` take it: planes of nibbles and of pairs. */
function packBlock(src: usize, rowBytes: usize, rows: i32, dst: usize): void {
  const parts = dst + Q6_K_PARTS
  for (let h: usize = 0; h < 2; h++) {
    const part = parts + h * 4 * Q6_K_PART_BYTES
    for (let q: usize = 0; q < 2; q++) {
      packPlane(src + h * 64 + q * 32, rowBytes, rows, 4, part + q * Q6_K_PART_BYTES, 2 * Q6_K_PART_BYTES)
    }
    packPlane(src + 128 + h * 32, rowBytes, rows, 2, part + HIGH, Q6_K_PART_BYTES)
  }
  interleaveBytes(src + 192, rowBytes, rows, parts + Q6_K_SC, Q6_K_PART_BYTES)
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

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns >> 8
  if (rows < 8) memory.fill(dst, 0, <usize>blocks * PACKED_Q6_K)
  for (let b = 0; b < blocks; b++, src += FILE_BLOCK, dst += PACKED_Q6_K) {
    if (!packD(src + 208, rowBytes, rows, dst + Q6_K_D)) return false
    if (ASC_FEATURE_SIMD) {
      packBlock(src, rowBytes, rows, dst)
    } else {
      for (let r = 0; r < rows; r++) {
        for (let part = 0; part < 8; part++) {
          packPart(src + <usize>r * rowBytes, part * 32, r, dst + Q6_K_PARTS + <usize>part * Q6_K_PART_BYTES)
        }
      }
    }
    packSixes(dst + Q6_K_PARTS, 8, Q6_K_PART_BYTES)
  }
  return true
}

/** The value q − 32 of column c (0…31) of a packed part. */
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
