// Types made of planes, and IQ4, for the matrix–matrix kernels: `bytes` for those that read i8, else i16 (layout.ts).
import { loadF16x4 } from '../../quant/f16'
import { IQ4_XS_PARTS, IQ4_XS_PART_BYTES } from '../../quant/iq4'
import { NIBBLES, k16PartBytes, k16Parts, planeBytes } from '../../quant/planes'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { K32_PARTS, k32PartBytes } from '../../quant/q4_k'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { codes, lookUp } from '../matvec_iq4/simd'
import { loadBits, loadLow, lowMask, minPairs, quad, signedScales, topMask, unsignedScales } from '../quads'
import { I16_BLOCK, I16_D, I8_BLOCK, I8_D, I8_Q6_BLOCK, I8_SC0, I8_SC1, MINIMA_BLOCK, MINIMA_D } from './layout'

/** One quad of four rows, bytes in 0…127. */
// @ts-ignore: decorator
@inline
function storeQuad(dst: usize, j: i32, q: v128, bytes: bool): void {
  if (bytes) v128.store(dst + <usize>j * 32, q)
  else {
    v128.store(dst + <usize>j * 64, v128.and(q, i16x8.splat(255)))
    v128.store(dst + <usize>j * 64, i16x8.shr_u(q, 8), 32)
  }
}

// @ts-ignore: decorator
@inline
function quadAt(p: usize, planes: i32, j: i32): v128 {
  const v = j & (planes & NIBBLES ? 3 : 1)
  return quad(j, planes, loadLow(p, planes, v), loadBits(p, planes), lowMask(planes), topMask(planes))
}

/** A part of 8 rows: the quants as they are. */
// @ts-ignore: decorator
@inline
function quants(p: usize, planes: i32, dst: usize, bytes: bool): void {
  for (let half: usize = 0; half < 32; half += 16) {
    storeQuad(dst + half, 0, quadAt(p + half, planes, 0), bytes)
    storeQuad(dst + half, 1, quadAt(p + half, planes, 1), bytes)
    storeQuad(dst + half, 2, quadAt(p + half, planes, 2), bytes)
    storeQuad(dst + half, 3, quadAt(p + half, planes, 3), bytes)
    storeQuad(dst + half, 4, quadAt(p + half, planes, 4), bytes)
    storeQuad(dst + half, 5, quadAt(p + half, planes, 5), bytes)
    storeQuad(dst + half, 6, quadAt(p + half, planes, 6), bytes)
    storeQuad(dst + half, 7, quadAt(p + half, planes, 7), bytes)
  }
}

/** Q5_0 and Q5_1. */
// @ts-ignore: decorator
@inline
export function unpack32(planes: i32, hasMin: bool, group: usize, blocks: i32, dst: usize, bytes: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = hasMin ? v128.load32_splat(group, RATIO_M) : f32x4.mul(ratioD, f32x4.splat(-16))
  const end = bytes ? I8_D : I16_D
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    quants(group, planes, dst, bytes)
    group += planeBytes(planes)
    v128.store(dst + end, loadF16x4(group, ratioD))
    v128.store(dst + end, loadF16x4(group + 8, ratioD), 16)
    if (hasMin) group += 16
    v128.store(dst + end, loadF16x4(group, ratioM), 32)
    v128.store(dst + end, loadF16x4(group + 8, ratioM), 48)
    group += 16
    dst += bytes ? I8_BLOCK : I16_BLOCK
  }
}

/** Q4_K and Q5_K: d · sc and −dmin · m, exact in f32, are the scale and the minimum of 32 columns. */
// @ts-ignore: decorator
@inline
export function unpackK32(planes: i32, group: usize, blocks: i32, dst: usize, bytes: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.neg(v128.load32_splat(group, RATIO_M))
  const end = bytes ? I8_D : I16_D
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = loadF16x4(group, ratioD)
    const d1 = loadF16x4(group + 8, ratioD)
    const m0 = loadF16x4(group + 16, ratioM)
    const m1 = loadF16x4(group + 24, ratioM)
    group += K32_PARTS
    for (let part = 0; part < 8; part++) {
      quants(group, planes, dst, bytes)
      group += planeBytes(planes)
      v128.store(dst + end, f32x4.mul(d0, unsignedScales(group)))
      v128.store(dst + end, f32x4.mul(d1, unsignedScales(group + 4)), 16)
      v128.store(dst + end, f32x4.mul(m0, unsignedScales(group + 8)), 32)
      v128.store(dst + end, f32x4.mul(m1, unsignedScales(group + 12)), 48)
      group += 16
      dst += bytes ? I8_BLOCK : I16_BLOCK
    }
  }
}

/** Four signed bytes, each twice, as i16 (a lane for each column of a pair). */
// @ts-ignore: decorator
@inline
function twice(sc: v128): v128 {
  const s = i16x8.extend_low_i8x16_s(sc)
  return v128.shuffle<i16>(s, s, 0, 0, 1, 1, 2, 2, 3, 3)
}

/**
 * One quad of four rows with its sub-scales: sc · (q − 4), or with minima sc · q. In bytes sc · q + 8, as matmul_u8 takes
 * Q4_0; without minima q + 28, as matmul_u6 takes offsets of 32 and the sub-scales beside.
 */
// @ts-ignore: decorator
@inline
function storeScaled(p: usize, planes: i32, hasMin: bool, j: i32, sc: v128, dst: usize, bytes: bool): void {
  const q = quadAt(p, planes, j)
  if (bytes && !hasMin) return v128.store(dst + <usize>j * 32, i8x16.add(q, i8x16.splat(28)))
  let even = v128.and(q, i16x8.splat(255))
  let odd = i16x8.shr_u(q, 8)
  if (!hasMin) {
    even = i16x8.sub(even, i16x8.splat(4))
    odd = i16x8.sub(odd, i16x8.splat(4))
  }
  even = i16x8.mul(even, sc)
  odd = i16x8.mul(odd, sc)
  if (bytes) v128.store(dst + <usize>j * 32, i8x16.add(v128.or(even, i16x8.shl(odd, 8)), i8x16.splat(8)))
  else {
    v128.store(dst + <usize>j * 64, even)
    v128.store(dst + <usize>j * 64, odd, 32)
  }
}

/** Q3_K, and with minima Q2_K; behind the blocks then lie their minima, for `addMinima` (matmul_min/simd.ts). */
// @ts-ignore: decorator
@inline
export function unpackK16(planes: i32, hasMin: bool, group: usize, blocks: i32, dst: usize, bytes: bool): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.mul(v128.load32_splat(group, RATIO_M), f32x4.splat(0.125))
  const blockBytes = !bytes ? I16_BLOCK : hasMin ? I8_BLOCK : I8_Q6_BLOCK
  const end = bytes ? I8_D : I16_D
  const low = i8x16.splat(hasMin ? 15 : -1)
  let minima = dst + <usize>blocks * blockBytes
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const head = group
    group += k16Parts(hasMin)
    for (let part = 0; part < 8; part++) {
      const tail = group + planeBytes(planes)
      for (let half: usize = 0; half < 32; half += 16) {
        const p = group + half
        const sc = tail + (half >> 2)
        const to = dst + half
        const sc0 = twice(v128.and(v128.load32_zero(sc), low))
        const sc1 = twice(v128.and(v128.load32_zero(sc, 8), low))
        storeScaled(p, planes, hasMin, 0, sc0, to, bytes)
        storeScaled(p, planes, hasMin, 1, sc0, to, bytes)
        storeScaled(p, planes, hasMin, 2, sc0, to, bytes)
        storeScaled(p, planes, hasMin, 3, sc0, to, bytes)
        storeScaled(p, planes, hasMin, 4, sc1, to, bytes)
        storeScaled(p, planes, hasMin, 5, sc1, to, bytes)
        storeScaled(p, planes, hasMin, 6, sc1, to, bytes)
        storeScaled(p, planes, hasMin, 7, sc1, to, bytes)
        v128.store(to + end, loadF16x4(head + (half >> 1), ratioD))
        if (bytes && !hasMin) {
          v128.store(to, signedScales(sc), I8_SC0)
          v128.store(to, signedScales(sc + 8), I8_SC1)
        }
        if (hasMin) v128.store(minima + half, loadF16x4(head + 16 + (half >> 1), ratioM), MINIMA_D)
      }
      if (hasMin) {
        const pairs = minPairs(tail)
        v128.store(minima, i16x8.extend_low_i8x16_u(pairs))
        v128.store(minima, i16x8.extend_high_i8x16_u(pairs), 16)
        minima += MINIMA_BLOCK
      }
      group += k16PartBytes(planes)
      dst += blockBytes
    }
  }
}

/** 128 bytes of indices → codes: signed i16, or bytes with their top bits flipped. */
// @ts-ignore: decorator
@inline
function lookUpAll(p: usize, table: v128, dst: usize, bytes: bool): void {
  const low = i8x16.splat(15)
  for (let i: usize = 0; i < 128; i += 16) {
    const w = v128.load(p + i)
    const first = lookUp(table, v128.and(w, low))
    const second = lookUp(table, v128.and(i16x8.shr_u(w, 4), low))
    if (bytes) {
      v128.store(dst + i, first)
      v128.store(dst + i, second, 128)
    } else {
      const to = dst + (i & 16) + (i >> 5) * 64
      v128.store(to, i16x8.shr_s(i16x8.shl(first, 8), 8))
      v128.store(to, i16x8.shr_s(first, 8), 32)
      v128.store(to, i16x8.shr_s(i16x8.shl(second, 8), 8), 256)
      v128.store(to, i16x8.shr_s(second, 8), 288)
    }
  }
}

// @ts-ignore: decorator
@inline
export function unpackIQ4_NL(group: usize, blocks: i32, dst: usize, bytes: bool): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const table = codes(bytes)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0) {
    lookUpAll(group, table, dst, bytes)
    v128.store(dst + (bytes ? I8_D : I16_D), loadF16x4(group + 128, ratio))
    v128.store(dst + (bytes ? I8_D : I16_D), loadF16x4(group + 136, ratio), 16)
    dst += bytes ? I8_BLOCK : I16_BLOCK
  }
}

// @ts-ignore: decorator
@inline
export function unpackIQ4_XS(group: usize, blocks: i32, dst: usize, bytes: bool): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  const table = codes(bytes)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = loadF16x4(group, ratio)
    const d1 = loadF16x4(group + 8, ratio)
    group += IQ4_XS_PARTS
    for (let part = 0; part < 8; part++, group += IQ4_XS_PART_BYTES) {
      lookUpAll(group, table, dst, bytes)
      const end = dst + (bytes ? I8_D : I16_D)
      v128.store(end, f32x4.mul(d0, f32x4.convert_i32x4_s(signedScales(group + 128))))
      v128.store(end, f32x4.mul(d1, f32x4.convert_i32x4_s(signedScales(group + 132))), 16)
      dst += bytes ? I8_BLOCK : I16_BLOCK
    }
  }
}
