import { hoistedBytes } from '../../quant/hoisted'
import { GROUP_HEADER, RATIO_D, RATIO_M } from '../../quant/scales'
import { loadF16x4 } from '../../quant/f16'
import { PACKED_Q4_0 } from '../../quant/q4_0'
import { PACKED_Q4_1 } from '../../quant/q4_1'
import { PACKED_Q8_0 } from '../../quant/q8_0'
import { I8_BLOCK, I8_D, I8_M } from './layout'

/** 128 bytes of nibbles → i8 0…15. */
@inline
function nibbles(w: usize, low: v128, dst: usize): void {
  for (let i: usize = 0; i < 128; i += 16) {
    const v = v128.load(w + i)
    v128.store(dst + i, v128.and(v, low))
    v128.store(dst + i, v128.and(i16x8.shr_u(v, 4), low), 128)
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
  const low = hoistedBytes(15)
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_0, dst += I8_BLOCK) {
    nibbles(group, low, dst)
    scales(group + 128, ratio, dst + I8_D)
  }
  return dst
}

export function unpackQ4_1(group: usize, blocks: i32, dst: usize): usize {
  const ratioD = v128.load32_splat(group, RATIO_D)
  const ratioM = v128.load32_splat(group, RATIO_M)
  group += GROUP_HEADER
  const low = hoistedBytes(15)
  for (let b = 0; b < blocks; b++, group += PACKED_Q4_1, dst += I8_BLOCK) {
    nibbles(group, low, dst)
    scales(group + 128, ratioD, dst + I8_D)
    scales(group + 144, ratioM, dst + I8_M)
  }
  return dst
}

/** Every byte's top bit is flipped, which makes the weights unsigned. */
export function unpackQ8_0(group: usize, blocks: i32, dst: usize): usize {
  const flip = hoistedBytes(0x80)
  const ratio = v128.load32_splat(group, RATIO_D)
  group += GROUP_HEADER
  for (let b = 0; b < blocks; b++, group += PACKED_Q8_0, dst += I8_BLOCK) {
    for (let i: usize = 0; i < 256; i += 16) v128.store(dst + i, v128.xor(v128.load(group + i), flip))
    scales(group + 256, ratio, dst + I8_D)
  }
  return dst
}
