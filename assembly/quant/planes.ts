// Quants of 2 to 6 bits of 32 columns of 8 rows, as planes. A plane of b bits, pairs or nibbles, is b vectors of 32 bytes,
// each laid out like one quad of columns:
//   ┌ vector v = 0 … b − 1, 32 bytes ──────────────────┐
//   │ row 0: 4 bytes │ row 1 │ … │ row 7               │   bits b·i … b·i + b − 1 of a byte: quad j = b·i + v
//   └──────────────────────────────────────────────────┘   (columns 4j … 4j + 3), i = 0 … 8 / b − 1
//
// Three, five and six bits, which divide no byte, are packed so that most quads take one mask and at most one shift:
//   three, vector v = 0 … 2: bits 0–2 quad v │ bits 3–5 quad v + 4 │ bits 6, 7:
//     v = 0: the low bits of quad 3 │ v = 1: the high bits of quads 3 and 7 │ v = 2: the low bits of quad 7
//   five, vector v = 0 … 4: bits 0–4 quad v │ bits 5–7:
//     v = 0, 2, 4: the low three of quads 5, 6, 7 │ v = 1: the high two of quad 5, the fourth of 7
//     v = 3: the high two of quad 6, the fifth of 7
//   six, vector v = 0 … 5: bits 0–5 quad v │ bits 6, 7:
//     v = 0, 1, 2: of quad 6 the low two, the middle two, the high two │ v = 3, 4, 5: of quad 7
// The quads in pieces take one mask too, after their vectors are shifted, as words of 64 bits, and exclusive-ored:
//   three: v0 >> 6 ^ v1 >> 4 │ v2 >> 6 ^ v1 >> 5      five: v0 >> 5 ^ v1 >> 2 │ v2 >> 5 ^ v3 >> 2 │ v4 >> 5 ^ v1 >> 4 ^ v3 >> 3
//   six: v0 >> 6 ^ v1 >> 4 ^ v2 >> 2 │ v3 >> 6 ^ v4 >> 4 ^ v5 >> 2
// So a piece is kept exclusive-ored with all else that lands on its place: lower bits, and pieces of quads before.
//
// In files their high bits are apart: planes of nibbles or pairs, and of pairs or single bits, are made first.
import { gatherWords, interleave, interleaveFour } from './interleave'
import { fives, sixes, triples } from './tight'

// Bits of a quant.
@inline
export const NIBBLES = 4
@inline
export const PAIRS = 2
@inline
export const TRIPLES = 3
@inline
export const FIVES = 5
@inline
export const SIXES = 6

/** Bytes of 32 columns: 32 for each bit. */
@inline
export function planeBytes(planes: i32): usize {
  return <usize>planes * 32
}

// Types with one sub-scale for 16 columns, 256 columns a block: 8 × d f16, with minima 8 × dmin f16 too, then 8 parts of 32
// columns, each its planes and two bytes a row.
@inline
export function k16Parts(hasMin: bool): usize {
  return hasMin ? 32 : 16
}

@inline
export function k16PartBytes(planes: i32): usize {
  return planeBytes(planes) + 16
}

/** Bytes of a block of 8 rows. */
@inline
export function k16Bytes(planes: i32, hasMin: bool): usize {
  return k16Parts(hasMin) + 8 * k16PartBytes(planes)
}

/** Words of vectors a and b, shifted and exclusive-ored; p: the word in vector 0. */
@inline
function pieces(p: usize, a: usize, by: i32, b: usize, bBy: i32): u64 {
  return (load<u64>(p + a * 32) >>> by) ^ (load<u64>(p + b * 32) >>> bBy)
}

/** The word that quad j of two rows is in, its lowest bits first; p: as above. */
function wordOf(p: usize, planes: i32, j: i32): u64 {
  const v = <usize>j
  if (planes == TRIPLES) {
    if (j == 3) return pieces(p, 0, 6, 1, 4)
    if (j == 7) return pieces(p, 2, 6, 1, 5)
    return load<u64>(p + (v & 3) * 32) >>> (j < 4 ? 0 : 3)
  }
  if (planes == FIVES) {
    if (j == 7) return (load<u64>(p, 128) >>> 5) ^ pieces(p, 1, 4, 3, 3)
    return j < 5 ? load<u64>(p + v * 32) : pieces(p, 2 * v - 10, 5, 2 * v - 9, 2)
  }
  if (planes == SIXES) {
    return j < 6
      ? load<u64>(p + v * 32)
      : (load<u64>(p + 3 * v * 32 - 576) >>> 6) ^ pieces(p, 3 * v - 17, 4, 3 * v - 16, 2)
  }
  return load<u64>(p + <usize>(j & (planes - 1)) * 32) >>> (j & ~(planes - 1))
}

/** The quant of column c (0…31) of row `lane`. */
export function planeValue(part: usize, planes: i32, lane: usize, c: i32): i32 {
  const word = wordOf(part + (lane >> 1) * 8, planes, c >> 2)
  return <i32>(word >>> ((lane & 1) * 32 + (c & 3) * 8)) & ((1 << planes) - 1)
}

/** 16 bytes a row, columns 0–15 in the low and 16–31 in the high nibbles: a plane of nibbles as they are. */
export function packNibbles(src: usize, rowBytes: usize, rows: i32, dst: usize): void {
  interleave(src, rowBytes, rows, 4, dst)
}

/** Where word w of the 8 of a plane of `bits` bits of several parts lies. */
@inline
function wordAt(dst: usize, w: i32, bits: i32, partBytes: usize): usize {
  // bits >> 1 is the logarithm of 1, 2 and 4.
  return dst + <usize>(w >> (bits >> 1)) * partBytes + <usize>(w & (bits - 1)) * 32
}

/** Exchanges the bits of x whose place has bit r set with those of y whose place has not. */
function exchange(x: usize, y: usize, r: i32, mask: u64): void {
  for (const end = x + 32; x < end; x += 8, y += 8) {
    const t = ((load<u64>(x) >>> r) ^ load<u64>(y)) & mask
    store<u64>(x, load<u64>(x) ^ (t << r))
    store<u64>(y, load<u64>(y) ^ t)
  }
}

/** Where x and y differ: the bits of x whose place has bit r set, those of y whose place has not. */
@inline
function difference(x: v128, y: v128, r: i32, mask: v128): v128 {
  return v128.and(v128.xor(i64x2.shr_u(x, r), y), mask)
}

/**
 * All exchanges of `packPlane`, of four rows: words 0 … 7, which lie by the bits of their number. Each round exchanges the
 * first four words with the last four and shuffles them like cards: the next bit becomes the highest of a word's place.
 */
function exchangeWords(dst: usize, bits: i32, partBytes: usize): void {
  let one = wordAt(0, 1, bits, partBytes)
  let two = wordAt(0, 2, bits, partBytes)
  let four = wordAt(0, 4, bits, partBytes)
  let x0 = v128.load(dst)
  let x1 = v128.load(dst + one)
  let x2 = v128.load(dst + two)
  let x3 = v128.load(dst + one + two)
  let x4 = v128.load(dst + four)
  let x5 = v128.load(dst + four + one)
  let x6 = v128.load(dst + four + two)
  let x7 = v128.load(dst + four + one + two)
  let mask: u64 = 0x0f0f0f0f0f0f0f0f
  for (let r = 4; r >= bits; r >>= 1) {
    const places = i64x2.splat(mask)
    const t04 = difference(x0, x4, r, places)
    const t15 = difference(x1, x5, r, places)
    const t26 = difference(x2, x6, r, places)
    const t37 = difference(x3, x7, r, places)
    const last = v128.xor(x3, i64x2.shl(t37, r))
    x0 = v128.xor(x0, i64x2.shl(t04, r))
    x3 = v128.xor(x5, t15)
    x5 = v128.xor(x6, t26)
    x6 = last
    x7 = v128.xor(x7, t37)
    const second = v128.xor(x4, t04)
    x4 = v128.xor(x2, i64x2.shl(t26, r))
    x2 = v128.xor(x1, i64x2.shl(t15, r))
    x1 = second
    const highest = four
    four = two
    two = one
    one = highest
    mask ^= mask << (r >> 1)
  }
  v128.store(dst, x0)
  v128.store(dst + one, x1)
  v128.store(dst + two, x2)
  v128.store(dst + one + two, x3)
  dst += four
  v128.store(dst, x4)
  v128.store(dst + one, x5)
  v128.store(dst + two, x6)
  v128.store(dst + one + two, x7)
}

/**
 * The plane of `bits` bits of 8 / bits parts of 32 columns, which lie `partBytes` apart from dst on. In the file a byte
 * holds one column of all these parts: byte c of 32, bits p · bits … of it, is column c of part p. Side by side, the rows'
 * bytes are 8 words, one a quad; the highest bits of a word's number are exchanged with those of a bit's place in its byte.
 */
export function packPlane(src: usize, rowBytes: usize, rows: i32, bits: i32, dst: usize, partBytes: usize): void {
  let w = 0
  if (ASC_FEATURE_SIMD) {
    if (rows == 8) {
      const second = wordAt(0, 1, bits, partBytes)
      const third = wordAt(0, 2, bits, partBytes)
      for (; w < 8; w += 4) {
        interleaveFour(src + <usize>w * 4, rowBytes, wordAt(dst, w, bits, partBytes), second, third)
      }
    }
  }
  for (; w < 8; w += bits) {
    interleave(src + <usize>w * 4, rowBytes, rows, bits, wordAt(dst, w, bits, partBytes))
  }
  if (ASC_FEATURE_SIMD) {
    for (let half: usize = 0; half < 32; half += 16) exchangeWords(dst + half, bits, partBytes)
    return
  }
  let mask: u64 = 0x0f0f0f0f0f0f0f0f
  for (let r = 4; r >= bits; r >>= 1) {
    for (let w = 0; w < 8; w++) {
      if ((w & r) != 0) continue
      exchange(wordAt(dst, w, bits, partBytes), wordAt(dst, w + r, bits, partBytes), r, mask)
    }
    mask ^= mask << (r >> 1)
  }
}

/** Exchanges bits that lie n apart: those of mask with those n above. */
@inline
function swapLanes(x: v128, n: i32, mask: u64): v128 {
  const t = v128.and(v128.xor(i64x2.shr_u(x, n), x), i64x2.splat(mask))
  return v128.xor(x, v128.xor(t, i64x2.shl(t, n)))
}

/** As `swapLanes`, of one word. */
@inline
function swapBits(x: u64, n: i32, mask: u64): u64 {
  const t = ((x >>> n) ^ x) & mask
  return x ^ t ^ (t << n)
}

/** A plane of bits from one word a row, bit c of it column c: bit 4j + k goes to bit j of byte k. */
export function packBits(src: usize, rowBytes: usize, rows: i32, dst: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (rows < 8) interleave(src, rowBytes, rows, 1, dst)
    for (const end = dst + 32; dst < end; dst += 16, src += 4 * rowBytes) {
      let x = rows < 8 ? v128.load(dst) : gatherWords(src, rowBytes)
      x = swapLanes(x, 14, 0x0000cccc0000cccc)
      x = swapLanes(x, 7, 0x00aa00aa00aa00aa)
      x = swapLanes(x, 2, 0x0c0c0c0c0c0c0c0c)
      v128.store(dst, swapLanes(x, 1, 0x2222222222222222))
    }
    return
  }
  interleave(src, rowBytes, rows, 1, dst)
  for (const end = dst + 32; dst < end; dst += 8) {
    // The five bits of a bit's number, j2 j1 j0 k1 k0 → k1 k0 j2 j1 j0, two at a time.
    let x = load<u64>(dst)
    x = swapBits(x, 14, 0x0000cccc0000cccc)
    x = swapBits(x, 7, 0x00aa00aa00aa00aa)
    x = swapBits(x, 2, 0x0c0c0c0c0c0c0c0c)
    x = swapBits(x, 1, 0x2222222222222222)
    store<u64>(dst, x)
  }
}

/** Quad j of a plane of pairs at p and one of bits behind it, of two rows: bytes 0…7. */
function tripleOf(p: usize, j: i32): u64 {
  const pair = (load<u64>(p + <usize>(j & 1) * 32) >>> (j & 6)) & 0x0303030303030303
  return pair | (((load<u64>(p, 64) >>> j) & 0x0101010101010101) << 2)
}

/** One part of `packTriples`. */
function scalarTriples(part: usize): void {
  for (const end = part + 32; part < end; part += 8) {
    const p0 = tripleOf(part, 0) | (tripleOf(part, 4) << 3)
    const p1 = tripleOf(part, 1) | (tripleOf(part, 5) << 3)
    const p2 = tripleOf(part, 2) | (tripleOf(part, 6) << 3)
    const third = tripleOf(part, 3) ^ (((p0 >>> 6) ^ (p1 >>> 4)) & 0x0707070707070707)
    const v1 = p1 | ((third & 0x0404040404040404) << 4)
    const seventh = tripleOf(part, 7) ^ (((p2 >>> 6) ^ (v1 >>> 5)) & 0x0707070707070707)
    store<u64>(part, p0 | ((third & 0x0303030303030303) << 6))
    store<u64>(part, v1 | ((seventh & 0x0404040404040404) << 5), 32)
    store<u64>(part, p2 | ((seventh & 0x0303030303030303) << 6), 64)
  }
}

/** Parts' planes of pairs and plane of bits → the same three bits packed tightly, in place. */
export function packTriples(part: usize, parts: i32, partBytes: usize): void {
  if (ASC_FEATURE_SIMD) return triples(part, parts, partBytes)
  for (; parts > 0; parts--, part += partBytes) scalarTriples(part)
}

/** Quad j of a plane of nibbles at p and one of bits behind it, of two rows: bytes 0…31. */
function fiveOf(p: usize, j: i32): u64 {
  const nibble = (load<u64>(p + <usize>(j & 3) * 32) >>> (j & 4)) & 0x0f0f0f0f0f0f0f0f
  return nibble | (((load<u64>(p, 128) >>> j) & 0x0101010101010101) << 4)
}

/** One part of `packFives`. */
function scalarFives(part: usize): void {
  for (const end = part + 32; part < end; part += 8) {
    const three: u64 = 0x0707070707070707
    const all: u64 = 0x1f1f1f1f1f1f1f1f
    const p0 = fiveOf(part, 0)
    const p1 = fiveOf(part, 1)
    const p2 = fiveOf(part, 2)
    const p3 = fiveOf(part, 3)
    const p4 = fiveOf(part, 4)
    const fifth = fiveOf(part, 5) ^ (((p0 >>> 5) ^ (p1 >>> 2)) & all)
    const sixth = fiveOf(part, 6) ^ (((p2 >>> 5) ^ (p3 >>> 2)) & all)
    const v1 = p1 | ((fifth & ~three) << 2)
    const v3 = p3 | ((sixth & ~three) << 2)
    const seventh = fiveOf(part, 7) ^ (((p4 >>> 5) ^ (v1 >>> 4) ^ (v3 >>> 3)) & all)
    store<u64>(part, p0 | ((fifth & three) << 5))
    store<u64>(part, v1 | ((seventh & 0x0808080808080808) << 4), 32)
    store<u64>(part, p2 | ((sixth & three) << 5), 64)
    store<u64>(part, v3 | ((seventh & 0x1010101010101010) << 3), 96)
    store<u64>(part, p4 | ((seventh & three) << 5), 128)
  }
}

/** Parts' planes of nibbles and plane of bits → the same five bits packed tightly, in place. */
export function packFives(part: usize, parts: i32, partBytes: usize): void {
  if (ASC_FEATURE_SIMD) return fives(part, parts, partBytes)
  for (; parts > 0; parts--, part += partBytes) scalarFives(part)
}

/** Quad j of a plane of nibbles at p and one of pairs behind it, 16 columns in a vector, of two rows: bytes 0…63. */
function sixOf(p: usize, j: i32): u64 {
  const nibble = (load<u64>(p + <usize>(j & 3) * 32) >>> (j & 4)) & 0x0f0f0f0f0f0f0f0f
  return nibble | (((load<u64>(p + <usize>(j >> 2) * 32, 128) >>> ((j & 3) * 2)) & 0x0303030303030303) << 4)
}

/** One part of `packSixes`. */
function scalarSixes(part: usize): void {
  for (const end = part + 32; part < end; part += 8) {
    const all: u64 = 0x3f3f3f3f3f3f3f3f
    const top: u64 = 0xc0c0c0c0c0c0c0c0
    const p0 = sixOf(part, 0)
    const p1 = sixOf(part, 1)
    const p2 = sixOf(part, 2)
    const p3 = sixOf(part, 3)
    const p4 = sixOf(part, 4)
    const p5 = sixOf(part, 5)
    const sixth = sixOf(part, 6) ^ (((p0 >>> 6) ^ (p1 >>> 4) ^ (p2 >>> 2)) & all)
    const seventh = sixOf(part, 7) ^ (((p3 >>> 6) ^ (p4 >>> 4) ^ (p5 >>> 2)) & all)
    store<u64>(part, p0 | ((sixth << 6) & top))
    store<u64>(part, p1 | ((sixth << 4) & top), 32)
    store<u64>(part, p2 | ((sixth << 2) & top), 64)
    store<u64>(part, p3 | ((seventh << 6) & top), 96)
    store<u64>(part, p4 | ((seventh << 4) & top), 128)
    store<u64>(part, p5 | ((seventh << 2) & top), 160)
  }
}

/** Parts' planes of nibbles and plane of pairs → the same six bits packed tightly, in place. */
export function packSixes(part: usize, parts: i32, partBytes: usize): void {
  if (ASC_FEATURE_SIMD) return sixes(part, parts, partBytes)
  for (; parts > 0; parts--, part += partBytes) scalarSixes(part)
}
