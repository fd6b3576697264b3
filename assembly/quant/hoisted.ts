// Vectors of one value, for loops to hold in registers. Calls, not constants: asc copies a constant that it sees into each of
// its uses, and V8 makes it anew there, in three instructions. These are just too large to be inlined.

export function heldBytes(x: i32): v128 {
  return heldWords((x & 255) * 0x01010101)
}

export function heldHalves(x: i32): v128 {
  return heldWords((x & 0xffff) * 0x00010001)
}

export function heldWords(x: i32): v128 {
  return i32x4.replace_lane(i32x4.splat(x), 0, x)
}

@inline
export function heldFloats(x: f32): v128 {
  return heldWords(reinterpret<i32>(x))
}
