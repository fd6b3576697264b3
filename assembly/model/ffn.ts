// The feed-forward network: silu(W_gate x) · (W_up x), in units that are arranged for the next matrix at once; and W x
// shared out over all threads, which attention needs too.
import * as L from '../layout'
import { i32At, pointerAt } from './fields'
import { STORE, SWIGLU, arrange, groupsOf, linear, tilesOf, unitsOf, weightBytes } from './linear'
import { UNIT } from '../panels'
import { chunksOf, claim, share } from './work'

/** Rows of one matrix, chunk by chunk of whole units. */
export function multiply(
  model: usize,
  tensor: usize,
  n: i32,
  q8: usize,
  f32s: usize,
  mode: i32,
  y: usize,
  stride: i32,
  thread: i32,
  threads: i32,
  scratch: usize,
): void {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const units = unitsOf(tensor)
  const chunks = chunksOf(units, weightBytes(tensor), threads)
  for (let c = claim(control, thread, threads, chunks); c >= 0; c = claim(control, thread, threads, chunks)) {
    const from = share(units, c, chunks) * UNIT
    const to = min(share(units, c + 1, chunks) * UNIT, groupsOf(tensor))
    linear(tensor, from, to, n, q8, f32s, mode, y, stride, scratch)
  }
}

/** Units of the gate, then of the up projection: for one token many, as each is a stream from memory. */
@inline
export function runOf(n: i32): i32 {
  return n > 1 ? 1 : 16
}

/** Units [unit, unitEnd) of silu(gate x) · up x → h f32 [n, ffn], and arranged in the given forms → hq8, hf32. */
export function gateAndUpUnits(
  gate: usize,
  up: usize,
  unit: i32,
  unitEnd: i32,
  n: i32,
  q8: usize,
  f32s: usize,
  ffn: i32,
  h: usize,
  forms: i32,
  hq8: usize,
  hf32: usize,
  scratch: usize,
): void {
  const from = unit * UNIT
  const to = min(unitEnd * UNIT, groupsOf(gate))
  linear(gate, from, to, n, q8, f32s, STORE, h, ffn, scratch)
  linear(up, from, to, n, q8, f32s, SWIGLU, h, ffn, scratch)
  // A single token's f32 activations need no arranging.
  if (n == 1) forms &= ~L.FORM_F32
  for (let tile = 0; tile < tilesOf(n); tile++) {
    arrange(h, ffn, n, tile, from * L.GROUP_ROWS, min(to * L.GROUP_ROWS, ffn), forms, hq8, hf32)
  }
}

/** silu(gate x) · up x of a dense layer, arranged for the down projection as it comes. */
export function gateAndUp(
  model: usize,
  layer: usize,
  n: i32,
  q8: usize,
  f32s: usize,
  thread: i32,
  threads: i32,
  scratch: usize,
): void {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const ffn = i32At(model, L.MODEL_FFN)
  const gate = layer + L.LAYER_GATE
  const up = layer + L.LAYER_UP
  const h = pointerAt(model, L.MODEL_H)
  const hq8 = pointerAt(model, L.MODEL_H_ACTS)
  const hf32 = pointerAt(model, L.MODEL_H_ACTS_F32)
  const forms = i32At(layer, L.LAYER_FORMS_DOWN)
  const run = runOf(n)
  const units = unitsOf(gate)
  const chunks = chunksOf(units, weightBytes(gate) + weightBytes(up), threads)
  for (let c = claim(control, thread, threads, chunks); c >= 0; c = claim(control, thread, threads, chunks)) {
    const end = share(units, c + 1, chunks)
    for (let unit = share(units, c, chunks); unit < end; unit += run) {
      gateAndUpUnits(gate, up, unit, min(unit + run, end), n, q8, f32s, ffn, h, forms, hq8, hf32, scratch)
    }
  }
}
