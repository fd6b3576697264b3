import { hoistedFloats } from '../../quant/hoisted'
import { F16_BIAS_RATIO, loadF16x4 } from '../../quant/f16'

/** 8 rows of a group · one token x f32[columns] → f32[8] at out. */
export function matvec(group: usize, columns: i32, x: usize, out: usize): void {
  const ratio = hoistedFloats(F16_BIAS_RATIO)
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  for (const end = x + ((<usize>columns) << 2); x < end; x += 4, group += 16) {
    const a = v128.load32_splat(x)
    f0 = f32x4.add(f0, f32x4.mul(loadF16x4(group, ratio), a))
    f1 = f32x4.add(f1, f32x4.mul(loadF16x4(group + 8, ratio), a))
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
