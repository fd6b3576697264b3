// The one place that chooses a kernel: by weight type at run time, by instruction set at compile time.
import * as L from '../layout'
import { ACTS_BLOCK } from './acts'
import { arrange as arrange_scalar } from './arrange_q8/scalar'
import { arrange as arrange_simd } from './arrange_q8/simd'
import { matvec as matvec_f32_scalar } from './matvec_f32/scalar'
import { matvec as matvec_f32_simd } from './matvec_f32/simd'
import { matvec as matvec_bf16_scalar } from './matvec_bf16/scalar'
import { matvec as matvec_bf16_simd } from './matvec_bf16/simd'
import { matvec as matvec_f16_scalar } from './matvec_f16/scalar'
import { matvec as matvec_f16_simd } from './matvec_f16/simd'
import { matvec as matvec_q4_0_scalar } from './matvec_q4_0/scalar'
import { matvec as matvec_q4_0_simd } from './matvec_q4_0/simd'
import { matvec as matvec_q4_0_relaxed } from './matvec_q4_0/relaxed'
import { matvec as matvec_q4_0_relaxed_add } from './matvec_q4_0/relaxed_add'
import { matvec as matvec_q4_1_scalar } from './matvec_q4_1/scalar'
import { matvec as matvec_q4_1_simd } from './matvec_q4_1/simd'
import { matvec as matvec_q4_1_relaxed } from './matvec_q4_1/relaxed'
import { matvec as matvec_q4_1_relaxed_add } from './matvec_q4_1/relaxed_add'
import { matvec as matvec_q8_0_scalar } from './matvec_q8_0/scalar'
import { matvec as matvec_q8_0_simd } from './matvec_q8_0/simd'
import { matvec as matvec_q8_0_relaxed } from './matvec_q8_0/relaxed'
import { matvec as matvec_q8_0_relaxed_add } from './matvec_q8_0/relaxed_add'
import { matvec as matvec_q6_k_scalar } from './matvec_q6_k/scalar'
import * as matvec_q6_k from './matvec_q6_k/simd'
import { matmul as matmul_f32 } from './matmul_f32/simd'
import * as matmul_i16 from './matmul_i16/simd'
import { matmul as matmul_i16_relaxed } from './matmul_i16/relaxed'
import * as matmul_u4 from './matmul_u4/relaxed'
import { matmul as matmul_u6 } from './matmul_u6/relaxed'
import { matmul as matmul_u6_add } from './matmul_u6/relaxed_add'
import * as matmul_u8_add from './matmul_u8/relaxed_add'
import * as planes from './planes'
import { unpackBF16, unpackF16 } from './unpack/f16'
import * as unpack_i16 from './unpack/i16'
import * as unpack_i8 from './unpack/i8'

// A type may have an alternate kernel, for the relaxed build alone: dots that add to i32, one instruction where the CPU
// has it (AVX-VNNI, ARM's dot product) and slow elsewhere. A tensor's type with ALTERNATE set asks for it (js/engine/probe.ts
// decides); the other builds do not know the bit.

/** Beside a type, where its tokens are too few for unpacking to pay: `matmul` reads the group as it is packed. */
@inline
const PACKED = 0x200
@inline
export const FEW_TOKENS = 16

/** The type as `unpack` and `matmul` take it for n tokens. */
@inline
export function typeFor(type: i32, n: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD || n == 1 || n > FEW_TOKENS) return type
  return type == L.TYPE_Q4_0 || type == L.TYPE_Q4_1 ? type | PACKED : type
}

/** Whether `matmul` reads groups as they are packed, panel by panel, and adds to its results. */
@inline
export function readsPacked(type: i32, n: i32): bool {
  return !ASC_FEATURE_SIMD || n == 1 || (type & PACKED) != 0
}

/** Whether a weight type reads f32 activations rather than int8 blocks. */
@inline
export function readsF32(type: i32): bool {
  return type == L.TYPE_F32 || type == L.TYPE_F16 || type == L.TYPE_BF16
}

/** Quantizes 32 columns of one token (x) into its places of an int8 block of t tokens. */
@inline
export function arrangeBlock(x: usize, dst: usize, t: usize): void {
  if (ASC_FEATURE_SIMD) arrange_simd(x, dst, t)
  else arrange_scalar(x, dst, t)
}

/** 8 rows of a group · token `index` of a tile of t added to f32[8]: the scalar twins, which serve as matmul too. */
function twin(type: i32, group: usize, columns: i32, acts: usize, t: usize, index: usize, out: usize): void {
  acts += index * 4
  switch (type) {
    case L.TYPE_F32:
      return matvec_f32_scalar(group, columns, acts, t, out)
    case L.TYPE_F16:
      return matvec_f16_scalar(group, columns, acts, t, out)
    case L.TYPE_BF16:
      return matvec_bf16_scalar(group, columns, acts, t, out)
    case L.TYPE_Q4_0:
      return matvec_q4_0_scalar(group, columns / L.BLOCK, acts, t, out)
    case L.TYPE_Q4_1:
      return matvec_q4_1_scalar(group, columns / L.BLOCK, acts, t, out)
    case L.TYPE_Q8_0:
      return matvec_q8_0_scalar(group, columns / L.BLOCK, acts, t, out)
    case L.TYPE_Q6_K:
      return matvec_q6_k_scalar(group, columns / L.BLOCK, acts, t, out)
    default:
      return planes.twin(type, group, columns / L.BLOCK, acts, t, out)
  }
}

/**
 * 8 rows of a group or panel · one token (int8 blocks, or f32[columns]) added to f32[8] at out; float types, which have no
 * panels, may as well store it.
 */
export function matvec(type: i32, group: usize, columns: i32, acts: usize, out: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_F32:
        return matvec_f32_simd(group, columns, acts, out)
      case L.TYPE_F16:
        return matvec_f16_simd(group, columns, acts, out)
      case L.TYPE_BF16:
        return matvec_bf16_simd(group, columns, acts, out)
      case L.TYPE_Q4_0:
        return matvec_q4_0_relaxed(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q4_1:
        return matvec_q4_1_relaxed(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q8_0:
        return matvec_q8_0_relaxed(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q6_K:
        return matvec_q6_k.matvec(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q4_0 | L.ALTERNATE:
        return matvec_q4_0_relaxed_add(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q4_1 | L.ALTERNATE:
        return matvec_q4_1_relaxed_add(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q8_0 | L.ALTERNATE:
        return matvec_q8_0_relaxed_add(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q6_K | L.ALTERNATE:
        return matvec_q6_k.matvecAdd(group, columns / L.BLOCK, acts, out)
      default:
        return planes.matvec(type, group, columns / L.BLOCK, acts, out)
    }
  } else if (ASC_FEATURE_SIMD) {
    switch (type) {
      case L.TYPE_F32:
        return matvec_f32_simd(group, columns, acts, out)
      case L.TYPE_F16:
        return matvec_f16_simd(group, columns, acts, out)
      case L.TYPE_BF16:
        return matvec_bf16_simd(group, columns, acts, out)
      case L.TYPE_Q4_0:
        return matvec_q4_0_simd(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q4_1:
        return matvec_q4_1_simd(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q8_0:
        return matvec_q8_0_simd(group, columns / L.BLOCK, acts, out)
      case L.TYPE_Q6_K:
        return matvec_q6_k.matvec(group, columns / L.BLOCK, acts, out)
      default:
        return planes.matvec(type, group, columns / L.BLOCK, acts, out)
    }
  } else twin(type, group, columns, acts, 1, 0, out)
}

/** Unpacks a group or panel for `matmul` to `dst`; returns where the next panel goes. Not for F32. */
export function unpack(type: i32, group: usize, columns: i32, dst: usize): usize {
  const blocks = columns / L.BLOCK
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_F16:
        return unpackF16(group, columns, dst)
      case L.TYPE_BF16:
        return unpackBF16(group, columns, dst)
      case L.TYPE_Q4_0:
      case L.TYPE_Q4_0 | L.ALTERNATE:
        return unpack_i8.unpackQ4_0(group, blocks, dst)
      case L.TYPE_Q4_1:
      case L.TYPE_Q4_1 | L.ALTERNATE:
        return unpack_i8.unpackQ4_1(group, blocks, dst)
      case L.TYPE_Q8_0:
        return unpack_i16.unpackQ8_0(group, blocks, dst)
      case L.TYPE_Q8_0 | L.ALTERNATE:
        return unpack_i8.unpackQ8_0(group, blocks, dst)
      default:
        return planes.unpack(type, group, blocks, dst)
    }
  } else if (ASC_FEATURE_SIMD) {
    switch (type) {
      case L.TYPE_F16:
        return unpackF16(group, columns, dst)
      case L.TYPE_BF16:
        return unpackBF16(group, columns, dst)
      case L.TYPE_Q4_0:
        return unpack_i16.unpackQ4_0(group, blocks, dst)
      case L.TYPE_Q4_1:
        return unpack_i16.unpackQ4_1(group, blocks, dst)
      case L.TYPE_Q8_0:
        return unpack_i16.unpackQ8_0(group, blocks, dst)
      default:
        return planes.unpack(type, group, blocks, dst)
    }
  }
  return dst
}

/** 8 rows (as `unpack` gave them, or as `readsPacked` says) · a tile of TILE tokens → f32[TILE][8] at out. */
export function matmul(type: i32, w: usize, columns: i32, acts: usize, out: usize): void {
  const blocks = columns / L.BLOCK
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_F32:
      case L.TYPE_F16:
      case L.TYPE_BF16:
        return matmul_f32(w, columns, acts, out)
      case L.TYPE_Q4_0:
        return matmul_u4.matmul(w, blocks, acts, out)
      case L.TYPE_Q4_1:
        return matmul_u4.matmulMin(w, blocks, acts, out)
      case L.TYPE_Q4_0 | PACKED:
        return matmul_u4.matmulPacked(w, blocks, acts, out)
      case L.TYPE_Q4_1 | PACKED:
        return matmul_u4.matmulMinPacked(w, blocks, acts, out)
      case L.TYPE_Q8_0:
        return matmul_i16_relaxed(w, blocks, acts, out)
      case L.TYPE_Q6_K:
        return matmul_u6(w, blocks, acts, out)
      case L.TYPE_Q4_0 | L.ALTERNATE:
        return matmul_u8_add.matmulQ4_0(w, blocks, acts, out)
      case L.TYPE_Q4_1 | L.ALTERNATE:
        return matmul_u8_add.matmulQ4_1(w, blocks, acts, out)
      case L.TYPE_Q8_0 | L.ALTERNATE:
        return matmul_u8_add.matmulQ8_0(w, blocks, acts, out)
      case L.TYPE_Q6_K | L.ALTERNATE:
        return matmul_u6_add(w, blocks, acts, out)
      default:
        return planes.matmul(type, w, blocks, acts, out)
    }
  } else if (ASC_FEATURE_SIMD) {
    switch (type) {
      case L.TYPE_F32:
      case L.TYPE_F16:
      case L.TYPE_BF16:
        return matmul_f32(w, columns, acts, out)
      case L.TYPE_Q4_1:
        return matmul_i16.matmulMin(w, blocks, acts, out)
      case L.TYPE_Q4_0:
      case L.TYPE_Q8_0:
      case L.TYPE_Q6_K:
        return matmul_i16.matmul(w, blocks, acts, out)
      default:
        return planes.matmul(type, w, blocks, acts, out)
    }
  } else {
    for (let t = 0; t < L.TILE; t++) twin(type, w, columns, acts, L.TILE, t, out + <usize>t * (L.GROUP_ROWS * 4))
  }
}

/** Bytes from one tile of t tokens to the next: int8 blocks, or f32. */
@inline
export function tileBytes(type: i32, columns: i32, t: usize): usize {
  return readsF32(type) ? <usize>columns * 4 * t : <usize>(columns / L.BLOCK) * ACTS_BLOCK * t
}
