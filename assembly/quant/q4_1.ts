// Q4_1: 32 columns, value = d · q + m. Source: ggml-common.h.
//
// In the file, 20 bytes a row and block:      d f16 │ m f16 │ 16 bytes of nibbles as in Q4_0
// Packed, 160 bytes a group and block:        128 bytes of nibbles as in Q4_0 │ 8 × d f16 │ 8 × m f16
import * as L from '../layout'
import { interleave } from './interleave'
import { GROUP_HEADER, RATIO_D, RATIO_M, packScales, scale } from './scales'

const FILE_BLOCK: usize = 20
export const PACKED_Q4_1: usize = 160

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns / L.BLOCK
  const body = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++)
    interleave(src + b * FILE_BLOCK + 4, rowBytes, rows, 4, body + b * PACKED_Q4_1)
  return (
    packScales(src, rowBytes, FILE_BLOCK, rows, blocks, body + 128, PACKED_Q4_1, dst + RATIO_D) &&
    packScales(src + 2, rowBytes, FILE_BLOCK, rows, blocks, body + 144, PACKED_Q4_1, dst + RATIO_M)
  )
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q4_1
    const i = c & 15
    const byte = <i32>load<u8>(block + (i >> 2) * 32 + lane * 4 + (i & 3))
    const q = (c & 16) == 0 ? byte & 15 : byte >> 4
    store<f32>(dst + c * 4, <f32>q * scale(block + 128 + lane * 2, ratioD) + scale(block + 144 + lane * 2, ratioM))
  }
}
