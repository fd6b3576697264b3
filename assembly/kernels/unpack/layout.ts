// A group unpacked for the matrix–matrix kernels: read once from the packed form, used by all tokens of a prompt.
//
//   simd, i16, a block of 32 columns:     pair 0: rows 0–3 │ rows 4–7 │ pair 1 … pair 15 (as in acts.ts)   512 bytes
//   relaxed, i8, a block of 32 columns:   quad 0: rows 0–3 │ rows 4–7 │ … quad 7                            256 bytes
//   then 8 × dw f32, and for types with a minimum 8 × m f32, for Q6_K in relaxed 8 × sc0 i32 │ 8 × sc1 i32
//   F16: 8 × f32 a column. F32 needs no unpacking.

// @ts-ignore: decorator
@inline
export const UNPACKED_Q: usize = ASC_FEATURE_RELAXED_SIMD ? 256 : 512
// @ts-ignore: decorator
@inline
export const UNPACKED_D: usize = UNPACKED_Q
// @ts-ignore: decorator
@inline
export const UNPACKED_M: usize = UNPACKED_Q + 32
// @ts-ignore: decorator
@inline
export const UNPACKED_BLOCK: usize = UNPACKED_Q + 64
// @ts-ignore: decorator
@inline
export const UNPACKED_SC0: usize = UNPACKED_Q + 32
// @ts-ignore: decorator
@inline
export const UNPACKED_SC1: usize = UNPACKED_Q + 64
// @ts-ignore: decorator
@inline
export const UNPACKED_Q6_BLOCK: usize = UNPACKED_Q + 96
