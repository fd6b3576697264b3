/**
 * The engine of one model: its memories, its weights, the forward pass in batches, and one sequence's cache. Runs in the
 * leader worker (thread 0) or in process; knows nothing of workers but that others may run the same passes beside it.
 */
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
import type { Source } from '../source/source.ts'
import { type ModelConfig, readConfig } from './config.ts'
import { loadWeights, type OnBytes } from './load-weights.ts'
import { type MemoryPlan, OUTPUT_ROWS, type PlanOptions, planMemory } from './plan.ts'
import { chooseAlternates } from './probe.ts'
import { type RopeTable, ropeTable } from './rope.ts'
import { runForward, runOutput } from './run.ts'
import { writeRope, writeSegment } from './structs.ts'
import { findTensors, type ModelTensors, matrixTypes } from './tensors.ts'
import { openSegment, type Segment, type SegmentHandle } from './wasm.ts'

export interface EngineOptions extends PlanOptions {
  /** Memory that other workers can hold too. */
  shared: boolean
  /** Whether the module is a relaxed build, which has alternate kernels to choose from. */
  relaxed?: boolean
}

/** Lets pending messages in: between the pieces of a prompt, where no flag in shared memory tells of an abort. */
export type Breathe = () => Promise<void>

/** A prompt's piece should take no longer than this where the thread must come up for air, in milliseconds. */
const PIECE_MS = 50

export class Engine {
  readonly config: ModelConfig
  readonly tensors: ModelTensors
  readonly plan: MemoryPlan
  private segments: Segment[] = []
  /** Tokens whose keys and values are in the cache, by position. */
  private cached: number[] = []
  /** Milliseconds a token took in the last piece of a prompt. */
  private pace = 0

  /** Sizes everything; allocates nothing. */
  constructor(
    gguf: Gguf,
    private readonly options: EngineOptions,
    private readonly breathe?: Breathe,
  ) {
    this.config = readConfig(gguf)
    this.tensors = findTensors(gguf, this.config)
    this.plan = planMemory(this.config, this.tensors, options)
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
      writeSegment(memory, plan, segment, config, tensors, options.kv, alternates)
      return {
        memory,
        model: segment.model,
        control: segment.control,
        x: segment.buffers.x,
        rowBytes: config.dim * 4,
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
      writeSegment(this.segments[i]!.memory, plan, segment, config, tensors, options.kv, [])
    }
  }

  /** Reads and repacks the weights. Errors: see loadWeights. */
  async load(source: Source, onBytes: OnBytes, signal?: AbortSignal): Promise<void> {
    const { plan, tensors, segments, options, breathe } = this
    await loadWeights(source, { plan, segments, tensors, threads: options.threads, breathe }, onBytes, signal)
    const table = ropeTable(this.config.rope, this.ropeFactors())
    checkRope(table, this.context)
    this.meetThreads()
    for (const [i, segment] of plan.segments.entries()) writeRope(segments[i]!.memory, segment, table)
  }

  private ropeFactors(): Float32Array | undefined {
    const info = this.tensors.ropeFactors
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

  /** Tokens in the cache. */
  get position(): number {
    return this.cached.length
  }

  /** Forgets the cache. */
  reset(): void {
    this.cached = []
  }

  /** Raises or lowers the flag that ends a pass between two layers. */
  setAbort(value: 0 | 1): void {
    for (const { memory, control } of this.segments) {
      Atomics.store(new Int32Array(memory.buffer), (control + L.CONTROL_ABORT) >> 2, value)
    }
  }

  private throwIfAborted(): void {
    const [first] = this.segments
    if (!first) throw new ClosedError('CLOSED', 'The model was closed; load it again to use it.')
    const { memory, control } = first
    const flag = Atomics.load(new Int32Array(memory.buffer), (control + L.CONTROL_ABORT) >> 2)
    if (flag) throw new AbortError('The computation')
  }

  /**
   * Prepares the cache for a sequence that begins with `ids`: keeps the longest common prefix (short of the last token,
   * whose logits are wanted) and returns its length.
   * @throws ArgumentError for no tokens or ids out of range; ContextError where the context has no room for them.
   */
  begin(ids: readonly number[]): number {
    this.checkTokens(ids)
    const limit = Math.min(this.cached.length, ids.length - 1)
    let common = 0
    while (common < limit && this.cached[common] === ids[common]) common++
    this.cached.length = common
    return common
  }

  private checkTokens(ids: readonly number[]): void {
    if (ids.length === 0) {
      throw new ArgumentError('EMPTY_PROMPT', 'The prompt has no tokens; give a text, or a model that adds BOS.', ids)
    }
    const { vocabulary } = this.config
    const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary)
    if (at >= 0) {
      const message = `${ids[at]} is no token of this model; ids go from 0 to ${vocabulary - 1}.`
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
   * Computes `ids` at the positions that follow, in batches; `onPiece` hears of each.
   * @returns the number of rows of the last batch, whose hidden states are there for `logits`.
   */
  async feed(ids: readonly number[], onPiece?: (done: number) => Promise<void> | void): Promise<number> {
    let rows = 0
    for (let done = 0; done < ids.length; done += rows) {
      if (done > 0 && this.breathe) await this.breathe()
      this.throwIfAborted()
      rows = Math.min(ids.length - done, this.pieceSize())
      const start = performance.now()
      this.forward(ids.slice(done, done + rows))
      if (rows > 1 || this.pace === 0) this.pace = (performance.now() - start) / rows
      await onPiece?.(done + rows)
    }
    return rows
  }

  /** Tokens of the next piece: a whole batch, or what takes about PIECE_MS where the thread must breathe. */
  private pieceSize(): number {
    if (!this.breathe) return this.options.batch
    if (this.pace === 0) return Math.min(8, this.options.batch)
    return Math.max(1, Math.min(this.options.batch, Math.floor(PIECE_MS / this.pace)))
  }

  /** One pass over all layers. */
  private forward(ids: readonly number[]): void {
    const { segments, plan } = this
    for (const [s, segment] of segments.entries()) {
      const { buffers, model } = plan.segments[s]!
      const words = new Uint32Array(segment.memory.buffer)
      words[(model + L.MODEL_N) >> 2] = ids.length
      for (const [i, id] of ids.entries()) {
        words[(buffers.tokens >> 2) + i] = id
        words[(buffers.positions >> 2) + i] = this.cached.length + i
        words[(buffers.tables >> 2) + i] = buffers.pages
      }
    }
    const { threads } = this.options
    this.command(L.COMMAND_FORWARD)
    this.check(runForward(segments, 0, threads, ids.length))
    this.checkCache()
    this.cached.push(...ids)
  }

  /**
   * Logits of rows [from, from + count) of the last batch, count ≤ OUTPUT_ROWS: a view [count, vocabulary] into wasm
   * memory, good until the next call. Whoever reads them checks that they are finite.
   */
  logits(from: number, count: number): Float32Array {
    const { buffers, model } = this.plan.segments[0]!
    const { buffer } = this.segments[0]!.memory
    const words = new Uint32Array(buffer)
    words[(model + L.MODEL_N_OUTPUTS) >> 2] = count
    for (let i = 0; i < count; i++) words[(buffers.outputs >> 2) + i] = from + i
    this.command(L.COMMAND_OUTPUT)
    this.check(runOutput(this.segments, 0, this.options.threads))
    return new Float32Array(buffer, buffers.logits, count * this.config.vocabulary)
  }

  /**
   * Logits after every token from the one at `first` on: [n - first, vocabulary]. Leaves the tokens in the cache.
   * @throws NumericError where a logit is not finite
   */
  async allLogits(ids: readonly number[], first = 0): Promise<Float32Array> {
    this.checkTokens(ids)
    this.reset()
    const { vocabulary } = this.config
    const all = allocateLogits(ids.length - first, vocabulary)
    let before = 0
    await this.feed(ids, async (done) => {
      for (let row = Math.max(0, first - before); row < done - before; row += OUTPUT_ROWS) {
        const count = Math.min(OUTPUT_ROWS, done - before - row)
        const logits = this.logits(row, count)
        const wrong = logits.find((logit) => !Number.isFinite(logit))
        if (wrong !== undefined) throw notFinite(wrong)
        all.set(logits, (before + row - first) * vocabulary)
        await this.breathe?.()
        this.throwIfAborted()
      }
      before = done
    })
    return all
  }

  /** An f16 cache cannot hold every f32: what does not fit must not go on as something else. */
  private checkCache(): void {
    for (const { memory, control } of this.segments) {
      const words = new Int32Array(memory.buffer)
      const overflow = (control + L.CONTROL_OVERFLOW) >> 2
      if (Atomics.exchange(words, overflow, 0) === 0) continue
      throw new NumericError(
        'CACHE_OVERFLOW',
        "The model computed keys or values beyond what an f16 cache holds (65504), or none at all; load it with kv: 'f32'.",
        'f16',
      )
    }
  }

  private command(what: number): void {
    if (this.options.threads > 1) this.segments[0]!.exports.command(this.segments[0]!.control, what)
  }

  private check(status: number): void {
    if (status === L.STATUS_ABORTED) throw new AbortError('The computation')
    if (status === L.STATUS_POISONED) {
      throw new WorkerError('WORKER_DIED', 'A worker of this model died; close the model and load it again.')
    }
  }

  /** Sends the pool's threads home. */
  close(): void {
    if (this.segments.length > 0) this.command(L.COMMAND_EXIT)
    this.segments = []
    this.cached = []
  }
}

/** Angles that the kernels can take: their quadrant is counted in 32 bits. */
const MOST_RADIANS = 1_073_741_824

function checkRope({ frequencies, scale }: RopeTable, context: number): void {
  const wrong = [...frequencies, scale].find((value) => !(Math.abs(value) * context < MOST_RADIANS))
  if (wrong === undefined) return
  throw new FormatError(
    'METADATA_RANGE',
    `The metadata llama.rope.* (or rope_freqs.weight) gives a rotary frequency of ${wrong}: the file is damaged.`,
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

function allocateLogits(rows: number, vocabulary: number): Float32Array {
  try {
    return new Float32Array(rows * vocabulary)
  } catch (cause) {
    const bytes = rows * vocabulary * 4
    const message = `The logits of ${rows} tokens take ${bytes} bytes, more than can be had. Ask for fewer tokens at once.`
    throw new MemoryError('OUT_OF_MEMORY', message, bytes, { cause })
  }
}

function notFinite(value: number): NumericError {
  return new NumericError(
    'LOGITS_NOT_FINITE',
    `The model computed ${value} for a logit: its weights are damaged or overflow; try KV type f32, or get the file again.`,
    value,
  )
}
