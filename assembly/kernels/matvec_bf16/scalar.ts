/** 8 rows of a group · one token of a tile of t, whose values lie t apart → f32[8] at out. */
export function matvec(group: usize, columns: i32, x: usize, t: usize, out: usize): void {
  for (let lane: usize = 0; lane < 8; lane++) {
    let f: f32 = 0
    for (let c: usize = 0; c < <usize>columns; c++) {
      f += reinterpret<f32>((<u32>load<u16>(group + c * 16 + lane * 2)) << 16) * load<f32>(x + c * t * 4)
    }
    store<f32>(out + lane * 4, f)
  }
}
