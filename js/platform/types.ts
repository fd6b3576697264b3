/** What a runtime must offer. Each has a module of these functions; `#platform` is the one for the runtime at hand. */
import type { Endpoint } from 'comlink'
import type { OpenFile } from '../source/types.ts'
import type { StorePlace } from './store-types.ts'

export type { StoreFile, StoreFolder, StorePlace } from './store-types.ts'

/** `grammars`: the leader with the code of grammars, which no bundler would split off a page's worker. */
export type WorkerKind = 'leader' | 'grammars' | 'thread' | 'quantize'

/** For people to read: `Node 24.1.0`. The version is empty where it cannot be known. */
export interface RuntimeName {
  name: string
  version: string
}

export interface WorkerHandle {
  readonly endpoint: Endpoint
  postMessage(message: unknown): void
  /** Hears every message; comlink's own among them. */
  onMessage(listener: (message: unknown) => void): void
  /** Whether the worker keeps the process alive (where the runtime has such a thing). */
  hold(alive: boolean): void
  terminate(): Promise<void>
}

/** The side of a worker that faces whoever spawned it. */
export interface ParentPort {
  readonly endpoint: Endpoint
  postMessage(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
}

/** Bytes of wasm files by name, for the caller to keep. */
export type WasmFiles = Readonly<Record<string, Uint8Array<ArrayBuffer>>>

export interface Platform {
  runtime(): RuntimeName
  openFile: OpenFile
  /** A path as workers find it, too: on pages, the address that it is relative to the page. */
  locate(path: string): string
  /** Logical processors. */
  cores(): number
  /** Whether memory can be shared with workers. */
  canShare(): boolean
  /** Whether there are workers; else models run in the calling thread. */
  canSpawn(): boolean
  /** The bytes of dist/NAME.wasm, for the caller to keep. */
  wasm(name: string): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Where the code holds the workers and the wasm within itself: unpacks both, before anything else needs them, and gives
   * the files of these names. Elsewhere nothing.
   */
  unpack(names: readonly string[]): Promise<WasmFiles | undefined>
  /** Whether `wasm` takes no download, so that both builds can be tried. */
  hasBuilds(): boolean
  /**
   * Starts a worker's script: of `folder`, a URL or path, or from where this module is. `onDeath` hears of a worker that
   * ends by itself or fails, with the reason; one that fails before it is up stays pending. Throws or rejects where the
   * runtime starts no worker.
   */
  spawn(
    kind: WorkerKind,
    onDeath: (reason: unknown) => void,
    folder?: string | URL,
  ): WorkerHandle | Promise<WorkerHandle>
  /** In a worker: the way back. */
  parent(): ParentPort
  /** Where models can be kept, or undefined. */
  store(): Promise<StorePlace | undefined>
  /** Resolves after other pending tasks (messages, timers, rendering) have had their turn. */
  breathe(): Promise<void>
}
