/** What users see of a store. */
import type { SourceOptions } from '../source/types.ts'

/** A file of a store; of a model in shards each is one. */
export interface StoredFile {
  /** What `load` and the calls of the store take: `hf:owner/repo/file.gguf` or a URL. */
  input: string
  /** Where its bytes are: a path, or of browsers a name. */
  path: string
  /** Bytes of the whole file; undefined where a download has not heard of it. */
  size: number | undefined
  /** Bytes that are there. */
  landed: number
  /** Whether all of it is there. */
  complete: boolean
  /** The SHA-256 that its bytes should have, in hexadecimal, where that is known. */
  sha256: string | undefined
  /** When it was written, in milliseconds since 1970. */
  modified: number
}

/** Bytes done and bytes in all, of all files; the latter is what is known of them so far. */
export interface DownloadProgress {
  done: number
  total: number
}

export interface GetOptions extends SourceOptions {
  /** Ask the server whether the files have changed, and download them again if so. Default false: what is there serves. */
  refresh?: boolean
  /** Called as bytes land, here or in another process or tab that downloads the same file. */
  onProgress?: (progress: DownloadProgress) => void
  signal?: AbortSignal
}

/** A model that is there. */
export interface StoredModel {
  /** For `load`: paths, or in browsers Files, in the order of shards. */
  input: string | Blob | readonly (string | Blob)[]
  files: StoredFile[]
}

export interface Verified {
  input: string
  /** Whether the bytes are what they should be; undefined where nobody knows what they should be. */
  ok: boolean | undefined
}
