// A page of a q8_0 cache, for one kv head (headDim a multiple of 32):
//   K: for each 8 positions, for each 32 dimensions: quad 0 of the 8 positions │ … quad 7, i8, 256 bytes │ 8 × d f32
//   V: for each 8 dimensions: those of position 0 │ of position 1 │ …, i8 (PAGE, 8); then, for each 32 dimensions, PAGE × d f32
// and a tile of queries: for each 32 dimensions: quad 0 of the 4 queries │ … quad 7, i8, 128 bytes │ 4 × d f32
import * as L from '../../layout'

@inline
export const K_BLOCK: usize = 288
@inline
export const K_D: usize = 256
@inline
export const Q_BLOCK: usize = 144
@inline
export const Q_D: usize = 128

/** Bytes of one kv head in a page of K, and of V. */
@inline
export function headBytes(headDim: i32): usize {
  return <usize>(headDim * L.PAGE + (headDim >> 5) * L.PAGE * 4)
}
