// Vectors of one value, for loops to hold in registers. Calls, not constants: asc copies a constant that it sees into each of
// its uses, and V8 makes it anew there, in three instructions. These are just too large to be inlined.

export function hoistedBytes(x: i32): v128 {
  return hoistedWords((x & 255) * 0x01010101)
}

export function hoistedHalves(x: i32): v128 {
  return hoistedWords((x & 0xffff) * 0x00010001)
}

export function hoistedWords(x: i32): v128 {
  return i32x4.replace_lane(i32x4.splat(x), 0, x)
}

@inline
export function hoistedFloats(x: f32): v128 {
  return hoistedWords(reinterpret<i32>(x))
}
