// The forward pass: LLaMA (Touvron et al. 2023) as GGUF's llama architecture stores it, and its kin, which differ by what
// MODEL and LAYER say. Every thread runs it, claiming chunks of rows, heads or tokens, with barriers between the stages; no
// result depends on who computes what.
import * as L from '../layout'
import { row } from '../repack'
import {
  attend,
  attendPiece,
  finishPieces,
  firstPieceOf,
  gatherTile,
  mergePieces,
  piecesOf,
  queryTiles,
} from './attention'
import { barrier } from './barrier'
import { experts, sharedExpert } from './experts'
import { activate, multiply } from './ffn'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import { arrange, tileOf, tilesOf } from './linear'
import { softcap } from './math'
import { addScaled, multiplyBy, normalize } from './norm'
import { fillRopes, projectQKV } from './qkv'
import { Thread, threadOf } from './thread'
import { claim, share } from './work'

/** Arranges a single token that stands at this thread's private place. */
@inline
function arrangePrivate(t: Thread, columns: i32, forms: i32): void {
  arrange(t.f32s, columns, 1, 0, 0, columns, forms & ~L.FORM_F32, t.q8, 0)
}

/** Arranges x f32 [n, columns], shared out by tiles. False: poisoned. */
function arrangeTiles(t: Thread, x: usize, columns: i32, forms: i32): bool {
  const end = share(tilesOf(t.n), t.index + 1, t.count)
  for (let tile = share(tilesOf(t.n), t.index, t.count); tile < end; tile++) {
    arrange(x, columns, t.n, tile, 0, columns, forms, t.q8, t.f32s)
  }
  return barrier(t.control, t.count)
}

/**
 * Norms rows of the hidden state and arranges them. `rows`: 0, or the rows to take. `weight`, `bias`: see normalize. False:
 * poisoned.
 */
function normAndArrange(t: Thread, rows: usize, weight: usize, bias: usize, forms: i32): bool {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const x = pointerAt(model, L.MODEL_X)
  const n = t.n
  if (n == 1) {
    normalize(model, f32Of(x, rows ? i32Of(rows, 0) * dim : 0), weight, bias, dim, t.f32s)
    arrangePrivate(t, dim, forms)
    return true
  }
  const normed = pointerAt(model, L.MODEL_NORMED)
  const size = tileOf(n)
  const end = share(tilesOf(n), t.index + 1, t.count)
  for (let tile = share(tilesOf(n), t.index, t.count); tile < end; tile++) {
    for (let i = tile * size; i < min((tile + 1) * size, n); i++) {
      normalize(model, f32Of(x, (rows ? i32Of(rows, i) : i) * dim), weight, bias, dim, f32Of(normed, i * dim))
    }
    arrange(normed, dim, n, tile, 0, dim, forms, t.q8, t.f32s)
  }
  return barrier(t.control, t.count)
}

/** Attention of all rows, arranged for the output projection. False: poisoned. */
function attention(t: Thread, layer: usize): bool {
  const model = t.model
  const forms = i32At(layer, L.LAYER_FORMS_OUTPUT)
  const width = i32At(model, L.MODEL_HEADS) * i32At(model, L.MODEL_HEAD_DIM)
  if (t.n == 1) {
    if (!attendOne(t, layer)) return false
    if (t.index == 0 && i32At(model, L.MODEL_KEEP)) memory.copy(pointerAt(model, L.MODEL_ATTN), t.f32s, width << 2)
    arrangePrivate(t, width, forms)
    return true
  }
  const kvHeads = i32At(model, L.MODEL_KV_HEADS)
  const all = kvHeads * i32At(model, L.MODEL_N_UNITS)
  for (let i = claim(t.control, t.index, t.count, all); i >= 0; i = claim(t.control, t.index, t.count, all)) {
    attend(t, layer, i % kvHeads, i / kvHeads)
  }
  if (!barrier(t.control, t.count)) return false
  return arrangeTiles(t, pointerAt(model, L.MODEL_ATTN), width, forms)
}

/** One row's attention → every thread's private place. It is cut into pieces, so that one kv head keeps all threads busy. */
function attendOne(t: Thread, layer: usize): bool {
  const model = t.model
  const tiles = queryTiles(model)
  const position = i32Of(pointerAt(model, L.MODEL_POSITIONS), 0)
  const first = firstPieceOf(layer, position)
  const pieces = piecesOf(position) - first
  const all = i32At(model, L.MODEL_KV_HEADS) * tiles * pieces
  let gathered = -1
  for (let i = claim(t.control, t.index, t.count, all); i >= 0; i = claim(t.control, t.index, t.count, all)) {
    const unit = i / pieces
    if (unit != gathered) gatherTile(t, unit / tiles, unit % tiles)
    gathered = unit
    attendPiece(t, layer, unit / tiles, unit % tiles, first, i % pieces, pieces)
  }
  if (!barrier(t.control, t.count)) return false
  if (pieces > 1) {
    const heads = i32At(model, L.MODEL_HEADS)
    const end = share(heads, t.index + 1, t.count)
    for (let h = share(heads, t.index, t.count); h < end; h++) mergePieces(model, h, pieces)
    if (!barrier(t.control, t.count)) return false
  }
  finishPieces(model, pieces, t.f32s)
  return true
}

/** x += scale · post(W · acts), where there is a post norm, its weights at `post`. False: poisoned. */
function addTo(t: Thread, tensor: usize, q8: usize, f32s: usize, post: usize): bool {
  const dim = i32At(t.model, L.MODEL_DIM)
  if (!post) {
    multiply(t, tensor, q8, f32s, L.ADD, pointerAt(t.model, L.MODEL_X), dim)
    return barrier(t.control, t.count)
  }
  multiply(t, tensor, q8, f32s, L.STORE, pointerAt(t.model, L.MODEL_POST), dim)
  return barrier(t.control, t.count) && addPost(t, post)
}

/** x += scale · post(MODEL_POST). False: poisoned. */
function addPost(t: Thread, post: usize): bool {
  const model = t.model
  const dim = i32At(model, L.MODEL_DIM)
  const end = share(t.n, t.index + 1, t.count)
  for (let i = share(t.n, t.index, t.count); i < end; i++) {
    const y = f32Of(pointerAt(model, L.MODEL_POST), i * dim)
    normalize(model, y, post, 0, dim, y)
    addScaled(f32Of(pointerAt(model, L.MODEL_X), i * dim), y, t.residualScale, dim)
  }
  return barrier(t.control, t.count)
}

/** One layer. False: poisoned. */
function layerPass(t: Thread, layer: usize): bool {
  const model = t.model
  const parallel = i32At(model, L.MODEL_PARALLEL) != 0

  // x += scale · post(W_o · attention(norm x))
  const formsFfn = i32At(layer, L.LAYER_FORMS_GATE_INP) | i32At(layer, L.LAYER_FORMS_FFN)
  const attnNorm = pointerAt(layer, L.LAYER_ATTN_NORM)
  const formsAttn = i32At(layer, L.LAYER_FORMS_QKV) | (parallel ? formsFfn : 0)
  if (!normAndArrange(t, 0, attnNorm, pointerAt(layer, L.LAYER_ATTN_NORM_BIAS), formsAttn)) return false
  if (!projectQKV(t, layer)) return false
  if (parallel) {
    // What attention reads, the feed-forward network reads too, before attention's result takes its place.
    if (!barrier(t.control, t.count)) return false
    activate(t, layer + L.LAYER_FFN, pointerAt(model, L.MODEL_H), i32At(layer, L.LAYER_FORMS_DOWN))
  }
  if (!barrier(t.control, t.count)) return false
  if (!attention(t, layer)) return false
  const attnPost = pointerAt(layer, L.LAYER_ATTN_POST_NORM)
  if (!addTo(t, layer + L.LAYER_ATTN_OUTPUT, t.q8, t.f32s, attnPost)) return false

  // x += scale · post(W_down · (act(W_gate · norm x) · (W_up · norm x))), or the weighted sum of this over some of many experts
  if (!parallel) {
    const ffnNorm = pointerAt(layer, L.LAYER_FFN_NORM)
    if (!normAndArrange(t, 0, ffnNorm, pointerAt(layer, L.LAYER_FFN_NORM_BIAS), formsFfn)) return false
    if (pointerAt(layer, L.LAYER_SHARED) && !sharedExpert(t, layer)) return false
  }
  const ffnPost = pointerAt(layer, L.LAYER_FFN_POST_NORM)
  if (t.index == 0) agreeOnAbort(t.control)
  if (pointerAt(layer, L.LAYER_EXPERTS)) return experts(t, layer) && (!ffnPost || addPost(t, ffnPost))
  if (!parallel) {
    activate(t, layer + L.LAYER_FFN, pointerAt(model, L.MODEL_H), i32At(layer, L.LAYER_FORMS_DOWN))
    if (!barrier(t.control, t.count)) return false
  }
  const h = pointerAt(model, t.n == 1 ? L.MODEL_H : L.MODEL_H_ACTS_F32)
  return addTo(t, layer + L.LAYER_FFN + L.FFN_DOWN, pointerAt(model, L.MODEL_H_ACTS), h, ffnPost)
}

/** Copies the abort flag once, so that every thread decides alike after the next barrier. */
function agreeOnAbort(control: usize): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(control, atomic.load<i32>(control, L.CONTROL_ABORT), L.CONTROL_DECISION)
  } else store<i32>(control, load<i32>(control, L.CONTROL_ABORT), L.CONTROL_DECISION)
}

/**
 * Runs a segment's layers on the batch at hand: rows MODEL_X [n, dim] in and out; the first segment looks the tokens up.
 * Called by every thread; returns a STATUS_.
 */
export function forward(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, L.MODEL_N)
  const dim = i32At(model, L.MODEL_DIM)
  const t = threadOf(model, thread, threads, n)
  const end = share(n, thread + 1, threads)
  for (let i = share(n, thread, threads); i < end; i++) {
    if (i32At(model, L.MODEL_FIRST)) embed(model, i, f32Of(pointerAt(model, L.MODEL_X), i * dim))
    fillRopes(model, i)
  }
  if (!barrier(t.control, threads)) return L.STATUS_POISONED
  let layer = pointerAt(model, L.MODEL_LAYER_TABLE)
  for (let i = i32At(model, L.MODEL_LAYERS); i > 0; i--, layer += L.LAYER_BYTES) {
    if (!layerPass(t, layer)) return L.STATUS_POISONED
    if (i32At(t.control, L.CONTROL_DECISION)) return L.STATUS_ABORTED
  }
  return L.STATUS_OK
}

/** The embedding of the token of row i → x f32[dim]. */
export function embed(model: usize, i: i32, x: usize): void {
  row(model + L.MODEL_EMBEDDING, <u32>i32Of(pointerAt(model, L.MODEL_TOKENS), i), x)
  const scale = f32At(model, L.MODEL_EMBEDDING_SCALE)
  if (scale != 1) multiplyBy(x, scale, i32At(model, L.MODEL_DIM))
}

/** The normed hidden state of row i, as the output head reads it → y f32[dim]. */
export function outputNorm(model: usize, i: i32, y: usize): void {
  const dim = i32At(model, L.MODEL_DIM)
  const x = f32Of(pointerAt(model, L.MODEL_X), i * dim)
  normalize(model, x, pointerAt(model, L.MODEL_OUTPUT_NORM), pointerAt(model, L.MODEL_OUTPUT_NORM_BIAS), dim, y)
}

/** What attention of the first layer of the table reads of row i → y f32[dim]. */
export function attnNorm(model: usize, i: i32, y: usize): void {
  const dim = i32At(model, L.MODEL_DIM)
  const x = f32Of(pointerAt(model, L.MODEL_X), i * dim)
  const layer = pointerAt(model, L.MODEL_LAYER_TABLE)
  normalize(model, x, pointerAt(layer, L.LAYER_ATTN_NORM), pointerAt(layer, L.LAYER_ATTN_NORM_BIAS), dim, y)
}

/** Logits of MODEL_N_OUTPUTS rows of MODEL_X → MODEL_LOGITS [outputs, vocab]. Called by every thread; a STATUS_. */
export function output(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, L.MODEL_N_OUTPUTS)
  const t = threadOf(model, thread, threads, n)
  const rows = pointerAt(model, L.MODEL_OUTPUTS)
  const norm = pointerAt(model, L.MODEL_OUTPUT_NORM)
  const bias = pointerAt(model, L.MODEL_OUTPUT_NORM_BIAS)
  if (!normAndArrange(t, rows, norm, bias, i32At(model, L.MODEL_FORMS_OUTPUT))) return L.STATUS_POISONED
  const logits = pointerAt(model, L.MODEL_LOGITS)
  const vocab = i32At(model, L.MODEL_VOCAB)
  multiply(t, model + L.MODEL_OUTPUT, t.q8, t.f32s, L.STORE, logits, vocab)
  if (!barrier(t.control, threads)) return L.STATUS_POISONED
  const scale = f32At(model, L.MODEL_LOGIT_SCALE)
  const cap = f32At(model, L.MODEL_LOGIT_CAP)
  if (scale == 1 && cap == 0) return L.STATUS_OK
  const from = share(n * vocab, thread, threads)
  const count = share(n * vocab, thread + 1, threads) - from
  if (scale != 1) multiplyBy(f32Of(logits, from), scale, count)
  if (cap != 0) softcap(f32Of(logits, from), count, cap)
  return barrier(t.control, threads) ? L.STATUS_OK : L.STATUS_POISONED
}
