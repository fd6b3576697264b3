// Attention's kernels by cache type and instruction set: the one place that chooses among them.
import * as L from '../layout'
import * as float_scalar from './attend_float/scalar'
import * as float_simd from './attend_float/simd'
import * as q8_scalar from './attend_q8/scalar'
import * as q8_simd from './attend_q8/simd'

/** Scores of up to PAGE positions for a tile of queries (floats side by side, or q8 blocks) → s, PIECE floats apart. */
export function pageScores(
  kind: i32,
  queries: i32,
  q: usize,
  k: usize,
  n: i32,
  headDim: i32,
  scale: f32,
  s: usize,
): void {
  if (!ASC_FEATURE_SIMD) {
    for (let t: usize = 0; t < <usize>queries; t++) {
      const to = s + t * (L.PIECE * 4)
      if (kind == L.KV_F32) float_scalar.scores(q + (t << 2), k, n, headDim, scale, false, to)
      else if (kind == L.KV_F16) float_scalar.scores(q + (t << 2), k, n, headDim, scale, true, to)
      else q8_scalar.scores(q, t, k, n, headDim, scale, to)
    }
  } else if (queries == 1) {
    if (kind == L.KV_F32) float_simd.scores1(q, k, n, headDim, scale, false, s)
    else if (kind == L.KV_F16) float_simd.scores1(q, k, n, headDim, scale, true, s)
    else q8_simd.scores1(q, k, n, headDim, scale, s)
  } else {
    if (kind == L.KV_F32) float_simd.scores(q, k, n, headDim, scale, false, s)
    else if (kind == L.KV_F16) float_simd.scores(q, k, n, headDim, scale, true, s)
    else q8_simd.scores(q, k, n, headDim, scale, s)
  }
}

/** Whether a cache type gains by being made f32 once for many queries. */
@inline
export function widens(kind: i32): bool {
  return ASC_FEATURE_SIMD && kind == L.KV_F16
}

/** `count` elements of a page → f32, as the kernels for f32 read them: times what queries and weights are divided by. */
@inline
export function widen(page: usize, count: i32, dst: usize): void {
  if (ASC_FEATURE_SIMD) float_simd.widenF16(page, count, dst)
}

/** Adds the weighted values of up to PAGE positions to a tile's accumulators, MAX_STATE_BYTES apart. */
export function pageValues(
  kind: i32,
  queries: i32,
  p: usize,
  v: usize,
  n: i32,
  headDim: i32,
  width: i32,
  acc: usize,
): void {
  if (!ASC_FEATURE_SIMD) {
    for (let t: usize = 0; t < <usize>queries; t++) {
      const from = p + t * (L.PIECE * 4)
      const to = acc + t * L.MAX_STATE_BYTES
      if (kind == L.KV_F32) float_scalar.weighV(from, v, n, width, false, to)
      else if (kind == L.KV_F16) float_scalar.weighV(from, v, n, width, true, to)
      else q8_scalar.weighV(from, v, n, headDim, to)
    }
  } else if (queries == 1) {
    if (kind == L.KV_F32) float_simd.weighV1(p, v, n, width, false, acc)
    else if (kind == L.KV_F16) float_simd.weighV1(p, v, n, width, true, acc)
    else q8_simd.weighV1(p, v, n, headDim, acc)
  } else {
    if (kind == L.KV_F32) float_simd.weighV(p, v, n, width, false, acc)
    else if (kind == L.KV_F16) float_simd.weighV(p, v, n, width, true, acc)
    else q8_simd.weighV(p, v, n, headDim, acc)
  }
}
