// Fields of the structs of layout.ts.

@inline
export function i32At(p: usize, field: usize): i32 {
  return load<i32>(p + field)
}

@inline
export function f32At(p: usize, field: usize): f32 {
  return load<f32>(p + field)
}

@inline
export function pointerAt(p: usize, field: usize): usize {
  return <usize>load<u32>(p + field)
}

/** Element i of an array of i32. */
@inline
export function i32Of(p: usize, i: i32): i32 {
  return load<i32>(p + ((<usize>i) << 2))
}

/** Address of element i of an array of f32. */
@inline
export function f32Of(p: usize, i: i32): usize {
  return p + ((<usize>i) << 2)
}
