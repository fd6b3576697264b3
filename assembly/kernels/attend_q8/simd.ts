// Attention over one page of a q8_0 cache (layout.ts), for a tile of four queries or a single one.
import * as L from '../../layout'
import { dot16, splat0, splat1, splat2, splat3, step } from '../steps'
import { K_BLOCK, K_D, Q_BLOCK, Q_D } from './layout'

/**
 * q · k of four queries with up to PAGE positions: an exact integer for each 32 dimensions, then one float step. Whole
 * eights are computed. s: where each query's scores go, PIECE floats apart.
 */
@inline
export function scores(q: usize, k: usize, count: i32, headDim: i32, scale: f32, s: usize): void {
  const scales = f32x4.splat(scale)
  const end = q + <usize>(headDim >> 5) * Q_BLOCK
  for (let j = 0; j < count; j += 8) {
    let f00 = f32x4.splat(0)
    let f01 = f32x4.splat(0)
    let f10 = f32x4.splat(0)
    let f11 = f32x4.splat(0)
    let f20 = f32x4.splat(0)
    let f21 = f32x4.splat(0)
    let f30 = f32x4.splat(0)
    let f31 = f32x4.splat(0)
    for (let a = q; a < end; a += Q_BLOCK, k += K_BLOCK) {
      let c00 = i32x4.splat(0)
      let c01 = i32x4.splat(0)
      let c10 = i32x4.splat(0)
      let c11 = i32x4.splat(0)
      let c20 = i32x4.splat(0)
      let c21 = i32x4.splat(0)
      let c30 = i32x4.splat(0)
      let c31 = i32x4.splat(0)
      for (let i: usize = 0; i < 8; i++) {
        const v = v128.load(a + (i << 4))
        const w0 = v128.load(k + (i << 5))
        const w1 = v128.load(k + (i << 5), 16)
        let x = i16x8.shr_s(i16x8.shl(v, 8), 8)
        let y0 = i16x8.shr_s(i16x8.shl(w0, 8), 8)
        let y1 = i16x8.shr_s(i16x8.shl(w1, 8), 8)
        let z = splat0(x)
        c00 = dot16(c00, z, y0)
        c01 = dot16(c01, z, y1)
        z = splat1(x)
        c10 = dot16(c10, z, y0)
        c11 = dot16(c11, z, y1)
        z = splat2(x)
        c20 = dot16(c20, z, y0)
        c21 = dot16(c21, z, y1)
        z = splat3(x)
        c30 = dot16(c30, z, y0)
        c31 = dot16(c31, z, y1)
        x = i16x8.shr_s(v, 8)
        y0 = i16x8.shr_s(w0, 8)
        y1 = i16x8.shr_s(w1, 8)
        z = splat0(x)
        c00 = dot16(c00, z, y0)
        c01 = dot16(c01, z, y1)
        z = splat1(x)
        c10 = dot16(c10, z, y0)
        c11 = dot16(c11, z, y1)
        z = splat2(x)
        c20 = dot16(c20, z, y0)
        c21 = dot16(c21, z, y1)
        z = splat3(x)
        c30 = dot16(c30, z, y0)
        c31 = dot16(c31, z, y1)
      }
      const d0 = v128.load(k, K_D)
      const d1 = v128.load(k, K_D + 16)
      const dq = v128.load(a, Q_D)
      let d = splat0(dq)
      f00 = step(f00, c00, d0, d)
      f01 = step(f01, c01, d1, d)
      d = splat1(dq)
      f10 = step(f10, c10, d0, d)
      f11 = step(f11, c11, d1, d)
      d = splat2(dq)
      f20 = step(f20, c20, d0, d)
      f21 = step(f21, c21, d1, d)
      d = splat3(dq)
      f30 = step(f30, c30, d0, d)
      f31 = step(f31, c31, d1, d)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(f00, scales))
    v128.store(to, f32x4.mul(f01, scales), 16)
    v128.store(to, f32x4.mul(f10, scales), L.PIECE * 4)
    v128.store(to, f32x4.mul(f11, scales), L.PIECE * 4 + 16)
    v128.store(to, f32x4.mul(f20, scales), L.PIECE * 8)
    v128.store(to, f32x4.mul(f21, scales), L.PIECE * 8 + 16)
    v128.store(to, f32x4.mul(f30, scales), L.PIECE * 12)
    v128.store(to, f32x4.mul(f31, scales), L.PIECE * 12 + 16)
  }
}

/** The same for the first query alone. */
@inline
export function scores1(q: usize, k: usize, count: i32, headDim: i32, scale: f32, s: usize): void {
  const scales = f32x4.splat(scale)
  const end = q + <usize>(headDim >> 5) * Q_BLOCK
  for (let j = 0; j < count; j += 8) {
    let f00 = f32x4.splat(0)
    let f01 = f32x4.splat(0)
    for (let a = q; a < end; a += Q_BLOCK, k += K_BLOCK) {
      let c00 = i32x4.splat(0)
      let c01 = i32x4.splat(0)
      for (let i: usize = 0; i < 8; i++) {
        const v = v128.load(a + (i << 4))
        const w0 = v128.load(k + (i << 5))
        const w1 = v128.load(k + (i << 5), 16)
        let x = i16x8.shr_s(i16x8.shl(v, 8), 8)
        let y0 = i16x8.shr_s(i16x8.shl(w0, 8), 8)
        let y1 = i16x8.shr_s(i16x8.shl(w1, 8), 8)
        let z = splat0(x)
        c00 = dot16(c00, z, y0)
        c01 = dot16(c01, z, y1)
        x = i16x8.shr_s(v, 8)
        y0 = i16x8.shr_s(w0, 8)
        y1 = i16x8.shr_s(w1, 8)
        z = splat0(x)
        c00 = dot16(c00, z, y0)
        c01 = dot16(c01, z, y1)
      }
      const d0 = v128.load(k, K_D)
      const d1 = v128.load(k, K_D + 16)
      const dq = v128.load(a, Q_D)
      let d = splat0(dq)
      f00 = step(f00, c00, d0, d)
      f01 = step(f01, c01, d1, d)
    }
    const to = s + ((<usize>j) << 2)
    v128.store(to, f32x4.mul(f00, scales))
    v128.store(to, f32x4.mul(f01, scales), 16)
  }
}

/**
 * acc += Σ p[j] · d[j] · v[j] over up to PAGE positions, in order of position, for four queries: p PIECE floats apart,
 * accumulators MAX_STATE_BYTES apart. p · d is one product, as in the scalar twin.
 */
@inline
export function weighV(p: usize, v: usize, count: i32, headDim: i32, acc: usize): void {
  const d = v + <usize>(headDim * L.PAGE)
  const end = p + ((<usize>count) << 2)
  for (let c = 0; c < headDim; c += 8, v += L.PAGE * 8, acc += 32) {
    let a00 = v128.load(acc)
    let a01 = v128.load(acc, 16)
    let a10 = v128.load(acc, L.MAX_STATE_BYTES)
    let a11 = v128.load(acc, L.MAX_STATE_BYTES + 16)
    let a20 = v128.load(acc, 2 * L.MAX_STATE_BYTES)
    let a21 = v128.load(acc, 2 * L.MAX_STATE_BYTES + 16)
    let a30 = v128.load(acc, 3 * L.MAX_STATE_BYTES)
    let a31 = v128.load(acc, 3 * L.MAX_STATE_BYTES + 16)
    let from = v
    let scale = d + <usize>(c >> 5) * (L.PAGE * 4)
    for (let j = p; j < end; j += 4, from += 8, scale += 4) {
      const bytes = v128.load8x8_s(from)
      const v0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(bytes))
      const v1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(bytes))
      const dv = v128.load32_splat(scale)
      let w = f32x4.mul(v128.load32_splat(j), dv)
      a00 = f32x4.add(a00, f32x4.mul(v0, w))
      a01 = f32x4.add(a01, f32x4.mul(v1, w))
      w = f32x4.mul(v128.load32_splat(j, L.PIECE * 4), dv)
      a10 = f32x4.add(a10, f32x4.mul(v0, w))
      a11 = f32x4.add(a11, f32x4.mul(v1, w))
      w = f32x4.mul(v128.load32_splat(j, L.PIECE * 8), dv)
      a20 = f32x4.add(a20, f32x4.mul(v0, w))
      a21 = f32x4.add(a21, f32x4.mul(v1, w))
      w = f32x4.mul(v128.load32_splat(j, L.PIECE * 12), dv)
      a30 = f32x4.add(a30, f32x4.mul(v0, w))
      a31 = f32x4.add(a31, f32x4.mul(v1, w))
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

/** The same for the first query alone. */
@inline
export function weighV1(p: usize, v: usize, count: i32, headDim: i32, acc: usize): void {
  const d = v + <usize>(headDim * L.PAGE)
  const end = p + ((<usize>count) << 2)
  for (let c = 0; c < headDim; c += 8, v += L.PAGE * 8, acc += 32) {
    let a00 = v128.load(acc)
    let a01 = v128.load(acc, 16)
    let from = v
    let scale = d + <usize>(c >> 5) * (L.PAGE * 4)
    for (let j = p; j < end; j += 4, from += 8, scale += 4) {
      const bytes = v128.load8x8_s(from)
      const v0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(bytes))
      const v1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(bytes))
      const dv = v128.load32_splat(scale)
      let w = f32x4.mul(v128.load32_splat(j), dv)
      a00 = f32x4.add(a00, f32x4.mul(v0, w))
      a01 = f32x4.add(a01, f32x4.mul(v1, w))
    }
    v128.store(acc, a00)
    v128.store(acc, a01, 16)
  }
}
