/** Sets of code points as terms over their bytes in UTF-8. */

import { setBit } from '../util/bits.ts'
import type { Term, Terms } from './terms.ts'

/** Code points from the first to the second. */
export type CodeRange = readonly [low: number, high: number]

const LAST = 0x10ffff
/** The last code point of each length in bytes. */
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, LAST]
const SURROGATES: CodeRange = [0xd800, 0xdfff]

/** Sorted, without overlap, without surrogates: these have no form in UTF-8. */
export function normalized(ranges: Iterable<CodeRange>): CodeRange[] {
  const out: [number, number][] = []
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    for (const [from, to] of withoutSurrogates(low, high)) {
      const last = out.at(-1)
      if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
      else out.push([from, to])
    }
  }
  return out
}

function withoutSurrogates(low: number, high: number): CodeRange[] {
  const [first, last] = SURROGATES
  const parts: CodeRange[] = [
    [low, Math.min(high, first - 1)],
    [Math.max(low, last + 1), Math.min(high, LAST)],
  ]
  return parts.filter(([from, to]) => from <= to)
}

/** All code points that are in none of the ranges. */
export function complement(ranges: Iterable<CodeRange>): CodeRange[] {
  const out: CodeRange[] = []
  let next = 0
  for (const [low, high] of normalized(ranges)) {
    if (next < low) out.push([next, low - 1])
    next = high + 1
  }
  if (next <= LAST) out.push([next, LAST])
  return normalized(out)
}

/** One character of a set of code points. */
export function characters(terms: Terms, ranges: Iterable<CodeRange>): Term {
  const ascii = new Uint32Array(8)
  const options: Term[] = []
  for (const [low, high] of normalized(ranges)) {
    for (let code = low; code <= Math.min(high, 0x7f); code++) setBit(ascii, code)
    let from = Math.max(low, 0x80)
    for (const last of LAST_OF_LENGTH) {
      if (from > Math.min(high, last)) continue
      options.push(...byteRanges(terms, bytesOf(from), bytesOf(Math.min(high, last))))
      from = last + 1
    }
  }
  return terms.or([terms.bytes(ascii), ...options])
}

/** All byte strings between two of the same length whose bytes after the first run from 80 to BF. */
function byteRanges(terms: Terms, low: readonly number[], high: readonly number[]): Term[] {
  const [first, ...lows] = low as [number, ...number[]]
  const [last, ...highs] = high as [number, ...number[]]
  if (lows.length === 0) return [terms.range(first, last)]
  const [least, most] = [lows.map(() => 0x80), lows.map(() => 0xbf)]
  const from = (byte: number, to: number, rest: Term[]) => terms.sequence([terms.range(byte, to), terms.or(rest)])
  if (first === last) return [from(first, last, byteRanges(terms, lows, highs))]
  const out: Term[] = []
  let [whole, end] = [first, last]
  if (lows.some((byte) => byte > 0x80)) out.push(from(first, whole++, byteRanges(terms, lows, most)))
  if (highs.some((byte) => byte < 0xbf)) out.push(from(last, end--, byteRanges(terms, least, highs)))
  if (whole <= end) out.push(from(whole, end, byteRanges(terms, least, most)))
  return out
}

/** The bytes of a code point. */
export function bytesOf(code: number): number[] {
  if (code < 0x80) return [code]
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)]
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
}
