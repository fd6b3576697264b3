// Planes of bits → three, five or six bits packed tightly, in vectors; planes.ts has the layouts and the scalar twins.
// A part comes as its two planes, one behind the other: vectors p, n and b are those of pairs, nibbles and single bits.
import { hoistedBytes } from './hoisted'

@inline
function left(x: v128, by: i32, mask: v128): v128 {
  return v128.and(i64x2.shl(x, by), mask)
}

@inline
function right(x: v128, by: i32, mask: v128): v128 {
  return v128.and(i64x2.shr_u(x, by), mask)
}

@inline
function or3(x: v128, y: v128, z: v128): v128 {
  return v128.or(v128.or(x, y), z)
}

/** What is kept of a quad in pieces, q, whose vectors x and y have these bits before. */
@inline
function kept(q: v128, x: v128, y: v128, mask: v128): v128 {
  return v128.xor(q, v128.and(v128.xor(x, y), mask))
}

/** p0 has quads 0, 2, 4, 6, p1 quads 1, 3, 5, 7; b all eight. */
export function triples(part: usize, parts: i32, partBytes: usize): void {
  const bits01 = hoistedBytes(0x03)
  const bit2 = hoistedBytes(0x04)
  const bits34 = hoistedBytes(0x18)
  const bit5 = hoistedBytes(0x20)
  const bit6 = hoistedBytes(0x40)
  const bit7 = hoistedBytes(0x80)
  const bits67 = hoistedBytes(0xc0)
  const all = hoistedBytes(0x07)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const p0 = v128.load(part)
      const p1 = v128.load(part, 32)
      const b = v128.load(part, 64)
      const low04 = v128.or(v128.and(p0, bits01), right(p0, 1, bits34))
      const low15 = v128.or(v128.and(p1, bits01), right(p1, 1, bits34))
      const low26 = v128.or(right(p0, 2, bits01), right(p0, 3, bits34))
      const v0 = or3(low04, left(b, 2, bit2), left(b, 1, bit5))
      const v2 = or3(low26, v128.and(b, bit2), right(b, 1, bit5))
      let v1 = or3(low15, left(b, 1, bit2), v128.and(b, bit5))
      const third = kept(v128.or(right(p1, 2, bits01), right(b, 1, bit2)), i64x2.shr_u(v0, 6), i64x2.shr_u(v1, 4), all)
      v1 = v128.or(v1, left(third, 4, bit6))
      const seventh = kept(
        v128.or(right(p1, 6, bits01), right(b, 5, bit2)),
        i64x2.shr_u(v2, 6),
        i64x2.shr_u(v1, 5),
        all,
      )
      v128.store(part, v128.or(v0, left(third, 6, bits67)))
      v128.store(part, v128.or(v1, left(seventh, 5, bit7)), 32)
      v128.store(part, v128.or(v2, left(seventh, 6, bits67)), 64)
    }
  }
}

/** n0 has quads 0 and 4, n1 1 and 5, n2 2 and 6, n3 3 and 7; b all eight. */
export function fives(part: usize, parts: i32, partBytes: usize): void {
  const low = hoistedBytes(0x0f)
  const bit4 = hoistedBytes(0x10)
  const bits56 = hoistedBytes(0x60)
  const bit7 = hoistedBytes(0x80)
  const top = hoistedBytes(0xe0)
  const all = hoistedBytes(0x1f)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const n0 = v128.load(part)
      const n1 = v128.load(part, 32)
      const n2 = v128.load(part, 64)
      const n3 = v128.load(part, 96)
      const b = v128.load(part, 128)
      const v0 = v128.or(v128.and(n0, low), left(b, 4, bit4))
      const v2 = v128.or(v128.and(n2, low), left(b, 2, bit4))
      const v4 = v128.or(right(n0, 4, low), v128.and(b, bit4))
      let v1 = v128.or(v128.and(n1, low), left(b, 3, bit4))
      let v3 = v128.or(v128.and(n3, low), left(b, 1, bit4))
      const fifth = kept(v128.or(right(n1, 4, low), right(b, 1, bit4)), i64x2.shr_u(v0, 5), i64x2.shr_u(v1, 2), all)
      const sixth = kept(v128.or(right(n2, 4, low), right(b, 2, bit4)), i64x2.shr_u(v2, 5), i64x2.shr_u(v3, 2), all)
      v1 = v128.or(v1, left(fifth, 2, bits56))
      v3 = v128.or(v3, left(sixth, 2, bits56))
      const others = v128.xor(i64x2.shr_u(v1, 4), i64x2.shr_u(v3, 3))
      const seventh = kept(v128.or(right(n3, 4, low), right(b, 3, bit4)), i64x2.shr_u(v4, 5), others, all)
      v128.store(part, v128.or(v0, left(fifth, 5, top)))
      v128.store(part, v128.or(v1, left(seventh, 4, bit7)), 32)
      v128.store(part, v128.or(v2, left(sixth, 5, top)), 64)
      v128.store(part, v128.or(v3, left(seventh, 3, bit7)), 96)
      v128.store(part, v128.or(v4, left(seventh, 5, top)), 128)
    }
  }
}

/** Three vectors of six bits with the pieces of quad q in their top bits. */
@inline
function storeSixes(part: usize, q: v128, v0: v128, v1: v128, v2: v128, all: v128, bits67: v128): void {
  q = kept(q, i64x2.shr_u(v0, 6), v128.xor(i64x2.shr_u(v1, 4), i64x2.shr_u(v2, 2)), all)
  v128.store(part, v128.or(v0, left(q, 6, bits67)))
  v128.store(part, v128.or(v1, left(q, 4, bits67)), 32)
  v128.store(part, v128.or(v2, left(q, 2, bits67)), 64)
}

/** n0 has quads 0 and 4, n1 1 and 5, n2 2 and 6, n3 3 and 7; p0 quads 0, 2, 4, 6, p1 quads 1, 3, 5, 7. */
export function sixes(part: usize, parts: i32, partBytes: usize): void {
  const low = hoistedBytes(0x0f)
  const bits45 = hoistedBytes(0x30)
  const bits67 = hoistedBytes(0xc0)
  const all = hoistedBytes(0x3f)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const n0 = v128.load(part)
      const n1 = v128.load(part, 32)
      const n2 = v128.load(part, 64)
      const n3 = v128.load(part, 96)
      const p0 = v128.load(part, 128)
      const p1 = v128.load(part, 160)
      const v0 = v128.or(v128.and(n0, low), left(p0, 4, bits45))
      const v1 = v128.or(v128.and(n1, low), left(p1, 4, bits45))
      const v2 = v128.or(v128.and(n2, low), left(p0, 2, bits45))
      const v3 = v128.or(v128.and(n3, low), left(p1, 2, bits45))
      const v4 = v128.or(right(n0, 4, low), v128.and(p0, bits45))
      const v5 = v128.or(right(n1, 4, low), v128.and(p1, bits45))
      storeSixes(part, v128.or(right(n2, 4, low), right(p0, 2, bits45)), v0, v1, v2, all, bits67)
      storeSixes(part + 96, v128.or(right(n3, 4, low), right(p1, 2, bits45)), v3, v4, v5, all, bits67)
    }
  }
}
