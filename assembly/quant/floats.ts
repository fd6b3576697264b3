// F32 and F16 matrices. Packed: for each column, the 8 rows' values side by side.
//   F32: 32 bytes a column. F16: 16 bytes a column.
import { f16ToF32, isFiniteF16 } from './f16'

export function packF32(src: usize, rows: i32, columns: i32, dst: usize): bool {
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < 8; r++) {
      const x = r < rows ? load<f32>(src + (<usize>r * columns + c) * 4) : 0
      if (!isFinite(x)) return false
      store<f32>(dst + (<usize>c * 8 + r) * 4, x)
    }
  }
  return true
}

export function packF16(src: usize, rows: i32, columns: i32, dst: usize): bool {
  for (let c = 0; c < columns; c++) {
    for (let r = 0; r < 8; r++) {
      const h = r < rows ? <u32>load<u16>(src + (<usize>r * columns + c) * 2) : 0
      if (!isFiniteF16(h)) return false
      store<u16>(dst + (<usize>c * 8 + r) * 2, <u16>h)
    }
  }
  return true
}

export function rowF32(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) store<f32>(dst + c * 4, load<f32>(group + (<usize>c * 8 + lane) * 4))
}

export function rowF16(group: usize, lane: usize, columns: i32, dst: usize): void {
  for (let c = 0; c < columns; c++) store<f32>(dst + c * 4, f16ToF32(load<u16>(group + (<usize>c * 8 + lane) * 2)))
}
