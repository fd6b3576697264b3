/** Element types of the KV cache. */
export const KV_TYPES = ['f32', 'f16', 'q8_0'] as const

export type KvType = (typeof KV_TYPES)[number]
