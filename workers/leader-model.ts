/**
 * The leader: thread 0, which owns the engine, reads the model's bytes itself and samples. It answers calls through comlink
 * (leader.ts) or in process, and streams events through `emit`.
 */
import { type Remote, releaseProxy, transfer } from 'comlink'
import * as platform from '#platform'
import { type Build, chooseBuild } from '../js/engine/builds.ts'
import { Engine } from '../js/engine/engine.ts'
import type { SegmentHandle } from '../js/engine/wasm.ts'
import { forbiddenWasm } from '../js/engine/wasm-build.ts'
import { ArgumentError, throwIfAborted, UnsupportedError } from '../js/errors.ts'
import { readModel } from '../js/gguf/shards.ts'
import type { Gguf } from '../js/gguf/types.ts'
import type { Grammar, GrammarSource } from '../js/grammar/grammar.ts'
import { architectureOf } from '../js/models/index.ts'
import { countParameters } from '../js/models/tensors.ts'
import { ActivationsTask, type InputSums } from '../js/scheduler/activations.ts'
import { type GenerateRequest, GenerateTask, type Prompt, promptIds } from '../js/scheduler/generate.ts'
import { Scheduler, type Task } from '../js/scheduler/scheduler.ts'
import { readState, signState, writeState } from '../js/scheduler/state.ts'
import { CacheTask, EmbedTask, LogitsTask } from '../js/scheduler/tasks.ts'
import type { Embeddings, SampledLogprobs, SchedulerStatus } from '../js/scheduler/types.ts'
import { openModel } from '../js/source/shards.ts'
import type { Source, SourceOptions } from '../js/source/types.ts'
import { createTokenizer, type Tokenizer } from '../js/tokenizer/tokenizer.ts'
import { hasVocabulary } from '../js/tokenizer/vocabulary.ts'
import type { CriaWarning } from '../js/util/warn.ts'
import { importGrammars } from './grammars.ts'
import type {
  EmbedRequest,
  Generated,
  LeaderCalls,
  LeaderEvent,
  Opened,
  OpenOptions,
  RemoteReader,
  SourceSpec,
} from './protocol.ts'

/** Most milliseconds of a pass without shared memory, where no flag can abort it. */
const PASS_MS = 50
/** Compiled grammars that are kept. */
const MAX_GRAMMARS = 32

export class LeaderModel implements LeaderCalls {
  private source: Source | undefined
  private engine: Engine | undefined
  private tokenizer: Tokenizer | undefined
  private readonly loading = new AbortController()
  private scheduler: Scheduler | undefined
  /** By their sources. */
  private readonly grammars = new Map<string, Grammar>()
  /** By the numbers of their calls. */
  private readonly tasks = new Map<number, Task[]>()
  /** Events since the last pass: they go out together. */
  private events: LeaderEvent[] = []

  constructor(private readonly emit: (events: readonly LeaderEvent[]) => void) {}

  async open(
    spec: SourceSpec,
    options: OpenOptions,
    reader?: RemoteReader,
  ): Promise<{ opened: Opened; segments: SegmentHandle[] }> {
    const { signal } = this.loading
    const onWarning = (warning: CriaWarning): void => this.emit([{ event: 'warning', warning }])
    const source = await openSpec(spec, reader, { signal, onWarning })
    try {
      this.source = source
      this.emit([{ event: 'header', done: 0, total: source.size }])
      const header = hashed(source)
      const gguf = await readModel(header, signal, options.overrides)
      const { metadata } = gguf
      // What a file is says more than what its vocabulary lacks.
      architectureOf(metadata)
      const warnings: CriaWarning[] = []
      const warn = (warning: CriaWarning): void => void warnings.push(warning)
      this.tokenizer = hasVocabulary(metadata) ? createTokenizer(metadata, warn) : undefined
      // Build the lazy encoder now, so that the first prompt does not pay for it.
      this.tokenizer?.tokenize('', { bos: false })
      const { batch, parallel, shared } = options
      const { wasm, hasBuilds } = platform
      const type = mainType(gguf)
      const { module, ...chosen } = await chooseBuild(type, gguf.fileBytes, options, { wasm, hasBuilds })
      const relaxed = chosen.isa === 'relaxed'
      this.engine = new Engine(gguf, { ...options, relaxed }, shared ? undefined : platform.breathe, warn)
      throwIfAborted(signal, 'Loading the model')
      const segments = this.engine.allocate(module)
      const limits = { batch, parallel, ...(!shared && { passMs: PASS_MS }) }
      this.scheduler = new Scheduler(this.engine, limits, platform.breathe, () => this.flush())
      const opened = { ...this.describe(gguf, this.engine), headerHash: header.hash, type, ...chosen, warnings }
      return { opened, segments: shared ? segments : [] }
    } catch (error) {
      await source.close()
      throw forbiddenWasm(error) ?? error
    }
  }

  async load(): Promise<string> {
    const { engine, source } = this.opened()
    try {
      const emit = (done: number, total: number): void => this.emit([{ event: 'weights', done, total }])
      await engine.load(source, emit, this.loading.signal)
      return String(engine.fingerprint())
    } finally {
      await source.close()
    }
  }

  async generate(call: number, request: GenerateRequest): Promise<Generated> {
    const { engine } = this.opened()
    const events = {
      onPrompt: (done: number, total: number) => this.events.push({ call, event: 'prompt', done, total }),
      onToken: (id: number, text: string, logprobs?: SampledLogprobs) =>
        this.events.push({ call, event: 'token', id, text, ...(logprobs && { logprobs }) }),
    }
    const grammar = request.grammar && (await this.grammar(request.grammar)).start()
    const task = new GenerateTask(engine, this.tokenizer, request, events, grammar)
    await this.run(call, [task])
    const result = task.result()
    const history = task.history()
    this.flush()
    return { result, ...(history && { history }) }
  }

  /** A compiled grammar; those used last are kept. The code that compiles comes with the first. */
  private async grammar(source: GrammarSource): Promise<Grammar> {
    if (!this.tokenizer) {
      const message = 'The model’s file has no vocabulary, without which no grammar says which tokens may come next.'
      throw new UnsupportedError('NO_TOKENIZER', message)
    }
    const key = JSON.stringify(source)
    let grammar = this.grammars.get(key)
    if (grammar) this.grammars.delete(key)
    else {
      const { compileGrammar } = await importGrammars()
      grammar = compileGrammar(source, this.tokenizer)
      if (this.grammars.size >= MAX_GRAMMARS) this.grammars.delete(this.grammars.keys().next().value!)
    }
    this.grammars.set(key, grammar)
    return grammar
  }

  async logits(call: number, ids: number[], first: number): Promise<Float32Array> {
    const { engine } = this.opened()
    engine.checkTokens(ids)
    const task = new LogitsTask(ids, first, engine.config.vocabSize)
    if (first < ids.length) await this.run(call, [task])
    return transfer(task.logits, [task.logits.buffer])
  }

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

  async activations(call: number, ids: number[]): Promise<InputSums[]> {
    const { output, embedding } = this.opened().engine.tensors
    const task = new ActivationsTask(ids)
    await this.run(call, [task])
    // A head that is the embedding too goes by its name, which llama.cpp does not measure.
    if (output.info.tensor === embedding.info.tensor) task.sums.delete('output')
    return [...task.sums.values()]
  }

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

  async loadState(call: number, bytes: Uint8Array): Promise<number[]> {
    const state = await readState(this.opened().engine, bytes, platform.breathe)
    const { engine, scheduler } = this.opened()
    engine.checkTokens(state.ids)
    scheduler.restore(state)
    await this.run(call, [new CacheTask(state.ids)])
    return state.ids
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

  reset(prompt?: Prompt): void {
    const { scheduler } = this.opened()
    if (prompt === undefined) scheduler.reset()
    else scheduler.forget(promptIds(this.tokenizer, { prompt }))
  }

  status(): SchedulerStatus {
    return this.opened().scheduler.status
  }

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

  /** What the façade shows, what it renders chats with, and the metadata for its own tokenizer. */
  private describe(
    gguf: Gguf,
    engine: Engine,
  ): Omit<Opened, keyof Omit<Build, 'module'> | 'type' | 'headerHash' | 'warnings'> {
    const { config, plan, tensors, context } = engine
    const { tokenizer } = this
    const text = (id: number | undefined): string => (id === undefined ? '' : tokenizer!.tokenText(id))
    return {
      fileBytes: gguf.fileBytes,
      metadata: gguf.metadata,
      bosToken: text(tokenizer?.bos),
      eosToken: text(tokenizer?.eos),
      config,
      parameters: countParameters(tensors, config).total,
      context,
      memoryBytes: plan.totalBytes,
      kvBytes: plan.kvBytes,
    }
  }

  private opened(): { engine: Engine; source: Source; scheduler: Scheduler } {
    const { engine, source, scheduler } = this
    if (!engine || !source || !scheduler) throw new UnsupportedError('NOT_OPEN', 'The leader has no model open.')
    return { engine, source, scheduler }
  }
}

async function openSpec(
  spec: SourceSpec,
  reader: RemoteReader | undefined,
  here: Pick<SourceOptions, 'onWarning'> & { signal: AbortSignal },
): Promise<Source> {
  if ('locations' in spec) {
    const inputs = spec.locations.map((one) => {
      if ('blob' in one) return one.blob
      return one.url ? new URL(one.location) : one.location
    })
    return openModel(inputs.length === 1 ? inputs[0]! : inputs, platform.openFile, { ...spec.options, ...here })
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

/** A source whose bytes go into a hash (FNV-1a) as they are read. */
function hashed(source: Source): Source & { hash: number } {
  const { name, size, parts } = source
  return {
    name,
    size,
    ...(parts && { parts }),
    hash: 0x811c9dc5,
    async read(target, offset, signal) {
      await source.read(target, offset, signal)
      let { hash } = this
      for (let i = 0; i < target.length; i++) hash = Math.imul(hash ^ target[i]!, 0x01000193)
      this.hash = hash
    },
    close: () => source.close(),
  }
}

/** The type that most weights are of. */
function mainType(gguf: Gguf): string {
  const counts = new Map<string, number>()
  for (const { type, dimensions } of gguf.tensors.values()) {
    counts.set(type, (counts.get(type) ?? 0) + dimensions.reduce((a, b) => a * b, 1))
  }
  const [type] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0])
  return type
}
