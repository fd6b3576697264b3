// IQ4_NL and IQ4_XS: 4-bit indices into a codebook of 16 values. Source, of the codebook too: ggml-common.h.
//
// IQ4_NL: 32 columns, value = d · code[q]; in the file and packed as Q4_0: 18 and 144 bytes.
// IQ4_XS: 256 columns, value = d · (sc − 32) · code[q], one sc of 6 bits for 32 columns.
//   In the file, 136 bytes a row and block:
//     d f16 │ high 2 bits of 8 × sc, u16 │ low 4 bits, 4 bytes │ 8 × 16 bytes of nibbles as in Q4_0
//   Packed, 1104 bytes a group and block:
//     8 × d f16 │ 8 × ( 128 bytes of nibbles as in Q4_0 │ 8 × (sc − 32) i8 )
import * as L from '../layout'
import { NIBBLES, packNibbles, planeValue } from './planes'
import { GROUP_HEADER, RATIO_D, packScales, scale } from './scales'
import { PACKED_Q4_0, pack as packQ4_0 } from './q4_0'

const FILE_XS: usize = 136
export const PACKED_IQ4_XS: usize = 1104
export const IQ4_XS_PARTS: usize = 16
export const IQ4_XS_PART_BYTES: usize = 136

// −127, −104, −83, −65, −49, −35, −22, −10 │ 1, 13, 25, 38, 53, 69, 89, 113, the first in the lowest byte.
@inline
export const CODES_LOW: u64 = 0xf6eaddcfbfad9881
@inline
export const CODES_HIGH: u64 = 0x7159453526190d01

// code + 128 − 15 · index: 1, 9, 15, 18, 19, 18, 16, 13 │ 9, 6, 3, 1, 1, 2, 7, 16.
@inline
export const RESTS_LOW: u64 = 0x0d101213120f0901
@inline
export const RESTS_HIGH: u64 = 0x1007020101030609

/** The value of an index. */
@inline
export function code(q: i32): i32 {
  return <i32>(<i8>((q < 8 ? CODES_LOW : CODES_HIGH) >> ((<u64>(q & 7)) << 3)))
}

export function packIQ4_NL(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  return packQ4_0(src, rowBytes, rows, columns, dst)
}

export function rowIQ4_NL(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q4_0
    const q = planeValue(block, NIBBLES, lane, c & 31)
    store<f32>(dst + c * 4, scale(block + 128 + lane * 2, ratio) * <f32>code(q))
  }
}

export function packIQ4_XS(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns >> 8
  for (let b: usize = 0; b < <usize>blocks; b++) {
    let from = src + b * FILE_XS
    const parts = dst + GROUP_HEADER + b * PACKED_IQ4_XS + IQ4_XS_PARTS
    for (let p: usize = 0; p < 8; p++) {
      packNibbles(from + 8 + p * 16, rowBytes, rows, parts + p * IQ4_XS_PART_BYTES)
      store<u64>(parts + p * IQ4_XS_PART_BYTES + 128, 0)
    }
    for (let r: usize = 0; r < <usize>rows; r++, from += rowBytes) {
      const high = <u32>load<u16>(from, 2)
      const low = load<u32>(from, 4)
      for (let p: u32 = 0; p < 8; p++) {
        const sc = ((low >> (p * 4)) & 15) | (((high >> (p * 2)) & 3) << 4)
        store<u8>(parts + <usize>p * IQ4_XS_PART_BYTES + 128 + r, <u8>(sc - 32))
      }
    }
  }
  return packScales(src, rowBytes, FILE_XS, rows, blocks, dst + GROUP_HEADER, PACKED_IQ4_XS, dst + RATIO_D)
}

export function rowIQ4_XS(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c >> 8) * PACKED_IQ4_XS
    const part = block + IQ4_XS_PARTS + <usize>((c >> 5) & 7) * IQ4_XS_PART_BYTES
    // d · sc first, as ggml dequantizes.
    const d = scale(block + lane * 2, ratio) * <f32>load<i8>(part + 128 + lane)
    store<f32>(dst + c * 4, d * <f32>code(planeValue(part, NIBBLES, lane, c & 31)))
  }
}
