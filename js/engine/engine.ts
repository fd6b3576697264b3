/**
 * The engine of one model: its memories, its weights, and the forward pass. Runs in the leader worker (thread 0) or in
 * process; knows nothing of workers but that others may run the same passes beside it.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import * as L from '../../assembly/layout.ts'
import {
  AbortError,
  ArgumentError,
  ClosedError,
  ContextError,
  FormatError,
  MemoryError,
  NumericError,
  WorkerError,
} from '../errors.ts'
import type { Gguf } from '../gguf/types.ts'
import type { ModelConfig } from '../models/config.ts'
import { identityOf } from '../models/identity.ts'
import { findTensors, readConfig } from '../models/index.ts'
import { type RopeTable, ropeTable } from '../models/rope.ts'
import { type ModelTensors, matrixTypes, type TensorPart } from '../models/tensors.ts'
import type { Source } from '../source/types.ts'
import type { Warn } from '../util/warn.ts'
import { attentionUnits, type BatchSpan, writeBatch } from './batch.ts'
import { contextOf } from './context.ts'
import { loadWeights, type OnBytes } from './load-weights.ts'
import { forwardByLayer } from './observe.ts'
import { cacheBytes, type MemoryPlan, type PlanOptions, planMemory } from './plan.ts'
import { chooseAlternates } from './probe.ts'
import { writeRopes, writeSegment } from './structs.ts'
import { runForward, runOutput } from './thread.ts'
import { openSegment, type Segment, type SegmentHandle } from './wasm.ts'

/** `context`: as contextOf takes it. */
export interface EngineOptions extends PlanOptions {
  /** Memory that other workers can hold too. */
  shared: boolean
  /** Whether the module is a relaxed build, which has alternate kernels to choose from. */
  relaxed?: boolean
}

/** Lets pending messages in. */
export type Breathe = () => Promise<void>

export class Engine {
  readonly config: ModelConfig
  readonly tensors: ModelTensors
  readonly plan: MemoryPlan
  private readonly options: EngineOptions
  segments: readonly Segment[] = []
  private structs: ReadonlyMap<string, number>[] = []
  private print: Uint8Array | undefined

  /** Sizes everything; allocates nothing. `warn` hears of keys that say nothing of the model. */
  constructor(
    gguf: Gguf,
    options: EngineOptions,
    private readonly breathe?: Breathe,
    warn?: Warn,
  ) {
    this.config = readConfig(gguf, warn)
    this.tensors = findTensors(gguf, this.config)
    this.options = { ...options, context: contextOf(this.config.contextLength, options.context) }
    this.plan = planMemory(this.config, this.tensors, this.options)
  }

  /**
   * Creates the memories, of exactly the pages needed, and their instances.
   * @returns what the other threads need to hold the same segments.
   * @throws MemoryError where the engine refuses a memory.
   */
  allocate(module: WebAssembly.Module): SegmentHandle[] {
    const { plan, config, tensors, options } = this
    const alternates = options.relaxed ? chooseAlternates(module, options.shared, matrixTypes(tensors), true) : []
    const handles = plan.segments.map((segment): SegmentHandle => {
      const memory = createMemory(segment.pages, options.shared, plan.totalBytes)
      this.structs.push(writeSegment(memory, segment, config, tensors, options.kv, alternates))
      return {
        memory,
        model: segment.model,
        control: segment.control,
        x: segment.buffers.x,
        rowBytes: config.embeddingLength * 4,
        alternates,
      }
    })
    this.segments = handles.map((handle) => openSegment(module, handle))
    return handles
  }

  /** Waits until the other threads are there; if one of them found an alternate kernel inexact, none is used. */
  private meetThreads(): void {
    const { memory, control } = this.segments[0]!
    const words = new Int32Array(memory.buffer)
    const ready = (control + L.CONTROL_READY) >> 2
    for (let count = Atomics.load(words, ready); count < this.options.threads - 1; count = Atomics.load(words, ready)) {
      Atomics.wait(words, ready, count, 100)
      this.check(Atomics.load(words, (control + L.CONTROL_POISON) >> 2) ? L.STATUS_POISONED : L.STATUS_OK)
    }
    if (Atomics.load(words, (control + L.CONTROL_INEXACT) >> 2) === 0) return
    const { plan, config, tensors, options } = this
    for (const [i, segment] of plan.segments.entries()) {
      writeSegment(this.segments[i]!.memory, segment, config, tensors, options.kv, [])
    }
  }

  /** Reads and repacks the weights. Errors: see loadWeights. */
  async load(source: Source, onBytes: OnBytes, signal?: AbortSignal): Promise<void> {
    const { plan, tensors, segments, structs, options, breathe } = this
    const destination = { plan, segments, tensors, structs, threads: options.threads, breathe }
    await loadWeights(source, destination, onBytes, signal)
    const factors = this.ropeFactors()
    const tables = this.config.ropes.map((rope) => ropeTable(rope, factors))
    for (const table of tables) checkRope(table, this.context)
    this.meetThreads()
    for (const [i, segment] of plan.segments.entries()) writeRopes(segments[i]!.memory, segment, tables)
  }

  /** LongRoPE has other factors for contexts beyond the original one. As in llama.cpp, the context that is asked for decides. */
  private ropeFactorsPart(): TensorPart | undefined {
    const { long, short } = this.tensors.ropeFactors
    return this.context > this.config.ropes[0]!.originalContext ? long : short
  }

  private ropeFactors(): Float32Array | undefined {
    const info = this.ropeFactorsPart()
    if (!info) return undefined
    const at = this.plan.segments[0]!.addresses.get(info.name)!
    const factors = new Float32Array(this.segments[0]!.memory.buffer, at, info.bytes / 4).slice()
    const wrong = factors.find((factor) => factor <= 0)
    if (wrong === undefined) return factors
    throw new FormatError('METADATA_RANGE', `${info.name} holds ${wrong}; its factors should be above 0.`, wrong)
  }

  get context(): number {
    return this.options.context
  }

  /** Raises or lowers the flag that ends a pass between two layers. */
  setAbort(value: 0 | 1): void {
    for (const { memory, control } of this.segments) {
      Atomics.store(new Int32Array(memory.buffer), (control + L.CONTROL_ABORT) >> 2, value)
    }
  }

  /** @throws ArgumentError for no tokens or ids out of range; ContextError where the context has no room for them. */
  checkTokens(ids: readonly number[]): void {
    if (ids.length === 0) {
      throw new ArgumentError('EMPTY_PROMPT', 'The prompt has no tokens; give a text, or a model that adds BOS.', ids)
    }
    const { vocabSize } = this.config
    const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
    if (at >= 0) {
      const message = `${ids[at]} is no token of this model; ids go from 0 to ${vocabSize - 1}.`
      throw new ArgumentError('INVALID_TOKEN', message, ids[at])
    }
    if (ids.length > this.context) {
      throw new ContextError(
        'CONTEXT_EXCEEDED',
        `The prompt has ${ids.length} tokens and the context holds ${this.context}. Shorten it, or load the model with a larger context.`,
        ids.length,
      )
    }
  }

  /**
   * One pass over all layers, of `batch` rows at most. Their hidden states, in the order of the spans, are there for
   * `logits` and `hidden` until the next.
   * @throws AbortError once the flag is up, which is lowered then; NumericError where a key or value does not fit the cache
   */
  forward(spans: readonly BatchSpan[]): void {
    if (this.segments.length === 0) throw new ClosedError('CLOSED', 'The model was closed; load it again to use it.')
    const rows = spans.reduce((sum, { ids }) => sum + ids.length, 0)
    const units = attentionUnits(spans, this.config.headCount / this.config.headCountKv)
    for (const [s, { memory }] of this.segments.entries()) {
      writeBatch(memory, this.plan.segments[s]!, spans, units, this.config)
    }
    const pass = (): number => {
      this.command(L.COMMAND_FORWARD)
      return runForward(this.segments, 0, this.options.threads, rows)
    }
    const observed = spans.some(({ observer }) => observer)
    const status = observed ? forwardByLayer(this, spans, pass) : pass()
    // Taken down even where the pass was aborted: the next one's rows may be others.
    const overflowed = this.takeOverflow()
    this.check(status)
    if (!overflowed) return
    throw new NumericError(
      'CACHE_OVERFLOW',
      "The model computed keys or values beyond what an f16 cache holds (65504), or none at all; load it with kv: 'f32'.",
      'f16',
    )
  }

  /**
   * Logits of some rows of the last batch, OUTPUT_ROWS at most: a view [rows, vocabulary] into wasm memory, good until the
   * next call. Whoever reads them checks that they are finite.
   */
  logits(rows: readonly number[]): Float32Array {
    const { buffers, model } = this.plan.segments[0]!
    const { buffer } = this.segments[0]!.memory
    const words = new Uint32Array(buffer)
    words[(model + L.MODEL_N_OUTPUTS) >> 2] = rows.length
    words.set(rows, buffers.outputs >> 2)
    this.command(L.COMMAND_OUTPUT)
    this.check(runOutput(this.segments, 0, this.options.threads))
    return new Float32Array(buffer, buffers.logits, rows.length * this.config.vocabSize)
  }

  /** What the output head reads of a row of the last batch, the normed hidden state: a view [embeddingLength], as good as `logits`. */
  hidden(row: number): Float32Array {
    const { buffers, model } = this.plan.segments[0]!
    const { memory, exports } = this.segments[0]!
    exports.outputNorm(model, row, buffers.normed)
    return new Float32Array(memory.buffer, buffers.normed, this.config.embeddingLength)
  }

  /** Bytes of a page of the cache: keys and values of all layers. */
  get pageBytes(): number {
    const { k, v } = cacheBytes(this.config, this.options.kv, 1)
    return this.config.blockCount * (k + v)
  }

  /** A page's bytes, as they lie in the memories: keys and values, layer by layer. */
  private *pageParts(page: number): Generator<Uint8Array> {
    const { k, v } = cacheBytes(this.config, this.options.kv, 1)
    for (const [s, { memory }] of this.segments.entries()) {
      for (const cache of this.plan.segments[s]!.caches) {
        yield new Uint8Array(memory.buffer, cache.k + page * k, k)
        yield new Uint8Array(memory.buffer, cache.v + page * v, v)
      }
    }
  }

  /** Copies all that a page of the cache holds to another. */
  copyPage(from: number, to: number): void {
    const targets = this.pageParts(to)
    for (const part of this.pageParts(from)) targets.next().value!.set(part)
  }

  /** Moves the keys of a page to positions `distance` before their own. */
  shiftPage(page: number, distance: number): void {
    for (const { exports, model } of this.segments) exports.shift(model, page, distance)
  }

  readPage(page: number, bytes: Uint8Array): void {
    let at = 0
    for (const part of this.pageParts(page)) {
      bytes.set(part, at)
      at += part.length
    }
  }

  writePage(page: number, bytes: Uint8Array): void {
    let at = 0
    for (const part of this.pageParts(page)) {
      part.set(bytes.subarray(at, at + part.length))
      at += part.length
    }
  }

  /** SHA-256 of what keys and values depend on: the configuration, the cache's type, and a sample of every weight. */
  fingerprint(): Uint8Array {
    if (this.print) return this.print
    const hash = sha256.create()
    hash.update(new TextEncoder().encode(JSON.stringify([identityOf(this.config), this.options.kv])))
    const { long, short } = this.tensors.ropeFactors
    if (long !== short) hash.update(new TextEncoder().encode(this.ropeFactorsPart()?.name))
    for (const [s, { memory }] of this.segments.entries()) {
      for (const [name, at] of this.plan.segments[s]!.addresses) {
        hash.update(new TextEncoder().encode(name))
        hash.update(new Uint8Array(memory.buffer, at, SAMPLE_BYTES))
      }
    }
    this.print = hash.digest()
    return this.print
  }

  /** Whether a key or value did not fit an f16 cache, which cannot hold every f32: it must not go on as something else. */
  private takeOverflow(): boolean {
    let overflowed = false
    for (const { memory, control } of this.segments) {
      const words = new Int32Array(memory.buffer)
      if (Atomics.exchange(words, (control + L.CONTROL_OVERFLOW) >> 2, 0) !== 0) overflowed = true
    }
    return overflowed
  }

  private command(what: number): void {
    if (this.options.threads > 1) this.segments[0]!.exports.command(this.segments[0]!.control, what)
  }

  private check(status: number): void {
    if (status === L.STATUS_ABORTED) {
      this.setAbort(0)
      throw new AbortError('The computation')
    }
    if (status === L.STATUS_POISONED) {
      throw new WorkerError('WORKER_DIED', 'A worker of this model died; close the model and load it again.')
    }
  }

  /** Sends the pool's threads home. */
  close(): void {
    if (this.segments.length > 0) this.command(L.COMMAND_EXIT)
    this.segments = []
  }
}

/** Of each tensor, for the fingerprint: the places of smaller ones are as large. */
const SAMPLE_BYTES = 64

/** Angles that the kernels can take: their quadrant is counted in 32 bits. */
const MOST_RADIANS = 1_073_741_824

function checkRope({ frequencies, scale }: RopeTable, context: number): void {
  const wrong = [...frequencies, scale].find((value) => !(Math.abs(value) * context < MOST_RADIANS))
  if (wrong === undefined) return
  throw new FormatError(
    'METADATA_RANGE',
    `The metadata of rotary embeddings (….rope.*, or rope_freqs.weight) gives a rotary frequency of ${wrong}: the file is damaged.`,
    wrong,
  )
}

function createMemory(pages: number, shared: boolean, totalBytes: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch (cause) {
    throw new MemoryError(
      'OUT_OF_MEMORY',
      `The model needs ${Math.ceil(totalBytes / 1e6)} MB of memory, which this engine would not give. Use a shorter context, a smaller quantization or a smaller model.`,
      totalBytes,
      { cause },
    )
  }
}
