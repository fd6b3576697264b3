import { points } from '../util/unicode.ts'
import { hexToken, SPACE_MARK, utf8 } from './bytes.ts'
import { mergers } from './merge.ts'
import { escapedByte } from './raw-bytes.ts'
import type { Vocabulary } from './vocabulary.ts'

/**
 * SentencePiece byte pair encoding: of all neighbours whose union is a token, those with the best score join first; what
 * is no token in the end is written as bytes. Source: Kudo and Richardson 2018; ties and odd cases as in llama.cpp.
 *
 * @returns a function that appends the ids of a well-formed text without special tokens
 */
export function sentencePieceEncoder(vocabulary: Vocabulary): (text: string, ids: number[]) => void {
  const { ids: tokens, scores } = vocabulary
  let longest = 0
  for (const token of vocabulary.tokens) if (token.length > longest) longest = token.length
  const merger = mergers()
  const byteIds = Array.from({ length: 256 }, (_, byte) => {
    return tokens.get(hexToken(byte)) ?? (byte < 0x80 ? tokens.get(String.fromCharCode(byte)) : undefined)
  })

  function appendPiece(piece: string, ids: number[]): void {
    const id = tokens.get(piece)
    if (id !== undefined) {
      ids.push(id)
      return
    }
    const raw = escapedByte(piece)
    for (const byte of raw === undefined ? utf8(piece) : [raw]) {
      const byteId = byteIds[byte] ?? vocabulary.special.unk
      if (byteId !== undefined) ids.push(byteId)
    }
  }

  return (text, ids) => {
    const marked = text.replaceAll(' ', SPACE_MARK)
    const { length, offsets } = points(marked)
    merger(length).merge(
      length,
      (i) => offsets[i]!,
      marked.length,
      (start, _, end) => {
        const id = end - start > longest ? undefined : tokens.get(marked.slice(start, end))
        return id === undefined ? Number.POSITIVE_INFINITY : -scores[id]!
      },
      (start, end) => appendPiece(marked.slice(start, end), ids),
    )
  }
}
