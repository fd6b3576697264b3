// SwiGLU's elementwise part (Shazeer 2020): silu(g) · u, silu(g) = g / (1 + exp(−g)).
import { exp_scalar, exp_simd } from './math'

export function swiglu1(g: f32, u: f32): f32 {
  return (g / (1 + exp_scalar(-g))) * u
}

/** Four at a time. */
// @ts-ignore: decorator
@inline
export function swiglu4(g: v128, u: v128): v128 {
  return f32x4.mul(f32x4.div(g, f32x4.add(f32x4.splat(1), exp_simd(f32x4.neg(g)))), u)
}
