// What a module exports. JavaScript owns every address; functions take pointers. The same names in every build.
import * as L from './layout'
import { ACTS_BLOCK } from './kernels/acts'
import {
  matmul as matmulTile,
  matvec as matvecGroup,
  readsF32,
  readsPacked,
  tileBytes,
  typeFor,
  unpack,
} from './kernels/dispatch'
import { arrange as arrangeTile } from './model/linear'
import { activate_scalar, activate_simd, expSum_simd, exp_scalar } from './model/math'

export { attnNorm, embed, forward, output, outputNorm } from './model/forward'
export { barrier, command, park } from './model/barrier'
export { repack, row } from './repack'
export { shift } from './model/shift'

// For tests and benchmarks: single kernels.

export { softcap } from './model/math'
export { layernorm, rmsnorm } from './model/norm'

/** Arranges n tokens (x f32 [n, columns]) for `type`: tiles of 1 when n is 1, else of TILE. */
export function arrange(type: i32, x: usize, columns: i32, n: i32, dst: usize): void {
  const tiles = n == 1 ? 1 : (n + 3) / 4
  for (let tile = 0; tile < tiles; tile++) {
    arrangeTile(x, columns, n, tile, 0, columns, readsF32(type) ? 2 : 1, dst, dst)
  }
}

/** Bytes that `arrange` fills. */
export function arrangedBytes(columns: i32, n: i32): usize {
  const tokens = n == 1 ? 1 : (n + 3) & ~3
  return <usize>tokens * max(<usize>columns * 4, <usize>(columns / L.BLOCK) * ACTS_BLOCK)
}

/** One group · one arranged token → f32[8]. */
export function matvec(type: i32, group: usize, columns: i32, acts: usize, out: usize): void {
  memory.fill(out, 0, L.GROUP_ROWS * 4)
  matvecGroup(type, group, columns, acts, out)
}

/** One group · n > 1 arranged tokens → f32 [n up to a multiple of TILE][8]. */
export function matmul(type: i32, group: usize, columns: i32, acts: usize, n: i32, scratch: usize, out: usize): void {
  type = typeFor(type, n)
  let w = group
  if (readsPacked(type, n)) memory.fill(out, 0, ((n + 3) & ~3) * (L.GROUP_ROWS * 4))
  else if (type != L.TYPE_F32) unpack(type, group, columns, (w = scratch))
  for (let i = 0; i < n; i += 4, acts += tileBytes(type, columns, 4), out += 128)
    matmulTile(type, w, columns, acts, out)
}

/** e^x of n floats, n a multiple of 4. */
export function expf(x: usize, n: i32, y: usize): void {
  if (ASC_FEATURE_SIMD) {
    memory.copy(y, x, (<usize>n) << 2)
    expSum_simd(y, 0, n, f32x4.splat(0), f32x4.splat(1))
  } else {
    for (let i: usize = 0; i < (<usize>n) << 2; i += 4) store<f32>(y + i, exp_scalar(load<f32>(x + i)))
  }
}

/** An ACTIVATION_ of n gates and results of the up projection, n a multiple of 8, in place of the gates. */
export function activation(kind: i32, gates: usize, ups: usize, n: i32): void {
  if (ASC_FEATURE_SIMD) {
    for (let i: usize = 0; i < (<usize>n) << 2; i += 32) {
      activate_simd(kind, gates + i, v128.load(ups + i), v128.load(ups + i, 16))
    }
  } else {
    for (let i: usize = 0; i < (<usize>n) << 2; i += 4) {
      store<f32>(gates + i, activate_scalar(kind, load<f32>(gates + i), load<f32>(ups + i)))
    }
  }
}
