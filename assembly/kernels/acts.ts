// Activations for quantized weights, quantized per 32 columns: q in −127…127, value ≈ da · q.
//
// A tile of T tokens (T = 1 for matrix–vector) is, block after block of 32 columns:
//   int8 (scalar, relaxed):  quad 0: token 0 columns 0–3 │ token 1 │ … │ quad 1 … quad 7            32 T bytes
//   int16 (simd):            pair 0: token 0 columns (0, 2) │ … │ pair 1: columns (1, 3) │ … pair 15   64 T bytes
//   da[T] f32 │ s[T] i32 = −8 · the sum of the 32 q │ pairs[T] (i16, i16), the same of each 16 │ sa[T] f32 = da · sum

@inline
export const ACTS_Q: usize = ASC_FEATURE_SIMD && !ASC_FEATURE_RELAXED_SIMD ? 64 : 32
/** Offsets for one token; times T for a tile. */
@inline
export const ACTS_DA: usize = ACTS_Q
@inline
export const ACTS_S: usize = ACTS_Q + 4
@inline
export const ACTS_PAIR: usize = ACTS_Q + 8
@inline
export const ACTS_SA: usize = ACTS_Q + 12
/** Bytes of a block for one token. */
@inline
export const ACTS_BLOCK: usize = ACTS_Q + 16

/** Below this a block counts as zeros, so that 127 / amax stays finite. */
@inline
export const TINY: f32 = 1e-30
