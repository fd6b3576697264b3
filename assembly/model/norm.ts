// RMSNorm (Zhang and Sennrich 2019): y = x / sqrt(mean(x²) + eps) · w, no mean subtraction.

// The sum of squares has one fixed order: eight partial sums (column mod 8), added as ((0+4)+(2+6)) + ((1+5)+(3+7)),
// then the columns beyond the last multiple of 8 one by one.

/** x f32[n], w f32[n] → y f32[n]. */
export function rmsnorm(x: usize, w: usize, n: i32, eps: f32, y: usize): void {
  if (ASC_FEATURE_SIMD) rmsnorm_simd(x, w, n, eps, y)
  else rmsnorm_scalar(x, w, n, eps, y)
}

@inline
function scaleOf(sum: f32, n: i32, eps: f32): f32 {
  return <f32>1 / sqrt<f32>(sum / <f32>n + eps)
}

function rmsnorm_simd(x: usize, w: usize, n: i32, eps: f32, y: usize): void {
  const whole = (<usize>(n & ~7)) << 2
  const bytes = (<usize>n) << 2
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  for (let i: usize = 0; i < whole; i += 32) {
    const a = v128.load(x + i)
    const b = v128.load(x + i, 16)
    s0 = f32x4.add(s0, f32x4.mul(a, a))
    s1 = f32x4.add(s1, f32x4.mul(b, b))
  }
  const s = f32x4.add(s0, s1)
  let sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 2) + (f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 3))
  for (let i = whole; i < bytes; i += 4) sum += load<f32>(x + i) * load<f32>(x + i)
  const scale = scaleOf(sum, n, eps)
  const scales = f32x4.splat(scale)
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), scales), v128.load(w + i)))
  }
  for (let i = whole; i < bytes; i += 4) store<f32>(y + i, load<f32>(x + i) * scale * load<f32>(w + i))
}

/** Sum over columns ≡ lane (mod 8). */
function partial(x: usize, whole: i32, lane: i32): f32 {
  let s: f32 = 0
  for (let i = lane; i < whole; i += 8) s += load<f32>(x + (i << 2)) * load<f32>(x + (i << 2))
  return s
}

function rmsnorm_scalar(x: usize, w: usize, n: i32, eps: f32, y: usize): void {
  const whole = n & ~7
  const even = partial(x, whole, 0) + partial(x, whole, 4) + (partial(x, whole, 2) + partial(x, whole, 6))
  const odd = partial(x, whole, 1) + partial(x, whole, 5) + (partial(x, whole, 3) + partial(x, whole, 7))
  let sum = even + odd
  for (let i = whole; i < n; i++) sum += load<f32>(x + (i << 2)) * load<f32>(x + (i << 2))
  const scale = scaleOf(sum, n, eps)
  for (let i = 0; i < n; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) * scale * load<f32>(w + (i << 2)))
}
