/** Where bytes come from. Knows no platform: files are opened by the function that is passed in. */
import type { ModelInput } from '../api/types.ts'
import { ArgumentError, throwIfAborted } from '../errors.ts'
import { checkSha256, hashed } from './hashed.ts'
import { openHttp } from './http.ts'
import { blobSource, bytesSource } from './memory.ts'

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
  /** How often in a row a failed HTTP request is tried again; default 4. */
  retries?: number
  /** Milliseconds before the first new try, doubled for each further one; default 500. */
  retryDelay?: number
}

/** @internal */
export type OpenFile = (path: string | URL) => Promise<Source>

/**
 * Opens a file path, a `file:`, `http:`, `https:` or `hf:owner/repo[@revision]/path` URL, a Blob or File, or bytes.
 * A string without one of these prefixes is a path.
 * @throws ArgumentError for what is none of these, or a malformed option; SourceError where the bytes cannot be had.
 * @internal
 */
export async function openSource(
  input: ModelInput,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal } = {},
): Promise<Source> {
  const { signal } = options
  const sha256 = Array.isArray(options.sha256) && options.sha256.length === 1 ? options.sha256[0] : options.sha256
  if (sha256 !== undefined) checkSha256(sha256)
  throwIfAborted(signal, 'Opening the model')
  const source = await open(input, openFile, options)
  return sha256 === undefined ? source : hashed(source, sha256)
}

async function open(
  input: ModelInput,
  openFile: OpenFile,
  options: SourceOptions & { signal?: AbortSignal },
): Promise<Source> {
  if ((typeof input === 'string' && input !== '') || input instanceof URL) {
    const location = String(input)
    // A browser's extension fetches its own files, too.
    if (/^(https?|[a-z-]+-extension):/i.test(location)) return openHttp(location, options)
    if (/^hf:/i.test(location)) return openHttp(huggingFaceUrl(location), options)
    if (/^file:/i.test(location)) return openFile(parseUrl(location))
    if (input instanceof URL || /^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
      const scheme = location.slice(0, location.indexOf(':') + 1)
      throw new ArgumentError(
        'INPUT_SCHEME',
        `Models are read from file:, http:, https: and hf: URLs, not from ${scheme}.`,
        scheme,
      )
    }
    return openFile(location)
  }
  if (ArrayBuffer.isView(input)) return bytesSource(new Uint8Array(input.buffer, input.byteOffset, input.byteLength))
  const kind = Object.prototype.toString.call(input)
  if (kind === '[object ArrayBuffer]' || kind === '[object SharedArrayBuffer]') {
    return bytesSource(new Uint8Array(input as ArrayBuffer))
  }
  if (kind === '[object Blob]' || kind === '[object File]') return blobSource(input as Blob)
  throw new ArgumentError(
    'INPUT_KIND',
    'The model must be a path, a URL, a Blob or File, an ArrayBuffer or a view of one; of a response, its URL or `await response.blob()`.',
    typeof input,
  )
}

function parseUrl(location: string): URL {
  if (URL.canParse(location)) return new URL(location)
  throw new ArgumentError('INPUT_URL', `${location} is no valid URL.`, location)
}

/**
 * `hf:owner/repo/path` or `hf:owner/repo@revision/path` as a URL of the Hugging Face hub; the revision is `main` by
 * default, and a slash in it is written `%2F`.
 * @internal
 */
export function huggingFaceUrl(location: string): string {
  const [owner, repo, ...path] = location.slice('hf:'.length).split('/')
  const [name, revision = 'main', ...more] = (repo ?? '').split('@')
  if (!owner || !name || !revision || more.length > 0 || path.length === 0 || path.includes('')) {
    throw new ArgumentError(
      'INPUT_HF',
      `${location} should have the form hf:owner/repo/path/file.gguf or hf:owner/repo@revision/path/file.gguf.`,
      location,
    )
  }
  const escaped = [owner, name, 'resolve', revision.replaceAll('%2F', '/'), ...path].map(encodeURIComponent)
  return `https://huggingface.co/${escaped.join('/')}`
}
