/** 8 rows of a group · one token x f32[columns] → f32[8] at out. */
export function matvec(group: usize, columns: i32, x: usize, out: usize): void {
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  for (const end = x + ((<usize>columns) << 2); x < end; x += 4, group += 32) {
    const a = v128.load32_splat(x)
    f0 = f32x4.add(f0, f32x4.mul(v128.load(group), a))
    f1 = f32x4.add(f1, f32x4.mul(v128.load(group, 16), a))
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
