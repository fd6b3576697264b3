/** The vocabularies of the shared folder. */
import { readdirSync, readFileSync } from 'node:fs'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Metadata } from '../../js/gguf/types.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { createTokenizer, type Tokenizer } from '../../js/tokenizer/tokenizer.ts'
import { hasShared, shared } from '../shared.ts'

/** Metadata by the vocabulary's name: a vocabulary file's own, or for a model its `tokenizer.ggml.pre`. */
export async function vocabularyMetadata(): Promise<Map<string, Metadata>> {
  const all = new Map<string, Metadata>()
  if (!hasShared) return all
  for (const folder of [shared('models'), shared('vectors', 'tokenizers')]) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.gguf'))) {
      const { metadata, tensors } = await readGguf(bytesSource(readFileSync(`${folder}/${file}`), file))
      const name = tensors.size > 0 ? metadata.get('tokenizer.ggml.pre') : file.replace(/\.gguf$/, '')
      if (typeof name === 'string') all.set(name, metadata)
    }
  }
  return all
}

let tokenizers: Promise<Map<string, Tokenizer>> | undefined

export function vocabularies(): Promise<Map<string, Tokenizer>> {
  tokenizers ??= vocabularyMetadata().then(
    (all) => new Map(Array.from(all, ([name, metadata]) => [name, createTokenizer(metadata)])),
  )
  return tokenizers
}
