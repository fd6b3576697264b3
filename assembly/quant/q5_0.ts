// Q5_0: 32 columns, value = d · (q − 16). Source: ggml-common.h.
//
// In the file, 22 bytes a row and block:      d f16 │ qh u32: bit c is the fifth bit of column c │ 16 bytes as in Q4_0
// Packed, 176 bytes a group and block:        160 bytes of five bits (planes.ts) │ 8 × d f16
import * as L from '../layout'
import { FIVES, packBits, packFives, packNibbles, planeBytes, planeValue } from './planes'
import { GROUP_HEADER, RATIO_D, packScales, scale } from './scales'

const FILE_BLOCK: usize = 22
export const PLANES_Q5_0 = FIVES
export const PACKED_Q5_0: usize = 176

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns / L.BLOCK
  const body = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const part = body + b * PACKED_Q5_0
    packNibbles(src + b * FILE_BLOCK + 6, rowBytes, rows, part)
    packBits(src + b * FILE_BLOCK + 2, rowBytes, rows, part + 128)
  }
  packFives(body, blocks, PACKED_Q5_0)
  return packScales(src, rowBytes, FILE_BLOCK, rows, blocks, body + 160, PACKED_Q5_0, dst + RATIO_D)
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratio = load<f32>(group, RATIO_D)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c / L.BLOCK) * PACKED_Q5_0
    const q = planeValue(block, PLANES_Q5_0, lane, c & 31) - 16
    store<f32>(dst + c * 4, <f32>q * scale(block + planeBytes(PLANES_Q5_0) + lane * 2, ratio))
  }
}
