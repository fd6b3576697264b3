/** Types of the options of quantizing. */
import type { Overrides } from '../gguf/overrides.ts'

/** A value and its type in the file; a number without one is a float32 where the file's is a float, or it is no whole one. */
export type QuantizeOverrides = Readonly<Record<string, Overrides[string] | TypedValue>>

export interface TypedValue {
  type: 'uint32' | 'float32' | 'bool' | 'string'
  value: number | boolean | string
}
