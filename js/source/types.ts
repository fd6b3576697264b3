/** What a source of bytes is, and what one can be made of. */
import type { CriaWarning } from '../util/warn.ts'

/**
 * Where a file's bytes come from: a file path (on pages, an address relative to the page), a `file:`/`http(s):`/`hf:` URL, a
 * Blob or File, a handle of a file, or bytes.
 */
export type ModelPart = string | URL | Blob | FileHandle | ArrayBuffer | ArrayBufferView

/** A FileSystemFileHandle of a browser, as far as it is read. */
export interface FileHandle {
  readonly name: string
  getFile(): Promise<Blob>
}

/**
 * A model's file. Of a model in several shards: the path or URL of the first, `…-00001-of-0000N.gguf`, whose others lie
 * beside it; or a list of all in their order.
 */
export type ModelInput = ModelPart | readonly ModelPart[]

/** A run of bytes of known size. Reads in file order are the fast path of every kind. */
export interface Source {
  /** For messages: a path, a URL without its query, a file's name. */
  readonly name: string
  readonly size: number
  /**
   * Fills `target` with the bytes at `offset`: all of them, or it rejects with a SourceError (`target`'s contents are
   * then undefined) or AbortError. `target` may view shared memory. Calls may overlap in time.
   */
  read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>
  /** Present where a checksum was promised: reads on to the end and rejects with SourceError SHA256_MISMATCH. */
  finish?(signal?: AbortSignal): Promise<void>
  /** Lets go of what waits for the next read, once reads under way are done: a connection that is idle. */
  pause?(): Promise<void>
  /** Of a model in several files: where each begins. */
  readonly parts?: readonly Part[]
  /** Present where the platform that reads the bytes also hashes them faster than JavaScript can. */
  sha256?(): Promise<Sha256>
  close(): Promise<void>
}

/** One file of several that are read as one. */
export interface Part {
  readonly name: string
  readonly offset: number
  readonly size: number
}

/** A SHA-256 under way. */
export interface Sha256 {
  /** `bytes` may view shared memory. */
  update(bytes: Uint8Array): unknown
  digest(): Uint8Array
}

export interface SourceOptions {
  /** Headers for HTTP requests. */
  headers?: Record<string, string> | Headers
  /** Sent as `Authorization: Bearer`, for gated and private models. Never part of a message. */
  token?: string
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch
  /** The SHA-256 the bytes must have, in hexadecimal, or of each shard its own; checked by {@link Source.finish}. */
  sha256?: string | readonly string[]
  /** How often in a row a failed HTTP request is tried again; default 4. 0: never, and no connection is waited for. */
  retries?: number
  /** Milliseconds before the first new try, doubled for each further one; default 500. */
  retryDelay?: number
  /**
   * How long a download under way waits for a connection that was lost, in milliseconds; default 600000. The bytes are kept,
   * and `onWarning` hears of it (`CONNECTION_LOST`).
   */
  reconnectTimeout?: number
  /** Called for each warning; default: `console.warn`. */
  onWarning?: (warning: CriaWarning) => void
}

/** Gives an address instead where a path is one. @internal */
export type OpenFile = (path: string | URL) => Promise<Source | string>
