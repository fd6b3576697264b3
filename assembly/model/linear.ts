// y = W x over row groups: packed weights against arranged activations, with the epilogue of each use.
import * as L from '../layout'
import { ACTS_BLOCK } from '../kernels/acts'
import {
  FEW_TOKENS,
  arrangeBlock,
  matmul,
  matvec,
  readsF32,
  readsPacked,
  tileBytes,
  typeFor,
  unpack,
} from '../kernels/dispatch'
import { UNIT, panelAt, panelBytesAt } from '../panels'
import { activate_scalar, activate_simd } from './math'
import { Thread } from './thread'

@inline
export function groupsOf(tensor: usize): i32 {
  return (load<i32>(tensor, L.TENSOR_ROWS) + L.GROUP_ROWS - 1) / L.GROUP_ROWS
}

/** Units of a matrix. */
@inline
export function unitsOf(tensor: usize): i32 {
  return (groupsOf(tensor) + UNIT - 1) / UNIT
}

/** Bytes of a matrix's packed weights. */
@inline
export function weightBytes(tensor: usize): i64 {
  return <i64>groupsOf(tensor) * load<u32>(tensor, L.TENSOR_GROUP_BYTES)
}

/** Bytes of a group's results of one token. */
@inline
const RESULT_BYTES: usize = L.GROUP_ROWS * 4

/** Tokens a tile: 1 for a single token (then f32 activations are used as they are), else TILE. */
@inline
export function tileOf(n: i32): i32 {
  return n == 1 ? 1 : L.TILE
}

/** Tiles of n tokens. */
@inline
export function tilesOf(n: i32): i32 {
  const t = tileOf(n)
  return (n + t - 1) / t
}

/** Where int8 blocks of `columns` columns go on after those of `tokens` tokens. */
@inline
export function arrangedQ8(q8: usize, columns: i32, tokens: i32): usize {
  return q8 + <usize>tokens * (<usize>(columns / L.BLOCK) * ACTS_BLOCK)
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
  if (forms & L.FORM_Q8) {
    const base = q8 + <usize>tile * (<usize>(columns / L.BLOCK) * ACTS_BLOCK * t)
    for (let b = from / L.BLOCK; b < to / L.BLOCK; b++) {
      const dst = base + <usize>b * ACTS_BLOCK * t
      if (valid < t) memory.fill(dst, 0, ACTS_BLOCK * t)
      for (let i = 0; i < valid; i++) {
        arrangeBlock(x + <usize>i * stride + ((<usize>b * L.BLOCK) << 2), dst + ((<usize>i) << 2), t)
      }
    }
  }
  if (forms & L.FORM_F32) {
    const base = f32s + <usize>tile * (stride * t)
    for (let c = from; c < to; c++) {
      for (let i = 0; i < t; i++) {
        const value = i < valid ? load<f32>(x + <usize>i * stride + ((<usize>c) << 2)) : 0
        store<f32>(base + ((<usize>(c * t + i)) << 2), value)
      }
    }
  }
}

/**
 * A whole group's eight results of one token → y, rows `first`… of the matrix. `mode`: stored, added to what is there times
 * `scale`, or what the activation makes of them, with what is there as the gate.
 */
@inline
function epilogue8(result: usize, bias: usize, mode: i32, scale: f32, y: usize): void {
  let r0 = v128.load(result)
  let r1 = v128.load(result, 16)
  if (bias) {
    r0 = f32x4.add(r0, v128.load(bias))
    r1 = f32x4.add(r1, v128.load(bias, 16))
  }
  if (mode >= L.ACTIVATION_SWIGLU) return activate_simd(mode, y, r0, r1)
  if (mode == L.ADD) {
    const scales = f32x4.splat(scale)
    r0 = f32x4.add(v128.load(y), f32x4.mul(r0, scales))
    r1 = f32x4.add(v128.load(y, 16), f32x4.mul(r1, scales))
  }
  v128.store(y, r0)
  v128.store(y, r1, 16)
}

/** The same for the first `count` rows, one by one: the last group of a matrix, and the scalar build. */
function epilogueTail(result: usize, bias: usize, mode: i32, scale: f32, y: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    let r = load<f32>(result + i)
    if (bias) r += load<f32>(bias + i)
    if (mode >= L.ACTIVATION_SWIGLU) r = activate_scalar(mode, load<f32>(y + i), r)
    else if (mode == L.ADD) r = load<f32>(y + i) + r * scale
    store<f32>(y + i, r)
  }
}

/** Results of one token for a group whose first row is `first` → y, the token's row. */
@inline
function epilogue(result: usize, first: i32, rows: i32, bias: usize, mode: i32, scale: f32, y: usize): void {
  y += (<usize>first) << 2
  if (bias) bias += (<usize>first) << 2
  const count = rows - first
  if (ASC_FEATURE_SIMD && count >= L.GROUP_ROWS) epilogue8(result, bias, mode, scale, y)
  else epilogueTail(result, bias, mode, scale, y, min(count, L.GROUP_ROWS))
}

/** Groups from g on, before `to`, that `multiplyGroups` takes at once: the rest of a unit, or one. */
@inline
function groupsAtOnce(type: i32, n: i32, g: i32, to: i32): i32 {
  return readsPacked(type, n) ? min(to, (g & -UNIT) + UNIT) : g + 1
}

/** Of n tokens in all, those that it takes at once. */
@inline
function tokensAtOnce(type: i32, n: i32): i32 {
  return n == 1 ? 1 : readsPacked(type, n) ? FEW_TOKENS : L.TILE
}

/** `count` of n tokens, up to whole tiles: the places in the results of each group. */
@inline
function placesOf(n: i32, count: i32): i32 {
  const tile = tileOf(n)
  return (count + tile - 1) & -tile
}

/** Gets group g ready for `multiplyGroups`: unpacked where several tokens share it. Returns it. */
function readyGroup(tensor: usize, type: i32, g: i32, n: i32, scratch: usize): usize {
  if (readsPacked(type, n)) return 0
  if (type == L.TYPE_F32) return panelAt(tensor, g, 0)
  const columns = load<i32>(tensor, L.TENSOR_COLUMNS)
  const panelColumns = load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)
  let dst = scratch + L.SCRATCH_UNPACK
  for (let from = 0; from < columns; from += panelColumns) {
    dst = unpack(type, panelAt(tensor, g, from), min(panelColumns, columns - from), dst)
  }
  return scratch + L.SCRATCH_UNPACK
}

/** Eight results. As they are loaded: smaller stores would be waited for. */
@inline
function clear(at: usize): void {
  if (ASC_FEATURE_SIMD) {
    v128.store(at, i32x4.splat(0))
    v128.store(at, i32x4.splat(0), 16)
  } else memory.fill(at, 0, RESULT_BYTES)
}

/** Groups [g, end) · `count` of n tokens → f32 [end − g, placesOf(n, count), 8] at results. */
function multiplyGroups(
  tensor: usize,
  type: i32,
  ready: usize,
  g: i32,
  end: i32,
  n: i32,
  count: i32,
  acts: usize,
  results: usize,
): void {
  const columns = load<i32>(tensor, L.TENSOR_COLUMNS)
  if (!readsPacked(type, n)) return matmul(type, ready, columns, acts, results)
  const panelColumns = load<i32>(tensor, L.TENSOR_PANEL_COLUMNS)
  const tile = tileOf(n)
  const tiles = placesOf(n, count) / tile
  const tileStep = tileBytes(type, columns, tile)
  const panelStep = tileBytes(type, panelColumns, tile)
  const resultBytes = <usize>tile * RESULT_BYTES
  for (let at = results, last = results + <usize>((end - g) * tiles) * resultBytes; at < last; at += RESULT_BYTES) {
    clear(at)
  }
  for (let from = 0; from < columns; from += panelColumns, acts += panelStep) {
    const width = min(panelColumns, columns - from)
    const bytes = panelBytesAt(tensor, from)
    const first = panelAt(tensor, g, from)
    for (let t = 0; t < tiles; t++) {
      const a = acts + <usize>t * tileStep
      let at = results + <usize>t * resultBytes
      let panel = first
      for (let h = g; h < end; h++, panel += bytes, at += <usize>tiles * resultBytes) {
        if (n == 1) matvec(type, panel, width, a, at)
        else matmul(type, panel, width, a, at)
      }
    }
  }
}

/**
 * Rows of groups [from, to) for n tokens. `q8`, `f32s`: arranged activations. `mode`: STORE, ADD or an ACTIVATION_.
 * y f32 rows of `stride` floats each.
 */
export function linear(
  t: Thread,
  tensor: usize,
  from: i32,
  to: i32,
  n: i32,
  q8: usize,
  f32s: usize,
  mode: i32,
  y: usize,
  stride: i32,
): void {
  const type = typeFor(load<i32>(tensor, L.TENSOR_TYPE), n)
  const rows = load<i32>(tensor, L.TENSOR_ROWS)
  const bias = <usize>load<u32>(tensor, L.TENSOR_BIAS)
  const acts = readsF32(type) ? f32s : q8
  const scratch = t.scratch
  const scale = t.residualScale
  const results = scratch + L.SCRATCH_RESULTS
  const step = tokensAtOnce(type, n)
  const stepBytes = tileBytes(type, load<i32>(tensor, L.TENSOR_COLUMNS), step)
  for (let g = from; g < to; ) {
    const end = groupsAtOnce(type, n, g, to)
    const ready = readyGroup(tensor, type, g, n, scratch)
    let a = acts
    for (let first = 0; first < n; first += step, a += stepBytes) {
      const count = min(n - first, step)
      multiplyGroups(tensor, type, ready, g, end, n, count, a, results)
      let result = results
      for (let h = g; h < end; h++, result += <usize>placesOf(n, count) * RESULT_BYTES) {
        for (let i = 0; i < count; i++) {
          const to = y + ((<usize>(first + i) * stride) << 2)
          epilogue(result + <usize>i * RESULT_BYTES, h * L.GROUP_ROWS, rows, bias, mode, scale, to)
        }
      }
    }
    g = end
  }
}
