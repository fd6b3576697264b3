/** Sets of whole numbers from 0 on: bit n & 31 of word n >> 5. */

export function hasBit(bits: Uint32Array, n: number): boolean {
  return (((bits[n >> 5] ?? 0) >>> (n & 31)) & 1) === 1
}

export function setBit(bits: Uint32Array, n: number): void {
  bits[n >> 5]! |= 1 << (n & 31)
}

export function clearBit(bits: Uint32Array, n: number): void {
  bits[n >> 5]! &= ~(1 << (n & 31))
}
