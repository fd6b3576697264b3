// Planes of bits → three, five or six bits packed tightly, in vectors; planes.ts has the layouts and the scalar twins.
// A part comes as its two planes, one behind the other: vectors p, n and b are those of pairs, nibbles and single bits.
import { heldBytes } from './held'

// @ts-ignore: decorator
@inline
function left(x: v128, by: i32, mask: v128): v128 {
  return v128.and(i64x2.shl(x, by), mask)
}

// @ts-ignore: decorator
@inline
function right(x: v128, by: i32, mask: v128): v128 {
  return v128.and(i64x2.shr_u(x, by), mask)
}

// @ts-ignore: decorator
@inline
function or3(x: v128, y: v128, z: v128): v128 {
  return v128.or(v128.or(x, y), z)
}

/** p0 has quads 0, 2, 4, 6, p1 quads 1, 3, 5, 7; b all eight. */
export function triples(part: usize, parts: i32, partBytes: usize): void {
  const bits01 = heldBytes(0x03)
  const bit2 = heldBytes(0x04)
  const bits34 = heldBytes(0x18)
  const bit5 = heldBytes(0x20)
  const bit6 = heldBytes(0x40)
  const bits57 = heldBytes(0xa0)
  const bits67 = heldBytes(0xc0)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const p0 = v128.load(part)
      const p1 = v128.load(part, 32)
      const b = v128.load(part, 64)
      const low04 = v128.or(v128.and(p0, bits01), right(p0, 1, bits34))
      const low15 = v128.or(v128.and(p1, bits01), right(p1, 1, bits34))
      const low26 = v128.or(right(p0, 2, bits01), right(p0, 3, bits34))
      v128.store(part, v128.or(low04, or3(left(b, 2, bit2), left(b, 1, bit5), left(p1, 4, bits67))))
      v128.store(part, v128.or(low15, or3(left(b, 1, bit2), v128.and(b, bits57), left(b, 3, bit6))), 32)
      v128.store(part, v128.or(low26, or3(v128.and(b, bit2), right(b, 1, bit5), v128.and(p1, bits67))), 64)
    }
  }
}

/** n0 has quads 0 and 4, n1 1 and 5, n2 2 and 6, n3 3 and 7; b all eight. */
export function fives(part: usize, parts: i32, partBytes: usize): void {
  const low = heldBytes(0x0f)
  const bit4 = heldBytes(0x10)
  const bit5 = heldBytes(0x20)
  const bit6 = heldBytes(0x40)
  const bit7 = heldBytes(0x80)
  const bits67 = heldBytes(0xc0)
  const top = heldBytes(0xe0)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const n0 = v128.load(part)
      const n1 = v128.load(part, 32)
      const n2 = v128.load(part, 64)
      const n3 = v128.load(part, 96)
      const b = v128.load(part, 128)
      const high5 = v128.or(right(n1, 2, bit5), left(b, 1, bit6))
      v128.store(part, or3(v128.and(n0, low), left(b, 4, bit4), left(n1, 1, top)))
      v128.store(part, v128.or(or3(v128.and(n1, low), left(b, 3, bit4), high5), v128.and(n3, bit7)), 32)
      v128.store(part, or3(v128.and(n2, low), left(b, 2, bit4), left(n2, 1, top)), 64)
      const high67 = v128.or(right(n2, 2, bit5), v128.and(b, bits67))
      v128.store(part, or3(v128.and(n3, low), left(b, 1, bit4), high67), 96)
      v128.store(part, or3(right(n0, 4, low), v128.and(b, bit4), left(n3, 1, top)), 128)
    }
  }
}

/** n0 has quads 0 and 4, n1 1 and 5, n2 2 and 6, n3 3 and 7; p0 quads 0, 2, 4, 6, p1 quads 1, 3, 5, 7. */
export function sixes(part: usize, parts: i32, partBytes: usize): void {
  const low = heldBytes(0x0f)
  const bits45 = heldBytes(0x30)
  const bits67 = heldBytes(0xc0)
  const high = heldBytes(0xf0)
  for (; parts > 0; parts--, part += partBytes - 32) {
    for (const end = part + 32; part < end; part += 16) {
      const n0 = v128.load(part)
      const n1 = v128.load(part, 32)
      const n2 = v128.load(part, 64)
      const n3 = v128.load(part, 96)
      const p0 = v128.load(part, 128)
      const p1 = v128.load(part, 160)
      v128.store(part, or3(v128.and(n0, low), left(p0, 4, bits45), left(n2, 2, bits67)))
      v128.store(part, or3(v128.and(n1, low), left(p1, 4, bits45), v128.and(n2, bits67)), 32)
      v128.store(part, or3(v128.and(n2, low), left(p0, 2, bits45), v128.and(p0, bits67)), 64)
      v128.store(part, or3(v128.and(n3, low), left(p1, 2, bits45), left(n3, 2, bits67)), 96)
      v128.store(part, or3(right(n0, 4, low), v128.and(p0, bits45), v128.and(n3, bits67)), 128)
      v128.store(part, v128.or(right(n1, 4, low), v128.and(p1, high)), 160)
    }
  }
}
