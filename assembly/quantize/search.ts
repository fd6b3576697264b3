// Searches for the scale (and minimum) of a few columns at which their weighted squared error is least. Source: the
// reference quantizers in ggml-quants.c; the order of every sum is theirs, so that ties fall as there.
//   x: f32[n], weights: f32[n], levels: u8 or i8[n]
import { at, clamp, nearestInt } from './round'
import { FOUND, TRIAL } from './scratch'

/** Columns whose largest value is less are all zero. */
const LEAST: f32 = 1e-15

/** The value farthest from 0, the first among equals; 0 where all are nearly 0. */
export function extreme(n: i32, x: usize): f32 {
  let most: f32 = 0
  let value: f32 = 0
  for (let i = 0; i < n; i++) {
    const size = f32.abs(at(x, i))
    if (size > most) {
      most = size
      value = at(x, i)
    }
  }
  return most < LEAST ? 0 : value
}

/** x ≈ scale · (level − half) with level in 0…2·half − 1. Weights of 0 stand for x². Source: make_qx_quants. */
export function searchSigned(n: i32, half: i32, x: usize, levels: usize, weights: usize): f32 {
  const value = extreme(n, x)
  if (value == 0) {
    memory.fill(levels, 0, n)
    return 0
  }
  let scale: f32 = 0
  let best: f32 = 0
  for (let k = -10; k <= 9; k++) {
    if (k == 0) continue
    // The first trial puts the extreme on the last level exactly.
    const first = k == -10
    const inverse = first ? <f32>-half / value : -(<f32>half + <f32>0.1 * <f32>k) / value
    let sumLx: f32 = 0
    let sumL2: f32 = 0
    for (let i = 0; i < n; i++) {
      const v = at(x, i)
      const l = <f32>clamp(nearestInt(inverse * v), -half, half - 1)
      const w = weights ? at(weights, i) : v * v
      sumLx += w * v * l
      sumL2 += w * l * l
    }
    if (first ? true : sumL2 > 0 && sumLx * sumLx > best * sumL2) {
      for (let i = 0; i < n; i++) {
        store<u8>(levels + i, <u8>(half + clamp(nearestInt(inverse * at(x, i)), -half, half - 1)))
      }
      scale = sumL2 != 0 ? sumLx / sumL2 : 0
      best = scale * sumLx
    }
  }
  return scale
}

/** x ≈ scale · (level − half) as above, improved one level after the other; weights x². Source: make_q3_quants. */
export function refineSigned(n: i32, half: i32, x: usize, levels: usize): f32 {
  const value = extreme(n, x)
  if (value == 0) {
    memory.fill(levels, 0, n)
    return 0
  }
  const inverse = <f32>-half / value
  let sumLx: f32 = 0
  let sumL2: f32 = 0
  for (let i = 0; i < n; i++) {
    const v = at(x, i)
    const l = clamp(nearestInt(inverse * v), -half, half - 1)
    store<i8>(levels + i, <i8>l)
    const w = v * v
    sumLx += w * v * <f32>l
    sumL2 += w * <f32>l * <f32>l
  }
  for (let pass = 0; pass < 5; pass++) {
    let changed = false
    for (let i = 0; i < n; i++) {
      const v = at(x, i)
      const w = v * v
      const old = <f32>load<i8>(levels + i)
      let restLx = sumLx - w * v * old
      if (!(restLx > 0)) continue
      let restL2 = sumL2 - w * old * old
      const l = <f32>clamp(nearestInt((v * restL2) / restLx), -half, half - 1)
      if (l == old) continue
      restLx += w * v * l
      restL2 += w * l * l
      if (restL2 > 0 && restLx * restLx * sumL2 > sumLx * sumLx * restL2) {
        store<i8>(levels + i, <i8>l)
        sumLx = restLx
        sumL2 = restL2
        changed = true
      }
    }
    if (!changed) break
  }
  for (let i = 0; i < n; i++) store<i8>(levels + i, load<i8>(levels + i) + <i8>half)
  return sumL2 > 0 ? sumLx / sumL2 : 0
}

/** The error of x ≈ scale · level + least: Σ w · d², or Σ w · |d| where `absolute`. */
function affineError(n: i32, x: usize, weights: usize, levels: usize, scale: f32, least: f32, absolute: bool): f32 {
  let error: f32 = 0
  for (let i = 0; i < n; i++) {
    const d = scale * <f32>load<u8>(levels + i) + least - at(x, i)
    error += at(weights, i) * (absolute ? f32.abs(d) : d * d)
  }
  return error
}

/** Levels (0…most) at a given inverse scale and minimum. */
@inline
function affineLevels(n: i32, most: i32, x: usize, levels: usize, inverse: f32, least: f32): void {
  for (let i = 0; i < n; i++) {
    store<u8>(levels + i, <u8>clamp(nearestInt(inverse * (at(x, i) - least)), 0, most))
  }
}

/**
 * x ≈ scale · level − minimum with level in 0…most and minimum ≥ 0, which is left in scratch. Tries the inverse scales
 * (most + from + step · k) / range, k in 0…steps, each with the scale and minimum that suit its levels best.
 * Source: make_qkx2_quants, make_qkx3_quants.
 */
export function searchAffine(
  n: i32,
  most: i32,
  x: usize,
  weights: usize,
  levels: usize,
  scratch: usize,
  from: f32,
  step: f32,
  steps: i32,
  absolute: bool,
): f32 {
  let least = at(x, 0)
  let top = least
  let sumW = at(weights, 0)
  let sumX = sumW * least
  for (let i = 1; i < n; i++) {
    const v = at(x, i)
    if (v < least) least = v
    if (v > top) top = v
    const w = at(weights, i)
    sumW += w
    sumX += w * v
  }
  if (least > 0) least = 0
  if (top <= least) {
    memory.fill(levels, 0, n)
    store<f32>(scratch + FOUND, -least)
    return 0
  }
  const trial = scratch + TRIAL
  const inverse = <f32>most / (top - least)
  let scale = <f32>1 / inverse
  affineLevels(n, most, x, levels, inverse, least)
  let best = affineError(n, x, weights, levels, scale, least, absolute)
  for (let k = 0; k <= steps; k++) {
    const inverse = (from + step * <f32>k + <f32>most) / (top - least)
    let sumL: f32 = 0
    let sumL2: f32 = 0
    let sumLx: f32 = 0
    for (let i = 0; i < n; i++) {
      const v = at(x, i)
      const level = clamp(nearestInt(inverse * (v - least)), 0, most)
      store<u8>(trial + i, <u8>level)
      const l = <f32>level
      const w = at(weights, i)
      sumL += w * l
      sumL2 += w * l * l
      sumLx += w * l * v
    }
    const determinant = sumW * sumL2 - sumL * sumL
    if (!(determinant > 0)) continue
    let newScale = (sumW * sumLx - sumX * sumL) / determinant
    let newLeast = (sumL2 * sumX - sumL * sumLx) / determinant
    if (newLeast > 0) {
      newLeast = 0
      newScale = sumLx / sumL2
    }
    const error = affineError(n, x, weights, trial, newScale, newLeast, absolute)
    if (error < best) {
      memory.copy(levels, trial, n)
      best = error
      scale = newScale
      least = newLeast
    }
  }
  store<f32>(scratch + FOUND, -least)
  return scale
}

/** x ≈ scale · level for x ≥ 0, level in 0…most: a block's scales or minima. Source: make_qp_quants. */
export function searchPositive(n: i32, most: i32, x: usize, levels: usize, weights: usize): f32 {
  let top: f32 = 0
  for (let i = 0; i < n; i++) if (!(top > at(x, i))) top = at(x, i)
  if (top < LEAST) {
    memory.fill(levels, 0, n)
    return 0
  }
  let inverse = <f32>most / top
  let best = positiveError(n, most, x, weights, inverse, true)
  for (let k = -4; k <= 4; k++) {
    if (k == 0) continue
    const trial = (<f32>0.1 * <f32>k + <f32>most) / top
    const error = positiveError(n, most, x, weights, trial, false)
    if (error < best) {
      best = error
      inverse = trial
    }
  }
  let sumLx: f32 = 0
  let sumL2: f32 = 0
  for (let i = 0; i < n; i++) {
    const level = min<i32>(most, nearestInt(inverse * at(x, i)))
    store<u8>(levels + i, <u8>level)
    const l = <f32>level
    const w = at(weights, i)
    sumLx += w * at(x, i) * l
    sumL2 += w * l * l
  }
  return refinePositive(n, most, x, levels, weights, sumLx, sumL2)
}

/** The first trial's levels are bytes without a limit, which matters for negative x only. */
function positiveError(n: i32, most: i32, x: usize, weights: usize, inverse: f32, first: bool): f32 {
  const scale = <f32>1 / inverse
  let error: f32 = 0
  for (let i = 0; i < n; i++) {
    const level = nearestInt(inverse * at(x, i))
    const d = at(x, i) - scale * <f32>(first ? level & 255 : min<i32>(most, level))
    error += at(weights, i) * d * d
  }
  return error
}

function refinePositive(n: i32, most: i32, x: usize, levels: usize, weights: usize, sumLx: f32, sumL2: f32): f32 {
  for (let pass = 0; pass < 5; pass++) {
    let changed = false
    for (let i = 0; i < n; i++) {
      const v = at(x, i)
      const w = at(weights, i)
      const old = <f32>load<u8>(levels + i)
      let restLx = sumLx - w * v * old
      let restL2 = sumL2 - w * old * old
      if (!(restLx > 0 && restL2 > 0)) continue
      const level = min<i32>(most, nearestInt((v * restL2) / restLx))
      if (level == <i32>load<u8>(levels + i)) continue
      const l = <f32>level
      restLx += w * v * l
      restL2 += w * l * l
      if (restLx * restLx * sumL2 > sumLx * sumLx * restL2) {
        store<u8>(levels + i, <u8>level)
        sumLx = restLx
        sumL2 = restL2
        changed = true
      }
    }
    if (!changed) break
  }
  return sumL2 > 0 ? sumLx / sumL2 : 0
}
