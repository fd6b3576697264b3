/** The store of this runtime. */
import * as platform from '#platform'
import { SourceError } from '../errors.ts'
import { checkSourceOptions, SOURCE_OPTIONS } from '../source/check.ts'
import { checkOptions, checkTypes } from '../util/check.ts'
import { ModelStore } from './store.ts'
import type { GetOptions, StoredFile, StoredModel, Verified } from './types.ts'

/** @throws SourceError STORE_ABSENT */
export async function openStore(): Promise<ModelStore> {
  const place = await platform.store()
  if (place) return new ModelStore(place)
  throw new SourceError('STORE_ABSENT', 'There is no store of models in this runtime, or this build has none.')
}

/**
 * Models that stay on this device. Inputs are `http(s):` URLs, `hf:owner/repo[@revision]/file.gguf`, or
 * `hf:owner/repo[@revision][:QUANT]`, which is the file that llama.cpp would take; of a model in shards the first. Where the
 * runtime has no store, each call rejects with SourceError STORE_ABSENT; where it cannot be read or written, with
 * STORE_UNUSABLE.
 */
export const models = {
  /** All files, whole or not, in the order of their inputs. */
  async list(): Promise<StoredFile[]> {
    return (await openStore()).list()
  },

  /**
   * The model, downloaded first where it is not there: what was interrupted goes on where it ended. Of several processes or
   * tabs that ask for the same file one downloads it, and the others wait.
   * @throws ArgumentError for inputs and options that are none; SourceError, FormatError for what is no model, or not the one
   *   that `sha256` or the hub promises; STORE_FULL where there is no room; AbortError
   */
  async get(input: string | URL, options: GetOptions = {}): Promise<StoredModel> {
    checkOptions(options, { ...SOURCE_OPTIONS, refresh: true, onProgress: true })
    checkSourceOptions(options)
    checkTypes(options, 'boolean', ['refresh'])
    checkTypes(options, 'function', ['onProgress'])
    return (await openStore()).get(input, options)
  },

  /**
   * Removes a model, whole or not.
   * @returns the bytes that were freed: 0 where there was none
   * @throws SourceError STORE_BUSY while it is being downloaded
   */
  async delete(input: string | URL): Promise<number> {
    return (await openStore()).delete(input)
  },

  /** Removes downloads that were interrupted. @returns the bytes that were freed */
  async prune(): Promise<number> {
    return (await openStore()).prune()
  },

  /**
   * Reads whole files, of one model or of all, and compares their SHA-256.
   * @throws SourceError STORE_ABSENT for a model that is not there
   */
  async verify(input?: string | URL, options: { signal?: AbortSignal } = {}): Promise<Verified[]> {
    checkOptions(options, { signal: true })
    checkSourceOptions(options)
    return (await openStore()).verify(input, options)
  },

  /**
   * The bytes of one file, to be kept elsewhere. Of a model in shards each is exported by itself.
   * @throws SourceError STORE_ABSENT for a file that is not there
   */
  async export(input: string | URL): Promise<AsyncIterable<Uint8Array<ArrayBuffer>>> {
    return (await openStore()).export(input)
  },
}
