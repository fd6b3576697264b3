// The quantize target: rows of a tensor as they stand in a file, to f32 and from f32. One row at a time; x: f32[columns].
import {
  dequantizeAffine,
  dequantizeQ8_0,
  dequantizeSigned,
  quantizeAffine,
  quantizeQ8_0,
  quantizeSigned,
} from './block32'
import { dequantizeIQ4_NL, dequantizeIQ4_XS, quantizeIQ4_NL, quantizeIQ4_XS } from './iq4'
import { dequantizeQ2_K, quantizeQ2_K } from './q2_k'
import { dequantizeQ3_K, quantizeQ3_K } from './q3_k'
import { dequantizeQ4_K, quantizeQ4_K } from './q4_k'
import { dequantizeQ6_K, quantizeQ6_K } from './q6_k'
import { SCRATCH } from './scratch'
import { dequantizeBF16, dequantizeF16, quantizeBF16, quantizeF16 } from './single'
import * as L from '../layout'

/** Bytes of the working memory that the other functions are given. */
export function scratchBytes(): usize {
  return SCRATCH
}

/**
 * A row of `type` → x. The columns are whole blocks. A value that is not finite, or belongs to a scale that is not,
 * comes out not finite. False: the type is unknown.
 */
export function dequantize(type: i32, src: usize, columns: i32, x: usize, scratch: usize): bool {
  switch (type) {
    case L.TYPE_F32:
      memory.copy(x, src, (<usize>columns) << 2)
      break
    case L.TYPE_F16:
      dequantizeF16(src, columns, x)
      break
    case L.TYPE_BF16:
      dequantizeBF16(src, columns, x)
      break
    case L.TYPE_Q4_0:
      dequantizeSigned(src, columns, 8, x)
      break
    case L.TYPE_Q5_0:
      dequantizeSigned(src, columns, 16, x)
      break
    case L.TYPE_Q4_1:
      dequantizeAffine(src, columns, 15, x)
      break
    case L.TYPE_Q5_1:
      dequantizeAffine(src, columns, 31, x)
      break
    case L.TYPE_Q8_0:
      dequantizeQ8_0(src, columns, x)
      break
    case L.TYPE_Q2_K:
      dequantizeQ2_K(src, columns, x)
      break
    case L.TYPE_Q3_K:
      dequantizeQ3_K(src, columns, x)
      break
    case L.TYPE_Q4_K:
      dequantizeQ4_K(src, columns, 15, x)
      break
    case L.TYPE_Q5_K:
      dequantizeQ4_K(src, columns, 31, x)
      break
    case L.TYPE_Q6_K:
      dequantizeQ6_K(src, columns, x)
      break
    case L.TYPE_IQ4_NL:
      dequantizeIQ4_NL(src, columns, x, scratch)
      break
    case L.TYPE_IQ4_XS:
      dequantizeIQ4_XS(src, columns, x, scratch)
      break
    default:
      return false
  }
  return true
}

/** The first column whose value is not finite, or −1. */
export function firstNotFinite(x: usize, columns: i32): i32 {
  for (let j = 0; j < columns; j++) {
    if ((load<u32>(x + ((<usize>j) << 2)) & 0x7f800000) == 0x7f800000) return j
  }
  return -1
}

/**
 * x → a row of `type`. The columns are whole blocks, the values finite. importance: f32[columns], what an error in each
 * column weighs, or 0. False: the type is unknown.
 */
export function quantize(type: i32, x: usize, columns: i32, importance: usize, dst: usize, scratch: usize): bool {
  switch (type) {
    case L.TYPE_F32:
      memory.copy(dst, x, (<usize>columns) << 2)
      break
    case L.TYPE_F16:
      quantizeF16(x, columns, dst)
      break
    case L.TYPE_BF16:
      quantizeBF16(x, columns, dst)
      break
    case L.TYPE_Q4_0:
      quantizeSigned(x, columns, 8, importance, dst, scratch)
      break
    case L.TYPE_Q5_0:
      quantizeSigned(x, columns, 16, importance, dst, scratch)
      break
    case L.TYPE_Q4_1:
      quantizeAffine(x, columns, 15, importance, dst, scratch)
      break
    case L.TYPE_Q5_1:
      quantizeAffine(x, columns, 31, importance, dst, scratch)
      break
    case L.TYPE_Q8_0:
      quantizeQ8_0(x, columns, dst)
      break
    case L.TYPE_Q2_K:
      quantizeQ2_K(x, columns, importance, dst, scratch)
      break
    case L.TYPE_Q3_K:
      quantizeQ3_K(x, columns, importance, dst, scratch)
      break
    case L.TYPE_Q4_K:
      quantizeQ4_K(x, columns, 15, importance, dst, scratch)
      break
    case L.TYPE_Q5_K:
      quantizeQ4_K(x, columns, 31, importance, dst, scratch)
      break
    case L.TYPE_Q6_K:
      quantizeQ6_K(x, columns, importance, dst, scratch)
      break
    case L.TYPE_IQ4_NL:
      quantizeIQ4_NL(x, columns, importance, dst, scratch)
      break
    case L.TYPE_IQ4_XS:
      quantizeIQ4_XS(x, columns, importance, dst, scratch)
      break
    default:
      return false
  }
  return true
}
