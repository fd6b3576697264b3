import { ACTS_DA, ACTS_S, ACTS_PAIR, ACTS_SA, TINY } from '../acts'

@inline
function quantize(x: usize, at: usize, id: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + at), id)))
}

@inline
function hmax(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  )
}

@inline
function hsum(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
}

@inline
function store4(v: v128, dst: usize, stride: usize): void {
  v128.store_lane<u32>(dst, v, 0)
  v128.store_lane<u32>(dst + stride, v, 1)
  v128.store_lane<u32>(dst + 2 * stride, v, 2)
  v128.store_lane<u32>(dst + 3 * stride, v, 3)
}

/** Two quads as i32x4 → four pairs (columns 0, 2), (1, 3), (4, 6), (5, 7) of i16. */
@inline
function pairs(a: v128, b: v128): v128 {
  const n = i16x8.narrow_i32x4_s(a, b)
  return v128.shuffle<i16>(n, n, 0, 2, 1, 3, 4, 6, 5, 7)
}

/** One token's 32 columns at x → its places in a block of T tokens at dst (which points at this token's first quad). */
export function arrange(x: usize, dst: usize, t: usize): void {
  let m = f32x4.abs(v128.load(x))
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.max(m, f32x4.abs(v128.load(x + i)))
  const amax = hmax(m)
  const da: f32 = amax / 127
  const id = f32x4.splat(amax < TINY ? 0 : 127 / amax)
  const q0 = quantize(x, 0, id)
  const q1 = quantize(x, 16, id)
  const q2 = quantize(x, 32, id)
  const q3 = quantize(x, 48, id)
  const q4 = quantize(x, 64, id)
  const q5 = quantize(x, 80, id)
  const q6 = quantize(x, 96, id)
  const q7 = quantize(x, 112, id)
  const stride = t * 4
  if (ASC_FEATURE_RELAXED_SIMD) {
    store4(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q0, q1), i16x8.narrow_i32x4_s(q2, q3)), dst, stride)
    store4(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q4, q5), i16x8.narrow_i32x4_s(q6, q7)), dst + 4 * stride, stride)
  } else {
    store4(pairs(q0, q1), dst, stride)
    store4(pairs(q2, q3), dst + 4 * stride, stride)
    store4(pairs(q4, q5), dst + 8 * stride, stride)
    store4(pairs(q6, q7), dst + 12 * stride, stride)
  }
  const s0 = hsum(i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)))
  const s1 = hsum(i32x4.add(i32x4.add(q4, q5), i32x4.add(q6, q7)))
  store<f32>(dst + ACTS_DA * t, da)
  store<i32>(dst + ACTS_S * t, -8 * (s0 + s1))
  store<i32>(dst + ACTS_PAIR * t, ((-8 * s0) & 0xffff) | (-s1 << 19))
  store<f32>(dst + ACTS_SA * t, da * <f32>(s0 + s1))
}
