// Q4_0: 32 columns, value = d · (q − 8). Source: ggml-common.h.
//
// In the file, 18 bytes a row and block:      d f16 │ 16 bytes: low nibbles are columns 0–15, high ones 16–31
// Packed, 144 bytes a group and block:
//   ┌ vector j = 0…3, 32 bytes ────────────────────────┐
//   │ row 0: 4 bytes │ row 1 │ … │ row 7               │   low nibbles: columns 4j…4j+3, high: 16+4j…16+4j+3
//   └──────────────────────────────────────────────────┘
//   8 × d f16
import * as L from '../layout'
import { interleave } from './interleave'
import { GROUP_HEADER, RATIO_D, packScales, scale } from './scales'

const FILE_BLOCK: usize = 18
export const PACKED_Q4_0: usize = 144

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns / L.BLOCK
  const body = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++)
    interleave(src + b * FILE_BLOCK + 2, rowBytes, rows, 4, body + b * PACKED_Q4_0)
  return packScales(src, rowBytes, FILE_BLOCK, rows, blocks, body + 128, PACKED_Q4_0, dst + RATIO_D)
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q4_0
    const i = c & 15
    const byte = <i32>load<u8>(block + (i >> 2) * 32 + lane * 4 + (i & 3))
    const q = (c & 16) == 0 ? byte & 15 : byte >> 4
    store<f32>(dst + c * 4, <f32>(q - 8) * scale(block + 128 + lane * 2, ratio))
  }
}
