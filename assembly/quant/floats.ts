// F32, F16 and BF16 matrices. Packed: for each column, the 8 rows' values side by side.
//   F32: 32 bytes a column. F16, BF16: 16 bytes a column.
import { f16ToF32, isFiniteF16 } from './f16'
import { areFinite, interleave, interleaveHalves, largestHalf } from './interleave'

export function packF32(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  interleave(src, rowBytes, rows, columns, dst)
  return areFinite(src, rows * columns)
}

export function packF16(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  interleaveHalves(src, rowBytes, rows, columns, dst)
  return isFiniteF16(largestHalf(src, rows * columns))
}

/** A bfloat16 is the upper half of a single. */
export function packBF16(src: usize, rowBytes: usize, rows: i32, columns: i32, dst: usize): bool {
  interleaveHalves(src, rowBytes, rows, columns, dst)
  return largestHalf(src, rows * columns) < 0x7f80
}

export function rowF32(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) store<f32>(dst + c * 4, load<f32>(group + (<usize>c * 8 + lane) * 4))
}

export function rowF16(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) store<f32>(dst + c * 4, f16ToF32(load<u16>(group + (<usize>c * 8 + lane) * 2)))
}

export function rowBF16(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) store<u32>(dst + c * 4, (<u32>load<u16>(group + (<usize>c * 8 + lane) * 2)) << 16)
}
