/**
 * What crosses between the caller's thread and the workers of one model. The leader's calls go through comlink; events and
 * the start of a thread are messages of their own. In process the same calls are made without crossing.
 */
import { transferHandlers } from 'comlink'
import type { BuildOptions } from '../js/engine/builds.ts'
import type { PlanOptions } from '../js/engine/plan.ts'
import type { SegmentHandle } from '../js/engine/wasm.ts'
import type { Isa, IsaReason } from '../js/engine/wasm-build.ts'
import { CriaError, deserializeError, type SerializedError, serializeError, UnsupportedError } from '../js/errors.ts'
import type { Overrides } from '../js/gguf/overrides.ts'
import type { Metadata, MetadataValue } from '../js/gguf/types.ts'
import type { ModelConfig } from '../js/models/config.ts'
import type { InputSums } from '../js/scheduler/activations.ts'
import type { GenerateRequest, Prompt } from '../js/scheduler/generate.ts'
import type { Embeddings, GenerateResult, Pooling, SampledLogprobs, SchedulerStatus } from '../js/scheduler/types.ts'
import type { Part, SourceOptions } from '../js/source/types.ts'
import type { CriaWarning } from '../js/util/warn.ts'

/** What the leader does. `call`: the number that events of a call bear, and by which it is aborted. */
export interface LeaderCalls {
  /** Reads the header, sizes the model and creates its memories: `segments` are those of the other threads, if any. */
  open(
    spec: SourceSpec,
    options: OpenOptions,
    reader?: RemoteReader,
  ): Promise<{ opened: Opened; segments: SegmentHandle[] }>
  /** Reads the weights; gives their fingerprint. */
  load(): Promise<string>
  generate(call: number, request: GenerateRequest): Promise<Generated>
  /** Logits after each token from the one at `first` on, [n - first, vocabulary]. */
  logits(call: number, ids: number[], first: number): Promise<Float32Array>
  /** The embedding of each text. */
  embed(call: number, request: EmbedRequest): Promise<Embeddings>
  /** Sums of what the matrices read at these tokens. */
  activations(call: number, ids: number[]): Promise<InputSums[]>
  /** The state of a text, which is computed where it is not cached: see js/scheduler/state.ts. */
  saveState(call: number, prompt: Prompt): Promise<Uint8Array<ArrayBuffer>>
  /** Puts a state into the cache; returns its tokens. */
  loadState(call: number, bytes: Uint8Array): Promise<number[]>
  /** Drops all cached prefixes, or those of a text. */
  reset(prompt?: Prompt): void
  status(): SchedulerStatus
  /** Cancels a call. */
  abort(call: number): void
}

/** Messages beside those calls: from the leader, and to a pool thread. */
export type PoolMessage = { cria: 'events'; events: readonly LeaderEvent[] } | ({ cria: 'start' } & ThreadStart)

/** What a pool thread starts with; then it parks in wasm. */
export interface ThreadStart {
  /** The build, by name or itself. */
  wasm: Isa | WebAssembly.Module
  segments: SegmentHandle[]
  thread: number
  threads: number
}

export type LeaderEvent =
  | { event: 'header' | 'weights'; done: number; total: number }
  | { event: 'warning'; warning: CriaWarning }
  | ({ call: number } & CallEvent)

/** `history`: the ids of a conversation that its next turn may continue. */
export interface Generated {
  result: GenerateResult
  history?: number[]
}

/** How a call goes on. */
export type CallEvent =
  | { event: 'prompt'; done: number; total: number }
  | { event: 'token'; id: number; text: string; logprobs?: SampledLogprobs }

/** Where the leader finds the bytes: locations that it opens itself, one a shard, or a reader in the caller's thread. */
export type SourceSpec =
  | { locations: readonly Location[]; options: SourceOptions }
  | { name: string; size: number; parts?: readonly Part[] }

export type Location = { location: string; url: boolean } | { blob: Blob }

/** The caller's side of a source that the leader cannot open. */
export interface RemoteReader {
  /** A copy of `length` bytes at `offset`. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  /** Compares the checksum, where one was promised. */
  finish(): Promise<void>
}

/** How to load a model: `load`'s options, resolved. `context`: as contextOf takes it. */
export interface OpenOptions extends PlanOptions, BuildOptions {
  parallel: number
  overrides?: Overrides
}

export interface Opened {
  fileBytes: number
  /** Of the header's bytes. */
  headerHash: number
  metadata: Metadata
  /** Texts of BOS and EOS; '' where there is none. */
  bosToken: string
  eosToken: string
  config: ModelConfig
  /** The type that most weights are of, and how many they are. */
  type: string
  parameters: number
  isa: Isa
  isaReason: IsaReason
  context: number
  memoryBytes: number
  kvBytes: number
  /** What is wrong with the file's metadata and can be helped. */
  warnings: readonly CriaWarning[]
}

export interface EmbedRequest {
  texts: readonly Prompt[]
  pooling: Pooling
  normalize: boolean
}

/** Of what a platform throws that starts no worker. */
export function noWorkers(cause: unknown): CriaError {
  if (cause instanceof CriaError) return cause
  return new UnsupportedError('NO_WORKERS', `No worker can start here (${String(cause)}).`, undefined, { cause })
}

/** Makes thrown errors keep class, code and value, which structured cloning loses. On both sides. */
export function carryErrors(): void {
  const plain = transferHandlers.get('throw')!
  transferHandlers.set('throw', {
    canHandle: plain.canHandle,
    serialize: (thrown: unknown) => [serializeError((thrown as { value: unknown }).value), []],
    deserialize: (data: unknown) => {
      throw deserializeError(data as SerializedError)
    },
  })
}

/**
 * Before each string of a list that crosses as one. No text that was read as UTF-8 has two halves of characters in a row
 * that are both a first half; one alone begins all from U+10000 on.
 */
const MARK = '\ud800\ud800'

/** Metadata as they cross, for {@link Unpacked}: cloning the 400,000 strings of Llama 3 would block the receiver. */
export function pack(metadata: Metadata): Metadata {
  const strings = (value: MetadataValue): boolean => Array.isArray(value) && typeof value[0] === 'string'
  return new Map(
    Array.from(metadata, ([key, value]) => [key, strings(value) ? MARK + (value as string[]).join(MARK) : value]),
  )
}

/** Metadata that crossed, for `get` alone: a list is split when it is asked for. */
export class Unpacked extends Map<string, MetadataValue> {
  override get(key: string): MetadataValue | undefined {
    const value = super.get(key)
    if (typeof value !== 'string' || !value.startsWith(MARK)) return value
    const list = value.slice(MARK.length).split(MARK)
    this.set(key, list)
    return list
  }
}
