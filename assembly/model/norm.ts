// RMSNorm (Zhang and Sennrich 2019): y = x / sqrt(mean(x²) + eps) · w. LayerNorm (Ba et al. 2016):
// y = (x − mean(x)) / sqrt(mean((x − mean(x))²) + eps) · w + b.

// Sums have one fixed order: eight partial sums (column mod 8), added as ((0+4)+(2+6)) + ((1+5)+(3+7)), then the columns
// beyond the last multiple of 8 one by one.
import * as L from '../layout'
import { f32At, f32Of, i32At } from './fields'

/**
 * The norm that the architecture has, of x f32[n] → y f32[n]; y may be x. w, b: f32[n], or 0 where it has none; without w, x as it
 * is.
 */
export function normalize(model: usize, x: usize, w: usize, b: usize, n: i32, y: usize): void {
  const eps = f32At(model, L.MODEL_EPS)
  if (!w) memory.copy(y, x, (<usize>n) << 2)
  else if (i32At(model, L.MODEL_NORM) == L.NORM_LAYER) layernorm(x, w, b, n, eps, y)
  else rmsnorm(x, w, n, eps, y)
}

/** x f32[n], w f32[n] → y f32[n]. */
export function rmsnorm(x: usize, w: usize, n: i32, eps: f32, y: usize): void {
  const scale = scaleOf(sum(x, n, 0, true), n, eps)
  if (ASC_FEATURE_SIMD) scale_simd(x, scale, w, n, y)
  else scale_scalar(x, scale, w, n, y)
}

/** x f32[n], w f32[n], b f32[n] or 0 → y f32[n]. */
export function layernorm(x: usize, w: usize, b: usize, n: i32, eps: f32, y: usize): void {
  const mean = sum(x, n, 0, false) / <f32>n
  const scale = scaleOf(sum(x, n, mean, true), n, eps)
  for (let i = 0; i < n; i++) {
    const value = (load<f32>(f32Of(x, i)) - mean) * scale * load<f32>(f32Of(w, i))
    store<f32>(f32Of(y, i), b ? value + load<f32>(f32Of(b, i)) : value)
  }
}

@inline
function scaleOf(sum: f32, n: i32, eps: f32): f32 {
  return <f32>1 / sqrt<f32>(sum / <f32>n + eps)
}

/** x += scale · y, f32[n] each. */
export function addScaled(x: usize, y: usize, scale: f32, n: i32): void {
  let i: usize = 0
  if (ASC_FEATURE_SIMD) {
    const scales = f32x4.splat(scale)
    for (; i < (<usize>(n & ~3)) << 2; i += 16) {
      v128.store(x + i, f32x4.add(v128.load(x + i), f32x4.mul(v128.load(y + i), scales)))
    }
  }
  for (; i < (<usize>n) << 2; i += 4) store<f32>(x + i, load<f32>(x + i) + load<f32>(y + i) * scale)
}

/** x *= scale, f32[n]. */
export function multiplyBy(x: usize, scale: f32, n: i32): void {
  for (let i = 0; i < n; i++) store<f32>(f32Of(x, i), load<f32>(f32Of(x, i)) * scale)
}

/** Sum of x − shift, or of its squares. */
@inline
function sum(x: usize, n: i32, shift: f32, squares: bool): f32 {
  return ASC_FEATURE_SIMD ? sum_simd(x, n, shift, squares) : sum_scalar(x, n, shift, squares)
}

@inline
function sum_simd(x: usize, n: i32, shift: f32, squares: bool): f32 {
  const whole = (<usize>(n & ~7)) << 2
  const bytes = (<usize>n) << 2
  const shifts = f32x4.splat(shift)
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  for (let i: usize = 0; i < whole; i += 32) {
    const a = f32x4.sub(v128.load(x + i), shifts)
    const b = f32x4.sub(v128.load(x + i, 16), shifts)
    s0 = f32x4.add(s0, squares ? f32x4.mul(a, a) : a)
    s1 = f32x4.add(s1, squares ? f32x4.mul(b, b) : b)
  }
  const s = f32x4.add(s0, s1)
  let sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 2) + (f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 3))
  for (let i = whole; i < bytes; i += 4) sum += term(x + i, shift, squares)
  return sum
}

@inline
function term(x: usize, shift: f32, squares: bool): f32 {
  const value = load<f32>(x) - shift
  return squares ? value * value : value
}

/** Sum over columns ≡ lane (mod 8). */
function partial(x: usize, whole: i32, lane: i32, shift: f32, squares: bool): f32 {
  let s: f32 = 0
  for (let i = lane; i < whole; i += 8) s += term(f32Of(x, i), shift, squares)
  return s
}

function sum_scalar(x: usize, n: i32, shift: f32, squares: bool): f32 {
  const whole = n & ~7
  let even = partial(x, whole, 0, shift, squares) + partial(x, whole, 4, shift, squares)
  even += partial(x, whole, 2, shift, squares) + partial(x, whole, 6, shift, squares)
  let odd = partial(x, whole, 1, shift, squares) + partial(x, whole, 5, shift, squares)
  odd += partial(x, whole, 3, shift, squares) + partial(x, whole, 7, shift, squares)
  let sum = even + odd
  for (let i = whole; i < n; i++) sum += term(f32Of(x, i), shift, squares)
  return sum
}

function scale_simd(x: usize, scale: f32, w: usize, n: i32, y: usize): void {
  const whole = (<usize>(n & ~7)) << 2
  const scales = f32x4.splat(scale)
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), scales), v128.load(w + i)))
  }
  for (let i = whole; i < (<usize>n) << 2; i += 4) store<f32>(y + i, load<f32>(x + i) * scale * load<f32>(w + i))
}

function scale_scalar(x: usize, scale: f32, w: usize, n: i32, y: usize): void {
  for (let i = 0; i < n; i++) store<f32>(f32Of(y, i), load<f32>(f32Of(x, i)) * scale * load<f32>(f32Of(w, i)))
}
