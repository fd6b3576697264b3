/** Texts that the vocabulary has as one special token each. */
import type { Tokenizer } from './tokenizer.ts'

/** The control tokens that some texts are; tokens that end generation are none. */
export function markTokens(tokenizer: Tokenizer, texts: readonly string[]): Map<number, Uint8Array> {
  const marks = new Map<number, Uint8Array>()
  for (const text of texts) {
    const [id, ...others] = tokenizer.tokenize(text, { special: true, bos: false })
    if (id === undefined || others.length > 0 || tokenizer.isEndOfGeneration(id)) continue
    if (tokenizer.tokenBytes(id).length === 0) marks.set(id, tokenizer.tokenBytes(id, { special: true }))
  }
  return marks
}
