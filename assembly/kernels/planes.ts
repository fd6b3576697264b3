// Chooses for the types made of planes (quant/planes.ts) and the codebook types: each has the same few lines in matvec,
// unpack, matmul and twin, and one kernel serves several. The relaxed build may be asked for a type's alternate.
import * as L from '../layout'
import { PLANES_Q2_K } from '../quant/q2_k'
import { PLANES_Q3_K } from '../quant/q3_k'
import { PLANES_Q4_K, PLANES_Q5_K } from '../quant/q4_k'
import { PLANES_Q5_0 } from '../quant/q5_0'
import { PLANES_Q5_1 } from '../quant/q5_1'
import * as matmul_i16 from './matmul_i16/simd'
import { matmul as matmul_i16_relaxed } from './matmul_i16/relaxed'
import { matmulMin as matmul_u4_min } from './matmul_u4/relaxed'
import * as matmul_u5 from './matmul_u5/relaxed'
import { matmul as matmul_u6_add } from './matmul_u6/relaxed_add'
import {
  matmulQ4_0 as matmul_u8_offset_add,
  matmulQ4_1 as matmul_u8_min_add,
  matmulQ8_0 as matmul_u8_add,
} from './matmul_u8/relaxed_add'
import { addMinima } from './matmul_min/simd'
import * as iq4_scalar from './matvec_iq4/scalar'
import * as iq4 from './matvec_iq4/simd'
import * as scalar from './matvec_planes/scalar'
import * as simd from './matvec_planes/simd'
import { I16_BLOCK, I8_Q6_BLOCK } from './unpack/layout'
import * as unpacking from './unpack/planes'

// A kernel is a function of its own for each type, that the engine compiles and optimizes by itself.
function matvecQ5_0(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_0, simd.BY_D, group, blocks, acts, out, false)
}

function matvecQ5_0Add(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_0, simd.BY_D, group, blocks, acts, out, true)
}

function matvecQ5_1(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_1, simd.BY_D_M, group, blocks, acts, out, false)
}

function matvecQ5_1Add(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_1, simd.BY_D_M, group, blocks, acts, out, true)
}

function matvecQ4_K(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q4_K, simd.BY_K32, group, blocks, acts, out, false)
}

function matvecQ4_KAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q4_K, simd.BY_K32, group, blocks, acts, out, true)
}

function matvecQ5_K(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_K, simd.BY_K32, group, blocks, acts, out, false)
}

function matvecQ5_KAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q5_K, simd.BY_K32, group, blocks, acts, out, true)
}

function matvecQ2_K(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q2_K, simd.BY_K16_M, group, blocks, acts, out, false)
}

function matvecQ2_KAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q2_K, simd.BY_K16_M, group, blocks, acts, out, true)
}

function matvecQ3_K(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q3_K, simd.BY_K16, group, blocks, acts, out, false)
}

function matvecQ3_KAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  simd.matvec(PLANES_Q3_K, simd.BY_K16, group, blocks, acts, out, true)
}

function matvecIQ4_NL(group: usize, blocks: i32, acts: usize, out: usize): void {
  iq4.matvec(false, group, blocks, acts, out, false)
}

function matvecIQ4_NLAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  iq4.matvec(false, group, blocks, acts, out, true)
}

function matvecIQ4_XS(group: usize, blocks: i32, acts: usize, out: usize): void {
  iq4.matvec(true, group, blocks, acts, out, false)
}

function matvecIQ4_XSAdd(group: usize, blocks: i32, acts: usize, out: usize): void {
  iq4.matvec(true, group, blocks, acts, out, true)
}

/** 8 rows of a group · one token added to f32[8] at out. */
export function matvec(type: i32, group: usize, blocks: i32, acts: usize, out: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_Q5_0 | L.ALTERNATE:
        return matvecQ5_0Add(group, blocks, acts, out)
      case L.TYPE_Q5_1 | L.ALTERNATE:
        return matvecQ5_1Add(group, blocks, acts, out)
      case L.TYPE_Q4_K | L.ALTERNATE:
        return matvecQ4_KAdd(group, blocks, acts, out)
      case L.TYPE_Q5_K | L.ALTERNATE:
        return matvecQ5_KAdd(group, blocks, acts, out)
      case L.TYPE_Q2_K | L.ALTERNATE:
        return matvecQ2_KAdd(group, blocks, acts, out)
      case L.TYPE_Q3_K | L.ALTERNATE:
        return matvecQ3_KAdd(group, blocks, acts, out)
      case L.TYPE_IQ4_NL | L.ALTERNATE:
        return matvecIQ4_NLAdd(group, blocks, acts, out)
      case L.TYPE_IQ4_XS | L.ALTERNATE:
        return matvecIQ4_XSAdd(group, blocks, acts, out)
    }
  }
  switch (type) {
    case L.TYPE_Q5_0:
      return matvecQ5_0(group, blocks, acts, out)
    case L.TYPE_Q5_1:
      return matvecQ5_1(group, blocks, acts, out)
    case L.TYPE_Q4_K:
      return matvecQ4_K(group, blocks, acts, out)
    case L.TYPE_Q5_K:
      return matvecQ5_K(group, blocks, acts, out)
    case L.TYPE_Q2_K:
      return matvecQ2_K(group, blocks, acts, out)
    case L.TYPE_Q3_K:
      return matvecQ3_K(group, blocks, acts, out)
    case L.TYPE_IQ4_NL:
      return matvecIQ4_NL(group, blocks, acts, out)
    case L.TYPE_IQ4_XS:
      return matvecIQ4_XS(group, blocks, acts, out)
  }
}

/** Unpacks a group for `matmul`: weights of up to 5 bits to bytes in the relaxed build, others where dots add to i32. */
export function unpack(type: i32, group: usize, blocks: i32, dst: usize): usize {
  const small = ASC_FEATURE_RELAXED_SIMD
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_Q2_K | L.ALTERNATE:
        return unpacking.unpackK16(PLANES_Q2_K, true, group, blocks, dst, true, true)
      case L.TYPE_Q3_K | L.ALTERNATE:
        return unpacking.unpackK16(PLANES_Q3_K, false, group, blocks, dst, true, true)
      case L.TYPE_Q6_K | L.ALTERNATE:
        return unpacking.unpackQ6_K(group, blocks, dst, true, true)
      case L.TYPE_IQ4_NL | L.ALTERNATE:
        return unpacking.unpackIQ4_NL(group, blocks, dst, true)
      case L.TYPE_IQ4_XS | L.ALTERNATE:
        return unpacking.unpackIQ4_XS(group, blocks, dst, true)
    }
  }
  switch (type & ~L.ALTERNATE) {
    case L.TYPE_Q5_0:
      return unpacking.unpack32(PLANES_Q5_0, false, group, blocks, dst, small)
    case L.TYPE_Q5_1:
      return unpacking.unpack32(PLANES_Q5_1, true, group, blocks, dst, small)
    case L.TYPE_Q4_K:
      return unpacking.unpackK32(PLANES_Q4_K, group, blocks, dst, small)
    case L.TYPE_Q5_K:
      return unpacking.unpackK32(PLANES_Q5_K, group, blocks, dst, small)
    case L.TYPE_Q2_K:
      return unpacking.unpackK16(PLANES_Q2_K, true, group, blocks, dst, small, false)
    case L.TYPE_Q3_K:
      return unpacking.unpackK16(PLANES_Q3_K, false, group, blocks, dst, small, false)
    case L.TYPE_Q6_K:
      return unpacking.unpackQ6_K(group, blocks, dst, small, false)
    case L.TYPE_IQ4_NL:
      return unpacking.unpackIQ4_NL(group, blocks, dst, false)
    case L.TYPE_IQ4_XS:
      return unpacking.unpackIQ4_XS(group, blocks, dst, false)
  }
  return dst
}

/** 8 rows (as `unpack` gave them) · a tile of TILE tokens → f32[TILE][8] at out. */
export function matmul(type: i32, w: usize, blocks: i32, acts: usize, out: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case L.TYPE_Q4_K:
        return matmul_u4_min(w, blocks, acts, out)
      case L.TYPE_Q5_0:
      case L.TYPE_Q5_1:
      case L.TYPE_Q5_K:
        return matmul_u5.matmulMin(w, blocks, acts, out)
      case L.TYPE_Q4_K | L.ALTERNATE:
      case L.TYPE_Q5_0 | L.ALTERNATE:
      case L.TYPE_Q5_1 | L.ALTERNATE:
      case L.TYPE_Q5_K | L.ALTERNATE:
        return matmul_u8_min_add(w, blocks, acts, out)
      case L.TYPE_Q2_K | L.ALTERNATE:
        matmul_u6_add(w, blocks, acts, out)
        return addMinima(w + <usize>blocks * I8_Q6_BLOCK, blocks, acts, out)
      case L.TYPE_Q2_K:
        matmul_u5.matmulQ2_K(w, blocks, acts, out)
        return addMinima(w + <usize>blocks * I8_Q6_BLOCK, blocks, acts, out)
      case L.TYPE_Q3_K:
        return matmul_u5.matmulQ3_K(w, blocks, acts, out)
      case L.TYPE_Q3_K | L.ALTERNATE:
        return matmul_u6_add(w, blocks, acts, out)
      case L.TYPE_IQ4_NL | L.ALTERNATE:
      case L.TYPE_IQ4_XS | L.ALTERNATE:
        return matmul_u8_add(w, blocks, acts, out)
      default:
        return matmul_i16_relaxed(w, blocks, acts, out)
    }
  } else {
    switch (type) {
      case L.TYPE_Q4_K:
      case L.TYPE_Q5_0:
      case L.TYPE_Q5_1:
      case L.TYPE_Q5_K:
        return matmul_i16.matmulMin(w, blocks, acts, out)
      case L.TYPE_Q2_K:
        matmul_i16.matmul(w, blocks, acts, out)
        return addMinima(w + <usize>blocks * I16_BLOCK, blocks, acts, out)
      default:
        return matmul_i16.matmul(w, blocks, acts, out)
    }
  }
}

/** The scalar twins: 8 rows of a group · one token of a tile of t added to f32[8] at out. */
export function twin(type: i32, group: usize, blocks: i32, acts: usize, t: usize, out: usize): void {
  switch (type) {
    case L.TYPE_Q5_0:
      return scalar.matvecQ5_0(group, blocks, acts, t, out)
    case L.TYPE_Q5_1:
      return scalar.matvecQ5_1(group, blocks, acts, t, out)
    case L.TYPE_Q4_K:
      return scalar.matvecK32(PLANES_Q4_K, group, blocks, acts, t, out)
    case L.TYPE_Q5_K:
      return scalar.matvecK32(PLANES_Q5_K, group, blocks, acts, t, out)
    case L.TYPE_Q2_K:
      return scalar.matvecK16(PLANES_Q2_K, true, group, blocks, acts, t, out)
    case L.TYPE_Q3_K:
      return scalar.matvecK16(PLANES_Q3_K, false, group, blocks, acts, t, out)
    case L.TYPE_IQ4_NL:
      return iq4_scalar.matvecNL(group, blocks, acts, t, out)
    case L.TYPE_IQ4_XS:
      return iq4_scalar.matvecXS(group, blocks, acts, t, out)
  }
}
