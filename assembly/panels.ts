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

/** Bytes of the panel of a group that begins at column `from`. */
export function panelBytesAt(tensor: usize, from: i32): usize {
  const panelColumns = load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)
  const panelBytes = <usize>load<u32>(tensor, L.TENSOR_PANEL_BYTES)
  if (from + panelColumns < load<i32>(tensor, L.TENSOR_COLUMNS)) return panelBytes
  return <usize>load<u32>(tensor, L.TENSOR_GROUP_BYTES) - <usize>(from / panelColumns) * panelBytes
}

/** Address of the panel of group g that begins at column `from`. */
export function panelAt(tensor: usize, g: i32, from: i32): usize {
  const groups = (load<i32>(tensor, L.TENSOR_ROWS) + L.GROUP_ROWS - 1) / L.GROUP_ROWS
  const groupBytes = <usize>load<u32>(tensor, L.TENSOR_GROUP_BYTES)
  const panelBytes = <usize>load<u32>(tensor, L.TENSOR_PANEL_BYTES)
  const first = g & -UNIT
  const before = <usize>(from / load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)) * panelBytes * min(groups - first, UNIT)
  const data = <usize>load<u32>(tensor, L.TENSOR_DATA)
  return data + <usize>first * groupBytes + before + <usize>(g - first) * panelBytesAt(tensor, from)
}
