// Rounding, as the reference quantizers round: their results are part of the file format in practice.

/** To the nearest integer, ties to even, for |x| < 2^22; what comes of other values is fixed too. */
@inline
export function nearestInt(x: f32): i32 {
  // 1.5 · 2^23: the sum's last bit is worth 1, and its low bits are the integer, offset by 2^22.
  return (reinterpret<i32>(x + 12582912.0) & 0x007fffff) - 0x00400000
}

/** Toward zero; what does not fit gives the least integer, as x86 converts. */
@inline
export function truncate(x: f32): i32 {
  return x > -2147483648.0 && x < 2147483648.0 ? <i32>x : i32.MIN_VALUE
}

/** To the nearest integer, ties away from zero. */
@inline
export function roundAway(x: f32): i32 {
  const whole = f32.trunc(x)
  return truncate(f32.abs(x - whole) >= 0.5 ? whole + f32.copysign(1, x) : whole)
}

@inline
export function clamp(x: i32, low: i32, high: i32): i32 {
  return max<i32>(low, min<i32>(high, x))
}

@inline
export function at(x: usize, i: i32): f32 {
  return load<f32>(x + ((<usize>i) << 2))
}

@inline
export function put(x: usize, i: i32, value: f32): void {
  store<f32>(x + ((<usize>i) << 2), value)
}

/** 1 / x, or 0 for 0. */
@inline
export function inverse(x: f32): f32 {
  return x != 0 ? <f32>1 / x : 0
}
