/** Keys under a model's own prefix, for who does not run it. */
import { UnsupportedError } from '../errors.ts'
import { getString } from '../gguf/metadata.ts'
import type { Metadata } from '../gguf/types.ts'

/** The values by the model's own keys: `rope.freq_base` → `llama.rope.freq_base`. */
export function underPrefix<T>(metadata: Metadata, values: Readonly<Record<string, T>>): Record<string, T> {
  const prefix = getString(metadata, 'general.architecture')
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, value]))
}

/** How the file says that embeddings are pooled; the mean where it says nothing. Source: llama.h, `enum llama_pooling_type`. */
export function poolingOf(metadata: Metadata): 'mean' | 'last' {
  const type = metadata.get(`${getString(metadata, 'general.architecture')}.pooling_type`) ?? 0
  if (type === 0 || type === 1) return 'mean'
  if (type === 3) return 'last'
  const message = `The file asks for embeddings by pooling_type ${String(type)}, and cria has 1 (mean) and 3 (last): set pooling.`
  throw new UnsupportedError('POOLING', message, type)
}
