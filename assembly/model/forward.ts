// The forward pass: LLaMA (Touvron et al. 2023) as GGUF's llama architecture stores it. Every thread runs it, claiming
// chunks of rows, heads or tokens, with barriers between the stages; no result depends on who computes what.
import * as L from '../layout'
import { row } from '../repack'
import { experts } from './experts'
import { gateAndUp, multiply } from './ffn'
import { attend, attendPiece, finishPieces, mergePieces, piecesOf, queryTiles } from './attention'
import { barrier } from './barrier'
import { f32At, f32Of, i32At, i32Of, pointerAt } from './fields'
import { ADD, STORE, arrange, tileOf, tilesOf } from './linear'
import { rmsnorm } from './norm'
import { projectQKV, ropeTable } from './qkv'
import { claim, share } from './work'

// A single token's activations are cheap to make, so every thread makes its own copy and needs no barrier: the f32 values
// at its private place, and the int8 blocks behind them. A prompt's are made once, shared out by tiles of tokens.

@inline
function privateOf(model: usize, thread: i32): usize {
  return pointerAt(model, L.MODEL_PRIVATE) + <usize>thread * pointerAt(model, L.MODEL_PRIVATE_BYTES)
}

/** Where matrices find int8 activations. */
@inline
function q8Of(model: usize, n: i32, thread: i32): usize {
  return n == 1 ? privateOf(model, thread) + pointerAt(model, L.MODEL_PRIVATE_ACTS) : pointerAt(model, L.MODEL_ACTS)
}

/** Where they find f32 activations: a single token's need no arranging. */
@inline
function f32sOf(model: usize, n: i32, thread: i32): usize {
  return n == 1 ? privateOf(model, thread) : pointerAt(model, L.MODEL_ACTS_F32)
}

/** Arranges a single token that stands at this thread's private place. */
@inline
function arrangePrivate(model: usize, columns: i32, forms: i32, thread: i32): void {
  arrange(privateOf(model, thread), columns, 1, 0, 0, columns, forms & ~L.FORM_F32, q8Of(model, 1, thread), 0)
}

/** Norms rows of the hidden state and arranges them. `rows`: 0, or the rows to take. False: poisoned. */
function normAndArrange(model: usize, rows: usize, n: i32, weight: usize, forms: i32, thread: i32, threads: i32): bool {
  const dim = i32At(model, L.MODEL_DIM)
  const eps = f32At(model, L.MODEL_EPS)
  const x = pointerAt(model, L.MODEL_X)
  if (n == 1) {
    rmsnorm(f32Of(x, rows ? i32Of(rows, 0) * dim : 0), weight, dim, eps, privateOf(model, thread))
    arrangePrivate(model, dim, forms, thread)
    return true
  }
  const norm = pointerAt(model, L.MODEL_NORM)
  const q8 = pointerAt(model, L.MODEL_ACTS)
  const f32s = pointerAt(model, L.MODEL_ACTS_F32)
  const t = tileOf(n)
  const end = share(tilesOf(n), thread + 1, threads)
  for (let tile = share(tilesOf(n), thread, threads); tile < end; tile++) {
    for (let i = tile * t; i < min((tile + 1) * t, n); i++) {
      rmsnorm(f32Of(x, (rows ? i32Of(rows, i) : i) * dim), weight, dim, eps, f32Of(norm, i * dim))
    }
    arrange(norm, dim, n, tile, 0, dim, forms, q8, f32s)
  }
  return barrier(pointerAt(model, L.MODEL_CONTROL), threads)
}

/** Attention of n rows, arranged for the output projection. False: poisoned. */
function attention(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): bool {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const forms = i32At(layer, L.LAYER_FORMS_OUT)
  const width = i32At(model, L.MODEL_HEADS) * i32At(model, L.MODEL_HEAD_DIM)
  if (n == 1) {
    if (!attendOne(model, layer, thread, threads, scratch)) return false
    if (thread == 0 && i32At(model, L.MODEL_KEEP)) {
      memory.copy(pointerAt(model, L.MODEL_ATTN), privateOf(model, 0), width << 2)
    }
    arrangePrivate(model, width, forms, thread)
    return true
  }
  const kvHeads = i32At(model, L.MODEL_KV_HEADS)
  const all = kvHeads * i32At(model, L.MODEL_N_UNITS)
  for (let i = claim(control, thread, threads, all); i >= 0; i = claim(control, thread, threads, all)) {
    attend(model, layer, i % kvHeads, i / kvHeads, scratch)
  }
  if (!barrier(control, threads)) return false
  const attn = pointerAt(model, L.MODEL_ATTN)
  const q8 = pointerAt(model, L.MODEL_ACTS)
  const f32s = pointerAt(model, L.MODEL_ACTS_F32)
  const end = share(tilesOf(n), thread + 1, threads)
  for (let tile = share(tilesOf(n), thread, threads); tile < end; tile++) {
    arrange(attn, width, n, tile, 0, width, forms, q8, f32s)
  }
  return barrier(control, threads)
}

/** One row's attention → every thread's private place. It is cut into pieces, so that one kv head keeps all threads busy. */
function attendOne(model: usize, layer: usize, thread: i32, threads: i32, scratch: usize): bool {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const tiles = queryTiles(model)
  const pieces = piecesOf(i32Of(pointerAt(model, L.MODEL_POSITIONS), 0))
  const all = i32At(model, L.MODEL_KV_HEADS) * tiles * pieces
  for (let i = claim(control, thread, threads, all); i >= 0; i = claim(control, thread, threads, all)) {
    const unit = i / pieces
    attendPiece(model, layer, unit / tiles, unit % tiles, i % pieces, scratch)
  }
  if (!barrier(control, threads)) return false
  if (pieces > 1) {
    const heads = i32At(model, L.MODEL_HEADS)
    const end = share(heads, thread + 1, threads)
    for (let h = share(heads, thread, threads); h < end; h++) mergePieces(model, h)
    if (!barrier(control, threads)) return false
  }
  finishPieces(model, privateOf(model, thread))
  return true
}

/** One layer. False: poisoned. */
function layerPass(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): bool {
  const control = pointerAt(model, L.MODEL_CONTROL)
  const dim = i32At(model, L.MODEL_DIM)
  const x = pointerAt(model, L.MODEL_X)
  const q8 = q8Of(model, n, thread)
  const f32s = f32sOf(model, n, thread)

  // x += W_o · attention(norm x)
  const attnNorm = pointerAt(layer, L.LAYER_ATTN_NORM)
  if (!normAndArrange(model, 0, n, attnNorm, i32At(layer, L.LAYER_FORMS_QKV), thread, threads)) return false
  projectQKV(model, layer, n, q8, f32s, thread, threads, scratch)
  if (!barrier(control, threads)) return false
  if (!attention(model, layer, n, thread, threads, scratch)) return false
  multiply(model, layer + L.LAYER_O, n, q8, f32s, ADD, x, dim, thread, threads, scratch)
  if (!barrier(control, threads)) return false

  // x += W_down · (silu(W_gate · norm x) · (W_up · norm x)), or the weighted sum of this over some of many experts
  const ffnNorm = pointerAt(layer, L.LAYER_FFN_NORM)
  const forms = i32At(layer, L.LAYER_FORMS_ROUTER) | i32At(layer, L.LAYER_FORMS_FFN)
  if (!normAndArrange(model, 0, n, ffnNorm, forms, thread, threads)) return false
  if (pointerAt(layer, L.LAYER_EXPERTS)) {
    if (!experts(model, layer, n, q8, f32s, thread, threads, scratch)) return false
  } else {
    gateAndUp(model, layer, n, q8, f32s, thread, threads, scratch)
    if (!barrier(control, threads)) return false
    const h = pointerAt(model, n == 1 ? L.MODEL_H : L.MODEL_H_ACTS_F32)
    multiply(model, layer + L.LAYER_DOWN, n, pointerAt(model, L.MODEL_H_ACTS), h, ADD, x, dim, thread, threads, scratch)
  }
  if (thread == 0) agreeOnAbort(control)
  return barrier(control, threads)
}

/** Copies the abort flag once, so that every thread decides alike after the next barrier. */
function agreeOnAbort(control: usize): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(control, atomic.load<i32>(control, L.CONTROL_ABORT), L.CONTROL_DECISION)
  } else store<i32>(control, load<i32>(control, L.CONTROL_ABORT), L.CONTROL_DECISION)
}

@inline
function scratchOf(model: usize, thread: i32): usize {
  return pointerAt(model, L.MODEL_SCRATCH) + <usize>thread * pointerAt(model, L.MODEL_SCRATCH_BYTES)
}

/**
 * Runs a segment's layers on the batch at hand: rows MODEL_X [n, dim] in and out; the first segment looks the tokens up.
 * Called by every thread; returns a STATUS_.
 */
export function forward(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, L.MODEL_N)
  const dim = i32At(model, L.MODEL_DIM)
  const control = pointerAt(model, L.MODEL_CONTROL)
  const scratch = scratchOf(model, thread)
  const end = share(n, thread + 1, threads)
  for (let i = share(n, thread, threads); i < end; i++) {
    if (i32At(model, L.MODEL_FIRST)) {
      const token = <u32>i32Of(pointerAt(model, L.MODEL_TOKENS), i)
      row(model + L.MODEL_EMBEDDING, token, f32Of(pointerAt(model, L.MODEL_X), i * dim))
    }
    ropeTable(model, i)
  }
  if (!barrier(control, threads)) return L.STATUS_POISONED
  let layer = pointerAt(model, L.MODEL_LAYER_TABLE)
  for (let i = i32At(model, L.MODEL_LAYERS); i > 0; i--, layer += L.LAYER_BYTES) {
    if (!layerPass(model, layer, n, thread, threads, scratch)) return L.STATUS_POISONED
    if (i32At(control, L.CONTROL_DECISION)) return L.STATUS_ABORTED
  }
  return L.STATUS_OK
}

/** Logits of MODEL_N_OUTPUTS rows of MODEL_X → MODEL_LOGITS [outputs, vocab]. Called by every thread; a STATUS_. */
export function output(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, L.MODEL_N_OUTPUTS)
  const rows = pointerAt(model, L.MODEL_OUTPUTS)
  const norm = pointerAt(model, L.MODEL_OUTPUT_NORM)
  if (!normAndArrange(model, rows, n, norm, i32At(model, L.MODEL_FORMS_OUTPUT), thread, threads))
    return L.STATUS_POISONED
  const q8 = q8Of(model, n, thread)
  const f32s = f32sOf(model, n, thread)
  const logits = pointerAt(model, L.MODEL_LOGITS)
  const vocab = i32At(model, L.MODEL_VOCAB)
  const scratch = scratchOf(model, thread)
  multiply(model, model + L.MODEL_OUTPUT, n, q8, f32s, STORE, logits, vocab, thread, threads, scratch)
  return barrier(pointerAt(model, L.MODEL_CONTROL), threads) ? L.STATUS_OK : L.STATUS_POISONED
}
