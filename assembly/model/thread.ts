// What a thread knows of the pass at hand: the struct at the start of its scratch, so that functions take one argument for it.
import * as L from '../layout'
import { f32At, pointerAt } from './fields'

@unmanaged
export class Thread {
  /** Addresses of the segment's MODEL and CONTROL. */
  model: usize
  control: usize
  /** This thread, and how many there are. */
  index: i32
  count: i32
  /** Tokens of the pass. */
  n: i32
  /** Where matrices find the arranged activations of the stage at hand: int8 blocks, f32. */
  q8: usize
  f32s: usize
  /** Of its own: L.SCRATCH_… */
  scratch: usize
  /** What ADD multiplies results by before they join the residual stream. */
  residualScale: f32
}

/** The struct of thread `index`, for a pass of n tokens. */
export function threadOf(model: usize, index: i32, count: i32, n: i32): Thread {
  const scratch = pointerAt(model, L.MODEL_SCRATCH) + <usize>index * pointerAt(model, L.MODEL_SCRATCH_BYTES)
  const t = changetype<Thread>(scratch + L.SCRATCH_THREAD)
  t.model = model
  t.control = pointerAt(model, L.MODEL_CONTROL)
  t.index = index
  t.count = count
  t.n = n
  t.scratch = scratch
  t.residualScale = f32At(model, L.MODEL_RESIDUAL_SCALE)
  // A single token's activations are cheap to make, so every thread makes its own copy and needs no barrier: the f32 values
  // at its private place, and the int8 blocks behind them. A prompt's are made once, shared out by tiles of tokens.
  const place = pointerAt(model, L.MODEL_PRIVATE) + <usize>index * pointerAt(model, L.MODEL_PRIVATE_BYTES)
  t.q8 = n == 1 ? place + pointerAt(model, L.MODEL_PRIVATE_ACTS) : pointerAt(model, L.MODEL_ACTS)
  t.f32s = n == 1 ? place : pointerAt(model, L.MODEL_ACTS_F32)
  return t
}
