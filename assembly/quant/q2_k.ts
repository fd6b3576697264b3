// Q2_K: 256 columns, value = d · sc · q − dmin · m, one sc and one m (4 bits each) for 16 columns. Source: ggml-common.h.
//
// In the file, 84 bytes a row and block:
//   16 × u8: sc in the low, m in the high nibble
//   │ 2 × 32 × u8: bits 2p of byte c of half h are column 128h + 32p + c │ d f16 │ dmin f16
// Packed, 672 bytes a group and block:
//   8 × d f16 │ 8 × dmin f16
//   8 × ┌ 64 bytes of pairs: 32 columns (planes.ts)                                    ┐
//       └ 8 × (u8 of columns 0–15 as in the file, u8 of columns 16–31)               ┘
import { PAIRS, packPlane, planeBytes, planeValue } from './planes'
import { GROUP_HEADER, RATIO_D, RATIO_M, packScales, scale } from './scales'

const FILE_BLOCK: usize = 84
export const PLANES_Q2_K = PAIRS
const PACKED: usize = 672
const PARTS: usize = 32
const PART_BYTES: usize = 80

/** The sub-scales of a block's rows, 16 bytes a row at src, two for each part; missing rows get 0. */
function packSubScales(src: usize, rowBytes: usize, rows: i32, dst: usize): void {
  for (const end = dst + 8 * PART_BYTES; dst < end; dst += PART_BYTES, src += 2) {
    for (let r = 0; r < 8; r++) store<u16>(dst + r * 2, r < rows ? load<u16>(src + <usize>r * rowBytes) : 0)
  }
}

export function pack(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  const blocks = columns >> 8
  const head = dst + GROUP_HEADER
  for (let b: usize = 0; b < <usize>blocks; b++) {
    const from = src + b * FILE_BLOCK
    const parts = head + b * PACKED + PARTS
    packPlane(from + 16, rowBytes, rows, 2, parts, PART_BYTES)
    packPlane(from + 48, rowBytes, rows, 2, parts + 4 * PART_BYTES, PART_BYTES)
    packSubScales(from, rowBytes, rows, parts + planeBytes(PAIRS))
  }
  return (
    packScales(src + 80, rowBytes, FILE_BLOCK, rows, blocks, head, PACKED, dst + RATIO_D) &&
    packScales(src + 82, rowBytes, FILE_BLOCK, rows, blocks, head + 16, PACKED, dst + RATIO_M)
  )
}

/** One row of a group → f32[columns]. */
export function row(group: usize, lane: usize, columns: i32, dst: usize): void {
  const ratioD = load<f32>(group, RATIO_D)
  const ratioM = load<f32>(group, RATIO_M)
  for (let c = 0; c < columns; c++) {
    const block = group + GROUP_HEADER + <usize>(c >> 8) * PACKED
    const part = block + PARTS + <usize>((c >> 5) & 7) * PART_BYTES
    const sc = <u32>load<u8>(part + planeBytes(PAIRS) + lane * 2 + ((c >> 4) & 1))
    // d · sc and dmin · m first, as ggml dequantizes.
    const d = scale(block + lane * 2, ratioD) * <f32>(sc & 15)
    const m = scale(block + 16 + lane * 2, ratioM) * <f32>(sc >> 4)
    store<f32>(dst + c * 4, d * <f32>planeValue(part, PAIRS, lane, c & 31) - m)
  }
}
