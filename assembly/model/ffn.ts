// The feed-forward network: act(W_gate x) · (W_up x), in units that are arranged for the next matrix at once; and W x
// shared out over all threads, which attention needs too.
import * as L from '../layout'
import { UNIT } from '../panels'
import { i32At, pointerAt } from './fields'
import { arrange, groupsOf, linear, tilesOf, unitsOf, weightBytes } from './linear'
import { Thread } from './thread'
import { chunksOf, claim, share } from './work'

/** Rows of one matrix for all tokens, chunk by chunk of whole units. */
export function multiply(t: Thread, tensor: usize, q8: usize, f32s: usize, mode: i32, y: usize, stride: i32): void {
  const units = unitsOf(tensor)
  const chunks = chunksOf(units, weightBytes(tensor), t.count)
  for (let c = claim(t.control, t.index, t.count, chunks); c >= 0; c = claim(t.control, t.index, t.count, chunks)) {
    const from = share(units, c, chunks) * UNIT
    const to = min(share(units, c + 1, chunks) * UNIT, groupsOf(tensor))
    linear(t, tensor, from, to, t.n, q8, f32s, mode, y, stride)
  }
}

/** Rows of a feed-forward network between its matrices. */
@inline
export function widthOf(ffn: usize): i32 {
  return i32At(ffn + L.FFN_UP, L.TENSOR_ROWS)
}

/** Units of the gate, then of the up projection: for one token many, as each is a stream from memory. */
@inline
export function runOf(n: i32): i32 {
  return n > 1 ? 1 : 16
}

/** Units [unit, unitEnd) of act(gate x) · up x → h f32 [n, width], and arranged in the given forms → hq8, hf32. */
export function activateUnits(
  t: Thread,
  ffn: usize,
  unit: i32,
  unitEnd: i32,
  n: i32,
  q8: usize,
  f32s: usize,
  h: usize,
  forms: i32,
  hq8: usize,
  hf32: usize,
): void {
  const width = widthOf(ffn)
  const from = unit * UNIT
  const to = min(unitEnd * UNIT, groupsOf(ffn + L.FFN_UP))
  if (i32At(ffn + L.FFN_GATE, L.TENSOR_ROWS)) linear(t, ffn + L.FFN_GATE, from, to, n, q8, f32s, L.STORE, h, width)
  linear(t, ffn + L.FFN_UP, from, to, n, q8, f32s, i32At(t.model, L.MODEL_ACTIVATION), h, width)
  // A single token's f32 activations need no arranging.
  if (n == 1) forms &= ~L.FORM_F32
  for (let tile = 0; tile < tilesOf(n); tile++) {
    arrange(h, width, n, tile, from * L.GROUP_ROWS, min(to * L.GROUP_ROWS, width), forms, hq8, hf32)
  }
}

/** act(gate x) · up x of all tokens → h f32 [n, width], arranged for the down projection as it comes. */
export function activate(t: Thread, ffn: usize, h: usize, forms: i32): void {
  const model = t.model
  const hq8 = pointerAt(model, L.MODEL_H_ACTS)
  const hf32 = pointerAt(model, L.MODEL_H_ACTS_F32)
  const run = runOf(t.n)
  const units = unitsOf(ffn + L.FFN_UP)
  const chunks = chunksOf(units, weightBytes(ffn + L.FFN_GATE) + weightBytes(ffn + L.FFN_UP), t.count)
  for (let c = claim(t.control, t.index, t.count, chunks); c >= 0; c = claim(t.control, t.index, t.count, chunks)) {
    const end = share(units, c + 1, chunks)
    for (let unit = share(units, c, chunks); unit < end; unit += run) {
      activateUnits(t, ffn, unit, min(unit + run, end), t.n, t.q8, t.f32s, h, forms, hq8, hf32)
    }
  }
}
