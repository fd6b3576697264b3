// Q4_K and Q5_K: 256 columns, value = d · sc · q − dmin · m, one sc and one m (6 bits each) for 32 columns.
// Source: ggml-common.h.
//
// In the file, 144 and 176 bytes a row and block:
//   d f16 │ dmin f16 │ 12 bytes: 8 × sc, 8 × m │ in Q5_K 32 × u8: bit p of byte c is the fifth bit of column 32p + c
//   │ 4 × 32 × u8: byte c of chunk i has column 64i + c in its low and 64i + 32 + c in its high nibble
// Packed, 1184 and 1440 bytes a group and block:
//   8 × d f16 │ 8 × dmin f16
//   8 × ┌ 128 bytes of nibbles, in Q5_K 160 of five bits: 32 columns (planes.ts) ┐
//       └ 4 × (sc, m of row r │ sc, m of row r + 4), u8                          ┘
import { hoistedBytes } from './hoisted'
import { FIVES, NIBBLES, packFives, packPlane, planeBytes, planeValue } from './planes'
import { interleaveBytes } from './interleave'
import { GROUP_HEADER, RATIO_D, RATIO_M, packScales, scale } from './scales'

export const PLANES_Q4_K = NIBBLES
export const PLANES_Q5_K = FIVES
/** Where the parts begin in a block. */
@inline
export const K32_PARTS: usize = 32

/** Bytes of a part: planes and sub-scales. */
@inline
export function k32PartBytes(planes: i32): usize {
  return planeBytes(planes) + 16
}

/** Where the sc of row `lane` lies in a part's sub-scales; its m follows. */
@inline
export function subScaleOf(lane: usize): usize {
  return (lane & 3) * 4 + (lane >> 2) * 2
}

/** 8 × sc │ 8 × m in the order of a part. */
@inline
function orderSubScales(sub: v128): v128 {
  return v128.shuffle<u8>(sub, sub, 0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15)
}

/** Bytes of a block of 256 columns of 8 rows. */
@inline
export function k32Bytes(planes: i32): usize {
  return K32_PARTS + 8 * k32PartBytes(planes)
}

/** The 6-bit scales of a block's rows (12 bytes a row at src) to dst + p · partBytes of part p. */
function packSubScales(src: usize, rowBytes: usize, rows: i32, dst: usize, partBytes: usize): void {
  const low = hoistedBytes(15)
  const six = hoistedBytes(63)
  const high = hoistedBytes(0x30)
  // 16 bytes from src, two a part: a in parts 0 and 1, b in 2 and 3, c in 4 and 5.
  interleaveBytes(src, rowBytes, rows, dst, partBytes)
  let a = v128.load(dst)
  let b = v128.load(dst + 2 * partBytes)
  let c = v128.load(dst + 4 * partBytes)
  const lastA = v128.load(dst + partBytes)
  const lastB = v128.load(dst + 3 * partBytes)
  const lastC = v128.load(dst + 5 * partBytes)
  for (let p = 0; p < 4; p++, dst += partBytes) {
    const ab = v128.shuffle<i64>(a, b, 0, 2)
    const lows = v128.shuffle<i64>(v128.and(c, low), v128.and(i16x8.shr_u(c, 4), low), 0, 2)
    v128.store(dst, orderSubScales(v128.and(ab, six)))
    v128.store(dst + 4 * partBytes, orderSubScales(v128.bitselect(i16x8.shr_u(ab, 2), lows, high)))
    // The odd parts' bytes are the high halves.
    a = p == 1 ? lastA : v128.shuffle<i64>(a, a, 1, 0)
    b = p == 1 ? lastB : v128.shuffle<i64>(b, b, 1, 0)
    c = p == 1 ? lastC : v128.shuffle<i64>(c, c, 1, 0)
  }
}

/** The same without vectors. */
function packSubScalesScalar(src: usize, rowBytes: usize, rows: i32, dst: usize, partBytes: usize): void {
  for (let p: usize = 0; p < 8; p++) store<u64>(dst + p * partBytes, 0), store<u64>(dst + p * partBytes + 8, 0)
  for (let r: usize = 0; r < <usize>rows; r++, src += rowBytes) {
    for (let p: usize = 0; p < 4; p++) {
      const a = <u32>load<u8>(src + p)
      const b = <u32>load<u8>(src + p, 4)
      const c = <u32>load<u8>(src + p, 8)
      const at = dst + p * partBytes + subScaleOf(r)
      store<u8>(at, <u8>(a & 63))
      store<u8>(at, <u8>(b & 63), 1)
      store<u8>(at + 4 * partBytes, <u8>((c & 15) | ((a >> 6) << 4)))
      store<u8>(at + 4 * partBytes, <u8>((c >> 4) | ((b >> 6) << 4)), 1)
    }
  }
}

/** Packs Q4_K or Q5_K. */
function packK(planes: i32, src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const fileBlock: usize = 16 + planeBytes(planes)
  const partBytes = k32PartBytes(planes)
  const blocks = columns >> 8
  const fifth = planes == FIVES
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const from = src + b * fileBlock
    const parts = dst + GROUP_HEADER + b * k32Bytes(planes) + K32_PARTS
    for (let i: usize = 0; i < 4; i++) {
      packPlane(from + (fifth ? 48 : 16) + i * 32, rowBytes, rows, 4, parts + 2 * i * partBytes, partBytes)
    }
    if (fifth) {
      packPlane(from + 16, rowBytes, rows, 1, parts + 128, partBytes)
      packFives(parts, 8, partBytes)
    }
    const sc = parts + planeBytes(planes)
    if (ASC_FEATURE_SIMD) packSubScales(from + 4, rowBytes, rows, sc, partBytes)
    else packSubScalesScalar(from + 4, rowBytes, rows, sc, partBytes)
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
    const sc = part + planeBytes(planes) + subScaleOf(lane)
    const d = scale(block + lane * 2, ratioD) * <f32>load<u8>(sc)
    const m = scale(block + 16 + lane * 2, ratioM) * <f32>load<u8>(sc, 1)
    store<f32>(dst + c * 4, d * <f32>planeValue(part, planes, lane, c & 31) - m)
  }
}

export function packQ4_K(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  return packK(PLANES_Q4_K, src, rowBytes, rows, columns, dst)
}

export function packQ5_K(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  return packK(PLANES_Q5_K, src, rowBytes, rows, columns, dst)
}

export function rowQ4_K(group: usize, lane: usize, columns: i32, dst: usize): void {
  rowK(PLANES_Q4_K, group, lane, columns, dst)
}

export function rowQ5_K(group: usize, lane: usize, columns: i32, dst: usize): void {
  rowK(PLANES_Q5_K, group, lane, columns, dst)
}
