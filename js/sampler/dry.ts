/**
 * DRY (“don't repeat yourself”): what would go on with a repetition loses by the repetition's length. By p-e-w,
 * https://github.com/oobabooga/text-generation-webui/pull/5677; the arithmetic is llama.cpp's.
 */
import { log, pow } from '../util/math.ts'
import type { Candidates } from './candidates.ts'
import type { ChainStep } from './types.ts'

/**
 * What ends repetitions: by a token in which a breaker is or begins, the tokens that complete it; none where the token holds
 * all of it.
 */
export type Breakers = ReadonlyMap<number, readonly (readonly number[])[]>

/** What breakers are looked for in; a tokenizer is one. */
export interface BreakerVocabulary {
  readonly vocabularySize: number
  tokenBytes(id: number, options: { special: boolean }): Uint8Array
  tokenize(bytes: Uint8Array, options: { special: boolean; bos: boolean }): number[]
}

/** A breaker has no more bytes. */
export const MOST_BREAKER_BYTES = 40
/** More tokens of a breaker are not looked at. */
const MOST_TAIL = 20
/** Lists of breakers whose tokens a vocabulary remembers. */
const MOST_REMEMBERED = 8

const remembered = new WeakMap<BreakerVocabulary, Map<string, Breakers>>()

/** The tokens of breakers. All of the vocabulary is read for them, once. */
export function findBreakers(texts: readonly string[], vocabulary: BreakerVocabulary): Breakers {
  const known = remembered.get(vocabulary) ?? new Map<string, Breakers>()
  remembered.set(vocabulary, known)
  const key = JSON.stringify(texts)
  const found = known.get(key)
  if (found) return found
  if (known.size >= MOST_REMEMBERED) known.clear()
  const searched = search(texts, vocabulary)
  known.set(key, searched)
  return searched
}

function search(texts: readonly string[], vocabulary: BreakerVocabulary): Breakers {
  const out = new Map<number, number[][]>()
  const all = texts.map((text) => new Breaker(text, vocabulary))
  for (let id = 0; id < vocabulary.vocabularySize; id++) {
    const token = vocabulary.tokenBytes(id, { special: true })
    const tails = all.flatMap((breaker) => breaker.tailsAfter(token))
    if (tails.length > 0) out.set(id, tails)
  }
  return out
}

class Breaker {
  private readonly bytes: Uint8Array
  /** By the bytes before it. */
  private readonly tails = new Map<number, number[]>()

  constructor(
    text: string,
    private readonly vocabulary: BreakerVocabulary,
  ) {
    this.bytes = new TextEncoder().encode(text)
  }

  tailsAfter(token: Uint8Array): number[][] {
    const { bytes } = this
    const out: number[][] = []
    for (let at = token.indexOf(bytes[0]!); at >= 0; at = token.indexOf(bytes[0]!, at + 1)) {
      let length = 1
      while (length < bytes.length && at + length < token.length && token[at + length] === bytes[length]) length++
      if (length === bytes.length) return [[]]
      if (at + length === token.length) out.push(this.tail(length))
    }
    return out
  }

  private tail(from: number): number[] {
    const known = this.tails.get(from)
    if (known) return known
    const tail = this.vocabulary.tokenize(this.bytes.subarray(from), { special: false, bos: false }).slice(0, MOST_TAIL)
    this.tails.set(from, tail)
    return tail
  }
}

export function isDry({ multiplier, last_n }: Extract<ChainStep, { type: 'dry' }>): boolean {
  return multiplier !== 0 && last_n !== 0
}

/** @param tokens the tokens so far, the oldest first */
export function dry(
  c: Candidates,
  step: Extract<ChainStep, { type: 'dry' }>,
  tokens: readonly number[],
  breakers: Breakers,
): void {
  if (!isDry(step)) return
  const { allowed_length: allowed } = step
  const multiplier = Math.fround(step.multiplier)
  const base = Math.fround(step.base)
  // The last token first.
  const back = tokens.slice(step.last_n < 0 ? 0 : -step.last_n).reverse()
  if (back.length <= allowed) return
  const most = sinceBreaker(back, breakers)
  if (most < allowed) return
  const longest = continuations(back, most, allowed)
  // So that the power is a float32.
  const largest = base > 1.000001 ? Math.trunc(Math.fround(LARGEST_LOG / Math.fround(log(base)))) : 0
  for (const [id, length] of longest) {
    if (breakers.get(id)?.some((tail) => tail.length === 0)) continue
    const i = c.indexOf(id)
    if (i < 0) continue
    const penalty = Math.fround(multiplier * pow(base, Math.min(length - allowed, largest || Infinity)))
    c.logits[i]! -= Math.min(penalty, LARGEST)
  }
  c.sorted = false
}

/** The largest float32, and its logarithm. */
const LARGEST = 3.4028234663852886e38
const LARGEST_LOG = Math.fround(88.7228391)

/** How many tokens there are since the last breaker. */
function sinceBreaker(back: readonly number[], breakers: Breakers): number {
  for (const [i, id] of back.entries()) {
    let longest = -1
    for (const tail of breakers.get(id) ?? []) {
      if (tail.length > longest && tail.length <= i && tail.every((token, k) => token === back[i - 1 - k])) {
        longest = tail.length
      }
    }
    if (longest >= 0) return i - longest
  }
  return back.length
}

/** The tokens that would go on with a repetition, and the most tokens (of `most` at most) that it has by now. */
function continuations(back: readonly number[], most: number, allowed: number): Map<number, number> {
  const out = new Map<number, number>()
  const lengths = commonLengths(back)
  for (let k = 1; k < back.length; k++) {
    const length = Math.min(lengths[k]!, most)
    const next = back[k - 1]!
    if (length >= allowed && length > (out.get(next) ?? -1)) out.set(next, length)
  }
  return out
}

/** Of each place, how many items from there on are those from the start on: the Z-algorithm. */
function commonLengths(items: readonly number[]): Int32Array {
  const n = items.length
  const lengths = new Int32Array(n)
  // items[from..to) is the furthest piece that is known to begin the list.
  let from = 0
  let to = 0
  for (let k = 1; k < n; k++) {
    let length = k < to ? Math.min(lengths[k - from]!, to - k) : 0
    while (k + length < n && items[length] === items[k + length]) length++
    lengths[k] = length
    if (k + length > to) {
      from = k
      to = k + length
    }
  }
  return lengths
}
