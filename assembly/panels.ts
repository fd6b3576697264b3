// Where packed weights lie. Groups of 8 rows follow one another, four to a unit. A wide matrix is cut into panels of columns,
// and a unit holds them in turn:
//
//     unit 0: panel 0 of groups 0 … 3 │ panel 1 of groups 0 … 3 │ …      unit 1: panel 0 of groups 4 … 7 │ …
//
// So weights stay one stream from memory, while a panel and the activations that it meets, which are read again for each
// group, fit a level 1 cache together.
import * as L from './layout'

/** Groups of a unit: 32 rows, a block of columns for what reads the result. */
@inline
export const UNIT = L.BLOCK / L.GROUP_ROWS

/** Bytes of a panel that begins at column `from`. */
@inline
function bytesAt(groupBytes: usize, columns: i32, panelColumns: i32, panelBytes: usize, from: i32): usize {
  return from + panelColumns < columns ? panelBytes : groupBytes - <usize>(from / panelColumns) * panelBytes
}

/** Address of the panel from column `from` on of group g, in a matrix of `groups` groups at `data`. */
export function panelIn(
  data: usize,
  groups: i32,
  groupBytes: usize,
  columns: i32,
  panelColumns: i32,
  panelBytes: usize,
  g: i32,
  from: i32,
): usize {
  const first = g & -UNIT
  const before = <usize>(from / panelColumns) * panelBytes * min(groups - first, UNIT)
  const bytes = bytesAt(groupBytes, columns, panelColumns, panelBytes, from)
  return data + <usize>first * groupBytes + before + <usize>(g - first) * bytes
}

/** The same of a TENSOR. */
export function panelAt(tensor: usize, g: i32, from: i32): usize {
  return panelIn(
    load<u32>(tensor, L.TENSOR_DATA),
    (load<i32>(tensor, L.TENSOR_ROWS) + L.GROUP_ROWS - 1) / L.GROUP_ROWS,
    load<u32>(tensor, L.TENSOR_GROUP_BYTES),
    load<i32>(tensor, L.TENSOR_COLUMNS),
    load<i32>(tensor, L.TENSOR_PANEL_COLUMNS),
    load<u32>(tensor, L.TENSOR_PANEL_BYTES),
    g,
    from,
  )
}

export function panelBytesAt(tensor: usize, from: i32): usize {
  return bytesAt(
    load<u32>(tensor, L.TENSOR_GROUP_BYTES),
    load<i32>(tensor, L.TENSOR_COLUMNS),
    load<i32>(tensor, L.TENSOR_PANEL_COLUMNS),
    load<u32>(tensor, L.TENSOR_PANEL_BYTES),
    from,
  )
}
