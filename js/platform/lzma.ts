/**
 * Unpacks what Igor Pavlov's LZMA packed (the .lzma format of his LZMA SDK's lzma-specification.txt, which is in the public
 * domain). Zlib, which every runtime unpacks, would take a sixth more of the bytes that cria/inline carries.
 */

/** Bytes after which others have their turn. */
const PIECE = 32 * 1024
/** Probabilities are of 11 bits; each begins as a half. */
const HALF = 1024
/** Places of the probabilities: one array holds them all, the literals' last, 768 for each context. */
const IS_MATCH = 0 // (12 states, 16 positions)
const IS_REP = IS_MATCH + 192
const IS_REP_0 = IS_REP + 12
const IS_REP_1 = IS_REP_0 + 12
const IS_REP_2 = IS_REP_1 + 12
const IS_SHORT = IS_REP_2 + 12 // (12 states, 16 positions)
const SLOT = IS_SHORT + 192 // (4 lengths, 64)
const SPECIAL = SLOT + 256
const ALIGN = SPECIAL + 115
const LENGTH = ALIGN + 16
const REP_LENGTH = LENGTH + 514
const LITERAL = REP_LENGTH + 514

/** Of the last four matches, the latest first. */
type Distances = readonly [number, number, number, number]

/** The range coder: one bit after the other, each with a probability that learns. */
class Bits {
  private range = 0xffffffff
  private code = 0
  private readonly probabilities: Uint16Array

  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    contexts: number,
  ) {
    this.probabilities = new Uint16Array(LITERAL + 768 * contexts).fill(HALF)
    // The first byte is 0.
    for (let i = 0; i < 5; i++) this.code = this.code * 256 + bytes[this.at++]!
  }

  bit(at: number): number {
    const probability = this.probabilities[at]!
    const bound = (this.range >>> 11) * probability
    const bit = this.code < bound ? 0 : 1
    if (bit === 0) {
      this.range = bound
      this.probabilities[at] = probability + ((2048 - probability) >> 5)
    } else {
      this.range -= bound
      this.code -= bound
      this.probabilities[at] = probability - (probability >> 5)
    }
    this.refill()
    return bit
  }

  /** Bits that are as often 0 as 1, the highest first. */
  evenBits(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++) {
      this.range >>>= 1
      const bit = this.code < this.range ? 0 : 1
      if (bit === 1) this.code -= this.range
      value = value * 2 + bit
      this.refill()
    }
    return value
  }

  /** A number whose bits, the highest first, each have a probability for all that came before. */
  number(at: number, bits: number): number {
    let node = 1
    for (let i = 0; i < bits; i++) node = node * 2 + this.bit(at + node)
    return node - (1 << bits)
  }

  /** The same, the lowest bit first. */
  reversed(at: number, bits: number): number {
    let [node, value] = [1, 0]
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(at + node)
      node = node * 2 + bit
      value |= bit << i
    }
    return value
  }

  private refill(): void {
    if (this.range >= 0x1000000) return
    this.range *= 256
    this.code = this.code * 256 + this.bytes[this.at++]!
  }
}

/**
 * The bytes that were packed; nothing is checked.
 * @param packed with their number in its header
 * @param breathe lets others have their turn
 */
export async function unpackLzma(packed: Uint8Array, breathe: () => Promise<void>): Promise<Uint8Array<ArrayBuffer>> {
  const view = new DataView(packed.buffer, packed.byteOffset)
  const [lc, lp, pb] = [packed[0]! % 9, Math.floor(packed[0]! / 9) % 5, Math.floor(packed[0]! / 45)]
  const bits = new Bits(packed, 13, 1 << (lc + lp))
  const out = new Uint8Array(view.getUint32(5, true))
  let state = 0
  let distances: Distances = [0, 0, 0, 0]
  let pause = PIECE
  for (let at = 0; at < out.length; ) {
    if (at >= pause) {
      await breathe()
      pause = at + PIECE
    }
    const position = at & ((1 << pb) - 1)
    const place = state * 16 + position
    if (bits.bit(IS_MATCH + place) === 0) {
      const context = ((at & ((1 << lp) - 1)) << lc) + ((out[at - 1] ?? 0) >> (8 - lc))
      out[at] = literal(bits, LITERAL + 768 * context, state < 7 ? undefined : out[at - distances[0] - 1]!)
      at++
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
      continue
    }
    const repeats = bits.bit(IS_REP + state) === 1
    if (repeats && bits.bit(IS_REP_0 + state) === 0) {
      if (bits.bit(IS_SHORT + place) === 0) {
        out[at] = out[at - distances[0] - 1]!
        at++
        state = state < 7 ? 9 : 11
        continue
      }
    } else if (repeats) {
      distances = repeated(bits, state, distances)
    }
    const length = matchLength(bits, repeats ? REP_LENGTH : LENGTH, position)
    if (!repeats) distances = [newDistance(bits, length), distances[0], distances[1], distances[2]]
    state = state < 7 ? (repeats ? 8 : 7) : repeats ? 11 : 10
    // Byte by byte: what is copied may be what this very match writes.
    for (const end = at + length; at < end; at++) out[at] = out[at - distances[0] - 1]!
  }
  return out
}

/** A byte; after a match, of which the byte that would have gone on with it tells something. */
function literal(bits: Bits, at: number, expected: number | undefined): number {
  let symbol = 1
  for (let i = 7; expected !== undefined && i >= 0; i--) {
    const guess = (expected >> i) & 1
    const bit = bits.bit(at + 256 * (1 + guess) + symbol)
    symbol = symbol * 2 + bit
    if (bit !== guess) break
  }
  while (symbol < 256) symbol = symbol * 2 + bits.bit(at + symbol)
  return symbol - 256
}

function matchLength(bits: Bits, at: number, position: number): number {
  if (bits.bit(at) === 0) return 2 + bits.number(at + 2 + 8 * position, 3)
  if (bits.bit(at + 1) === 0) return 10 + bits.number(at + 130 + 8 * position, 3)
  return 18 + bits.number(at + 258, 8)
}

/** Bytes back to the last one's start, less 1. */
function newDistance(bits: Bits, length: number): number {
  const slot = bits.number(SLOT + 64 * Math.min(length - 2, 3), 6)
  if (slot < 4) return slot
  const count = (slot >> 1) - 1
  const base = (2 + (slot & 1)) << count
  if (slot < 14) return base + bits.reversed(SPECIAL + base - slot, count)
  return base + bits.evenBits(count - 4) * 16 + bits.reversed(ALIGN, 4)
}

/** The last four distances with one that is not the last in front. */
function repeated(bits: Bits, state: number, [a, b, c, d]: Distances): Distances {
  if (bits.bit(IS_REP_1 + state) === 0) return [b, a, c, d]
  if (bits.bit(IS_REP_2 + state) === 0) return [c, a, b, d]
  return [d, a, b, c]
}
