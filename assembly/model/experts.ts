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
import { activate, activateUnits, multiply, runOf, widthOf } from './ffn'
import { f32At, f32Of, i32At, pointerAt } from './fields'
import { arrange, arrangedQ8, groupsOf, linear, tileOf, tilesOf, unitsOf, weightBytes } from './linear'
import { exp_scalar, sigmoid } from './math'
import { addScaled } from './norm'
import { Thread } from './thread'
import { chunksOf, claim, share } from './work'

/**
 * The `used` likeliest of `count` experts by their logits, of equals the first → routes, likeliest first. Weights: softmax over
 * all experts; where `normalized`, over those chosen. Times `scale`. What was chosen is taken from the logits.
 */
function choose(logits: usize, count: i32, used: i32, normalized: bool, scale: f32, routes: usize): void {
  let most: f32 = 0
  let sum: f32 = 0
  if (!normalized) {
    most = load<f32>(logits)
    for (let e = 1; e < count; e++) most = max(most, load<f32>(f32Of(logits, e)))
    for (let e = 0; e < count; e++) sum += exp_scalar(load<f32>(f32Of(logits, e)) - most)
  }
  for (let j = 0; j < used; j++) {
    let best = 0
    for (let e = 1; e < count; e++) {
      if (load<f32>(f32Of(logits, e)) > load<f32>(f32Of(logits, best))) best = e
    }
    const logit = load<f32>(f32Of(logits, best))
    store<f32>(f32Of(logits, best), -Infinity)
    if (normalized && j == 0) most = logit
    const weight = exp_scalar(logit - most)
    if (normalized) sum += weight
    store<i32>(routes + <usize>j * L.ROUTE_BYTES, best, L.ROUTE_SLOT)
    store<i32>(routes + <usize>j * L.ROUTE_BYTES, best, L.ROUTE_EXPERT)
    store<f32>(routes + <usize>j * L.ROUTE_BYTES, weight, L.ROUTE_WEIGHT)
  }
  for (let j = 0; j < used; j++) {
    const route = routes + <usize>j * L.ROUTE_BYTES
    store<f32>(route, (load<f32>(route, L.ROUTE_WEIGHT) / sum) * scale, L.ROUTE_WEIGHT)
  }
}

/** Chooses experts for n tokens and sorts the tokens by them. Little work, for one thread. */
function sortByExpert(model: usize, layer: usize, n: i32): void {
  const count = i32At(model, L.MODEL_EXPERTS)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const routes = pointerAt(model, L.MODEL_ROUTES)
  const end = routes + <usize>(n * used) * L.ROUTE_BYTES
  const normalized = (i32At(model, L.MODEL_GATING) & L.GATING_NORMALIZED) != 0
  const scale = f32At(model, L.MODEL_EXPERT_SCALE)
  for (let i = 0; i < n; i++) {
    const logits = f32Of(pointerAt(model, L.MODEL_ROUTER), i * count)
    choose(logits, count, used, normalized, scale, routes + <usize>(i * used) * L.ROUTE_BYTES)
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
    store<u32>(part, <u32>(pointerAt(layer, L.LAYER_EXPERTS) + <usize>e * L.FFN_BYTES), L.PART_EXPERT)
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
function fillSlots(t: Thread, layer: usize): bool {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const normed = pointerAt(model, L.MODEL_NORMED)
  const slots = pointerAt(model, L.MODEL_SLOTS)
  const end = share(t.n, t.index + 1, t.count)
  for (let i = share(t.n, t.index, t.count); i < end; i++) {
    for (let j = 0; j < used; j++) {
      memory.copy(f32Of(slots, slotOf(model, i, j) * dim), f32Of(normed, i * dim), dim << 2)
    }
  }
  if (!barrier(t.control, t.count)) return false
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
      if (index++ % t.count == t.index) arrange(x, dim, count, tile, 0, dim, forms, q8, f32s)
    }
  }
  return barrier(t.control, t.count)
}

/** act(gate x) · up x of every part. */
function activateParts(t: Thread, layer: usize): void {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const forms = i32At(layer, L.LAYER_FORMS_DOWN)
  const parts = i32At(model, L.MODEL_PARTS_USED)
  const first = pointerAt(partOf(model, 0), L.PART_EXPERT)
  const width = widthOf(first)
  const units = unitsOf(first + L.FFN_UP)
  const bytes = <i64>parts * (weightBytes(first + L.FFN_GATE) + weightBytes(first + L.FFN_UP))
  const all = parts * units
  const chunks = chunksOf(all, bytes, t.count)
  // All experts of a single token read the same.
  let q8 = t.q8
  let f32s = t.f32s
  for (let c = claim(t.control, t.index, t.count, chunks); c >= 0; c = claim(t.control, t.index, t.count, chunks)) {
    const end = share(all, c + 1, chunks)
    for (let i = share(all, c, chunks); i < end; ) {
      const part = partOf(model, i / units)
      const count = i32At(part, L.PART_TOKENS)
      const slot = i32At(part, L.PART_SLOT)
      const tiled = i32At(part, L.PART_TILED)
      if (t.n > 1) {
        q8 = arrangedQ8(pointerAt(model, L.MODEL_ACTS), dim, tiled)
        if (count == 1) f32s = f32Of(pointerAt(model, L.MODEL_SLOTS), slot * dim)
        else f32s = f32Of(pointerAt(model, L.MODEL_ACTS_F32), tiled * dim)
      }
      const h = f32Of(pointerAt(model, L.MODEL_H), slot * width)
      const hq8 = arrangedQ8(pointerAt(model, L.MODEL_H_ACTS), width, tiled)
      const hf32 = f32Of(pointerAt(model, L.MODEL_H_ACTS_F32), tiled * width)
      const unit = i % units
      const to = min(min(unit + runOf(count), units), unit + end - i)
      activateUnits(t, pointerAt(part, L.PART_EXPERT), unit, to, count, q8, f32s, h, forms, hq8, hf32)
      i += to - unit
    }
  }
}

/**
 * The weighted sum of what a token's experts gave, likeliest first, columns [from, to): x += scale · sum, or where a post norm
 * follows → MODEL_POST.
 */
function addWeighted(t: Thread, stored: bool, from: i32, to: i32): void {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const used = i32At(model, L.MODEL_EXPERTS_USED)
  const slots = pointerAt(model, L.MODEL_SLOTS)
  for (let i = 0; i < t.n; i++) {
    const x = f32Of(pointerAt(model, stored ? L.MODEL_POST : L.MODEL_X), i * dim)
    for (let c = from; c < to; c++) {
      let sum: f32 = 0
      for (let j = 0; j < used; j++) {
        sum += weightOf(model, i, j) * load<f32>(f32Of(slots, slotOf(model, i, j) * dim + c))
      }
      store<f32>(f32Of(x, c), stored ? sum : load<f32>(f32Of(x, c)) + sum * t.residualScale)
    }
  }
}

/** W_down of every part → slots, chunks of rows at a time; each chunk joins x at once. */
function downs(t: Thread, layer: usize): void {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const parts = i32At(model, L.MODEL_PARTS_USED)
  const expert = pointerAt(partOf(model, 0), L.PART_EXPERT)
  const width = widthOf(expert)
  const first = expert + L.FFN_DOWN
  const groups = groupsOf(first)
  const chunks = chunksOf(groups, <i64>parts * weightBytes(first), t.count)
  const stored = pointerAt(layer, L.LAYER_FFN_POST_NORM) != 0
  for (let c = claim(t.control, t.index, t.count, chunks); c >= 0; c = claim(t.control, t.index, t.count, chunks)) {
    const from = share(groups, c, chunks)
    const to = share(groups, c + 1, chunks)
    for (let p = 0; p < parts; p++) {
      const part = partOf(model, p)
      const count = i32At(part, L.PART_TOKENS)
      const slot = i32At(part, L.PART_SLOT)
      const tiled = i32At(part, L.PART_TILED)
      const hq8 = arrangedQ8(pointerAt(model, L.MODEL_H_ACTS), width, tiled)
      let h = f32Of(pointerAt(model, L.MODEL_H), slot * width)
      if (count > 1) h = f32Of(pointerAt(model, L.MODEL_H_ACTS_F32), tiled * width)
      const y = f32Of(pointerAt(model, L.MODEL_SLOTS), slot * dim)
      linear(t, pointerAt(part, L.PART_EXPERT) + L.FFN_DOWN, from, to, count, hq8, h, L.STORE, y, dim)
    }
    addWeighted(t, stored, from * L.GROUP_ROWS, min(to * L.GROUP_ROWS, dim))
  }
}

/**
 * x += scale · Σ weight · W_down(act(W_gate · norm x) · (W_up · norm x)) over each token's experts; or where a post norm follows,
 * the sum → MODEL_POST. False: poisoned.
 */
export function experts(t: Thread, layer: usize): bool {
  const logits = pointerAt(t.model, L.MODEL_ROUTER)
  const count = i32At(t.model, L.MODEL_EXPERTS)
  multiply(t, layer + L.LAYER_FFN_GATE_INP, t.q8, t.f32s, L.STORE, logits, count)
  if (!barrier(t.control, t.count)) return false
  if (t.index == 0) sortByExpert(t.model, layer, t.n)
  if (!barrier(t.control, t.count)) return false
  if (t.n > 1 && !fillSlots(t, layer)) return false
  activateParts(t, layer)
  if (!barrier(t.control, t.count)) return false
  downs(t, layer)
  return barrier(t.control, t.count)
}

/** x += scale · sigmoid(w · norm x) · FFN(norm x), for the FFN that every token takes; without w, × 1. False: poisoned. */
export function sharedExpert(t: Thread, layer: usize): bool {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const ffn = pointerAt(layer, L.LAYER_SHARED)
  const gate = layer + L.LAYER_FFN_GATE_INP_SHEXP
  const gates = pointerAt(model, L.MODEL_SHARED_GATES)
  const gated = i32At(gate, L.TENSOR_ROWS) > 0
  if (gated) {
    multiply(t, gate, t.q8, t.f32s, L.STORE, gates, 1)
    if (!barrier(t.control, t.count)) return false
  }
  const own = pointerAt(model, L.MODEL_H_SHARED)
  activate(t, ffn, own, i32At(layer, L.LAYER_FORMS_SHARED_DOWN))
  if (!barrier(t.control, t.count)) return false
  const h = t.n == 1 ? own : pointerAt(model, L.MODEL_H_ACTS_F32)
  const y = pointerAt(model, L.MODEL_POST)
  multiply(t, ffn + L.FFN_DOWN, pointerAt(model, L.MODEL_H_ACTS), h, L.STORE, y, dim)
  if (!barrier(t.control, t.count)) return false
  const end = share(t.n, t.index + 1, t.count)
  for (let i = share(t.n, t.index, t.count); i < end; i++) {
    const weight: f32 = gated ? sigmoid(load<f32>(f32Of(gates, i))) : 1
    addScaled(f32Of(pointerAt(model, L.MODEL_X), i * dim), f32Of(y, i * dim), weight * t.residualScale, dim)
  }
  return barrier(t.control, t.count)
}
