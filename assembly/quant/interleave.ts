// Eight rows of a file side by side. In the file a row's bytes follow each other; packed, the same column (or the same 4
// bytes of quants) of all 8 rows do.

/**
 * Four rows of words → the same word of the four rows in one vector.
 *
 *     a0 a1 a2 a3        a0 b0 c0 d0   at dst
 *     b0 b1 b2 b3   →    a1 b1 c1 d1   at dst + second
 *     c0 c1 c2 c3        a2 b2 c2 d2   at dst + third
 *     d0 d1 d2 d3        a3 b3 c3 d3   at dst + second + third
 */
@inline
function transposeWords(a: v128, b: v128, c: v128, d: v128, dst: usize, second: usize, third: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
  const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(dst, v128.shuffle<i64>(ab, cd, 0, 2))
  v128.store(dst + second, v128.shuffle<i64>(ab, cd, 1, 3))
  dst += third
  v128.store(dst, v128.shuffle<i64>(abHigh, cdHigh, 0, 2))
  v128.store(dst + second, v128.shuffle<i64>(abHigh, cdHigh, 1, 3))
}

/** Copies 4 words of each of 8 rows: the first of all rows to dst, the others where `transposeWords` says. */
@inline
export function interleaveFour(src: usize, rowBytes: usize, dst: usize, second: usize, third: usize): void {
  for (let half: usize = 0; half < 32; half += 16, src += 4 * rowBytes) {
    const c = src + 2 * rowBytes
    const b = v128.load(src + rowBytes)
    transposeWords(v128.load(src), b, v128.load(c), v128.load(c + rowBytes), dst + half, second, third)
  }
}

/**
 * Copies `words` 4-byte words of each of 8 rows so that the same word of all rows lies side by side. Missing rows are
 * zeros.
 */
@inline
export function interleave(src: usize, rowBytes: usize, rows: i32, words: i32, dst: usize): void {
  let w = 0
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) {
      for (; w + 4 <= words; w += 4, src += 16, dst += 128) interleaveFour(src, rowBytes, dst, 32, 64)
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
      for (; i + 8 <= halves; i += 8, src += 16, dst += 128) transpose<i16>(src, rowBytes, dst, 16)
    }
  }
  for (; i < halves; i++, src += 2, dst += 16) {
    for (let r = 0; r < 8; r++) store<u16>(dst + r * 2, r < rows ? load<u16>(src + <usize>r * rowBytes) : 0)
  }
}

/**
 * Copies 16 bytes of each of 8 rows: bytes 2p of all rows, then bytes 2p + 1, to dst + p · stride. Missing rows are
 * zeros.
 */
export function interleaveBytes(src: usize, rowBytes: usize, rows: i32, dst: usize, stride: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) return transpose<i8>(src, rowBytes, dst, stride)
  }
  for (let p = 0; p < 8; p++, src += 2, dst += stride) {
    for (let r: usize = 0; r < 8; r++) {
      const pair = r < <usize>rows ? <u32>load<u16>(src + r * rowBytes) : 0
      store<u8>(dst + r, pair)
      store<u8>(dst + r, pair >> 8, 8)
    }
  }
}

/** Lanes of both by turns, of their low halves. */
@inline
function turnsLow<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 1
    ? v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    : v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

/** Lanes of both by turns, of their high halves. */
@inline
function turnsHigh<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 1
    ? v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    : v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

/**
 * 8 rows of a vector of halves or bytes → columns of 8, one after the other, a vector of them every `stride` bytes. Three
 * times the first four vectors are shuffled into the last four like cards: each time the highest bit of a lane's place
 * (row, column) becomes the lowest.
 */
function transpose<T>(src: usize, rowBytes: usize, dst: usize, stride: usize): void {
  let a = v128.load(src)
  let b = v128.load((src += rowBytes))
  let c = v128.load((src += rowBytes))
  let d = v128.load((src += rowBytes))
  let e = v128.load((src += rowBytes))
  let f = v128.load((src += rowBytes))
  let g = v128.load((src += rowBytes))
  let h = v128.load(src + rowBytes)
  for (let round = 0; round < 3; round++) {
    const aeHigh = turnsHigh<T>(a, e)
    const bf = turnsLow<T>(b, f)
    const bfHigh = turnsHigh<T>(b, f)
    const cg = turnsLow<T>(c, g)
    const cgHigh = turnsHigh<T>(c, g)
    const dh = turnsLow<T>(d, h)
    h = turnsHigh<T>(d, h)
    a = turnsLow<T>(a, e)
    b = aeHigh
    c = bf
    d = bfHigh
    e = cg
    f = cgHigh
    g = dh
  }
  v128.store(dst, a)
  v128.store((dst += stride), b)
  v128.store((dst += stride), c)
  v128.store((dst += stride), d)
  v128.store((dst += stride), e)
  v128.store((dst += stride), f)
  v128.store((dst += stride), g)
  v128.store(dst + stride, h)
}

/** The words at p, p + stride, … p + 3 · stride. */
@inline
export function gatherWords(p: usize, stride: usize): v128 {
  let x = v128.load32_splat(p)
  x = v128.load32_lane((p += stride), x, 1)
  x = v128.load32_lane((p += stride), x, 2)
  return v128.load32_lane(p + stride, x, 3)
}

/** The halves at p, p + stride, … p + 7 · stride. */
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
