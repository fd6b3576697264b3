/**
 * The leader: thread 0, which owns the engine, reads the model's bytes itself and samples. Exposed by comlink from
 * workers/leader.ts, or used in process; streams events through `emit`.
 */
import { type Remote, releaseProxy } from 'comlink'
import * as platform from '#platform'
import type { KvType, SampledLogprobs } from '../api.ts'
import { ArgumentError, throwIfAborted, UnsupportedError } from '../errors.ts'
import { readModel } from '../gguf/shards.ts'
import type { Gguf, MetadataValue } from '../gguf/types.ts'
import { openModel } from '../source/shards.ts'
import type { Part, Source, SourceOptions } from '../source/source.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts'
import { compileBuild } from '../wasm-build.ts'
import { contextOf, DEFAULT_CONTEXT } from './context.ts'
import { Engine } from './engine.ts'
import { type GenerateRequest, generate, type InternalResult } from './generate.ts'
import { MAX_SEGMENT_BYTES } from './plan.ts'
import type { SegmentHandle } from './wasm.ts'

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

export interface OpenOptions {
  /** 0: min(trained, 4096); TRAINED_CONTEXT: the trained one. */
  context: number
  kv: KvType
  batch: number
  threads: number
  shared: boolean
  isa: 'simd' | 'relaxed'
  maxSegmentBytes?: number
  /** The build, where it need not be got. */
  wasm?: WebAssembly.Module
  /** Whether to come up for air: where no flag in shared memory can tell of an abort. */
  breathe: boolean
}

export interface Opened {
  fileBytes: number
  metadata: [string, MetadataValue][]
  type: string
  parameters: number
  config: Engine['config']
  context: number
  memoryBytes: number
  kvBytes: number
  /** For the other threads, where memory is shared. */
  segments: SegmentHandle[]
}

export type LeaderEvent =
  | { event: 'header' | 'weights'; done: number; total: number }
  | { event: 'prompt'; done: number; total: number }
  | { event: 'token'; id: number; text: string; logprobs?: SampledLogprobs }

export class Leader {
  private source: Source | undefined
  private engine: Engine | undefined
  private tokenizer: Tokenizer | undefined
  private readonly loading = new AbortController()
  private breathe: (() => Promise<void>) | undefined

  constructor(private readonly emit: (event: LeaderEvent) => void) {}

  /** Reads the header, sizes the model and creates its memories. */
  async open(spec: SourceSpec, options: OpenOptions, reader?: RemoteReader): Promise<Opened> {
    const { signal } = this.loading
    try {
      this.source = await openSpec(spec, reader, signal)
      this.emit({ event: 'header', done: 0, total: this.source.size })
      const gguf = await readModel(this.source, signal)
      this.tokenizer = gguf.metadata.has('tokenizer.ggml.model') ? createTokenizer(gguf.metadata) : undefined
      const { breathe, isa, wasm, ...rest } = options
      this.breathe = breathe ? platform.breathe : undefined
      const context = contextOf(trainedContext(gguf), options.context)
      const plan = {
        ...rest,
        context,
        relaxed: isa === 'relaxed',
        maxSegmentBytes: options.maxSegmentBytes ?? MAX_SEGMENT_BYTES,
      }
      this.engine = new Engine(gguf, plan, this.breathe)
      const module = wasm ?? (await compileBuild(await platform.wasm(isa), options.shared))
      throwIfAborted(signal, 'Loading the model')
      return describe(gguf, this.engine, this.engine.allocate(module), options.shared)
    } catch (error) {
      await this.source?.close()
      throw error
    }
  }

  /** Reads the weights. */
  async load(): Promise<void> {
    const { engine, source } = this.opened()
    try {
      const emit = (done: number, total: number): void => this.emit({ event: 'weights', done, total })
      await engine.load(source, emit, this.loading.signal)
    } finally {
      await source.close()
    }
  }

  async generate(request: GenerateRequest): Promise<InternalResult> {
    const { engine } = this.opened()
    const events = {
      onPrompt: (done: number, total: number) => this.emit({ event: 'prompt', done, total }),
      onToken: (id: number, text: string, logprobs?: SampledLogprobs) =>
        this.emit({ event: 'token', id, text, ...(logprobs && { logprobs }) }),
    }
    return generate(engine, this.tokenizer, request, events, this.breathe)
  }

  /** Logits after each token from the one at `first` on, [n - first, vocabulary]. */
  async logits(ids: number[], first: number): Promise<Float32Array> {
    return this.opened().engine.allLogits(ids, first)
  }

  reset(): void {
    this.opened().engine.reset()
  }

  /** Ends the pass that runs; `clear` makes ready for the next. */
  abort(): void {
    this.engine?.setAbort(1)
  }

  clear(): void {
    this.engine?.setAbort(0)
  }

  /** Ends loading, and the other threads. */
  close(): void {
    this.loading.abort()
    this.engine?.close()
  }

  private opened(): { engine: Engine; source: Source } {
    const { engine, source } = this
    if (!engine || !source) throw new UnsupportedError('NOT_OPEN', 'The leader has no model open.')
    return { engine, source }
  }
}

function trainedContext(gguf: Gguf): number {
  const value = gguf.metadata.get('llama.context_length')
  return typeof value === 'number' ? value : DEFAULT_CONTEXT
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

/** What the façade shows, and what it needs: the metadata for its own tokenizer, the segments for their control words. */
function describe(gguf: Gguf, engine: Engine, segments: SegmentHandle[], shared: boolean): Opened {
  const { config, plan } = engine
  const counts = new Map<string, number>()
  let parameters = 0
  for (const { type, dimensions } of gguf.tensors.values()) {
    const elements = dimensions.reduce((a, b) => a * b, 1)
    parameters += elements
    counts.set(type, (counts.get(type) ?? 0) + elements)
  }
  const type = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0]
  return {
    fileBytes: gguf.fileBytes,
    metadata: [...gguf.metadata],
    type,
    parameters,
    config,
    context: engine.context,
    memoryBytes: plan.totalBytes,
    kvBytes: plan.kvBytes,
    segments: shared ? segments : [],
  }
}
