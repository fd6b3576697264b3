/** Where a store keeps models: files in a folder, as each runtime has them. */
import type { Source } from '../source/types.ts'

/** A file that grows at its end. */
export interface StoreFile {
  readonly size: number
  /** @throws SourceError STORE_FULL, STORE_UNUSABLE */
  append(bytes: Uint8Array<ArrayBuffer>): Promise<void>
  /** Empties it. */
  clear(): Promise<void>
  /** The SHA-256 of all bytes, in hexadecimal. It is computed as they are appended. */
  digest(): Promise<string>
  /** Once this resolves, the bytes outlast the process and the machine. */
  close(): Promise<void>
}

/** Paths have slashes and are relative to the folder. Folders are made when they are needed. */
export interface StoreFolder {
  /** For messages. */
  readonly name: string
  /** Bytes of a file, or undefined where there is none. */
  size(path: string): Promise<number | undefined>
  /** A small file, or undefined where there is none. */
  read(path: string): Promise<string | undefined>
  /** Replaces a small file in one step. */
  write(path: string, text: string): Promise<void>
  /** Opens a file to append to it, or makes it. */
  open(path: string): Promise<StoreFile>
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file or folder, if it is there. */
  remove(path: string): Promise<void>
  /** Names directly in a folder, in order; none where there is no such folder. */
  list(path: string): Promise<string[]>
  isFolder(path: string): Promise<boolean>
  /** Has `path` stand for the file `target`, by a symbolic link; where there can be none, the file moves. */
  link(path: string, target: string): Promise<void>
  /** The file that a path stands for, by whatever links. */
  resolve(path: string): Promise<string>
  source(path: string): Promise<Source>
  /** What `load` takes. */
  input(path: string): Promise<string | Blob>
  /** Milliseconds since 1970 at which a file was written, or undefined where there is none. */
  modified(path: string): Promise<number | undefined>
  /**
   * Works as the only one who holds the lock of this name, across processes or tabs. While another has it, `wait` is called
   * again and again.
   */
  lock<T>(name: string, work: () => Promise<T>, wait: () => void, signal?: AbortSignal): Promise<T>
}

export interface StorePlace {
  /** Models by URL. */
  readonly own: StoreFolder
  /** The cache of the Hugging Face hub, in its own layout, where there is one. */
  readonly hub?: StoreFolder
  /** Of environment variables. */
  variable(name: string): string | undefined
  /** Asks for room before a file of this size is written. @throws SourceError STORE_FULL */
  reserve(bytes: number): Promise<void>
}
