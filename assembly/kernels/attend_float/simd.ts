// Attention over one page of a cache of f32 or f16 (model/cache.ts draws it), for a tile of four queries or a single one.
import { hoistedWords } from '../../quant/hoisted'
import * as L from '../../layout'
import { F16_MASK, shiftF16x4 } from '../../quant/f16'
import { splat0, splat1, splat2, splat3 } from '../steps'

/**
 * Four elements of the cache. Halves come with their own exponents, 2^112 too small: what they are multiplied by, queries
 * and softmax weights, is made 2^112 larger instead, once.
 */
@inline
function load4(p: usize, mask: v128, f16: bool): v128 {
  return f16 ? shiftF16x4(p, mask) : v128.load(p)
}

@inline
function addMul(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b))
}

/** `count` halves (a multiple of 8) → f32 whose exponents are still those of halves. */
export function widenF16(src: usize, count: i32, dst: usize): void {
  const mask = hoistedWords(F16_MASK)
  for (const end = src + ((<usize>count) << 1); src < end; src += 16, dst += 32) {
    v128.store(dst, shiftF16x4(src, mask))
    v128.store(dst, shiftF16x4(src + 8, mask), 16)
  }
}

/**
 * q · k of four queries with up to PAGE positions, each sum in order of dimension; whole eights are computed. q: queries
 * side by side; s: where each query's scores go, PIECE floats apart.
 */
@inline
export function scores(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = hoistedWords(F16_MASK)
  const scales = f32x4.splat(scale)
  const end = q + ((<usize>headDim) << 4)
  for (let j = 0; j < count; j += 8) {
    let c00 = f32x4.splat(0)
    let c01 = c00
    let c10 = c00
    let c11 = c00
    let c20 = c00
    let c21 = c00
    let c30 = c00
    let c31 = c00
    let p = k + ((<usize>(j * headDim)) << shift)
    for (let a = q; a < end; a += 32, p += 16 << shift) {
      let x = v128.load(a)
      let k0 = load4(p, mask, f16)
      let k1 = load4(p + (4 << shift), mask, f16)
      let y = splat0(x)
      c00 = addMul(c00, k0, y)
      c01 = addMul(c01, k1, y)
      y = splat1(x)
      c10 = addMul(c10, k0, y)
      c11 = addMul(c11, k1, y)
      y = splat2(x)
      c20 = addMul(c20, k0, y)
      c21 = addMul(c21, k1, y)
      y = splat3(x)
      c30 = addMul(c30, k0, y)
      c31 = addMul(c31, k1, y)
      x = v128.load(a, 16)
      k0 = load4(p + (8 << shift), mask, f16)
      k1 = load4(p + (12 << shift), mask, f16)
      y = splat0(x)
      c00 = addMul(c00, k0, y)
      c01 = addMul(c01, k1, y)
      y = splat1(x)
      c10 = addMul(c10, k0, y)
      c11 = addMul(c11, k1, y)
      y = splat2(x)
      c20 = addMul(c20, k0, y)
      c21 = addMul(c21, k1, y)
      y = splat3(x)
      c30 = addMul(c30, k0, y)
      c31 = addMul(c31, k1, y)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(c00, scales))
    v128.store(to, f32x4.mul(c01, scales), 16)
    v128.store(to, f32x4.mul(c10, scales), L.PIECE * 4)
    v128.store(to, f32x4.mul(c11, scales), L.PIECE * 4 + 16)
    v128.store(to, f32x4.mul(c20, scales), L.PIECE * 8)
    v128.store(to, f32x4.mul(c21, scales), L.PIECE * 8 + 16)
    v128.store(to, f32x4.mul(c30, scales), L.PIECE * 12)
    v128.store(to, f32x4.mul(c31, scales), L.PIECE * 12 + 16)
  }
}

/** The same for one query, whose values stand QUERIES apart; whole sixteens are computed. */
@inline
export function scores1(q: usize, k: usize, count: i32, headDim: i32, scale: f32, f16: bool, s: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = hoistedWords(F16_MASK)
  const scales = f32x4.splat(scale)
  const end = q + ((<usize>headDim) << 4)
  const eight = (<usize>headDim * 8) << shift
  for (let j = 0; j < count; j += 16) {
    let c0 = f32x4.splat(0)
    let c1 = c0
    let c2 = c0
    let c3 = c0
    let p = k + ((<usize>(j * headDim)) << shift)
    for (let a = q; a < end; a += 32, p += 16 << shift) {
      let y = v128.load32_splat(a)
      c0 = addMul(c0, load4(p, mask, f16), y)
      c1 = addMul(c1, load4(p + (4 << shift), mask, f16), y)
      c2 = addMul(c2, load4(p + eight, mask, f16), y)
      c3 = addMul(c3, load4(p + eight + (4 << shift), mask, f16), y)
      y = v128.load32_splat(a, 16)
      c0 = addMul(c0, load4(p + (8 << shift), mask, f16), y)
      c1 = addMul(c1, load4(p + (12 << shift), mask, f16), y)
      c2 = addMul(c2, load4(p + eight + (8 << shift), mask, f16), y)
      c3 = addMul(c3, load4(p + eight + (12 << shift), mask, f16), y)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(c0, scales))
    v128.store(to, f32x4.mul(c1, scales), 16)
    v128.store(to, f32x4.mul(c2, scales), 32)
    v128.store(to, f32x4.mul(c3, scales), 48)
  }
}

/**
 * acc += Σ p[j] · v[j] over up to PAGE positions, in order of position, for four queries: p PIECE floats apart, their
 * accumulators MAX_STATE_BYTES apart. Entries that a query may not see have p = 0, which changes no bit of a sum.
 */
@inline
export function weighV(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = hoistedWords(F16_MASK)
  const end = p + ((<usize>count) << 2)
  const pairs = p + ((<usize>(count & ~1)) << 2)
  for (let d = 0; d < width; d += 8, v += (<usize>(L.PAGE * 8)) << shift, acc += 32) {
    let a00 = v128.load(acc)
    let a01 = v128.load(acc, 16)
    let a10 = v128.load(acc, L.MAX_STATE_BYTES)
    let a11 = v128.load(acc, L.MAX_STATE_BYTES + 16)
    let a20 = v128.load(acc, 2 * L.MAX_STATE_BYTES)
    let a21 = v128.load(acc, 2 * L.MAX_STATE_BYTES + 16)
    let a30 = v128.load(acc, 3 * L.MAX_STATE_BYTES)
    let a31 = v128.load(acc, 3 * L.MAX_STATE_BYTES + 16)
    let from = v
    let j = p
    for (; j < pairs; j += 8, from += 16 << shift) {
      let v0 = load4(from, mask, f16)
      let v1 = load4(from + (4 << shift), mask, f16)
      let w = v128.load32_splat(j)
      a00 = addMul(a00, v0, w)
      a01 = addMul(a01, v1, w)
      w = v128.load32_splat(j, L.PIECE * 4)
      a10 = addMul(a10, v0, w)
      a11 = addMul(a11, v1, w)
      w = v128.load32_splat(j, L.PIECE * 8)
      a20 = addMul(a20, v0, w)
      a21 = addMul(a21, v1, w)
      w = v128.load32_splat(j, L.PIECE * 12)
      a30 = addMul(a30, v0, w)
      a31 = addMul(a31, v1, w)
      v0 = load4(from + (8 << shift), mask, f16)
      v1 = load4(from + (12 << shift), mask, f16)
      w = v128.load32_splat(j, 4)
      a00 = addMul(a00, v0, w)
      a01 = addMul(a01, v1, w)
      w = v128.load32_splat(j, L.PIECE * 4 + 4)
      a10 = addMul(a10, v0, w)
      a11 = addMul(a11, v1, w)
      w = v128.load32_splat(j, L.PIECE * 8 + 4)
      a20 = addMul(a20, v0, w)
      a21 = addMul(a21, v1, w)
      w = v128.load32_splat(j, L.PIECE * 12 + 4)
      a30 = addMul(a30, v0, w)
      a31 = addMul(a31, v1, w)
    }
    if (j < end) {
      const v0 = load4(from, mask, f16)
      const v1 = load4(from + (4 << shift), mask, f16)
      let w = v128.load32_splat(j)
      a00 = addMul(a00, v0, w)
      a01 = addMul(a01, v1, w)
      w = v128.load32_splat(j, L.PIECE * 4)
      a10 = addMul(a10, v0, w)
      a11 = addMul(a11, v1, w)
      w = v128.load32_splat(j, L.PIECE * 8)
      a20 = addMul(a20, v0, w)
      a21 = addMul(a21, v1, w)
      w = v128.load32_splat(j, L.PIECE * 12)
      a30 = addMul(a30, v0, w)
      a31 = addMul(a31, v1, w)
    }
    v128.store(acc, a00)
    v128.store(acc, a01, 16)
    v128.store(acc, a10, L.MAX_STATE_BYTES)
    v128.store(acc, a11, L.MAX_STATE_BYTES + 16)
    v128.store(acc, a20, 2 * L.MAX_STATE_BYTES)
    v128.store(acc, a21, 2 * L.MAX_STATE_BYTES + 16)
    v128.store(acc, a30, 3 * L.MAX_STATE_BYTES)
    v128.store(acc, a31, 3 * L.MAX_STATE_BYTES + 16)
  }
}

/** The same for the first query alone: two eights of dimensions at a time, or one. */
@inline
export function weighV1(p: usize, v: usize, count: i32, width: i32, f16: bool, acc: usize): void {
  const shift: usize = f16 ? 1 : 2
  const mask = hoistedWords(F16_MASK)
  const end = p + ((<usize>count) << 2)
  const pairs = p + ((<usize>(count & ~1)) << 2)
  const eight = (<usize>(L.PAGE * 8)) << shift
  for (let d = 0; d < width; d += 16, v += 2 * eight, acc += 64) {
    const next: usize = d + 8 < width ? eight : 0
    let a0 = v128.load(acc)
    let a1 = v128.load(acc, 16)
    let a2 = v128.load(acc, 32)
    let a3 = v128.load(acc, 48)
    let from = v
    let j = p
    for (; j < pairs; j += 8, from += 16 << shift) {
      let w = v128.load32_splat(j)
      a0 = addMul(a0, load4(from, mask, f16), w)
      a1 = addMul(a1, load4(from + (4 << shift), mask, f16), w)
      a2 = addMul(a2, load4(from + next, mask, f16), w)
      a3 = addMul(a3, load4(from + next + (4 << shift), mask, f16), w)
      w = v128.load32_splat(j, 4)
      a0 = addMul(a0, load4(from + (8 << shift), mask, f16), w)
      a1 = addMul(a1, load4(from + (12 << shift), mask, f16), w)
      a2 = addMul(a2, load4(from + next + (8 << shift), mask, f16), w)
      a3 = addMul(a3, load4(from + next + (12 << shift), mask, f16), w)
    }
    if (j < end) {
      const w = v128.load32_splat(j)
      a0 = addMul(a0, load4(from, mask, f16), w)
      a1 = addMul(a1, load4(from + (4 << shift), mask, f16), w)
      a2 = addMul(a2, load4(from + next, mask, f16), w)
      a3 = addMul(a3, load4(from + next + (4 << shift), mask, f16), w)
    }
    v128.store(acc, a0)
    v128.store(acc, a1, 16)
    if (next == 0) continue
    v128.store(acc, a2, 32)
    v128.store(acc, a3, 48)
  }
}
