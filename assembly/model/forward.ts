// The forward pass: LLaMA (Touvron et al. 2023) as GGUF's llama architecture stores it. Every thread runs it over its
// share of rows, heads or tokens, with barriers between the stages; no result depends on how the shares are cut.
import {
  CONTROL_ABORT,
  CONTROL_DECISION,
  LAYER_ATTN_NORM,
  LAYER_BYTES,
  LAYER_DOWN,
  LAYER_FFN_NORM,
  LAYER_FORMS_DOWN,
  LAYER_FORMS_FFN,
  LAYER_FORMS_OUT,
  LAYER_FORMS_QKV,
  LAYER_GATE,
  LAYER_K,
  LAYER_O,
  LAYER_Q,
  LAYER_UP,
  LAYER_V,
  MODEL_ACTS,
  MODEL_ACTS_F32,
  MODEL_ATTN,
  MODEL_CONTROL,
  MODEL_DIM,
  MODEL_EMBEDDING,
  MODEL_EPS,
  MODEL_FFN,
  MODEL_FIRST,
  MODEL_FORMS_OUTPUT,
  MODEL_H,
  MODEL_HEADS,
  MODEL_HEAD_DIM,
  MODEL_H_ACTS,
  MODEL_H_ACTS_F32,
  MODEL_KB,
  MODEL_KV_HEADS,
  MODEL_LAYERS,
  MODEL_LAYER_TABLE,
  MODEL_LOGITS,
  MODEL_N,
  MODEL_NORM,
  MODEL_N_OUTPUTS,
  MODEL_OUTPUT,
  MODEL_OUTPUTS,
  MODEL_OUTPUT_NORM,
  MODEL_POSITIONS,
  MODEL_QB,
  MODEL_SCRATCH,
  MODEL_SCRATCH_BYTES,
  MODEL_TOKENS,
  MODEL_VB,
  MODEL_VOCAB,
  MODEL_X,
  STATUS_ABORTED,
  STATUS_OK,
  STATUS_POISONED,
  FORM_F32,
} from '../layout'
import { row } from '../repack'
import { attend, attendPiece, mergePieces, piecesOf, queryTiles, ropeAndStore, ropeTable } from './attention'
import { barrier } from './barrier'
import { ADD, STORE, SWIGLU, arrange, groupsOf, linear, tileOf } from './linear'
import { rmsnorm } from './norm'

/** Groups of gate and up that make one unit of work: 32 columns of the next matrix. */
// @ts-ignore: decorator
@inline
const UNIT = 4

// @ts-ignore: decorator
@inline
function i32At(p: usize, field: usize): i32 {
  return load<i32>(p + field)
}

// @ts-ignore: decorator
@inline
function pointerAt(p: usize, field: usize): usize {
  return <usize>load<u32>(p + field)
}

/** Start of share `thread` of `total` items. */
// @ts-ignore: decorator
@inline
function share(total: i32, thread: i32, threads: i32): i32 {
  return <i32>((<i64>total * thread) / threads)
}

// @ts-ignore: decorator
@inline
function tilesOf(n: i32): i32 {
  const t = tileOf(n)
  return (n + t - 1) / t
}

/** A single token's f32 activations need no arranging: they are read where they stand. */
// @ts-ignore: decorator
@inline
function f32Acts(n: i32, x: usize, arranged: usize): usize {
  return n == 1 ? x : arranged
}

// @ts-ignore: decorator
@inline
function formsOf(n: i32, forms: i32): i32 {
  return n == 1 ? forms & ~FORM_F32 : forms
}

/** Norms rows of x and arranges them, tile by tile. `rows`: 0, or the rows to take. */
function normAndArrange(
  model: usize,
  x: usize,
  rows: usize,
  n: i32,
  weight: usize,
  forms: i32,
  thread: i32,
  threads: i32,
): void {
  const dim = i32At(model, MODEL_DIM)
  const eps = load<f32>(model + MODEL_EPS)
  const norm = pointerAt(model, MODEL_NORM)
  const t = tileOf(n)
  const end = share(tilesOf(n), thread + 1, threads)
  for (let tile = share(tilesOf(n), thread, threads); tile < end; tile++) {
    for (let i = tile * t; i < min((tile + 1) * t, n); i++) {
      const from = rows ? load<i32>(rows + ((<usize>i) << 2)) : i
      rmsnorm(x + ((<usize>(from * dim)) << 2), weight, dim, eps, norm + ((<usize>(i * dim)) << 2))
    }
    arrange(
      norm,
      dim,
      n,
      tile,
      0,
      dim,
      formsOf(n, forms),
      pointerAt(model, MODEL_ACTS),
      pointerAt(model, MODEL_ACTS_F32),
    )
  }
}

/** q, k and v: one range of groups over the three matrices, cut into shares. */
function projectQKV(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): void {
  const headDim = i32At(model, MODEL_HEAD_DIM)
  const qRows = i32At(model, MODEL_HEADS) * headDim
  const kvRows = i32At(model, MODEL_KV_HEADS) * headDim
  const q = groupsOf(layer + LAYER_Q)
  const k = groupsOf(layer + LAYER_K)
  const v = groupsOf(layer + LAYER_V)
  const from = share(q + k + v, thread, threads)
  const to = share(q + k + v, thread + 1, threads)
  const q8 = pointerAt(model, MODEL_ACTS)
  const f32s = f32Acts(n, pointerAt(model, MODEL_NORM), pointerAt(model, MODEL_ACTS_F32))
  linear(layer + LAYER_Q, min(from, q), min(to, q), n, q8, f32s, STORE, pointerAt(model, MODEL_QB), qRows, scratch)
  linear(
    layer + LAYER_K,
    min(max(from - q, 0), k),
    min(max(to - q, 0), k),
    n,
    q8,
    f32s,
    STORE,
    pointerAt(model, MODEL_KB),
    kvRows,
    scratch,
  )
  linear(
    layer + LAYER_V,
    max(from - q - k, 0),
    max(to - q - k, 0),
    n,
    q8,
    f32s,
    STORE,
    pointerAt(model, MODEL_VB),
    kvRows,
    scratch,
  )
}

/** Attention of n rows → MODEL_ATTN. One row is cut into pieces, so that one kv head still keeps all threads busy. */
function attention(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): bool {
  const control = pointerAt(model, MODEL_CONTROL)
  const kvHeads = i32At(model, MODEL_KV_HEADS)
  const heads = i32At(model, MODEL_HEADS)
  const tiles = queryTiles(model, n)
  if (n == 1 && threads > 1) {
    const pieces = piecesOf(load<i32>(pointerAt(model, MODEL_POSITIONS)))
    const end = share(kvHeads * tiles * pieces, thread + 1, threads)
    for (let i = share(kvHeads * tiles * pieces, thread, threads); i < end; i++) {
      const unit = i / pieces
      attendPiece(model, layer, unit / tiles, unit % tiles, i % pieces, scratch)
    }
    if (!barrier(control, threads)) return false
    const last = share(heads, thread + 1, threads)
    for (let h = share(heads, thread, threads); h < last; h++) mergePieces(model, h)
  } else {
    // Head by head, so that neighbouring rows find the head's keys in the cache.
    const end = share(kvHeads * tiles, thread + 1, threads)
    for (let i = share(kvHeads * tiles, thread, threads); i < end; i++) {
      attend(model, layer, n, i / tiles, i % tiles, scratch)
    }
  }
  return barrier(control, threads)
}

/** silu(gate x) · up x, unit by unit, each arranged for the down projection as soon as it is there. */
function feedForward(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): void {
  const ffn = i32At(model, MODEL_FFN)
  const groups = groupsOf(layer + LAYER_GATE)
  const units = (groups + UNIT - 1) / UNIT
  const q8 = pointerAt(model, MODEL_ACTS)
  const f32s = f32Acts(n, pointerAt(model, MODEL_NORM), pointerAt(model, MODEL_ACTS_F32))
  const h = pointerAt(model, MODEL_H)
  const forms = formsOf(n, i32At(layer, LAYER_FORMS_DOWN))
  const end = share(units, thread + 1, threads)
  for (let unit = share(units, thread, threads); unit < end; unit++) {
    const from = unit * UNIT
    const to = min(from + UNIT, groups)
    linear(layer + LAYER_GATE, from, to, n, q8, f32s, STORE, h, ffn, scratch)
    linear(layer + LAYER_UP, from, to, n, q8, f32s, SWIGLU, h, ffn, scratch)
    for (let tile = 0; tile < tilesOf(n); tile++) {
      arrange(
        h,
        ffn,
        n,
        tile,
        from * 8,
        min(to * 8, ffn),
        forms,
        pointerAt(model, MODEL_H_ACTS),
        pointerAt(model, MODEL_H_ACTS_F32),
      )
    }
  }
}

/** One layer. False: poisoned. */
function layerPass(model: usize, layer: usize, n: i32, thread: i32, threads: i32, scratch: usize): bool {
  const control = pointerAt(model, MODEL_CONTROL)
  const dim = i32At(model, MODEL_DIM)
  const heads = i32At(model, MODEL_HEADS)
  const all = heads + i32At(model, MODEL_KV_HEADS)
  const attnDim = heads * i32At(model, MODEL_HEAD_DIM)
  const x = pointerAt(model, MODEL_X)
  const q8 = pointerAt(model, MODEL_ACTS)
  const f32s = pointerAt(model, MODEL_ACTS_F32)

  normAndArrange(model, x, 0, n, pointerAt(layer, LAYER_ATTN_NORM), i32At(layer, LAYER_FORMS_QKV), thread, threads)
  if (!barrier(control, threads)) return false
  projectQKV(model, layer, n, thread, threads, scratch)
  if (!barrier(control, threads)) return false
  const lastHead = share(n * all, thread + 1, threads)
  for (let i = share(n * all, thread, threads); i < lastHead; i++) ropeAndStore(model, layer, i / all, i % all)
  if (!barrier(control, threads)) return false
  if (!attention(model, layer, n, thread, threads, scratch)) return false

  // x += W_o · attention
  const attn = pointerAt(model, MODEL_ATTN)
  const lastTile = share(tilesOf(n), thread + 1, threads)
  for (let tile = share(tilesOf(n), thread, threads); tile < lastTile; tile++) {
    arrange(attn, attnDim, n, tile, 0, attnDim, formsOf(n, i32At(layer, LAYER_FORMS_OUT)), q8, f32s)
  }
  if (!barrier(control, threads)) return false
  const rows = groupsOf(layer + LAYER_O)
  const from = share(rows, thread, threads)
  const to = share(rows, thread + 1, threads)
  linear(layer + LAYER_O, from, to, n, q8, f32Acts(n, attn, f32s), ADD, x, dim, scratch)
  if (!barrier(control, threads)) return false

  // x += W_down · (silu(W_gate · norm x) · (W_up · norm x))
  normAndArrange(model, x, 0, n, pointerAt(layer, LAYER_FFN_NORM), i32At(layer, LAYER_FORMS_FFN), thread, threads)
  if (!barrier(control, threads)) return false
  feedForward(model, layer, n, thread, threads, scratch)
  if (!barrier(control, threads)) return false
  const h = f32Acts(n, pointerAt(model, MODEL_H), pointerAt(model, MODEL_H_ACTS_F32))
  linear(layer + LAYER_DOWN, from, to, n, pointerAt(model, MODEL_H_ACTS), h, ADD, x, dim, scratch)
  if (thread == 0) agreeOnAbort(control)
  return barrier(control, threads)
}

/** Copies the abort flag once, so that every thread decides alike after the next barrier. */
function agreeOnAbort(control: usize): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(control, atomic.load<i32>(control, CONTROL_ABORT), CONTROL_DECISION)
  } else store<i32>(control, load<i32>(control, CONTROL_ABORT), CONTROL_DECISION)
}

// @ts-ignore: decorator
@inline
function scratchOf(model: usize, thread: i32): usize {
  return pointerAt(model, MODEL_SCRATCH) + <usize>thread * load<u32>(model + MODEL_SCRATCH_BYTES)
}

/**
 * Runs a segment's layers on the batch at hand: rows MODEL_X [n, dim] in and out; the first segment looks the tokens up.
 * Called by every thread; returns a STATUS_.
 */
export function forward(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, MODEL_N)
  const dim = i32At(model, MODEL_DIM)
  const control = pointerAt(model, MODEL_CONTROL)
  const scratch = scratchOf(model, thread)
  const end = share(n, thread + 1, threads)
  for (let i = share(n, thread, threads); i < end; i++) {
    if (i32At(model, MODEL_FIRST)) {
      const token = load<u32>(pointerAt(model, MODEL_TOKENS) + ((<usize>i) << 2))
      row(model + MODEL_EMBEDDING, token, pointerAt(model, MODEL_X) + ((<usize>(i * dim)) << 2))
    }
    ropeTable(model, i)
  }
  if (!barrier(control, threads)) return STATUS_POISONED
  let layer = pointerAt(model, MODEL_LAYER_TABLE)
  for (let i = i32At(model, MODEL_LAYERS); i > 0; i--, layer += LAYER_BYTES) {
    if (!layerPass(model, layer, n, thread, threads, scratch)) return STATUS_POISONED
    if (i32At(control, CONTROL_DECISION)) return STATUS_ABORTED
  }
  return STATUS_OK
}

/** Logits of MODEL_N_OUTPUTS rows of MODEL_X → MODEL_LOGITS [outputs, vocab]. Called by every thread; a STATUS_. */
export function output(model: usize, thread: i32, threads: i32): i32 {
  const n = i32At(model, MODEL_N_OUTPUTS)
  const vocab = i32At(model, MODEL_VOCAB)
  const control = pointerAt(model, MODEL_CONTROL)
  normAndArrange(
    model,
    pointerAt(model, MODEL_X),
    pointerAt(model, MODEL_OUTPUTS),
    n,
    pointerAt(model, MODEL_OUTPUT_NORM),
    i32At(model, MODEL_FORMS_OUTPUT),
    thread,
    threads,
  )
  if (!barrier(control, threads)) return STATUS_POISONED
  const tensor = model + MODEL_OUTPUT
  const groups = groupsOf(tensor)
  const f32s = f32Acts(n, pointerAt(model, MODEL_NORM), pointerAt(model, MODEL_ACTS_F32))
  linear(
    tensor,
    share(groups, thread, threads),
    share(groups, thread + 1, threads),
    n,
    pointerAt(model, MODEL_ACTS),
    f32s,
    STORE,
    pointerAt(model, MODEL_LOGITS),
    vocab,
    scratchOf(model, thread),
  )
  return barrier(control, threads) ? STATUS_OK : STATUS_POISONED
}
