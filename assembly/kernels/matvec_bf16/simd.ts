/** Four rows → f32x4: a bfloat16 is the upper half of a single. */
@inline
export function loadBF16x4(p: usize): v128 {
  return i32x4.shl(v128.load16x4_u(p), 16)
}

/** 8 rows of a group · one token x f32[columns] → f32[8] at out. */
export function matvec(group: usize, columns: i32, x: usize, out: usize): void {
  let f0 = f32x4.splat(0)
  let f1 = f32x4.splat(0)
  for (const end = x + ((<usize>columns) << 2); x < end; x += 4, group += 16) {
    const a = v128.load32_splat(x)
    f0 = f32x4.add(f0, f32x4.mul(loadBF16x4(group), a))
    f1 = f32x4.add(f1, f32x4.mul(loadBF16x4(group + 8), a))
  }
  v128.store(out, f0)
  v128.store(out, f1, 16)
}
