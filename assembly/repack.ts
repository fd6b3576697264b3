// File bytes of whole rows → row groups, and single rows back to f32 (the embedding looks rows up in the packed form).
import * as L from './layout'
import { panelAt } from './panels'
import { packBF16, packF16, packF32, rowBF16, rowF16, rowF32 } from './quant/floats'
import * as iq4 from './quant/iq4'
import * as q2_k from './quant/q2_k'
import * as q3_k from './quant/q3_k'
import * as q4_0 from './quant/q4_0'
import * as q4_1 from './quant/q4_1'
import * as q4_k from './quant/q4_k'
import * as q5_0 from './quant/q5_0'
import * as q5_1 from './quant/q5_1'
import * as q6_k from './quant/q6_k'
import * as q8_0 from './quant/q8_0'

/** A group; 0 or a REPACK_ code. */
function packGroup(type: i32, src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): i32 {
  let finite: bool
  switch (type) {
    case L.TYPE_F32:
      finite = packF32(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_F16:
      finite = packF16(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_BF16:
      finite = packBF16(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q4_0:
      finite = q4_0.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q4_1:
      finite = q4_1.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q8_0:
      finite = q8_0.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q5_0:
      finite = q5_0.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q5_1:
      finite = q5_1.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q4_K:
      finite = q4_k.packQ4_K(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q5_K:
      finite = q4_k.packQ5_K(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q2_K:
      finite = q2_k.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q3_K:
      finite = q3_k.pack(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_IQ4_NL:
      finite = iq4.packIQ4_NL(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_IQ4_XS:
      finite = iq4.packIQ4_XS(src, rowBytes, rows, columns, dst)
      break
    case L.TYPE_Q6_K:
      finite = q6_k.pack(src, rowBytes, rows, columns, dst)
      break
    default:
      return L.REPACK_UNKNOWN_TYPE
  }
  return finite ? 0 : L.REPACK_NOT_FINITE
}

/**
 * Repacks `rows` rows of `rowBytes` file bytes each, from `src`, into a TENSOR's groups, from row `firstRow` on, which begins a
 * group; a last group of fewer than 8 rows is padded with rows of zeros. Returns 0 or a REPACK_ code.
 */
export function repack(tensor: usize, src: usize, rowBytes: usize, firstRow: i32, rows: i32): i32 {
  const type = load<i32>(tensor, L.TENSOR_TYPE) & ~L.ALTERNATE
  const columns = load<i32>(tensor, L.TENSOR_COLUMNS)
  const panelColumns = load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)
  let g = firstRow / L.GROUP_ROWS
  for (let r = 0; r < rows; r += L.GROUP_ROWS, g++, src += rowBytes * L.GROUP_ROWS) {
    for (let from = 0; from < columns; from += panelColumns) {
      // A matrix of one panel may have any number of columns.
      const bytes = from > 0 ? (rowBytes * (from / L.BLOCK)) / (columns / L.BLOCK) : 0
      const width = min(panelColumns, columns - from)
      const status = packGroup(
        type,
        src + bytes,
        rowBytes,
        min(rows - r, L.GROUP_ROWS),
        width,
        panelAt(tensor, g, from),
      )
      if (status != 0) return status
    }
  }
  return 0
}

/** Row `index` of a TENSOR → f32[columns]. */
export function row(tensor: usize, index: u32, dst: usize): void {
  const columns = load<i32>(tensor, L.TENSOR_COLUMNS)
  const panelColumns = load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)
  for (let from = 0; from < columns; from += panelColumns) {
    const panel = panelAt(tensor, index >> 3, from)
    panelRow(
      load<i32>(tensor, L.TENSOR_TYPE),
      panel,
      index & 7,
      min(panelColumns, columns - from),
      dst + ((<usize>from) << 2),
    )
  }
}

/** A row of a panel → f32[columns]. */
function panelRow(type: i32, group: usize, lane: usize, columns: i32, dst: usize): void {
  switch (type & ~L.ALTERNATE) {
    case L.TYPE_F32:
      return rowF32(group, lane, columns, dst)
    case L.TYPE_F16:
      return rowF16(group, lane, columns, dst)
    case L.TYPE_BF16:
      return rowBF16(group, lane, columns, dst)
    case L.TYPE_Q4_0:
      return q4_0.row(group, lane, columns, dst)
    case L.TYPE_Q4_1:
      return q4_1.row(group, lane, columns, dst)
    case L.TYPE_Q8_0:
      return q8_0.row(group, lane, columns, dst)
    case L.TYPE_Q5_0:
      return q5_0.row(group, lane, columns, dst)
    case L.TYPE_Q5_1:
      return q5_1.row(group, lane, columns, dst)
    case L.TYPE_Q4_K:
      return q4_k.rowQ4_K(group, lane, columns, dst)
    case L.TYPE_Q5_K:
      return q4_k.rowQ5_K(group, lane, columns, dst)
    case L.TYPE_Q2_K:
      return q2_k.row(group, lane, columns, dst)
    case L.TYPE_Q3_K:
      return q3_k.row(group, lane, columns, dst)
    case L.TYPE_IQ4_NL:
      return iq4.rowIQ4_NL(group, lane, columns, dst)
    case L.TYPE_IQ4_XS:
      return iq4.rowIQ4_XS(group, lane, columns, dst)
    default:
      return q6_k.row(group, lane, columns, dst)
  }
}
