/**
 * Where models come from, what they need, and loading them: all that the app asks of `cria` and, one day, of a store of
 * models is in this file.
 */
import type { Inspection, LoadOptions, Model } from '../js/api/types.ts'
import { bytesText } from './format.ts'
import { runtime } from './runtime.ts'

export type ModelSource =
  | { readonly kind: 'built-in' }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'file'; readonly file: File }

/** Beside the app. */
export const BUILT_IN = 'stories260K.gguf'

export interface ModelFacts {
  readonly name: string
  readonly fileBytes: number
  readonly architecture: string
  readonly parameters?: number
  /** Most tokens of context that it was trained for. */
  readonly trained?: number
  readonly memory?: { readonly context: number; readonly total: number }
  /** Why cria cannot run it. */
  readonly problem?: string
}

export interface LoadProgress {
  readonly done: number
  readonly total: number
  /** Of the last seconds; 0 while nothing is known. */
  readonly bytesPerSecond: number
  /** Undefined while nothing is known. */
  readonly secondsLeft: number | undefined
}

export function sourceName(source: ModelSource): string {
  if (source.kind === 'file') return source.file.name
  return source.kind === 'built-in' ? BUILT_IN : (source.address.split(/[?#]/)[0]!.split('/').at(-1) ?? source.address)
}

/**
 * What a reader types for a model: `hf:owner/repo/file.gguf`, an address, or the page of a file on the hub.
 * @throws Error that says what would do
 */
export function readAddress(text: string): string {
  const given = text.trim()
  if (/^hf:[\w.-]+\/[\w.-]+(@[^/]+)?\/.+\.gguf$/i.test(given)) return given
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) {
    // The page that shows a file, in place of the file.
    return given.replace(/^(https:\/\/huggingface\.co\/[^/]+\/[^/]+)\/blob\//, '$1/resolve/')
  }
  throw new Error('Give hf:owner/repo/file.gguf or an address that begins with https://.')
}

function inputOf(source: ModelSource): string | URL | File {
  if (source.kind === 'file') return source.file
  return source.kind === 'built-in' ? new URL(BUILT_IN, document.baseURI) : source.address
}

/**
 * Reads the header alone: some 100 kB to some MB, where the model may have gigabytes.
 *
 * @param context tokens, if the model was trained for as many; default: as `load`
 */
export async function factsOf(
  source: ModelSource,
  context: number | undefined,
  signal: AbortSignal,
): Promise<ModelFacts> {
  const { inspect } = await runtime()
  const ask = (tokens: number | 'trained' | undefined): Promise<Inspection> =>
    inspect(inputOf(source), { ...(tokens && { context: tokens }), signal })
  const found = await ask(context)
  const beyond = context !== undefined && found.config && found.config.contextLength < context
  return toFacts(beyond ? await ask('trained') : found, sourceName(source))
}

export function toFacts(
  { metadata, fileBytes, config, parameters, memory, problem }: Inspection,
  file: string,
): ModelFacts {
  const text = (key: string): string | undefined => {
    const value = metadata.get(key)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  return {
    name: text('general.name') ?? file,
    fileBytes,
    architecture: text('general.architecture') ?? 'unknown',
    ...(parameters && { parameters: parameters.total }),
    ...(config && { trained: config.contextLength }),
    ...(memory && { memory: { context: memory.context, total: memory.total } }),
    ...(problem && { problem: problem.message }),
  }
}

export interface Device {
  /** GiB, as the browser rounds them, at most 8; undefined where it does not say. */
  readonly memory: number | undefined
  readonly phone: boolean
}

export function thisDevice(): Device {
  const { deviceMemory, maxTouchPoints } = navigator as Navigator & { deviceMemory?: number }
  return { memory: deviceMemory, phone: maxTouchPoints > 1 && Math.min(screen.width, screen.height) < 600 }
}

/** Browsers of phones end pages that take more. */
const PHONE_BYTES = 1.2e9
const GIB = 1024 ** 3

/** Whether the device can hold a model that takes so many bytes: a word for the sign of it, and a sentence. */
export function verdict(bytes: number, { memory, phone }: Device): { level: 'good' | 'tight' | 'bad'; text: string } {
  const needs = `needs ${bytesText(bytes)} of memory`
  if (phone && bytes > PHONE_BYTES)
    return { level: 'bad', text: `It ${needs}, more than browsers of phones give a page.` }
  if (memory !== undefined && bytes > memory * GIB && memory < 8) {
    return { level: 'bad', text: `It ${needs}; this device has ${memory} GB.` }
  }
  if (memory !== undefined && bytes > memory * GIB * 0.6) {
    // 8 is the most that browsers tell.
    const has = memory < 8 ? `has ${memory} GB` : 'may have more than 8 GB, but browsers do not tell'
    return { level: 'tight', text: `It ${needs}; this device ${has}.` }
  }
  if (memory === undefined && bytes > 4e9) return { level: 'tight', text: `It ${needs}, which a desktop may have.` }
  return { level: 'good', text: `It ${needs}.` }
}

/**
 * Loads a model.
 *
 * @param onWarning hears in a sentence of what is not as it should be
 * @throws as `load`: AbortError where the signal fires
 */
export async function loadModel(
  source: ModelSource,
  options: Pick<LoadOptions, 'context' | 'signal'> & { onWarning(warning: { message: string }): void },
  onProgress: (progress: LoadProgress) => void,
): Promise<Model> {
  const { load } = await runtime()
  const meter = new Meter()
  const all: LoadOptions = {
    ...options,
    onProgress: ({ phase, done, total }) => {
      if (phase === 'weights') onProgress(meter.at(done, total, performance.now()))
    },
  }
  try {
    return await load(inputOf(source), all)
  } catch (error) {
    // WebKit takes a script for one worker alone from a service worker while there is no network.
    if ((error as Error).name !== 'WorkerError' || !navigator.serviceWorker?.controller) throw error
    const model = await load(inputOf(source), { ...all, threads: 1 })
    options.onWarning({ message: 'This browser starts no threads offline: the model runs on one.' })
    return model
  }
}

/** The speed of the last seconds. */
export class Meter {
  private readonly marks: { done: number; time: number }[] = []

  /** `time` in milliseconds. */
  at(done: number, total: number, time: number): LoadProgress {
    this.marks.push({ done, time })
    while (this.marks.length > 2 && time - this.marks[0]!.time > 5000) this.marks.shift()
    const first = this.marks[0]!
    const elapsed = (time - first.time) / 1000
    const bytesPerSecond = elapsed > 0.2 ? (done - first.done) / elapsed : 0
    return {
      done,
      total,
      bytesPerSecond,
      secondsLeft: bytesPerSecond > 0 ? (total - done) / bytesPerSecond : undefined,
    }
  }
}
