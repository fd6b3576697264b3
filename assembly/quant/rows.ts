// Eight rows of a file side by side. In the file a row's bytes follow each other; packed, the same column (or the same 4
// bytes of quants) of all 8 rows do.

/**
 * Four rows of words → the same word of the four rows in one vector, stored 32 bytes apart.
 *
 *     a0 a1 a2 a3        a0 b0 c0 d0   at dst
 *     b0 b1 b2 b3   →    a1 b1 c1 d1   at dst + 32
 *     c0 c1 c2 c3        a2 b2 c2 d2   at dst + 64
 *     d0 d1 d2 d3        a3 b3 c3 d3   at dst + 96
 */
// @ts-ignore: decorator
@inline
function transposeWords(a: v128, b: v128, c: v128, d: v128, dst: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(dst, v128.shuffle<i64>(ab, cd, 0, 2))
  v128.store(dst, v128.shuffle<i64>(ab, cd, 1, 3), 32)
  v128.store(dst, v128.shuffle<i64>(abHigh, cdHigh, 0, 2), 64)
  v128.store(dst, v128.shuffle<i64>(abHigh, cdHigh, 1, 3), 96)
}

/**
 * Copies `words` 4-byte words of each of 8 rows so that the same word of all rows lies side by side. Missing rows are
 * zeros.
 */
// @ts-ignore: decorator
@inline
export function interleave(src: usize, rowBytes: usize, rows: i32, words: i32, dst: usize): void {
  let w = 0
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) {
      for (; w + 4 <= words; w += 4, src += 16, dst += 128) {
        let p = src
        for (let half: usize = 0; half < 32; half += 16, p += 4 * rowBytes) {
          const c = p + 2 * rowBytes
          transposeWords(v128.load(p), v128.load(p + rowBytes), v128.load(c), v128.load(c + rowBytes), dst + half)
        }
      }
    }
  }
  for (; w < words; w++, src += 4, dst += 32) {
    for (let r = 0; r < 8; r++) store<u32>(dst + r * 4, r < rows ? load<u32>(src + <usize>r * rowBytes) : 0)
  }
}

/** As `interleave`, of halves. */
export function interleaveHalves(src: usize, rowBytes: usize, rows: i32, halves: i32, dst: usize): void {
  let i = 0
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) {
      for (; i + 8 <= halves; i += 8, src += 16, dst += 128) transposeHalves(src, rowBytes, dst)
    }
  }
  for (; i < halves; i++, src += 2, dst += 16) {
    for (let r = 0; r < 8; r++) store<u16>(dst + r * 2, r < rows ? load<u16>(src + <usize>r * rowBytes) : 0)
  }
}

/**
 * 8 rows of 8 halves → 8 columns, one after the other. Three times the first four vectors are shuffled into the last four
 * like cards: each time the highest bit of a half's place (row, column) becomes the lowest.
 */
// @ts-ignore: decorator
@inline
function transposeHalves(src: usize, rowBytes: usize, dst: usize): void {
  let a = v128.load(src)
  let b = v128.load((src += rowBytes))
  let c = v128.load((src += rowBytes))
  let d = v128.load((src += rowBytes))
  let e = v128.load((src += rowBytes))
  let f = v128.load((src += rowBytes))
  let g = v128.load((src += rowBytes))
  let h = v128.load(src + rowBytes)
  for (let round = 0; round < 3; round++) {
    const ae = v128.shuffle<i16>(a, e, 0, 8, 1, 9, 2, 10, 3, 11)
    const aeHigh = v128.shuffle<i16>(a, e, 4, 12, 5, 13, 6, 14, 7, 15)
    const bf = v128.shuffle<i16>(b, f, 0, 8, 1, 9, 2, 10, 3, 11)
    const bfHigh = v128.shuffle<i16>(b, f, 4, 12, 5, 13, 6, 14, 7, 15)
    const cg = v128.shuffle<i16>(c, g, 0, 8, 1, 9, 2, 10, 3, 11)
    const cgHigh = v128.shuffle<i16>(c, g, 4, 12, 5, 13, 6, 14, 7, 15)
    const dh = v128.shuffle<i16>(d, h, 0, 8, 1, 9, 2, 10, 3, 11)
    const dhHigh = v128.shuffle<i16>(d, h, 4, 12, 5, 13, 6, 14, 7, 15)
    a = ae
    b = aeHigh
    c = bf
    d = bfHigh
    e = cg
    f = cgHigh
    g = dh
    h = dhHigh
  }
  v128.store(dst, a)
  v128.store(dst, b, 16)
  v128.store(dst, c, 32)
  v128.store(dst, d, 48)
  v128.store(dst, e, 64)
  v128.store(dst, f, 80)
  v128.store(dst, g, 96)
  v128.store(dst, h, 112)
}

/** The halves at p, p + stride, … p + 7 · stride. */
// @ts-ignore: decorator
@inline
export function gatherHalves(p: usize, stride: usize): v128 {
  let x = v128.load16_lane(p, i16x8.splat(0), 0)
  x = v128.load16_lane((p += stride), x, 1)
  x = v128.load16_lane((p += stride), x, 2)
  x = v128.load16_lane((p += stride), x, 3)
  x = v128.load16_lane((p += stride), x, 4)
  x = v128.load16_lane((p += stride), x, 5)
  x = v128.load16_lane((p += stride), x, 6)
  return v128.load16_lane(p + stride, x, 7)
}

/** The bytes at p, p + stride, … p + 7 · stride, in the low half. */
// @ts-ignore: decorator
@inline
export function gatherBytes(p: usize, stride: usize): v128 {
  let x = v128.load8_lane(p, i8x16.splat(0), 0)
  x = v128.load8_lane((p += stride), x, 1)
  x = v128.load8_lane((p += stride), x, 2)
  x = v128.load8_lane((p += stride), x, 3)
  x = v128.load8_lane((p += stride), x, 4)
  x = v128.load8_lane((p += stride), x, 5)
  x = v128.load8_lane((p += stride), x, 6)
  return v128.load8_lane(p + stride, x, 7)
}

/** The largest magnitude among `count` halves side by side, as bits: from 0x7c00 on, one is not finite. */
export function largestHalf(p: usize, count: i32): i32 {
  let largest = 0
  let i = 0
  if (ASC_FEATURE_SIMD) {
    const magnitude = i16x8.splat(0x7fff)
    let most = i16x8.splat(0)
    for (; i + 8 <= count; i += 8, p += 16) most = i16x8.max_s(most, v128.and(v128.load(p), magnitude))
    largest = largestLane(most)
  }
  for (; i < count; i++, p += 2) largest = max(largest, <i32>load<u16>(p) & 0x7fff)
  return largest
}

/** The largest of 8 i16. */
// @ts-ignore: decorator
@inline
export function largestLane(x: v128): i32 {
  x = i16x8.max_s(x, v128.shuffle<i64>(x, x, 1, 0))
  x = i16x8.max_s(x, v128.shuffle<i32>(x, x, 1, 0, 3, 2))
  return max(i16x8.extract_lane_s(x, 0), i16x8.extract_lane_s(x, 1))
}

/** Whether `count` floats side by side are all finite. */
export function areFinite(p: usize, count: i32): bool {
  let i = 0
  if (ASC_FEATURE_SIMD) {
    const magnitude = i32x4.splat(0x7fffffff)
    let most = i32x4.splat(0)
    for (; i + 4 <= count; i += 4, p += 16) most = i32x4.max_s(most, v128.and(v128.load(p), magnitude))
    if (v128.any_true(i32x4.ge_s(most, i32x4.splat(0x7f800000)))) return false
  }
  for (; i < count; i++, p += 4) if (!isFinite(load<f32>(p))) return false
  return true
}
