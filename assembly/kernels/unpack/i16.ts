import { hoistedHalves } from '../../quant/hoisted'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { I16_BLOCK, I16_D, I16_M } from './layout'

/** 128 bytes of nibbles → i16, less `offset`. */
@inline
function nibbles(w: usize, low: v128, offset: v128, dst: usize): void {
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

@inline
function scales(p: usize, ratio: v128, dst: usize): void {
  v128.store(dst, loadF16x4(p, ratio))
  v128.store(dst, loadF16x4(p + 8, ratio), 16)
}

export function unpackQ4_0(group: usize, blocks: i32, dst: usize): usize {
  const ratio = v128.load32_splat(group, RATIO_D)
  group += GROUP_HEADER
  const low = hoistedHalves(15)
  const offset = hoistedHalves(8)
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0, dst += I16_BLOCK) {
    nibbles(group, low, offset, dst)
    scales(group + 128, ratio, dst + I16_D)
  }
  return dst
}

export function unpackQ4_1(group: usize, blocks: i32, dst: usize): usize {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  group += GROUP_HEADER
  const low = hoistedHalves(15)
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_1, dst += I16_BLOCK) {
    nibbles(group, low, i16x8.splat(0), dst)
    scales(group + 128, ratioD, dst + I16_D)
    scales(group + 144, ratioM, dst + I16_M)
  }
  return dst
}

export function unpackQ8_0(group: usize, blocks: i32, dst: usize): usize {
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
  return dst
}
