// IEEE half precision ↔ single, by bit operations alone.

/** f32 bits 0x77800000: 2^112, the ratio of the exponent biases. */
export const F16_BIAS_RATIO: f32 = reinterpret<f32>(0x77800000)

/** Exact for finite halves; subnormal halves pass through a subnormal f32. */
@inline
export function f16ToF32(h: u32): f32 {
  return reinterpret<f32>(((h & 0x7fff) << 13) | ((h & 0x8000) << 16)) * F16_BIAS_RATIO
}

/** Rounds to nearest, ties to even; overflow gives infinity, NaN stays NaN. */
export function f32ToF16(x: f32): u32 {
  const bits = reinterpret<u32>(x)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // ≥ 65520 rounds to infinity
  if (magnitude < 0x38800000) {
    // Below 2^-14 the half is a multiple of 2^-24: adding 0.5 in f32 leaves just those bits, rounded to even.
    return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f000000)
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
}

@inline
export function isFiniteF16(h: u32): bool {
  return (h & 0x7c00) != 0x7c00
}

/** The bits that a half keeps when it is shifted into a single. Kernels hold it in a local: a register for the loop. */
@inline
export const F16_MASK = 0x8fffe000

/** Four packed halves at p → f32x4 whose exponents are still those of the half: to be multiplied by the ratio. */
@inline
export function shiftF16x4(p: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask)
}

/** Four packed halves (low 64 bits at p) → f32x4, scaled by `ratio` (F16_BIAS_RATIO or a tensor's own). */
@inline
export function loadF16x4(p: usize, ratio: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(p), 13), i32x4.splat(0x8fffe000)), ratio)
}

/** f32x4 → four halves in the low 16 bits of each lane; for values that are finite. */
@inline
export function f32x4ToF16(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000))
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff))
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000))
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff - 0x38000000)), odd), 13)
  const infinite = i32x4.ge_s(magnitude, i32x4.splat(0x477ff000))
  const half = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)))
  return v128.or(sign, v128.bitselect(i32x4.splat(0x7c00), half, infinite))
}
