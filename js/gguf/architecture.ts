/** The architectures that cria runs: llama, and mistral3, which is it but for the scale of YaRN and of late queries. */
import type { Metadata } from './types.ts'

/** Values of general.architecture. */
export const ARCHITECTURES: readonly string[] = ['llama', 'mistral3']

/** The metadata with the keys of its architecture under `llama.`. */
export function underLlama(metadata: Metadata, architecture: string): Metadata {
  if (architecture === 'llama') return metadata
  const prefix = `${architecture}.`
  const rename = (key: string): string => (key.startsWith(prefix) ? `llama.${key.slice(prefix.length)}` : key)
  return new Map(Array.from(metadata, ([key, value]) => [rename(key), value]))
}
