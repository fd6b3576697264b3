// y = W x over row groups: packed weights against arranged activations, with the epilogue of each use.
import {
  BLOCK,
  FORM_F32,
  FORM_Q8,
  GROUP_ROWS,
  SCRATCH_TILE,
  SCRATCH_UNPACK,
  TENSOR_BIAS,
  TENSOR_COLUMNS,
  TENSOR_DATA,
  TENSOR_GROUP_BYTES,
  TENSOR_ROWS,
  TENSOR_TYPE,
  TILE,
} from '../layout'
import { ACTS_BLOCK } from '../kernels/acts'
import { arrangeBlock, matmul, matvec, readsF32, tileBytes, typeFor, unpack } from '../kernels/dispatch'
import { swiglu_scalar, swiglu_simd } from './math'

// What becomes of a result: stored, added to what is there (residual), or silu(there) · result.
export const STORE = 0
export const ADD = 1
export const SWIGLU = 2

// @ts-ignore: decorator
@inline
export function groupsOf(tensor: usize): i32 {
  return (load<i32>(tensor, TENSOR_ROWS) + GROUP_ROWS - 1) / GROUP_ROWS
}

/** Groups that make a unit of work: 32 rows, a block of columns for what reads the result. */
// @ts-ignore: decorator
@inline
export const UNIT = BLOCK / GROUP_ROWS

/** Units of a matrix. */
// @ts-ignore: decorator
@inline
export function unitsOf(tensor: usize): i32 {
  return (groupsOf(tensor) + UNIT - 1) / UNIT
}

/** Bytes of a matrix's packed weights. */
// @ts-ignore: decorator
@inline
export function weightBytes(tensor: usize): i64 {
  return <i64>groupsOf(tensor) * load<u32>(tensor, TENSOR_GROUP_BYTES)
}

/** Tokens a tile: 1 for a single token (then f32 activations are used as they are), else TILE. */
// @ts-ignore: decorator
@inline
export function tileOf(n: i32): i32 {
  return n == 1 ? 1 : TILE
}

/** Tiles of n tokens. */
// @ts-ignore: decorator
@inline
export function tilesOf(n: i32): i32 {
  const t = tileOf(n)
  return (n + t - 1) / t
}

/** Where int8 blocks of `columns` columns go on after those of `tokens` tokens. */
// @ts-ignore: decorator
@inline
export function arrangedQ8(q8: usize, columns: i32, tokens: i32): usize {
  return q8 + <usize>tokens * (<usize>(columns / BLOCK) * ACTS_BLOCK)
}

/** Arranges columns [from, to) of the tokens of tile `tile` (n in all, `x` f32 rows of `columns`) in the given forms. */
export function arrange(
  x: usize,
  columns: i32,
  n: i32,
  tile: i32,
  from: i32,
  to: i32,
  forms: i32,
  q8: usize,
  f32s: usize,
): void {
  const t = tileOf(n)
  const first = tile * t
  const valid = min(n - first, t)
  const stride = (<usize>columns) << 2
  x += <usize>first * stride
  if (forms & FORM_Q8) {
    const base = q8 + <usize>tile * (<usize>(columns / BLOCK) * ACTS_BLOCK * t)
    for (let b = from / BLOCK; b < to / BLOCK; b++) {
      const dst = base + <usize>b * ACTS_BLOCK * t
      if (valid < t) memory.fill(dst, 0, ACTS_BLOCK * t)
      for (let i = 0; i < valid; i++) {
        arrangeBlock(x + <usize>i * stride + ((<usize>b * BLOCK) << 2), dst + ((<usize>i) << 2), t)
      }
    }
  }
  if (forms & FORM_F32) {
    const base = f32s + <usize>tile * (stride * t)
    for (let c = from; c < to; c++) {
      for (let i = 0; i < t; i++) {
        const value = i < valid ? load<f32>(x + <usize>i * stride + ((<usize>c) << 2)) : 0
        store<f32>(base + ((<usize>(c * t + i)) << 2), value)
      }
    }
  }
}

/** A whole group's eight results of one token → y, rows `first`… of the matrix. */
// @ts-ignore: decorator
@inline
function epilogue8(result: usize, bias: usize, mode: i32, y: usize): void {
  let r0 = v128.load(result)
  let r1 = v128.load(result, 16)
  if (bias) {
    r0 = f32x4.add(r0, v128.load(bias))
    r1 = f32x4.add(r1, v128.load(bias, 16))
  }
  if (mode == SWIGLU) return swiglu_simd(y, r0, r1)
  if (mode == ADD) {
    r0 = f32x4.add(v128.load(y), r0)
    r1 = f32x4.add(v128.load(y, 16), r1)
  }
  v128.store(y, r0)
  v128.store(y, r1, 16)
}

/** The same for the first `count` rows, one by one: the last group of a matrix, and the scalar build. */
function epilogueTail(result: usize, bias: usize, mode: i32, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    let r = load<f32>(result + i)
    if (bias) r += load<f32>(bias + i)
    if (mode == SWIGLU) r = swiglu_scalar(load<f32>(y + i), r)
    else if (mode == ADD) r = load<f32>(y + i) + r
    store<f32>(y + i, r)
  }
}

/** Results of one token for a group whose first row is `first` → y, the token's row. */
// @ts-ignore: decorator
@inline
function epilogue(result: usize, first: i32, rows: i32, bias: usize, mode: i32, y: usize): void {
  y += (<usize>first) << 2
  if (bias) bias += (<usize>first) << 2
  const count = rows - first
  if (ASC_FEATURE_SIMD && count >= GROUP_ROWS) epilogue8(result, bias, mode, y)
  else epilogueTail(result, bias, mode, y, min(count, GROUP_ROWS))
}

/** A group as `multiplyTile` reads it: unpacked where several tokens share it. */
// @ts-ignore: decorator
@inline
export function readyGroup(type: i32, group: usize, columns: i32, n: i32, scratch: usize): usize {
  return n == 1 ? group : unpack(type, group, columns, scratch + SCRATCH_UNPACK)
}

/** A group · one tile of n tokens in all → f32 [tileOf(n), 8] at result. */
// @ts-ignore: decorator
@inline
export function multiplyTile(type: i32, w: usize, columns: i32, n: i32, acts: usize, result: usize): void {
  if (n == 1) matvec(type, w, columns, acts, result)
  else matmul(type, w, columns, acts, result)
}

/**
 * Rows of groups [from, to) for n tokens. `q8`, `f32s`: arranged activations. y f32 rows of `stride` floats each.
 */
export function linear(
  tensor: usize,
  from: i32,
  to: i32,
  n: i32,
  q8: usize,
  f32s: usize,
  mode: i32,
  y: usize,
  stride: i32,
  scratch: usize,
): void {
  const type = typeFor(load<i32>(tensor, TENSOR_TYPE), n)
  const rows = load<i32>(tensor, TENSOR_ROWS)
  const columns = load<i32>(tensor, TENSOR_COLUMNS)
  const bias = <usize>load<u32>(tensor, TENSOR_BIAS)
  const groupBytes = <usize>load<u32>(tensor, TENSOR_GROUP_BYTES)
  const acts = readsF32(type) ? f32s : q8
  const result = scratch + SCRATCH_TILE
  const step = tileOf(n)
  const tileStep = tileBytes(type, columns, step)
  let group = <usize>load<u32>(tensor, TENSOR_DATA) + <usize>from * groupBytes
  for (let g = from; g < to; g++, group += groupBytes) {
    const w = readyGroup(type, group, columns, n, scratch)
    let tile = acts
    for (let first = 0; first < n; first += step, tile += tileStep) {
      multiplyTile(type, w, columns, n, tile, result)
      for (let i = 0; i < min(n - first, step); i++) {
        const to = y + ((<usize>(first + i) * stride) << 2)
        epilogue(result + <usize>i * (GROUP_ROWS * 4), g * GROUP_ROWS, rows, bias, mode, to)
      }
    }
  }
}
