import { NORMAL, UNUSED, USER_DEFINED } from './attributes.ts'
import { SPACE_MARK, utf8 } from './bytes.ts'
import type { Vocabulary } from './vocabulary.ts'

/** What an unknown character scores below the least probable token. */
const UNKNOWN_PENALTY = 10

/**
 * SentencePiece's unigram model: of all ways to write a text as tokens the most probable one, found by Viterbi's algorithm. A
 * character that is no token counts as unknown, and a run of them is one token. Source: Kudo 2018; as in llama.cpp.
 *
 * @returns a function that appends the ids of a well-formed text without special tokens
 */
export function unigramEncoder(vocabulary: Vocabulary): (text: string, ids: number[]) => void {
  const { ids: tokens, attributes, scores, special } = vocabulary
  const normalize = normalizer(vocabulary)
  let longest = 0
  let least = Number.POSITIVE_INFINITY
  for (const [id, { length }] of vocabulary.tokens.entries()) {
    longest = Math.max(longest, length)
    if (attributes[id]! & NORMAL) least = Math.min(least, scores[id]!)
  }
  const unknown = Math.fround(least - UNKNOWN_PENALTY)

  return (text, ids) => {
    const normal = normalize(text)
    const { length } = normal
    // The best way to write the first i units: the sum of its scores, its last token (-1: unknown), and where that starts.
    const sums = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY)
    const lasts = new Int32Array(length + 1)
    const starts = new Int32Array(length + 1)
    sums[0] = 0
    for (let at = 0, next = 0; at < length; at = next) {
      const offer = (end: number, id: number, score: number): void => {
        if (sums[at]! + score <= sums[end]!) return
        sums[end] = sums[at]! + score
        lasts[end] = id
        starts[end] = at
      }
      next = at + (normal.codePointAt(at)! > 0xffff ? 2 : 1)
      let known = false
      for (let end = Math.min(length, at + longest); end > at; end--) {
        const id = tokens.get(normal.slice(at, end))
        if (id === undefined || !(attributes[id]! & (NORMAL | USER_DEFINED | UNUSED))) continue
        offer(end, id, attributes[id]! & USER_DEFINED ? 0 : scores[id]!)
        known ||= end === next
      }
      if (!known) offer(next, -1, unknown)
    }
    const reversed: number[] = []
    for (let end = length; end > 0; end = starts[end]!) {
      const id = lasts[end]!
      if (id >= 0 || reversed.at(-1) !== id) reversed.push(id)
    }
    for (const id of reversed.reverse()) {
      if (id >= 0) ids.push(id)
      else if (special.unk !== undefined) ids.push(special.unk)
    }
  }
}

/** What the model was trained on in a text's place: characters replaced by the map, and SentencePiece's marks for spaces. */
function normalizer({ charsMap, mergeSpaces, addSpacePrefix }: Vocabulary): (text: string) => string {
  const replace = charsMap.length > 0 ? replacer(charsMap) : (text: string) => text
  return (text) => {
    const replaced = replace(text)
    if (mergeSpaces) return replaced.replace(/ *([^ ]+) */g, `${SPACE_MARK}$1`).replace(/ +/g, '')
    const prefixed = addSpacePrefix ? replaced.replace(/[^ ]/, ' $&') : replaced
    return prefixed.replaceAll(' ', SPACE_MARK)
  }
}

/**
 * SentencePiece's precompiled map: texts of UTF-8 in a trie, and what stands in for them.
 *
 *     u32 bytes of the trie | u32 units of the trie … | replacements, each ended by 0
 *     unit: bits 0-7 its byte, bit 8 whether a text ends here, bit 9 whether the offset counts 256 times, bits 10-30 the offset
 *
 * Source: Kanda 2018 (double arrays joined by XOR); google/sentencepiece, `src/normalizer.cc`.
 */
function replacer(charsMap: Uint8Array): (text: string) => string {
  const view = new DataView(charsMap.buffer, charsMap.byteOffset)
  const trieEnd = 4 + view.getUint32(0, true)
  // Beyond the trie there is no child.
  const unitAt = (i: number): number => (8 + 4 * i <= trieEnd ? view.getUint32(4 + 4 * i, true) : 0)
  const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 512) >>> 6)
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** Bytes of the longest text of the map at `at`, and where its replacement starts. */
  function match(bytes: Uint8Array, at: number): [length: number, start: number] {
    let found: [number, number] = [0, 0]
    let i = offsetOf(unitAt(0))
    for (let end = at; end < bytes.length && bytes[end] !== 0; ) {
      i ^= bytes[end]!
      const unit = unitAt(i)
      if ((unit & 0x800000ff) >>> 0 !== bytes[end++]) break
      i ^= offsetOf(unit)
      if (unit & 256) found = [end - at, trieEnd + (unitAt(i) & 0x7fffffff)]
    }
    return found
  }

  return (text) => {
    const bytes = utf8(text)
    let out = ''
    let plain = 0
    const copy = (end: number): void => {
      out += decoder.decode(bytes.subarray(plain, end))
    }
    for (let at = 0; at < bytes.length; ) {
      const [length, start] = match(bytes, at)
      if (length > 0) {
        copy(at)
        out += decoder.decode(charsMap.subarray(start, charsMap.indexOf(0, start)))
        plain = at + length
        at = plain
      } else {
        // A whole character.
        do at++
        while (at < bytes.length && (bytes[at]! & 0xc0) === 0x80)
      }
    }
    copy(bytes.length)
    return out
  }
}
