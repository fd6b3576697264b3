/** Metadata values in place of a file's. */
import { invalid } from '../util/check.ts'
import type { Gguf } from './types.ts'

/** By key, whether the file has it or not: `{ 'tokenizer.ggml.add_bos_token': false }`. */
export type Overrides = Readonly<Record<string, number | boolean | string>>

/** What may stand for a value of the file's, by its type, where that is not the same. */
const KINDS: Readonly<Record<string, string>> = {
  bigint: 'number',
  object: 'array, which nothing overrides',
  undefined: 'number, boolean or string',
}

/** @throws ArgumentError INVALID_OPTION for what is no such object, and for a value of another kind than the file's */
export function override(gguf: Gguf, overrides: Overrides): Gguf {
  if (typeof overrides !== 'object' || overrides === null) throw invalid('overrides', 'an object', overrides)
  const metadata = new Map(gguf.metadata)
  for (const [key, value] of Object.entries(overrides)) {
    const kind = typeof metadata.get(key)
    const rule = KINDS[kind] ?? kind
    if (!rule.includes(typeof value)) throw invalid(`overrides[${key}]`, `a ${rule}`, value)
    metadata.set(key, value)
  }
  return { ...gguf, metadata }
}
