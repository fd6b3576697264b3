import { points } from '../util/unicode.ts'
import { visibleBytes } from './bytes.ts'
import { mergers } from './merge.ts'
import { splitWords } from './pretokenizers.ts'
import type { Vocabulary } from './vocabulary.ts'

/** Words worth remembering are short, and no more of them than this are kept. */
const CACHED_LENGTH = 48
const CACHED_WORDS = 20_000

/**
 * Byte-level byte pair encoding: the text is cut into words, and in each the pair that stands first among the merges
 * joins, again and again. Source: Sennrich et al. 2016, GPT-2; ties and odd cases as in llama.cpp.
 *
 * @returns a function that appends the ids of a well-formed text without special tokens
 */
export function byteLevelEncoder(vocabulary: Vocabulary): (text: string, ids: number[]) => void {
  const { merges, preTokenizer } = vocabulary
  // Backwards, so that of two equal merges the first counts.
  const ranks = new Map<string, number>()
  let longest = 0
  for (let rank = merges.length - 1; rank >= 0; rank--) {
    const merge = merges[rank]!
    ranks.set(merge, rank)
    if (merge.length > longest) longest = merge.length
  }
  const merger = mergers()
  const cache = new Map<string, number[]>()

  function encodeWord(word: string): number[] {
    const text = visibleBytes(word)
    const ids: number[] = []
    const whole = preTokenizer.ignoreMerges ? vocabulary.ids.get(text) : undefined
    if (whole !== undefined) return [whole]
    merger(text.length).merge(
      text.length,
      (i) => i,
      text.length,
      (start, middle, end) => {
        if (end - start >= longest) return Number.POSITIVE_INFINITY
        return ranks.get(`${text.slice(start, middle)} ${text.slice(middle, end)}`) ?? Number.POSITIVE_INFINITY
      },
      (start, end) => appendToken(vocabulary, text.slice(start, end), ids),
    )
    return ids
  }

  return (text, ids) => {
    let at = 0
    splitWords(preTokenizer, points(text), (end) => {
      const word = text.slice(at, end)
      at = end
      let found = cache.get(word)
      if (!found) {
        found = encodeWord(word)
        if (word.length <= CACHED_LENGTH) {
          if (cache.size >= CACHED_WORDS) cache.clear()
          cache.set(word, found)
        }
      }
      for (const id of found) ids.push(id)
    })
  }
}

/** The token of a text, or of each of its bytes; bytes that are no token are lost, as in llama.cpp. */
function appendToken(vocabulary: Vocabulary, text: string, ids: number[]): void {
  const id = vocabulary.ids.get(text)
  if (id !== undefined) ids.push(id)
  else if (text.length > 1) for (const byte of text) appendToken(vocabulary, byte, ids)
}
