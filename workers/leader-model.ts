/**
 * The leader: thread 0, which owns the engine, reads the model's bytes itself and samples. Exposed by comlink from
 * workers/leader.ts, or used in process; streams events through `emit`. Calls have numbers, which their events bear.
 */
import { type Remote, releaseProxy, transfer } from 'comlink'
import * as platform from '#platform'
import { type Build, type BuildOptions, chooseBuild } from '../js/engine/builds.ts'
import { contextOf } from '../js/engine/context.ts'
import { Engine } from '../js/engine/engine.ts'
import type { KvType } from '../js/engine/kv.ts'
import { MAX_SEGMENT_BYTES } from '../js/engine/plan.ts'
import type { SegmentHandle } from '../js/engine/wasm.ts'
import { ArgumentError, throwIfAborted, UnsupportedError } from '../js/errors.ts'
import { readModel } from '../js/gguf/shards.ts'
import type { Gguf, Metadata } from '../js/gguf/types.ts'
import { readConfig } from '../js/models/index.ts'
import { ActivationsTask, type InputSums } from '../js/scheduler/activations.ts'
import {
  type GenerateRequest,
  GenerateTask,
  type InternalResult,
  type Prompt,
  promptIds,
} from '../js/scheduler/generate.ts'
import { Scheduler, type Task } from '../js/scheduler/scheduler.ts'
import { readState, signState, writeState } from '../js/scheduler/state.ts'
import { CacheTask, EmbedTask, LogitsTask } from '../js/scheduler/tasks.ts'
import type { Embeddings, Pooling, SampledLogprobs, SchedulerStatus } from '../js/scheduler/types.ts'
import { openModel } from '../js/source/shards.ts'
import type { Part, Source, SourceOptions } from '../js/source/types.ts'
import { createTokenizer, type Tokenizer } from '../js/tokenizer/tokenizer.ts'

/** Whoever has the bytes where the leader cannot reach them. */
export interface RemoteReader {
  /** A copy of `length` bytes at `offset`. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  /** Compares the checksum, where one was promised. */
  finish(): Promise<void>
}

/** Where the leader finds the bytes: places it can open itself and Blobs, one a shard, or somebody to ask. */
export type SourceSpec =
  | { places: readonly Place[]; options: SourceOptions }
  | { name: string; size: number; parts?: readonly Part[] }

export type Place = { location: string; url: boolean } | { blob: Blob }

export interface OpenOptions extends BuildOptions {
  /** 0: min(trained, 4096); TRAINED_CONTEXT: the trained one. */
  context: number
  kv: KvType
  batch: number
  kvTokens?: number
  parallel: number
  threads: number
  maxSegmentBytes?: number
  /** Whether to come up for air: where no flag in shared memory can tell of an abort. */
  breathe: boolean
}

/** A pass should take no longer where no flag in shared memory can tell of an abort, in milliseconds. */
const PASS_MS = 50

export interface EmbedRequest {
  texts: readonly Prompt[]
  pooling: Pooling
  normalize: boolean
}

/** The build that runs. */
type Chosen = Omit<Build, 'module'>

/** The type that most weights are of, and how many they are. */
interface Weights {
  type: string
  parameters: number
}

export interface Opened extends Chosen, Weights {
  fileBytes: number
  metadata: Metadata
  /** Texts of BOS and EOS; '' where there is none. */
  bosToken: string
  eosToken: string
  config: Engine['config']
  context: number
  memoryBytes: number
  kvBytes: number
}

export type LeaderEvent = { event: 'header' | 'weights'; done: number; total: number } | ({ call: number } & CallEvent)

/** What is told of a call under way. */
export type CallEvent =
  | { event: 'prompt'; done: number; total: number }
  | { event: 'token'; id: number; text: string; logprobs?: SampledLogprobs }

export class Leader {
  private source: Source | undefined
  private engine: Engine | undefined
  private tokenizer: Tokenizer | undefined
  private readonly loading = new AbortController()
  private scheduler: Scheduler | undefined
  /** By the numbers of their calls. */
  private readonly tasks = new Map<number, Task[]>()
  /** Events since the last pass: they go out together. */
  private events: LeaderEvent[] = []

  constructor(private readonly emit: (events: LeaderEvent[]) => void) {}

  /** Reads the header, sizes the model and creates its memories: `segments` are those of the other threads, if any. */
  async open(
    spec: SourceSpec,
    options: OpenOptions,
    reader?: RemoteReader,
  ): Promise<{ opened: Opened; segments: SegmentHandle[] }> {
    const { signal } = this.loading
    const source = await openSpec(spec, reader, signal)
    try {
      this.source = source
      this.emit([{ event: 'header', done: 0, total: source.size }])
      const gguf = await readModel(source, signal)
      this.tokenizer = gguf.metadata.has('tokenizer.ggml.model') ? createTokenizer(gguf.metadata) : undefined
      // What encodes texts is made by the first: by this one, not by the first prompt.
      this.tokenizer?.tokenize('', { bos: false })
      const { breathe, isa: _, isaReason: __, wasm, found, ...rest } = options
      const weights = countWeights(gguf)
      const { module, ...chosen } = await chooseBuild(weights.type, gguf.fileBytes, options, platform)
      const context = contextOf(readConfig(gguf).contextLength, options.context)
      const plan = {
        ...rest,
        context,
        relaxed: chosen.isa === 'relaxed',
        maxSegmentBytes: options.maxSegmentBytes ?? MAX_SEGMENT_BYTES,
      }
      this.engine = new Engine(gguf, plan, breathe ? platform.breathe : undefined)
      throwIfAborted(signal, 'Loading the model')
      const segments = this.engine.allocate(module)
      const { batch, parallel } = options
      const limits = { batch, parallel, ...(breathe && { passMs: PASS_MS }) }
      this.scheduler = new Scheduler(this.engine, limits, platform.breathe, () => this.flush())
      const opened = { ...describe(gguf, this.engine, this.tokenizer), ...weights, ...chosen }
      return { opened, segments: options.shared ? segments : [] }
    } catch (error) {
      await source.close()
      throw error
    }
  }

  /** Reads the weights. */
  async load(): Promise<void> {
    const { engine, source } = this.opened()
    try {
      const emit = (done: number, total: number): void => this.emit([{ event: 'weights', done, total }])
      await engine.load(source, emit, this.loading.signal)
    } finally {
      await source.close()
    }
  }

  async generate(call: number, request: GenerateRequest): Promise<InternalResult> {
    const { engine } = this.opened()
    const generation = new GenerateTask(engine, this.tokenizer, request, {
      onPrompt: (done, total) => this.events.push({ call, event: 'prompt', done, total }),
      onToken: (id, text, logprobs) =>
        this.events.push({ call, event: 'token', id, text, ...(logprobs && { logprobs }) }),
    })
    await this.run(call, [generation])
    const result = generation.result()
    this.flush()
    return result
  }

  /** Logits after each token from the one at `first` on, [n - first, vocabulary]. */
  async logits(call: number, ids: number[], first: number): Promise<Float32Array> {
    const { engine } = this.opened()
    engine.checkTokens(ids)
    const task = new LogitsTask(ids, first, engine.config.vocabSize)
    if (first < ids.length) await this.run(call, [task])
    return transfer(task.logits, [task.logits.buffer])
  }

  /** The embedding of each text. */
  async embed(call: number, { texts, pooling, normalize }: EmbedRequest): Promise<Embeddings> {
    const { engine } = this.opened()
    const tasks = texts.map(
      (prompt) => new EmbedTask(promptIds(this.tokenizer, { prompt }), pooling, engine.config.embeddingLength),
    )
    await this.run(call, tasks)
    return {
      embeddings: tasks.map((task) => task.embedding(normalize)),
      tokens: tasks.map(({ ids }) => ids.length),
    }
  }

  /** Sums of what the matrices read at these tokens. */
  async activations(call: number, ids: number[]): Promise<InputSums[]> {
    const { output, embedding } = this.opened().engine.tensors
    const task = new ActivationsTask(ids)
    await this.run(call, [task])
    // A head that is the embedding too goes by its name, which llama.cpp does not measure.
    if (output === embedding) task.sums.delete('output')
    return [...task.sums.values()]
  }

  /** The state of a text, which is computed where it is not cached: see js/scheduler/state.ts. */
  async saveState(call: number, prompt: Prompt): Promise<Uint8Array<ArrayBuffer>> {
    const { engine, scheduler } = this.opened()
    const ids = promptIds(this.tokenizer, { prompt })
    let state!: Uint8Array<ArrayBuffer>
    const task = new CacheTask(ids, () => {
      state = writeState(engine, ids, scheduler.pagesOf(task))
    })
    await this.run(call, [task])
    await signState(state, platform.breathe)
    return transfer(state, [state.buffer])
  }

  /** Puts a state into the cache; returns how many tokens it has. */
  async loadState(call: number, bytes: Uint8Array): Promise<number> {
    const state = await readState(this.opened().engine, bytes, platform.breathe)
    const { engine, scheduler } = this.opened()
    engine.checkTokens(state.ids)
    scheduler.restore(state)
    await this.run(call, [new CacheTask(state.ids)])
    return state.ids.length
  }

  private async run(call: number, tasks: Task[]): Promise<void> {
    const { scheduler } = this.opened()
    this.tasks.set(call, tasks)
    try {
      await scheduler.run(tasks)
    } finally {
      this.tasks.delete(call)
    }
  }

  private flush(): void {
    const { events } = this
    if (events.length === 0) return
    this.events = []
    this.emit(events)
  }

  reset(): void {
    this.opened().scheduler.reset()
  }

  status(): SchedulerStatus {
    return this.opened().scheduler.status
  }

  /** Gives a call up. */
  abort(call: number): void {
    for (const task of this.tasks.get(call) ?? []) this.scheduler?.cancel(task)
  }

  /** Ends loading, and the other threads; holds nothing of the model any more. */
  close(): void {
    this.loading.abort()
    this.engine?.close()
    this.engine = undefined
    this.scheduler = undefined
    this.source = undefined
    this.tokenizer = undefined
  }

  private opened(): { engine: Engine; source: Source; scheduler: Scheduler } {
    const { engine, source, scheduler } = this
    if (!engine || !source || !scheduler) throw new UnsupportedError('NOT_OPEN', 'The leader has no model open.')
    return { engine, source, scheduler }
  }
}

async function openSpec(spec: SourceSpec, reader: RemoteReader | undefined, signal: AbortSignal): Promise<Source> {
  if ('places' in spec) {
    const inputs = spec.places.map((place) => {
      if ('blob' in place) return place.blob
      return place.url ? new URL(place.location) : place.location
    })
    return openModel(inputs.length === 1 ? inputs[0]! : inputs, platform.openFile, { ...spec.options, signal })
  }
  if (!reader) throw new ArgumentError('INPUT_KIND', 'A reader is needed for bytes that are elsewhere.')
  const { name, size, parts } = spec
  return {
    name,
    size,
    ...(parts && { parts }),
    async read(target, offset, abort) {
      throwIfAborted(abort, `Reading ${name}`)
      target.set(await reader.read(offset, target.length))
    },
    finish: () => reader.finish(),
    // The port that a reader in another thread is called through would keep a process alive.
    async close() {
      ;(reader as Partial<Remote<RemoteReader>>)[releaseProxy]?.()
    },
  }
}

/** Of all tensors, and the type that most are of. */
function countWeights(gguf: Gguf): Weights {
  const counts = new Map<string, number>()
  for (const { type, dimensions } of gguf.tensors.values()) {
    counts.set(type, (counts.get(type) ?? 0) + dimensions.reduce((a, b) => a * b, 1))
  }
  const [type] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0])
  return { type, parameters: [...counts.values()].reduce((a, b) => a + b, 0) }
}

/** What the façade shows, what it renders chats with, and the metadata for its own tokenizer. */
function describe(
  gguf: Gguf,
  engine: Engine,
  tokenizer: Tokenizer | undefined,
): Omit<Opened, keyof Chosen | keyof Weights> {
  const { config, plan } = engine
  const text = (id: number | undefined): string => (id === undefined ? '' : tokenizer!.tokenText(id))
  return {
    fileBytes: gguf.fileBytes,
    metadata: gguf.metadata,
    bosToken: text(tokenizer?.bos),
    eosToken: text(tokenizer?.eos),
    config,
    context: engine.context,
    memoryBytes: plan.totalBytes,
    kvBytes: plan.kvBytes,
  }
}
