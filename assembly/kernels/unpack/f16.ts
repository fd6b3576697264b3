import { hoistedFloats } from '../../quant/hoisted'
import { F16_BIAS_RATIO, loadF16x4 } from '../../quant/f16'
import { loadBF16x4 } from '../matvec_bf16/simd'

/** A group of halves → f32, 8 rows a column. */
export function unpackF16(group: usize, columns: i32, dst: usize): usize {
  const ratio = hoistedFloats(F16_BIAS_RATIO)
  for (let c = 0; c < columns; c++, group += 16, dst += 32) {
    v128.store(dst, loadF16x4(group, ratio))
    v128.store(dst, loadF16x4(group + 8, ratio), 16)
  }
  return dst
}

/** The same of bfloat16. */
export function unpackBF16(group: usize, columns: i32, dst: usize): usize {
  for (let c = 0; c < columns; c++, group += 16, dst += 32) {
    v128.store(dst, loadBF16x4(group))
    v128.store(dst, loadBF16x4(group + 8), 16)
  }
  return dst
}
