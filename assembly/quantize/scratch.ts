// Working memory of the quantizers, which the caller hands in: one block at a time.

/** u8 or i8[256]: the integers of a block. */
export const LEVELS: usize = 0
/** u8[32]: integers of a trial. */
export const TRIAL: usize = 256
/** f32[32]: the weight of each column in the error that is made least. */
export const WEIGHTS: usize = 288
/** f32[16] each, of a block's parts: scales, minima, sums of weights. */
export const SCALES: usize = 416
export const MINIMA: usize = 480
export const SUMS: usize = 544
/** u8[16] each: the integers that scales and minima become. */
export const SCALE_LEVELS: usize = 608
export const MINIMUM_LEVELS: usize = 624
/** f32: the minimum that a search found, beside the scale that it returns. */
export const FOUND: usize = 640
/** i8[16]: IQ4's codebook. */
export const CODEBOOK: usize = 656
export const SCRATCH: usize = 672
