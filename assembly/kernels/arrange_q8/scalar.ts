import { ACTS_DA, ACTS_S, ACTS_PAIR, ACTS_SA, TINY } from '../acts'

/** One token's 32 columns at x → its places in a block of T tokens at dst (which points at this token's first quad). */
export function arrange(x: usize, dst: usize, t: usize): void {
  let amax: f32 = 0
  for (let i: usize = 0; i < 32; i++) amax = max(amax, abs(load<f32>(x + i * 4)))
  const da: f32 = amax / 127
  const id: f32 = amax < TINY ? 0 : 127 / amax
  let s = 0
  let s1 = 0
  for (let i: usize = 0; i < 32; i++) {
    const q = <i32>nearest<f32>(load<f32>(x + i * 4) * id)
    store<i8>(dst + (i >> 2) * t * 4 + (i & 3), <i8>q)
    s += q
    if (i >= 16) s1 += q
  }
  store<f32>(dst + ACTS_DA * t, da)
  store<i32>(dst + ACTS_S * t, -8 * s)
  store<i16>(dst + ACTS_PAIR * t, <i16>(-8 * (s - s1)))
  store<i16>(dst + ACTS_PAIR * t + 2, <i16>(-8 * s1))
  store<f32>(dst + ACTS_SA * t, da * <f32>s)
}
