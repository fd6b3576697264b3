/** Float32 to IEEE 754 binary16, rounded to nearest, ties to even: in integers, so that every engine gives the same bits. */

/** The half with these f32 bits' value; beyond 65504 + 16 it is an infinity, NaN stays NaN. */
export function halfFromFloatBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  // Normal: the exponent's bias falls from 127 to 15. A carry from rounding runs into the exponent, as it should.
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - (112 << 23), 13)
  // Subnormal: a multiple of 2^-24. The significand (with its leading one) counts 2^(exponent - 150).
  const exponent = magnitude >>> 23
  if (exponent < 102) return sign
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent)
}

/** value / 2^shift, rounded to nearest, ties to even; 1 ≤ shift ≤ 24. */
function roundShift(value: number, shift: number): number {
  const down = value >>> shift
  const lost = value & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return lost > half || (lost === half && (down & 1) === 1) ? down + 1 : down
}

/** Halves of f32 values, given and returned as little-endian bytes: 4 a value in, 2 out. */
export function halvesFromFloats(floats: Uint8Array): Uint8Array {
  const input = new DataView(floats.buffer, floats.byteOffset, floats.byteLength)
  const count = floats.byteLength >>> 2
  const halves = new Uint8Array(2 * count)
  const output = new DataView(halves.buffer)
  for (let i = 0; i < count; i++) output.setUint16(2 * i, halfFromFloatBits(input.getUint32(4 * i, true)), true)
  return halves
}
