import * as L from '../layout'
import { hoistedFloats, hoistedWords } from '../quant/hoisted'

// exp, sin and cos of our own: the host's differ between engines. Scalar and SIMD forms perform the same operations.

// exp(x) = 2^n · exp(r), n = nearest(x / ln 2), |r| ≤ ln 2 / 2; ln 2 in two parts (Cody and Waite), Taylor to degree 7:
// the remainder is below 2^-27 of the value.
@inline
const LOG2E: f32 = 1.44269504
@inline
const LN2_HIGH: f32 = 0.693145752 // 0x3f317200: n · LN2_HIGH is exact
@inline
const LN2_LOW: f32 = 1.42860677e-6
@inline
const EXP_MIN: f32 = -87
@inline
const EXP_MAX: f32 = 88

/** e^x for x clamped to −87…88; NaN stays NaN. */
export function exp_scalar(x: f32): f32 {
  x = x < EXP_MIN ? EXP_MIN : x
  x = EXP_MAX < x ? EXP_MAX : x
  const n = nearest<f32>(x * LOG2E)
  const r = x - n * LN2_HIGH - n * LN2_LOW
  let p: f32 = <f32>(1.0 / 5040)
  p = p * r + <f32>(1.0 / 720)
  p = p * r + <f32>(1.0 / 120)
  p = p * r + <f32>(1.0 / 24)
  p = p * r + <f32>(1.0 / 6)
  p = p * r + <f32>0.5
  p = p * r + 1
  p = p * r + 1
  return p * reinterpret<f32>((<i32>n + 127) << 23)
}

// 1.5 · 2^23: adding it rounds a small float to a whole number, ties to even, which then stands in the low bits.
@inline
const ROUNDER: f32 = 12582912

/**
 * e^x of four floats, clamped. The constants are parameters, named once by what calls it for several vectors: V8
 * makes a constant anew wherever it stands.
 */
@inline
function exp_with(
  x: v128,
  least: v128,
  most: v128,
  log2e: v128,
  rounder: v128,
  high: v128,
  low: v128,
  c7: v128,
  c6: v128,
  c5: v128,
  c4: v128,
  c3: v128,
  c2: v128,
  one: v128,
  bias: v128,
): v128 {
  x = f32x4.pmin(f32x4.pmax(x, least), most)
  const rounded = f32x4.add(f32x4.mul(x, log2e), rounder)
  const n = f32x4.sub(rounded, rounder)
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, high)), f32x4.mul(n, low))
  let p = f32x4.add(f32x4.mul(c7, r), c6)
  p = f32x4.add(f32x4.mul(p, r), c5)
  p = f32x4.add(f32x4.mul(p, r), c4)
  p = f32x4.add(f32x4.mul(p, r), c3)
  p = f32x4.add(f32x4.mul(p, r), c2)
  p = f32x4.add(f32x4.mul(p, r), one)
  p = f32x4.add(f32x4.mul(p, r), one)
  return f32x4.mul(p, i32x4.shl(i32x4.add(rounded, bias), 23))
}

// GELU by the approximation of Hendrycks and Gimelshein 2016, x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), which is
// x / (1 + exp(−2 √(2/π) · (x + 0.044715 x³))).
@inline
const GELU_LINEAR: f32 = -1.59576912 // −2 √(2/π)
@inline
const GELU_CUBIC: f32 = -0.0713548163 // −2 √(2/π) · 0.044715

/**
 * SwiGLU: silu(g) · u, silu(g) = g / (1 + exp(−g)); GeGLU: gelu(g) · u (Shazeer 2020); ReLU²: max(u, 0)² (So et al. 2021), which
 * has no gate.
 */
export function activate_scalar(activation: i32, g: f32, u: f32): f32 {
  if (activation == L.ACTIVATION_RELU2) {
    u = u < 0 ? 0 : u
    return u * u
  }
  const inner = activation == L.ACTIVATION_GEGLU ? g * (GELU_LINEAR + GELU_CUBIC * (g * g)) : -g
  return (g / (1 + exp_scalar(inner))) * u
}

/** The same for eight: the gate f32[8] at g → the activation of it and (u0, u1), in place. */
@inline
export function activate_simd(activation: i32, g: usize, u0: v128, u1: v128): void {
  if (activation == L.ACTIVATION_RELU2) {
    const zero = f32x4.splat(0)
    u0 = f32x4.pmax(u0, zero)
    u1 = f32x4.pmax(u1, zero)
    v128.store(g, f32x4.mul(u0, u0))
    v128.store(g, f32x4.mul(u1, u1), 16)
    return
  }
  const least = hoistedFloats(EXP_MIN)
  const most = hoistedFloats(EXP_MAX)
  const log2e = hoistedFloats(LOG2E)
  const rounder = hoistedFloats(ROUNDER)
  const high = hoistedFloats(LN2_HIGH)
  const low = hoistedFloats(LN2_LOW)
  const c7 = hoistedFloats(<f32>(1.0 / 5040))
  const c6 = hoistedFloats(<f32>(1.0 / 720))
  const c5 = hoistedFloats(<f32>(1.0 / 120))
  const c4 = hoistedFloats(<f32>(1.0 / 24))
  const c3 = hoistedFloats(<f32>(1.0 / 6))
  const c2 = hoistedFloats(<f32>0.5)
  const one = hoistedFloats(1)
  const bias = hoistedWords(127)
  const g0 = v128.load(g)
  const g1 = v128.load(g, 16)
  let i0 = f32x4.neg(g0)
  let i1 = f32x4.neg(g1)
  if (activation == L.ACTIVATION_GEGLU) {
    const linear = f32x4.splat(GELU_LINEAR)
    const cubic = f32x4.splat(GELU_CUBIC)
    i0 = f32x4.mul(g0, f32x4.add(linear, f32x4.mul(cubic, f32x4.mul(g0, g0))))
    i1 = f32x4.mul(g1, f32x4.add(linear, f32x4.mul(cubic, f32x4.mul(g1, g1))))
  }
  const e0 = exp_with(i0, least, most, log2e, rounder, high, low, c7, c6, c5, c4, c3, c2, one, bias)
  const e1 = exp_with(i1, least, most, log2e, rounder, high, low, c7, c6, c5, c4, c3, c2, one, bias)
  v128.store(g, f32x4.mul(f32x4.div(g0, f32x4.add(one, e0)), u0))
  v128.store(g, f32x4.mul(f32x4.div(g1, f32x4.add(one, e1)), u1), 16)
}

/** 1 / (1 + exp(−x)). */
export function sigmoid(x: f32): f32 {
  return 1 / (1 + exp_scalar(-x))
}

/** x f32[n] → cap · tanh(x / cap) in place; tanh(y) = 1 − 2 / (exp(2y) + 1). */
export function softcap(x: usize, n: i32, cap: f32): void {
  const twice: f32 = <f32>2 / cap
  let p = x
  if (ASC_FEATURE_SIMD) {
    const two = f32x4.splat(2)
    const caps = f32x4.splat(cap)
    const scale = f32x4.splat(twice)
    const least = hoistedFloats(EXP_MIN)
    const most = hoistedFloats(EXP_MAX)
    const log2e = hoistedFloats(LOG2E)
    const rounder = hoistedFloats(ROUNDER)
    const high = hoistedFloats(LN2_HIGH)
    const low = hoistedFloats(LN2_LOW)
    const c7 = hoistedFloats(<f32>(1.0 / 5040))
    const c6 = hoistedFloats(<f32>(1.0 / 720))
    const c5 = hoistedFloats(<f32>(1.0 / 120))
    const c4 = hoistedFloats(<f32>(1.0 / 24))
    const c3 = hoistedFloats(<f32>(1.0 / 6))
    const c2 = hoistedFloats(<f32>0.5)
    const one = hoistedFloats(1)
    const bias = hoistedWords(127)
    for (const end = x + ((<usize>(n & ~3)) << 2); p < end; p += 16) {
      const y = f32x4.mul(v128.load(p), scale)
      const e = exp_with(y, least, most, log2e, rounder, high, low, c7, c6, c5, c4, c3, c2, one, bias)
      v128.store(p, f32x4.mul(caps, f32x4.sub(one, f32x4.div(two, f32x4.add(e, one)))))
    }
  }
  for (const end = x + ((<usize>n) << 2); p < end; p += 4) {
    store<f32>(p, cap * (1 - <f32>2 / (exp_scalar(load<f32>(p) * twice) + 1)))
  }
}

/**
 * x f32[count] at p → exp(x − shift) · factor in place, with zeros in place of the first `skip` (< 4) and after it up to a whole
 * vector; returns the four sums of exp(x − shift), by position mod 4.
 */
@inline
export function expSum_simd(p: usize, skip: i32, count: i32, shift: v128, factor: v128): v128 {
  const least = hoistedFloats(EXP_MIN)
  const most = hoistedFloats(EXP_MAX)
  const log2e = hoistedFloats(LOG2E)
  const rounder = hoistedFloats(ROUNDER)
  const high = hoistedFloats(LN2_HIGH)
  const low = hoistedFloats(LN2_LOW)
  const c7 = hoistedFloats(<f32>(1.0 / 5040))
  const c6 = hoistedFloats(<f32>(1.0 / 720))
  const c5 = hoistedFloats(<f32>(1.0 / 120))
  const c4 = hoistedFloats(<f32>(1.0 / 24))
  const c3 = hoistedFloats(<f32>(1.0 / 6))
  const c2 = hoistedFloats(<f32>0.5)
  const one = hoistedFloats(1)
  const bias = hoistedWords(127)
  let sum = f32x4.splat(0)
  let within = i32x4.ge_s(i32x4(0, 1, 2, 3), i32x4.splat(skip))
  for (; count > 0; count -= 4, p += 16) {
    if (count < 4) within = v128.and(within, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count)))
    const x = f32x4.sub(v128.load(p), shift)
    const e = v128.and(exp_with(x, least, most, log2e, rounder, high, low, c7, c6, c5, c4, c3, c2, one, bias), within)
    sum = f32x4.add(sum, e)
    v128.store(p, f32x4.mul(e, factor))
    within = i32x4.splat(-1)
  }
  return sum
}

// sin and cos: k = nearest(x · 2/π), r = x − k · π/2 with π/2 in three parts of 33 bits (fdlibm's), Taylor on |r| ≤ π/4.
@inline
const TWO_OVER_PI: f64 = 0.63661977236758134308
@inline
const PIO2_1: f64 = 1.57079632673412561417
@inline
const PIO2_2: f64 = 6.0771005063039659766e-11
@inline
const PIO2_3: f64 = 2.0222662487111664558e-21

@inline
function sinPoly(r: f64): f64 {
  const z = r * r
  let p: f64 = -1.0 / 1307674368000
  p = p * z + 1.0 / 6227020800
  p = p * z - 1.0 / 39916800
  p = p * z + 1.0 / 362880
  p = p * z - 1.0 / 5040
  p = p * z + 1.0 / 120
  p = p * z - 1.0 / 6
  return r + r * z * p
}

@inline
function cosPoly(r: f64): f64 {
  const z = r * r
  let p: f64 = 1.0 / 20922789888000
  p = p * z - 1.0 / 87178291200
  p = p * z + 1.0 / 479001600
  p = p * z - 1.0 / 3628800
  p = p * z + 1.0 / 40320
  p = p * z - 1.0 / 720
  p = p * z + 1.0 / 24
  p = p * z - 0.5
  return 1 + z * p
}

/** Stores (cos x · scale, sin x · scale) as f32 at dst, for 0 ≤ x < 2^20. */
export function storeCosSin(x: f64, scale: f64, dst: usize): void {
  const k = nearest<f64>(x * TWO_OVER_PI)
  const r = x - k * PIO2_1 - k * PIO2_2 - k * PIO2_3
  const s = sinPoly(r)
  const c = cosPoly(r)
  const quadrant = <i32>k & 3
  let cos = (quadrant & 1) == 0 ? c : s
  let sin = (quadrant & 1) == 0 ? s : c
  if (quadrant == 1 || quadrant == 2) cos = -cos
  if (quadrant >= 2) sin = -sin
  store<f32>(dst, <f32>(cos * scale))
  store<f32>(dst + 4, <f32>(sin * scale))
}
