/** The value types of metadata. Source: ggml's docs/gguf.md, `gguf_metadata_value_type`. */

/** GGUF's names for the values that fill a fixed number of bytes, with their ids and bytes. */
export const NUMERIC_TYPES = {
  uint8: { id: 0, bytes: 1, array: Uint8Array },
  int8: { id: 1, bytes: 1, array: Int8Array },
  uint16: { id: 2, bytes: 2, array: Uint16Array },
  int16: { id: 3, bytes: 2, array: Int16Array },
  uint32: { id: 4, bytes: 4, array: Uint32Array },
  int32: { id: 5, bytes: 4, array: Int32Array },
  float32: { id: 6, bytes: 4, array: Float32Array },
  bool: { id: 7, bytes: 1, array: Uint8Array },
  uint64: { id: 10, bytes: 8, array: BigUint64Array },
  int64: { id: 11, bytes: 8, array: BigInt64Array },
  float64: { id: 12, bytes: 8, array: Float64Array },
} as const

export const STRING = 8
export const ARRAY = 9

/** The type's name in a GGUF file's metadata, but for `array`. */
export type NumericType = keyof typeof NUMERIC_TYPES
export type ScalarType = NumericType | 'string'

/** Names of fixed-size types by their ids. */
export const NUMERIC_NAMES: ReadonlyMap<number, NumericType> = new Map(
  Object.entries(NUMERIC_TYPES).map(([name, { id }]) => [id, name as NumericType]),
)

/** The largest `general.alignment` that is believed. */
export const MAX_ALIGNMENT = 1 << 20

/** Whether `general.alignment` may be that. */
export function isAlignment(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0
}
