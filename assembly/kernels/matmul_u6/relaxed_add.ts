// Q6_K, unpacked to bytes 0…63, with dots that add to i32: two integer sums a block, each with its own sub-scale.
import { ACTS_BLOCK, ACTS_DA, ACTS_PAIR } from '../acts'
import { dotAdd, step } from '../steps'
import { I8_D, I8_Q6_BLOCK, I8_SC0, I8_SC1 } from '../unpack/layout'

/** Two quads of a tile's token (quads lie 16 bytes apart). */
@inline
function dotTwo(c: v128, acts: usize, w: usize): v128 {
  c = dotAdd(c, v128.load32_splat(acts), v128.load(w))
  return dotAdd(c, v128.load32_splat(acts, 16), v128.load(w, 32))
}

/** Four rows · one token, one block. */
@inline
function dotBlock(w: usize, acts: usize, half: usize, token: usize): v128 {
  const a = acts + token * 4
  let c0 = i32x4.splat(4 * <i32>load<i16>(a, 4 * ACTS_PAIR))
  c0 = dotTwo(dotTwo(c0, a, w + half), a + 32, w + half + 64)
  let c1 = i32x4.splat(4 * <i32>load<i16>(a, 4 * ACTS_PAIR + 2))
  c1 = dotTwo(dotTwo(c1, a + 64, w + half + 128), a + 96, w + half + 192)
  return i32x4.add(i32x4.mul(c0, v128.load(w + half, I8_SC0)), i32x4.mul(c1, v128.load(w + half, I8_SC1)))
}

/** 8 rows, unpacked · a tile of 4 tokens → f32[4 tokens][8 rows] at out. */
export function matmul(w: usize, blocks: i32, acts: usize, out: usize): void {
  let f00 = f32x4.splat(0),
    f01 = f00,
    f10 = f00,
    f11 = f00,
    f20 = f00,
    f21 = f00,
    f30 = f00,
    f31 = f00
  for (let b = 0; b < blocks; b++) {
    const d0 = v128.load(w, I8_D)
    const d1 = v128.load(w, I8_D + 16)
    let da = v128.load32_splat(acts, 4 * ACTS_DA)
    f00 = step(f00, dotBlock(w, acts, 0, 0), d0, da)
    f01 = step(f01, dotBlock(w, acts, 16, 0), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 4)
    f10 = step(f10, dotBlock(w, acts, 0, 1), d0, da)
    f11 = step(f11, dotBlock(w, acts, 16, 1), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 8)
    f20 = step(f20, dotBlock(w, acts, 0, 2), d0, da)
    f21 = step(f21, dotBlock(w, acts, 16, 2), d1, da)
    da = v128.load32_splat(acts, 4 * ACTS_DA + 12)
    f30 = step(f30, dotBlock(w, acts, 0, 3), d0, da)
    f31 = step(f31, dotBlock(w, acts, 16, 3), d1, da)
    w += I8_Q6_BLOCK
    acts += 4 * ACTS_BLOCK
  }
  v128.store(out, f00)
  v128.store(out, f01, 16)
  v128.store(out, f10, 32)
  v128.store(out, f11, 48)
  v128.store(out, f20, 64)
  v128.store(out, f21, 80)
  v128.store(out, f30, 96)
  v128.store(out, f31, 112)
}
