/** 8 rows, unpacked to f32 · a tile of 4 tokens (values of a column side by side) → f32[4 tokens][8 rows] at out. */
export function matmul(w: usize, columns: i32, x: usize, out: usize): void {
  let f00 = f32x4.splat(0),
    f01 = f00,
    f10 = f00,
    f11 = f00,
    f20 = f00,
    f21 = f00,
    f30 = f00,
    f31 = f00
  for (let c = 0; c < columns; c++, w += 32, x += 16) {
    const w0 = v128.load(w)
    const w1 = v128.load(w, 16)
    let a = v128.load32_splat(x)
    f00 = f32x4.add(f00, f32x4.mul(w0, a))
    f01 = f32x4.add(f01, f32x4.mul(w1, a))
    a = v128.load32_splat(x, 4)
    f10 = f32x4.add(f10, f32x4.mul(w0, a))
    f11 = f32x4.add(f11, f32x4.mul(w1, a))
    a = v128.load32_splat(x, 8)
    f20 = f32x4.add(f20, f32x4.mul(w0, a))
    f21 = f32x4.add(f21, f32x4.mul(w1, a))
    a = v128.load32_splat(x, 12)
    f30 = f32x4.add(f30, f32x4.mul(w0, a))
    f31 = f32x4.add(f31, f32x4.mul(w1, a))
  }
  v128.store(out, f00)
  v128.store(out, f01, 16)
  v128.store(out, f10, 32)
  v128.store(out, f11, 48)
  v128.store(out, f20, 64)
  v128.store(out, f21, 80)
  v128.store(out, f30, 96)
  v128.store(out, f31, 112)
}
