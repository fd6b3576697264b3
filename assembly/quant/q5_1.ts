// Q5_1: 32 columns, value = d · q + m. Source: ggml-common.h.
//
// In the file, 24 bytes a row and block:      d f16 │ m f16 │ qh u32 as in Q5_0 │ 16 bytes as in Q4_0
// Packed, 192 bytes a group and block:        160 bytes of five bits (planes.ts) │ 8 × d f16 │ 8 × m f16
import * as L from '../layout'
import { FIVES, packBits, packFives, packNibbles, planeBytes, planeValue } from './planes'
import { GROUP_HEADER, RATIO_D, RATIO_M, packScales, scale } from './scales'

const FILE_BLOCK: usize = 24
export const PLANES_Q5_1 = FIVES
export const PACKED_Q5_1: usize = 192

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns / L.BLOCK
  const body = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const part = body + b * PACKED_Q5_1
    packNibbles(src + b * FILE_BLOCK + 8, rowBytes, rows, part)
    packBits(src + b * FILE_BLOCK + 4, rowBytes, rows, part + 128)
  }
  packFives(body, blocks, PACKED_Q5_1)
  return (
    packScales(src, rowBytes, FILE_BLOCK, rows, blocks, body + 160, PACKED_Q5_1, dst + RATIO_D) &&
    packScales(src + 2, rowBytes, FILE_BLOCK, rows, blocks, body + 176, PACKED_Q5_1, dst + RATIO_M)
  )
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q5_1
    const p = block + planeBytes(PLANES_Q5_1) + lane * 2
    const q = planeValue(block, PLANES_Q5_1, lane, c & 31)
    store<f32>(dst + c * 4, <f32>q * scale(p, ratioD) + scale(p + 16, ratioM))
  }
}
