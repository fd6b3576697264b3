// Q8_0: 32 columns, value = d · q, q in −128…127. Source: ggml-common.h.
//
// In the file, 34 bytes a row and block:      d f16 │ 32 × i8
// Packed, 272 bytes a group and block:
//   ┌ quad j = 0…7, 32 bytes ──────────────────────────┐
//   │ row 0: columns 4j…4j+3 │ row 1 │ … │ row 7        │
//   └──────────────────────────────────────────────────┘
//   8 × d f16
import * as L from '../layout'
import { interleave } from './interleave'
import { GROUP_HEADER, RATIO_D, packScales, scale } from './scales'

const FILE_BLOCK: usize = 34
export const PACKED_Q8_0: usize = 272

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns / L.BLOCK
  const body = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++)
    interleave(src + b * FILE_BLOCK + 2, rowBytes, rows, 8, body + b * PACKED_Q8_0)
  return packScales(src, rowBytes, FILE_BLOCK, rows, blocks, body + 256, PACKED_Q8_0, dst + RATIO_D)
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q8_0
    const i = c & 31
    const q = <i32>load<i8>(block + (i >> 2) * 32 + lane * 4 + (i & 3))
    store<f32>(dst + c * 4, <f32>q * scale(block + 256 + lane * 2, ratio))
  }
}
