// SwiGLU's elementwise part (Shazeer 2020): h = silu(g) · u, silu(g) = g / (1 + exp(−g)).
import { exp_scalar, exp_simd } from './math'

/** g f32[n] (in place) and u f32[n], n a multiple of 8 in the SIMD builds' tiles: n = 8. */
export function swiglu8(g: usize, u: usize): void {
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1)
    for (let i: usize = 0; i < 32; i += 16) {
      const x = v128.load(g + i)
      const silu = f32x4.div(x, f32x4.add(one, exp_simd(f32x4.neg(x))))
      v128.store(g + i, f32x4.mul(silu, v128.load(u + i)))
    }
  } else {
    for (let i: usize = 0; i < 32; i += 4) {
      const x = load<f32>(g + i)
      store<f32>(g + i, (x / (1 + exp_scalar(-x))) * load<f32>(u + i))
    }
  }
}
