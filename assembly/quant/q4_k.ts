// Q4_K and Q5_K: 256 columns, value = d · sc · q − dmin · m, one sc and one m (6 bits each) for 32 columns.
// Source: ggml-common.h.
//
// In the file, 144 and 176 bytes a row and block:
//   d f16 │ dmin f16 │ 12 bytes: 8 × sc, 8 × m │ in Q5_K 32 × u8: bit p of byte c is the fifth bit of column 32p + c
//   │ 4 × 32 × u8: byte c of chunk i has column 64i + c in its low and 64i + 32 + c in its high nibble
// Packed, 1184 and 1440 bytes a group and block:
//   8 × d f16 │ 8 × dmin f16
//   8 × ┌ 128 bytes of nibbles, in Q5_K 160 of five bits: 32 columns (planes.ts) ┐
//       └ 8 × sc u8 │ 8 × m u8                                                   ┘
import { FIVES, NIBBLES, packFives, packPlane, planeBytes, planeValue } from './planes'
import { GROUP_HEADER, RATIO_D, RATIO_M, packScales, scale } from './scales'

export const PLANES_Q4_K = NIBBLES
export const PLANES_Q5_K = FIVES
/** Where the parts begin in a block. */
// @ts-ignore: decorator
@inline
export const K32_PARTS: usize = 32

/** Bytes of a part: planes and sub-scales. */
// @ts-ignore: decorator
@inline
export function k32PartBytes(planes: i32): usize {
  return planeBytes(planes) + 16
}

/** Bytes of a block of 256 columns of 8 rows. */
// @ts-ignore: decorator
@inline
export function k32Bytes(planes: i32): usize {
  return K32_PARTS + 8 * k32PartBytes(planes)
}

/** The 6-bit scales (12 bytes at s) of one row, to be stored `partBytes` apart: sc at dst, m at dst + 8. */
function packSubScales(s: usize, dst: usize, partBytes: usize): void {
  for (let p: usize = 0; p < 4; p++, s++, dst += partBytes) {
    const a = <u32>load<u8>(s)
    const b = <u32>load<u8>(s, 4)
    const c = <u32>load<u8>(s, 8)
    store<u8>(dst, <u8>(a & 63))
    store<u8>(dst + 8, <u8>(b & 63))
    store<u8>(dst + 4 * partBytes, <u8>((c & 15) | ((a >> 6) << 4)))
    store<u8>(dst + 4 * partBytes + 8, <u8>((c >> 4) | ((b >> 6) << 4)))
  }
}

/** Packs Q4_K or Q5_K. */
function packK(planes: i32, src: usize, rows: i32, columns: i32, dst: usize): bool {
  const fileBlock: usize = 16 + planeBytes(planes)
  const partBytes = k32PartBytes(planes)
  const blocks = columns >> 8
  const rowBytes = <usize>blocks * fileBlock
  const fifth = planes == FIVES
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const from = src + b * fileBlock
    const parts = dst + GROUP_HEADER + b * k32Bytes(planes) + K32_PARTS
    for (let i: usize = 0; i < 4; i++) {
      packPlane(from + (fifth ? 48 : 16) + i * 32, rowBytes, rows, 4, parts + 2 * i * partBytes, partBytes)
    }
    if (fifth) {
      packPlane(from + 16, rowBytes, rows, 1, parts + 128, partBytes)
      for (let p: usize = 0; p < 8; p++) packFives(parts + p * partBytes)
    }
    const sc = parts + planeBytes(planes)
    for (let p: usize = 0; p < 8; p++) store<u64>(sc + p * partBytes, 0), store<u64>(sc + p * partBytes + 8, 0)
    for (let r: usize = 0; r < <usize>rows; r++) packSubScales(from + r * rowBytes + 4, sc + r, partBytes)
  }
  const head = dst + GROUP_HEADER
  return (
    packScales(src, rowBytes, fileBlock, rows, blocks, head, k32Bytes(planes), dst + RATIO_D) &&
    packScales(src + 2, rowBytes, fileBlock, rows, blocks, head + 16, k32Bytes(planes), dst + RATIO_M)
  )
}

/** One row of a group → f32[columns]. */
function rowK(planes: i32, group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c >> 8) * k32Bytes(planes)
    const part = block + K32_PARTS + <usize>((c >> 5) & 7) * k32PartBytes(planes)
    const sc = part + planeBytes(planes) + lane
    const d = scale(block + lane * 2, ratioD) * <f32>load<u8>(sc)
    const m = scale(block + 16 + lane * 2, ratioM) * <f32>load<u8>(sc, 8)
    store<f32>(dst + c * 4, d * <f32>planeValue(part, planes, lane, c & 31) - m)
  }
}

export function packQ4_K(src: usize, rows: i32, columns: i32, dst: usize): bool {
  return packK(PLANES_Q4_K, src, rows, columns, dst)
}

export function packQ5_K(src: usize, rows: i32, columns: i32, dst: usize): bool {
  return packK(PLANES_Q5_K, src, rows, columns, dst)
}

export function rowQ4_K(group: usize, lane: usize, columns: i32, dst: usize): void {
  rowK(PLANES_Q4_K, group, lane, columns, dst)
}

export function rowQ5_K(group: usize, lane: usize, columns: i32, dst: usize): void {
  rowK(PLANES_Q5_K, group, lane, columns, dst)
}
