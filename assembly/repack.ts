// File bytes of whole rows → row groups, and single rows back to f32 (the embedding looks rows up in the packed form).
import {
  ALTERNATE,
  GROUP_ROWS,
  REPACK_NOT_FINITE,
  REPACK_UNKNOWN_TYPE,
  TENSOR_COLUMNS,
  TENSOR_DATA,
  TENSOR_GROUP_BYTES,
  TENSOR_TYPE,
  TYPE_F16,
  TYPE_F32,
  TYPE_Q4_0,
  TYPE_Q4_1,
  TYPE_Q6_K,
  TYPE_Q8_0,
} from './layout'
import { packF16, packF32, rowF16, rowF32 } from './quant/floats'
import * as q4_0 from './quant/q4_0'
import * as q4_1 from './quant/q4_1'
import * as q6_k from './quant/q6_k'
import * as q8_0 from './quant/q8_0'

function packGroup(type: i32, src: usize, rows: i32, columns: i32, dst: usize): bool {
  switch (type) {
    case TYPE_F32:
      return packF32(src, rows, columns, dst)
    case TYPE_F16:
      return packF16(src, rows, columns, dst)
    case TYPE_Q4_0:
      return q4_0.pack(src, rows, columns, dst)
    case TYPE_Q4_1:
      return q4_1.pack(src, rows, columns, dst)
    case TYPE_Q8_0:
      return q8_0.pack(src, rows, columns, dst)
    default:
      return q6_k.pack(src, rows, columns, dst)
  }
}

/** Whether repack knows a ggml type. */
export function knows(type: i32): bool {
  return (
    type == TYPE_F32 ||
    type == TYPE_F16 ||
    type == TYPE_Q4_0 ||
    type == TYPE_Q4_1 ||
    type == TYPE_Q8_0 ||
    type == TYPE_Q6_K
  )
}

/**
 * Repacks `rows` rows of `rowBytes` file bytes each, from `src`, into groups of `groupBytes` at `dst`; a last group of
 * fewer than 8 rows is padded with rows of zeros. Returns 0 or a REPACK_ code.
 */
export function repack(
  type: i32,
  src: usize,
  rows: i32,
  columns: i32,
  rowBytes: usize,
  dst: usize,
  groupBytes: usize,
): i32 {
  if (!knows(type)) return REPACK_UNKNOWN_TYPE
  for (let r = 0; r < rows; r += GROUP_ROWS) {
    if (!packGroup(type, src, min(rows - r, GROUP_ROWS), columns, dst)) return REPACK_NOT_FINITE
    src += rowBytes * GROUP_ROWS
    dst += groupBytes
  }
  return 0
}

/** Row `index` of a TENSOR → f32[columns]. */
export function row(tensor: usize, index: u32, dst: usize): void {
  const group = <usize>load<u32>(tensor, TENSOR_DATA) + <usize>(index >> 3) * load<u32>(tensor, TENSOR_GROUP_BYTES)
  const columns = load<i32>(tensor, TENSOR_COLUMNS)
  const lane = <usize>(index & 7)
  switch (load<i32>(tensor, TENSOR_TYPE) & ~ALTERNATE) {
    case TYPE_F32:
      return rowF32(group, lane, columns, dst)
    case TYPE_F16:
      return rowF16(group, lane, columns, dst)
    case TYPE_Q4_0:
      return q4_0.row(group, lane, columns, dst)
    case TYPE_Q4_1:
      return q4_1.row(group, lane, columns, dst)
    case TYPE_Q8_0:
      return q8_0.row(group, lane, columns, dst)
    default:
      return q6_k.row(group, lane, columns, dst)
  }
}
