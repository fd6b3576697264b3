/** The vocabulary of a model of random weights: one made up, or another file's. */

import type { Metadata, MetadataValue } from '../gguf/types.ts'
import type { MetadataEntry, ScalarType, ScalarValue } from '../gguf/writer.ts'

const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6

/**
 * A SentencePiece vocabulary of `size` ≥ 260 tokens: three control tokens, the bytes, the space, and words that mean
 * nothing.
 */
export function madeUpVocabulary(size: number): MetadataEntry[] {
  const tokens = ['<unk>', '<s>', '</s>']
  const types = [UNKNOWN, CONTROL, CONTROL]
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
    types.push(BYTE)
  }
  while (tokens.length < size) {
    tokens.push(tokens.length === 259 ? '▁' : `▁w${tokens.length}`)
    types.push(NORMAL)
  }
  const scores = Float32Array.from(tokens, (_, id) => (types[id] === NORMAL ? -id : 0))
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.tokens', type: 'array', of: 'string', value: tokens },
    { key: 'tokenizer.ggml.scores', type: 'array', of: 'float32', value: scores },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: types },
    { key: 'tokenizer.ggml.bos_token_id', type: 'uint32', value: 1 },
    { key: 'tokenizer.ggml.eos_token_id', type: 'uint32', value: 2 },
    { key: 'tokenizer.ggml.unknown_token_id', type: 'uint32', value: 0 },
  ]
}

/** The entries of another file's metadata whose keys begin with `tokenizer.`. */
export function vocabularyOf(metadata: Metadata): MetadataEntry[] {
  const entries: MetadataEntry[] = []
  for (const [key, value] of metadata) {
    const entry = key.startsWith('tokenizer.') ? entryOf(key, value) : undefined
    if (entry) entries.push(entry)
  }
  return entries
}

/** An entry of the type that the value has been read from, or one that holds it; undefined for arrays of arrays. */
function entryOf(key: string, value: MetadataValue): MetadataEntry | undefined {
  if (typeof value !== 'object') return { key, type: scalarType(value), value }
  const of = arrayType(value)
  return of && { key, type: 'array', of, value: value as ArrayLike<ScalarValue> }
}

function scalarType(value: ScalarValue): ScalarType {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return value < 0n ? 'int64' : 'uint64'
  if (!Number.isInteger(value)) return 'float32'
  return value < 0 ? 'int32' : value < 4294967296 ? 'uint32' : 'uint64'
}

function arrayType(value: Exclude<MetadataValue, ScalarValue>): ScalarType | undefined {
  if (value instanceof Uint8Array) return 'uint8'
  if (value instanceof Int8Array) return 'int8'
  if (value instanceof Uint16Array) return 'uint16'
  if (value instanceof Int16Array) return 'int16'
  if (value instanceof Uint32Array) return 'uint32'
  if (value instanceof Int32Array) return 'int32'
  if (value instanceof Float32Array) return 'float32'
  if (value instanceof Float64Array) return 'float64'
  if (value instanceof BigUint64Array) return 'uint64'
  if (value instanceof BigInt64Array) return 'int64'
  return value.every((item) => typeof item === 'string') ? 'string' : undefined
}
