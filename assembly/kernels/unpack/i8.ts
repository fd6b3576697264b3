import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { PACKED_Q6_K, Q6_K_D, Q6_K_HIGH, Q6_K_PARTS, Q6_K_PART_BYTES } from '../../quant/q6_k'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { subScales } from '../matvec_q6_k/simd'
import { I8_BLOCK, I8_D, I8_M, I8_Q6_BLOCK, I8_SC0, I8_SC1 } from './layout'

/** 128 bytes of nibbles → i8 0…15. */
// @ts-ignore: decorator
@inline
function nibbles(w: usize, dst: usize): void {
  const low = i8x16.splat(15)
  for (let i: usize = 0; i < 128; i += 16) {
    const v = v128.load(w + i)
    v128.store(dst + i, v128.and(v, low))
    v128.store(dst + i, v128.and(i16x8.shr_u(v, 4), low), 128)
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
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0, dst += I8_BLOCK) {
    nibbles(group, dst)
    scales(group + 128, ratio, dst + I8_D)
  }
}

export function unpackQ4_1(group: usize, blocks: i32, dst: usize): void {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_1, dst += I8_BLOCK) {
    nibbles(group, dst)
    scales(group + 128, ratioD, dst + I8_D)
    scales(group + 144, ratioM, dst + I8_M)
  }
}

/** Every byte's top bit is flipped, which makes the weights unsigned. */
export function unpackQ8_0(group: usize, blocks: i32, dst: usize): void {
  const flip = i8x16.splat(<i8>0x80)
  const ratio = v128.load32_splat(group, RATIO_D)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q8_0, dst += I8_BLOCK) {
    for (let i: usize = 0; i < 256; i += 16) v128.store(dst + i, v128.xor(v128.load(group + i), flip))
    scales(group + 256, ratio, dst + I8_D)
  }
}

export function unpackQ6_K(group: usize, blocks: i32, dst: usize): void {
  const low = i8x16.splat(15)
  const top = i8x16.splat(0x30)
  for (let b = 0; b < blocks; b++, dst += I8_Q6_BLOCK) {
    const block = group + <usize>(b >> 3) * PACKED_Q6_K
    const part = block + Q6_K_PARTS + <usize>(b & 7) * Q6_K_PART_BYTES
    for (let half: usize = 0; half < 2; half++) {
      const h0 = v128.load(part + half * 16, Q6_K_HIGH)
      const h1 = v128.load(part + half * 16, Q6_K_HIGH + 32)
      for (let j: usize = 0; j < 4; j++) {
        const w = v128.load(part + half * 16 + j * 32)
        // Bits 2j and 2j + 1 of h → bits 4 and 5.
        const t0 = v128.and(i16x8.shl(i16x8.shr_u(h0, <i32>j * 2), 4), top)
        const t1 = v128.and(i16x8.shl(i16x8.shr_u(h1, <i32>j * 2), 4), top)
        const to = dst + j * 32 + half * 16
        v128.store(to, v128.or(v128.and(w, low), t0))
        v128.store(to, v128.or(v128.and(i16x8.shr_u(w, 4), low), t1), 128)
      }
      v128.store(dst + half * 16, subScales(part, half), I8_SC0)
      v128.store(dst + half * 16, subScales(part + 8, half), I8_SC1)
      v128.store(dst + half * 16, v128.load(block + half * 16, Q6_K_D), I8_D)
    }
  }
}
