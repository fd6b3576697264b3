/** Loads a model from the store, which downloads it first where it has to. */
import * as platform from '#platform'
import { CriaError, FormatError, SourceError } from '../errors.ts'
import type { ModelInput } from '../source/types.ts'
import { openStore } from '../store/models.ts'
import type { KeptFile } from '../store/slot.ts'
import { inputsOf, ModelStore } from '../store/store.ts'
import { warnBy } from '../util/warn.ts'
import type { LoadOptions, Model } from './types.ts'

type LoadNow = (input: ModelInput, options: LoadOptions) => Promise<Model>

/** Errors that leave the model to be streamed. */
const STREAMED = ['STORE_FULL', 'STORE_UNUSABLE', 'STORE_ABSENT']
/** Errors that damaged files give. */
const DAMAGED = ['SHA256_MISMATCH', 'SOURCE_CHANGED', 'FILE_NOT_FOUND', 'BLOB_READ']

export async function loadKept(input: ModelInput, options: LoadOptions, loadNow: LoadNow): Promise<Model> {
  const inputs = [input].flat().map((part) => (typeof part === 'string' ? platform.locate(part) : part))
  if (!inputs.every(ModelStore.keeps)) return loadNow(input, options)
  let locations: readonly (string | URL)[] = inputs
  try {
    const store = await openStore()
    locations = inputs.length === 1 ? await store.locate(inputs[0]!, options) : inputs
    return await loadFrom(store, locations.map(String), options, loadNow)
  } catch (error) {
    if (!(error instanceof SourceError) || !STREAMED.includes(error.code)) throw error
    warnBy(options.onWarning)({ code: error.code, message: `${error.message} The model is streamed.` })
    return loadNow(locations.length === 1 ? locations[0]! : locations, options)
  }
}

async function loadFrom(
  store: ModelStore,
  locations: readonly string[],
  options: LoadOptions,
  loadNow: LoadNow,
): Promise<Model> {
  const found = await store.find(locations)
  if (found) {
    try {
      return await loadNow(await inputOf(found), options)
    } catch (error) {
      if (!isDamage(error) || !(await store.heal(found, options.signal))) throw error
    }
  }
  const { headers, token, fetch, sha256, retries, retryDelay, reconnectTimeout, onWarning, signal, onProgress } =
    options
  const given = { headers, token, fetch, sha256, retries, retryDelay, reconnectTimeout, onWarning, signal }
  const files = await store.fetch(locations, {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    onProgress: ({ done, total }) => onProgress?.({ phase: 'download', done, total }),
  })
  return loadNow(await inputOf(files), options)
}

async function inputOf(files: readonly KeptFile[]): Promise<ModelInput> {
  const inputs = await inputsOf(files)
  return inputs.length === 1 ? inputs[0]! : inputs
}

function isDamage(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof CriaError && DAMAGED.includes(error.code))
}
