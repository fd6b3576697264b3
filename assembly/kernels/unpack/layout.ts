// A group unpacked for the matrix–matrix kernels: read once from the packed form, used by all tokens of a prompt.
//
//   i16, a block of 32 columns:   pair 0: rows 0–3 │ rows 4–7 │ pair 1 … pair 15 (as in acts.ts)   512 bytes
//   i8, a block of 32 columns:    quad 0: rows 0–3 │ rows 4–7 │ … quad 7                            256 bytes
//   then 8 × dw f32, and for types with a minimum 8 × m f32, for Q6_K in i8 8 × sc0 i32 │ 8 × sc1 i32
//   behind all blocks, where each 16 columns have a minimum (Q2_K), for each block 8 × (m0 i16, m1 i16) │ 8 × dmin / 8 f32
//   F16, BF16: 8 × f32 a column. F32 needs no unpacking.

@inline
export const I16_D: usize = 512
@inline
export const I16_M: usize = 544
@inline
export const I16_BLOCK: usize = 576
@inline
export const I8_D: usize = 256
@inline
export const I8_M: usize = 288
@inline
export const I8_BLOCK: usize = 320
@inline
export const I8_SC0: usize = 288
@inline
export const I8_SC1: usize = 320
@inline
export const I8_Q6_BLOCK: usize = 352
@inline
export const MINIMA_D: usize = 32
@inline
export const MINIMA_BLOCK: usize = 64
