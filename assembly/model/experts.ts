// Experts in place of one feed-forward network: a router sends each token to the few that suit it (Shazeer et al. 2017;
// Jiang et al. 2024, "Mixtral of Experts"; the weights as in llama.cpp's build_moe_ffn for this architecture).
//
// A batch is sorted by expert, so that an expert's weights are read once for all its tokens:
//
//     tokens   0 → experts 1, 3     slots │ 0: token 1 │ 1: token 0 │ 2: token 2 │ 3: token 0 │ 4: token 1 │ 5: token 2 │
//              1 → experts 0, 3     parts │ expert 0   │ expert 1                │ expert 3                             │
//              2 → experts 1, 3
//
// A part is computed as a batch of its own, so no result depends on which other tokens are there.
import * as L from '../layout'
import { barrier } from './barrier'
import { gateAndUpUnits, multiply, runOf } from './ffn'
import { f32Of, i32At, pointerAt } from './fields'
import { STORE, arrange, arrangedQ8, groupsOf, linear, tileOf, tilesOf, unitsOf, weightBytes } from './linear'
import { exp_scalar } from './math'
import { chunksOf, claim, share } from './work'

/**
 * The `used` likeliest of `count` experts by their logits, of equals the first → routes, likeliest first. Weights: softmax,
 * divided by the sum of those chosen; the softmax's own divisor cancels out. What was chosen is taken from the logits.
 */
function choose(logits: usize, count: i32, used: i32, routes: usize): void {
  let most: f32 = 0
  let sum: f32 = 0
  for (let j = 0; j < used; j++) {
    let best = 0
    for (let e = 1; e < count; e++) {
      if (load<f32>(f32Of(logits, e)) > load<f32>(f32Of(logits, best))) best = e
    }
    const logit = load<f32>(f32Of(logits, best))
    store<f32>(f32Of(logits, best), -Infinity)
    if (j == 0) most = logit
    const weight = exp_scalar(logit - most)
    sum += weight
    store<i32>(routes + <usize>j * L.ROUTE_BYTES, best, L.ROUTE_SLOT)
    store<i32>(routes + <usize>j * L.ROUTE_BYTES, best, L.ROUTE_EXPERT)
    store<f32>(routes + <usize>j * L.ROUTE_BYTES, weight, L.ROUTE_WEIGHT)
  }
  for (let j = 0; j < used; j++) {
    const route = routes + <usize>j * L.ROUTE_BYTES
    store<f32>(route, load<f32>(route, L.ROUTE_WEIGHT) / sum, L.ROUTE_WEIGHT)
  }
}

/** Chooses experts for n tokens and sorts the tokens by them. Little work, for one thread. */
function sortByExpert(model: usize, layer: usize, n: i32): void {
  const count = i32At(model, L.MODEL_EXPERTS)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const routes = pointerAt(model, L.MODEL_ROUTES)
  const end = routes + <usize>(n * used) * L.ROUTE_BYTES
  for (let i = 0; i < n; i++) {
    const logits = f32Of(pointerAt(model, L.MODEL_ROUTER), i * count)
    choose(logits, count, used, routes + <usize>(i * used) * L.ROUTE_BYTES)
  }
  let part = pointerAt(model, L.MODEL_PARTS)
  let slot = 0
  let tiled = 0
  for (let e = 0; e < count; e++) {
    const first = slot
    for (let route = routes; route < end; route += L.ROUTE_BYTES) {
      // A slot that was given out is marked as such: it is no expert.
      if (load<i32>(route, L.ROUTE_SLOT) == e) store<i32>(route, ~slot++, L.ROUTE_SLOT)
    }
    if (slot == first) continue
    store<u32>(part, <u32>(pointerAt(layer, L.LAYER_EXPERTS) + <usize>e * L.EXPERT_BYTES), L.PART_EXPERT)
    store<i32>(part, slot - first, L.PART_TOKENS)
    store<i32>(part, first, L.PART_SLOT)
    store<i32>(part, tiled, L.PART_TILED)
    tiled += tilesOf(slot - first) * tileOf(slot - first)
    part += L.PART_BYTES
  }
  store<u32>(model, <u32>((part - pointerAt(model, L.MODEL_PARTS)) / L.PART_BYTES), L.MODEL_PARTS_USED)
}

@inline
function partOf(model: usize, part: i32): usize {
  return pointerAt(model, L.MODEL_PARTS) + <usize>part * L.PART_BYTES
}

@inline
function slotOf(model: usize, token: i32, j: i32): i32 {
  const route = token * i32At(model, L.MODEL_EXPERTS_USED) + j
  return ~load<i32>(pointerAt(model, L.MODEL_ROUTES) + <usize>route * L.ROUTE_BYTES, L.ROUTE_SLOT)
}

@inline
function weightOf(model: usize, token: i32, j: i32): f32 {
  const route = token * i32At(model, L.MODEL_EXPERTS_USED) + j
  return load<f32>(pointerAt(model, L.MODEL_ROUTES) + <usize>route * L.ROUTE_BYTES, L.ROUTE_WEIGHT)
}

/** Copies the normed rows of a prompt to their slots, and arranges each part. False: poisoned. */
function fillSlots(model: usize, layer: usize, n: i32, thread: i32, threads: i32): bool {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const dim = i32At(model, L.MODEL_DIM)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const norm = pointerAt(model, L.MODEL_NORM)
  const slots = pointerAt(model, L.MODEL_SLOTS)
  const end = share(n, thread + 1, threads)
  for (let i = share(n, thread, threads); i < end; i++) {
    for (let j = 0; j < used; j++) memory.copy(f32Of(slots, slotOf(model, i, j) * dim), f32Of(norm, i * dim), dim << 2)
  }
  if (!barrier(control, threads)) return false
  const forms = i32At(layer, L.LAYER_FORMS_FFN)
  const parts = i32At(model, L.MODEL_PARTS_USED)
  let index = 0
  for (let p = 0; p < parts; p++) {
    const part = partOf(model, p)
    const count = i32At(part, L.PART_TOKENS)
    const tiled = i32At(part, L.PART_TILED)
    const x = f32Of(slots, i32At(part, L.PART_SLOT) * dim)
    const q8 = arrangedQ8(pointerAt(model, L.MODEL_ACTS), dim, tiled)
    const f32s = f32Of(pointerAt(model, L.MODEL_ACTS_F32), tiled * dim)
    for (let tile = 0; tile < tilesOf(count); tile++) {
      if (index++ % threads == thread) arrange(x, dim, count, tile, 0, dim, forms, q8, f32s)
    }
  }
  return barrier(control, threads)
}

/** silu(gate x) · up x of every part. `q8`, `f32s`: of a single token, which all its experts read. */
function gatesAndUps(
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
  const dim = i32At(model, L.MODEL_DIM)
  const ffn = i32At(model, L.MODEL_FFN)
  const forms = i32At(layer, L.LAYER_FORMS_DOWN)
  const parts = i32At(model, L.MODEL_PARTS_USED)
  const first = pointerAt(partOf(model, 0), L.PART_EXPERT)
  const units = unitsOf(first + L.EXPERT_GATE)
  const bytes = <i64>parts * (weightBytes(first + L.EXPERT_GATE) + weightBytes(first + L.EXPERT_UP))
  const all = parts * units
  const chunks = chunksOf(all, bytes, threads)
  for (let c = claim(control, thread, threads, chunks); c >= 0; c = claim(control, thread, threads, chunks)) {
    const end = share(all, c + 1, chunks)
    for (let i = share(all, c, chunks); i < end; ) {
      const part = partOf(model, i / units)
      const expert = pointerAt(part, L.PART_EXPERT)
      const count = i32At(part, L.PART_TOKENS)
      const slot = i32At(part, L.PART_SLOT)
      const tiled = i32At(part, L.PART_TILED)
      if (n > 1) {
        q8 = arrangedQ8(pointerAt(model, L.MODEL_ACTS), dim, tiled)
        if (count == 1) f32s = f32Of(pointerAt(model, L.MODEL_SLOTS), slot * dim)
        else f32s = f32Of(pointerAt(model, L.MODEL_ACTS_F32), tiled * dim)
      }
      const h = f32Of(pointerAt(model, L.MODEL_H), slot * ffn)
      const hq8 = arrangedQ8(pointerAt(model, L.MODEL_H_ACTS), ffn, tiled)
      const hf32 = f32Of(pointerAt(model, L.MODEL_H_ACTS_F32), tiled * ffn)
      const gate = expert + L.EXPERT_GATE
      const unit = i % units
      const to = min(min(unit + runOf(count), units), unit + end - i)
      gateAndUpUnits(gate, expert + L.EXPERT_UP, unit, to, count, q8, f32s, ffn, h, forms, hq8, hf32, scratch)
      i += to - unit
    }
  }
}

/** x += the weighted sum of what a token's experts gave, likeliest first; columns [from, to). */
function addWeighted(model: usize, n: i32, from: i32, to: i32): void {
  const dim = i32At(model, L.MODEL_DIM)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const slots = pointerAt(model, L.MODEL_SLOTS)
  for (let i = 0; i < n; i++) {
    const x = f32Of(pointerAt(model, L.MODEL_X), i * dim)
    for (let c = from; c < to; c++) {
      let sum: f32 = 0
      for (let j = 0; j < used; j++) {
        sum += weightOf(model, i, j) * load<f32>(f32Of(slots, slotOf(model, i, j) * dim + c))
      }
      store<f32>(f32Of(x, c), load<f32>(f32Of(x, c)) + sum)
    }
  }
}

/** W_down of every part → slots, chunks of rows at a time; each chunk joins x at once. */
function downs(model: usize, n: i32, thread: i32, threads: i32, scratch: usize): void {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const dim = i32At(model, L.MODEL_DIM)
  const ffn = i32At(model, L.MODEL_FFN)
  const parts = i32At(model, L.MODEL_PARTS_USED)
  const first = pointerAt(partOf(model, 0), L.PART_EXPERT) + L.EXPERT_DOWN
  const groups = groupsOf(first)
  const chunks = chunksOf(groups, <i64>parts * weightBytes(first), threads)
  for (let c = claim(control, thread, threads, chunks); c >= 0; c = claim(control, thread, threads, chunks)) {
    const from = share(groups, c, chunks)
    const to = share(groups, c + 1, chunks)
    for (let p = 0; p < parts; p++) {
      const part = partOf(model, p)
      const count = i32At(part, L.PART_TOKENS)
      const slot = i32At(part, L.PART_SLOT)
      const tiled = i32At(part, L.PART_TILED)
      const hq8 = arrangedQ8(pointerAt(model, L.MODEL_H_ACTS), ffn, tiled)
      let h = f32Of(pointerAt(model, L.MODEL_H), slot * ffn)
      if (count > 1) h = f32Of(pointerAt(model, L.MODEL_H_ACTS_F32), tiled * ffn)
      const y = f32Of(pointerAt(model, L.MODEL_SLOTS), slot * dim)
      linear(pointerAt(part, L.PART_EXPERT) + L.EXPERT_DOWN, from, to, count, hq8, h, STORE, y, dim, scratch)
    }
    addWeighted(model, n, from * L.GROUP_ROWS, min(to * L.GROUP_ROWS, dim))
  }
}

/**
 * x += Σ weight · W_down(silu(W_gate · norm x) · (W_up · norm x)) over each token's experts. `q8`, `f32s`: norm x, arranged.
 * False: poisoned. The caller's barrier ends the last stage.
 */
export function experts(
  model: usize,
  layer: usize,
  n: i32,
  q8: usize,
  f32s: usize,
  thread: i32,
  threads: i32,
  scratch: usize,
): bool {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const logits = pointerAt(model, L.MODEL_ROUTER)
  const count = i32At(model, L.MODEL_EXPERTS)
  multiply(model, layer + L.LAYER_ROUTER, n, q8, f32s, STORE, logits, count, thread, threads, scratch)
  if (!barrier(control, threads)) return false
  if (thread == 0) sortByExpert(model, layer, n)
  if (!barrier(control, threads)) return false
  if (n > 1 && !fillSlots(model, layer, n, thread, threads)) return false
  gatesAndUps(model, layer, n, q8, f32s, thread, threads, scratch)
  if (!barrier(control, threads)) return false
  downs(model, n, thread, threads, scratch)
  return true
}
