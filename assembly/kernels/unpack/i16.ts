import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { PACKED_Q6_K, Q6_K_D, Q6_K_HIGH, Q6_K_PARTS, Q6_K_PART_BYTES, Q6_K_SC } from '../../quant/q6_k'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { I16_BLOCK, I16_D, I16_M } from './layout'

/** 128 bytes of nibbles → i16, less `offset`. */
// @ts-ignore: decorator
@inline
function nibbles(w: usize, offset: v128, dst: usize): void {
  const low = i16x8.splat(15)
  for (let j: usize = 0; j < 4; j++) {
    for (let half: usize = 0; half < 32; half += 16) {
      const v = v128.load(w + j * 32 + half)
      const to = dst + j * 64 + half
      v128.store(to, i16x8.sub(v128.and(v, low), offset))
      v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(v, 8), low), offset), 32)
      v128.store(to, i16x8.sub(v128.and(i16x8.shr_u(v, 4), low), offset), 256)
      v128.store(to, i16x8.sub(i16x8.shr_u(v, 12), offset), 288)
    }
  }
}

// @ts-ignore: decorator
@inline
function scales(p: usize, ratio: v128, dst: usize): void {
  v128.store(dst, loadF16x4(p, ratio))
  v128.store(dst, loadF16x4(p + 8, ratio), 16)
}

export function unpackQ4_0(group: usize, blocks: i32, dst: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0, dst += I16_BLOCK) {
    nibbles(group, i16x8.splat(8), dst)
    scales(group + 128, ratio, dst + I16_D)
  }
}

export function unpackQ4_1(group: usize, blocks: i32, dst: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_1, dst += I16_BLOCK) {
    nibbles(group, i16x8.splat(0), dst)
    scales(group + 128, ratioD, dst + I16_D)
    scales(group + 144, ratioM, dst + I16_M)
  }
}

export function unpackQ8_0(group: usize, blocks: i32, dst: usize): void {
  const ratio = v128.load32_splat(group, RATIO_D)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q8_0, dst += I16_BLOCK) {
    for (let i: usize = 0; i < 256; i += 16) {
      const v = v128.load(group + i)
      const to = dst + (i & 16) + (i >> 5) * 64
      v128.store(to, i16x8.shr_s(i16x8.shl(v, 8), 8))
      v128.store(to, i16x8.shr_s(v, 8), 32)
    }
    scales(group + 256, ratio, dst + I16_D)
  }
}

/** Four sub-scales, each twice, as i16 (a lane for each column of the pair). */
// @ts-ignore: decorator
@inline
function subScales16(p: usize): v128 {
  const s = i16x8.extend_low_i8x16_s(v128.load32_zero(p))
  return v128.shuffle<i16>(s, s, 0, 0, 1, 1, 2, 2, 3, 3)
}

/** One quad of four rows, bytes 0…63 → (q − 32) · sc, within −4096…4096. */
// @ts-ignore: decorator
@inline
function storeQ6(w: v128, sc: v128, dst: usize): void {
  const offset = i16x8.splat(32)
  v128.store(dst, i16x8.mul(i16x8.sub(v128.and(w, i16x8.splat(255)), offset), sc))
  v128.store(dst, i16x8.mul(i16x8.sub(i16x8.shr_u(w, 8), offset), sc), 32)
}

/** Sub-scales go into the weights: sc0 · Σ + sc1 · Σ becomes one sum, the same integer. */
export function unpackQ6_K(group: usize, blocks: i32, dst: usize): void {
  const low = i8x16.splat(15)
  const top = i8x16.splat(0x30)
  for (let b = 0; b < blocks; b++, dst += I16_BLOCK) {
    const block = group + <usize>(b >> 3) * PACKED_Q6_K
    const part = block + Q6_K_PARTS + <usize>(b & 7) * Q6_K_PART_BYTES
    for (let half: usize = 0; half < 2; half++) {
      const sc0 = subScales16(part + Q6_K_SC + half * 4)
      const sc1 = subScales16(part + Q6_K_SC + 8 + half * 4)
      const h0 = v128.load(part + half * 16, Q6_K_HIGH)
      const h1 = v128.load(part + half * 16, Q6_K_HIGH + 32)
      for (let j: usize = 0; j < 4; j++) {
        const w = v128.load(part + half * 16 + j * 32)
        // Bits 2j and 2j + 1 of h → bits 4 and 5.
        const t0 = v128.and(i16x8.shl(i16x8.shr_u(h0, <i32>j * 2), 4), top)
        const t1 = v128.and(i16x8.shl(i16x8.shr_u(h1, <i32>j * 2), 4), top)
        const to = dst + j * 64 + half * 16
        storeQ6(v128.or(v128.and(w, low), t0), sc0, to)
        storeQ6(v128.or(v128.and(i16x8.shr_u(w, 4), low), t1), sc1, to + 256)
      }
    }
    v128.store(dst, v128.load(block, Q6_K_D), I16_D)
    v128.store(dst, v128.load(block, Q6_K_D + 16), I16_D + 16)
  }
}
