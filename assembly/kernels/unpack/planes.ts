// Types made of planes, and IQ4, for the matrix–matrix kernels: `bytes` for those that read i8, else i16 (layout.ts).
import { hoistedBytes, hoistedHalves } from '../../quant/hoisted'
import { loadF16x4 } from '../../quant/f16'
import { IQ4_XS_PARTS, IQ4_XS_PART_BYTES } from '../../quant/iq4'
import { k16PartBytes, k16Parts, planeBytes } from '../../quant/planes'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { K32_PARTS, k32PartBytes } from '../../quant/q4_k'
import { PACKED_Q6_K, PLANES_Q6_K, Q6_K_D, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC } from '../../quant/q6_k'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { codes, lookUp } from '../matvec_iq4/simd'
import { byteOfWords, loadLow, lowMask, quad, signedScales, twiceLow } from '../quads'
import { I16_BLOCK, I16_D, I8_BLOCK, I8_D, I8_Q6_BLOCK, I8_SC0, I8_SC1, MINIMA_BLOCK, MINIMA_D } from './layout'

/** One quad of four rows, bytes in 0…127. */
@inline
function storeQuad(dst: usize, j: i32, q: v128, bytes: bool, byte: v128): void {
  if (bytes) v128.store(dst + <usize>j * 32, q)
  else {
    v128.store(dst + <usize>j * 64, v128.and(q, byte))
    v128.store(dst + <usize>j * 64, i16x8.shr_u(q, 8), 32)
  }
}

@inline
function quadAt(p: usize, planes: i32, j: i32, low: v128): v128 {
  return quad(j, planes, p, loadLow(p, planes, j), low)
}

/** A part of 8 rows: the quants as they are. */
@inline
function quants(p: usize, planes: i32, dst: usize, bytes: bool, low: v128, byte: v128): void {
  for (let half: usize = 0; half < 32; half += 16) {
    storeQuad(dst + half, 0, quadAt(p + half, planes, 0, low), bytes, byte)
    storeQuad(dst + half, 1, quadAt(p + half, planes, 1, low), bytes, byte)
    storeQuad(dst + half, 2, quadAt(p + half, planes, 2, low), bytes, byte)
    storeQuad(dst + half, 3, quadAt(p + half, planes, 3, low), bytes, byte)
    storeQuad(dst + half, 4, quadAt(p + half, planes, 4, low), bytes, byte)
    storeQuad(dst + half, 5, quadAt(p + half, planes, 5, low), bytes, byte)
    storeQuad(dst + half, 6, quadAt(p + half, planes, 6, low), bytes, byte)
    storeQuad(dst + half, 7, quadAt(p + half, planes, 7, low), bytes, byte)
  }
}

/** Q5_0 and Q5_1. */
@inline
export function unpack32(planes: i32, hasMin: bool, group: usize, blocks: i32, dst: usize, bytes: bool): usize {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = hasMin ? v128.load32_splat(group, RATIO_M) : f32x4.mul(ratioD, f32x4.splat(-16))
  const low = lowMask(planes)
  const byte = hoistedHalves(255)
  const end = bytes ? I8_D : I16_D
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++) {
    quants(group, planes, dst, bytes, low, byte)
    group += planeBytes(planes)
    v128.store(dst + end, loadF16x4(group, ratioD))
    v128.store(dst + end, loadF16x4(group + 8, ratioD), 16)
    if (hasMin) group += 16
    v128.store(dst + end, loadF16x4(group, ratioM), 32)
    v128.store(dst + end, loadF16x4(group + 8, ratioM), 48)
    group += 16
    dst += bytes ? I8_BLOCK : I16_BLOCK
  }
  return dst
}

/** Q4_K and Q5_K: d · sc and −dmin · m, exact in f32, are the scale and the minimum of 32 columns. */
@inline
export function unpackK32(planes: i32, group: usize, blocks: i32, dst: usize, bytes: bool): usize {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.neg(v128.load32_splat(group, RATIO_M))
  const low = lowMask(planes)
  const byte = hoistedHalves(255)
  const end = bytes ? I8_D : I16_D
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = loadF16x4(group, ratioD)
    const d1 = loadF16x4(group + 8, ratioD)
    const m0 = loadF16x4(group + 16, ratioM)
    const m1 = loadF16x4(group + 24, ratioM)
    group += K32_PARTS
    for (let part = 0; part < 8; part++) {
      quants(group, planes, dst, bytes, low, byte)
      group += planeBytes(planes)
      const sub = v128.load(group)
      v128.store(dst + end, f32x4.mul(d0, byteOfWords(sub, 0)))
      v128.store(dst + end, f32x4.mul(d1, byteOfWords(sub, 2)), 16)
      v128.store(dst + end, f32x4.mul(m0, byteOfWords(sub, 1)), 32)
      v128.store(dst + end, f32x4.mul(m1, byteOfWords(sub, 3)), 48)
      group += 16
      dst += bytes ? I8_BLOCK : I16_BLOCK
    }
  }
  return dst
}

/** One quad of four rows with its sub-scales: as i16 sc · (q − offset), as bytes q + shift, the sub-scales beside. */
@inline
function storeScaled(q: v128, offset: v128, byte: v128, j: i32, sc: v128, dst: usize, bytes: bool, shift: v128): void {
  if (bytes) {
    v128.store(dst + <usize>j * 32, i8x16.add(q, shift))
  } else {
    const even = i16x8.sub(v128.and(q, byte), offset)
    const odd = i16x8.sub(i16x8.shr_u(q, 8), offset)
    v128.store(dst + <usize>j * 64, i16x8.mul(even, sc))
    v128.store(dst + <usize>j * 64, i16x8.mul(odd, sc), 32)
  }
}

/** The eight quads of four rows at p: those of the first half of the block with sc0, of the second with sc1. */
@inline
function storeEight(
  p: usize,
  planes: i32,
  few: v128,
  offset: v128,
  byte: v128,
  sc0: v128,
  sc1: v128,
  to: usize,
  bytes: bool,
  shift: v128,
): void {
  storeScaled(quadAt(p, planes, 0, few), offset, byte, 0, sc0, to, bytes, shift)
  storeScaled(quadAt(p, planes, 1, few), offset, byte, 1, sc0, to, bytes, shift)
  storeScaled(quadAt(p, planes, 2, few), offset, byte, 2, sc0, to, bytes, shift)
  storeScaled(quadAt(p, planes, 3, few), offset, byte, 3, sc0, to, bytes, shift)
  storeScaled(quadAt(p, planes, 4, few), offset, byte, 4, sc1, to, bytes, shift)
  storeScaled(quadAt(p, planes, 5, few), offset, byte, 5, sc1, to, bytes, shift)
  storeScaled(quadAt(p, planes, 6, few), offset, byte, 6, sc1, to, bytes, shift)
  storeScaled(quadAt(p, planes, 7, few), offset, byte, 7, sc1, to, bytes, shift)
}

/**
 * Q3_K, and with minima Q2_K; behind the blocks then lie their minima, for `addMinima` (matmul_min/simd.ts). Bytes are q,
 * with sub-scales each twice as i16 (matmul_u5); or `add` q + 32 − offset, with sub-scales as i32 (matmul_u6).
 */
@inline
export function unpackK16(
  planes: i32,
  hasMin: bool,
  group: usize,
  blocks: i32,
  dst: usize,
  bytes: bool,
  add: bool,
): usize {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = f32x4.mul(v128.load32_splat(group, RATIO_M), f32x4.splat(0.125))
  const blockBytes = bytes ? I8_Q6_BLOCK : I16_BLOCK
  const end = bytes ? I8_D : I16_D
  const offset = hoistedHalves(hasMin ? 0 : 4)
  const shift = hoistedBytes(add ? (hasMin ? 32 : 28) : 0)
  const four = hoistedHalves(15)
  const nibble = hoistedBytes(15)
  const few = lowMask(planes)
  const byte = hoistedHalves(255)
  let minima = dst + <usize>blocks * blockBytes
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const head = group
    group += k16Parts(hasMin)
    for (let part = 0; part < 8; part++) {
      const tail = group + planeBytes(planes)
      for (let half: usize = 0; half < 32; half += 16) {
        const p = group + half
        const to = dst + half
        const sub = v128.load64_zero(tail + (hasMin ? half >> 1 : half >> 2))
        const four0 = hasMin ? v128.and(sub, four) : i16x8.extend_low_i8x16_s(sub)
        const four1 = hasMin
          ? v128.and(i16x8.shr_u(sub, 8), four)
          : i16x8.extend_low_i8x16_s(v128.load32_zero(tail + (half >> 2), 8))
        const sc0 = twiceLow(four0)
        const sc1 = twiceLow(four1)
        storeEight(p, planes, few, offset, byte, sc0, sc1, to, bytes, shift)
        v128.store(to + end, loadF16x4(head + (half >> 1), ratioD))
        if (bytes) {
          v128.store(to, add ? i32x4.extend_low_i16x8_s(four0) : sc0, I8_SC0)
          v128.store(to, add ? i32x4.extend_low_i16x8_s(four1) : sc1, I8_SC1)
        }
        if (hasMin) v128.store(minima + half, loadF16x4(head + 16 + (half >> 1), ratioM), MINIMA_D)
      }
      if (hasMin) {
        const m = v128.and(i16x8.shr_u(v128.load(tail), 4), nibble)
        v128.store(minima, i16x8.extend_low_i8x16_u(m))
        v128.store(minima, i16x8.extend_high_i8x16_u(m), 16)
        minima += MINIMA_BLOCK
      }
      group += k16PartBytes(planes)
      dst += blockBytes
    }
  }
  return dst
}

/** Q6_K, as `unpackK16` does; with `add` bytes are q as they are. */
@inline
export function unpackQ6_K(group: usize, blocks: i32, dst: usize, bytes: bool, add: bool): usize {
  const planes = PLANES_Q6_K
  const end = bytes ? I8_D : I16_D
  const offset = hoistedHalves(32)
  const shift = i8x16.splat(0)
  const few = lowMask(planes)
  const byte = hoistedHalves(255)
  for (let b = 0; b < blocks; b++) {
    const block = group + <usize>(b >> 3) * PACKED_Q6_K
    const part = block + Q6_K_PARTS + <usize>(b & 7) * Q6_K_PART_BYTES
    for (let half: usize = 0; half < 32; half += 16) {
      const p = part + half
      const to = dst + half
      const four0 = i16x8.extend_low_i8x16_s(v128.load32_zero(part + (half >> 2), Q6_K_SC))
      const four1 = i16x8.extend_low_i8x16_s(v128.load32_zero(part + (half >> 2), Q6_K_SC + 8))
      const sc0 = twiceLow(four0)
      const sc1 = twiceLow(four1)
      storeEight(p, planes, few, offset, byte, sc0, sc1, to, bytes, shift)
      v128.store(to + end, v128.load(block + half, Q6_K_D))
      if (bytes) {
        v128.store(to, add ? i32x4.extend_low_i16x8_s(four0) : sc0, I8_SC0)
        v128.store(to, add ? i32x4.extend_low_i16x8_s(four1) : sc1, I8_SC1)
      }
    }
    dst += bytes ? I8_Q6_BLOCK : I16_BLOCK
  }
  return dst
}

/** 128 bytes of indices → codes: signed i16, or bytes with their top bits flipped. */
@inline
function lookUpAll(p: usize, table: v128, low: v128, dst: usize, bytes: bool): void {
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

@inline
export function unpackIQ4_NL(group: usize, blocks: i32, dst: usize, bytes: bool): usize {
  const ratio = v128.load32_splat(group, RATIO_D)
  const table = codes(bytes)
  const low = hoistedBytes(15)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0) {
    lookUpAll(group, table, low, dst, bytes)
    v128.store(dst + (bytes ? I8_D : I16_D), loadF16x4(group + 128, ratio))
    v128.store(dst + (bytes ? I8_D : I16_D), loadF16x4(group + 136, ratio), 16)
    dst += bytes ? I8_BLOCK : I16_BLOCK
  }
  return dst
}

@inline
export function unpackIQ4_XS(group: usize, blocks: i32, dst: usize, bytes: bool): usize {
  const ratio = v128.load32_splat(group, RATIO_D)
  const table = codes(bytes)
  const low = hoistedBytes(15)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b += 8) {
    const d0 = loadF16x4(group, ratio)
    const d1 = loadF16x4(group + 8, ratio)
    group += IQ4_XS_PARTS
    for (let part = 0; part < 8; part++, group += IQ4_XS_PART_BYTES) {
      lookUpAll(group, table, low, dst, bytes)
      const end = dst + (bytes ? I8_D : I16_D)
      v128.store(end, f32x4.mul(d0, f32x4.convert_i32x4_s(signedScales(group + 128))))
      v128.store(end, f32x4.mul(d1, f32x4.convert_i32x4_s(signedScales(group + 132))), 16)
      dst += bytes ? I8_BLOCK : I16_BLOCK
    }
  }
  return dst
}
