// Q3_K: 256 columns, value = d · (sc − 32) · (q − 4), one sc of 6 bits for 16 columns. Source: ggml-common.h.
//
// In the file, 110 bytes a row and block:
//   32 × u8: bit p of byte c is the third bit of column 32p + c
//   │ 2 × 32 × u8: bits 2p of byte c of half h are the low two of column 128h + 32p + c
//   │ low 4 bits of 16 × sc, 8 bytes │ their high 2 bits, 4 bytes │ d f16
// Packed, 912 bytes a group and block:
//   8 × d f16
//   8 × ┌ 96 bytes: three bits of 32 columns, packed tightly (planes.ts)          ┐
//       └ 8 × (sc − 32) i8 of columns 0–15 │ 8 × (sc − 32) of columns 16–31       ┘
import { hoistedBytes } from './hoisted'
import { PAIRS, TRIPLES, packPlane, packTriples, planeBytes, planeValue } from './planes'
import { interleaveBytes } from './interleave'
import { GROUP_HEADER, RATIO_D, packScales, scale } from './scales'

const FILE_BLOCK: usize = 110
export const PLANES_Q3_K = TRIPLES
const PACKED_Q3_K: usize = 912
const Q3_K_PARTS: usize = 16
const Q3_K_PART_BYTES: usize = 112

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns >> 8
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const from = src + b * FILE_BLOCK
    const parts = dst + GROUP_HEADER + b * PACKED_Q3_K + Q3_K_PARTS
    packPlane(from + 32, rowBytes, rows, 2, parts, Q3_K_PART_BYTES)
    packPlane(from + 64, rowBytes, rows, 2, parts + 4 * Q3_K_PART_BYTES, Q3_K_PART_BYTES)
    packPlane(from, rowBytes, rows, 1, parts + planeBytes(PAIRS), Q3_K_PART_BYTES)
    packTriples(parts, 8, Q3_K_PART_BYTES)
    const scales = parts + planeBytes(PLANES_Q3_K)
    if (ASC_FEATURE_SIMD) packSubScales(from, rowBytes, rows, scales)
    else packSubScalesScalar(from, rowBytes, rows, scales)
  }
  const head = dst + GROUP_HEADER
  return packScales(src + 108, rowBytes, FILE_BLOCK, rows, blocks, head, PACKED_Q3_K, dst + RATIO_D)
}

/** The 16 × (sc − 32) of a block's rows; missing rows get 0. */
function packSubScales(from: usize, rowBytes: usize, rows: i32, scales: usize): void {
  const low = hoistedBytes(15)
  const high = hoistedBytes(0x30)
  const bias = hoistedBytes(32)
  const present = i64x2.splat(rows < 8 ? (1 << (<i64>rows * 8)) - 1 : -1)
  // Bytes 92 … 107, two a part: the low bits of sc are in parts 2 … 5, the high ones in parts 6 and 7.
  interleaveBytes(from + 92, rowBytes, rows, scales, Q3_K_PART_BYTES)
  for (const end = scales + 2 * Q3_K_PART_BYTES; scales < end; scales += Q3_K_PART_BYTES) {
    const low04 = v128.load(scales, 2 * Q3_K_PART_BYTES)
    const low26 = v128.load(scales, 4 * Q3_K_PART_BYTES)
    const highs = v128.load(scales, 6 * Q3_K_PART_BYTES)
    const sc0 = v128.bitselect(i16x8.shl(highs, 4), v128.and(low04, low), high)
    const sc2 = v128.bitselect(i16x8.shl(highs, 2), v128.and(low26, low), high)
    const sc4 = v128.bitselect(highs, v128.and(i16x8.shr_u(low04, 4), low), high)
    const sc6 = v128.bitselect(i16x8.shr_u(highs, 2), v128.and(i16x8.shr_u(low26, 4), low), high)
    v128.store(scales, v128.and(i8x16.sub(sc0, bias), present))
    v128.store(scales, v128.and(i8x16.sub(sc2, bias), present), 2 * Q3_K_PART_BYTES)
    v128.store(scales, v128.and(i8x16.sub(sc4, bias), present), 4 * Q3_K_PART_BYTES)
    v128.store(scales, v128.and(i8x16.sub(sc6, bias), present), 6 * Q3_K_PART_BYTES)
  }
}

/** The same without vectors. */
function packSubScalesScalar(from: usize, rowBytes: usize, rows: i32, scales: usize): void {
  for (let i = 0; i < 16; i++) store<u64>(subScaleAt(scales, i), 0)
  for (let r: usize = 0; r < <usize>rows; r++, from += rowBytes) {
    for (let i = 0; i < 16; i++) {
      const low = (<u32>load<u8>(from + (i & 7), 96) >> ((i >> 3) * 4)) & 15
      const high = (<u32>load<u8>(from + (i & 3), 104) >> ((i >> 2) * 2)) & 3
      store<u8>(subScaleAt(scales, i) + r, <u8>((low | (high << 4)) - 32))
    }
  }
}

/** Where the sub-scales of columns 16i … 16i + 15 lie. */
@inline
function subScaleAt(scales: usize, i: i32): usize {
  return scales + <usize>(i >> 1) * Q3_K_PART_BYTES + <usize>(i & 1) * 8
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c >> 8) * PACKED_Q3_K
    const parts = block + Q3_K_PARTS
    const part = parts + <usize>((c >> 5) & 7) * Q3_K_PART_BYTES
    const sc = load<i8>(subScaleAt(parts + planeBytes(PLANES_Q3_K), (c >> 4) & 15) + lane)
    const q = planeValue(part, PLANES_Q3_K, lane, c & 31) - 4
    store<f32>(dst + c * 4, scale(block + lane * 2, ratio) * <f32>sc * <f32>q)
  }
}
