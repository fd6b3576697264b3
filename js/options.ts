/** Checks what users give to `load` and `generate`, and settles the defaults. */
import type { GenerateOptions, InspectOptions, KvType, LoadOptions } from './api.ts'
import { checkObject, checkTypes, invalid } from './check.ts'
import { ArgumentError, UnsupportedError } from './errors.ts'
import { settle as settleSampler } from './sampler/options.ts'
import type { SamplerOptions } from './sampler/sampler.ts'
import { StopMatcher } from './sampler/stop.ts'
import type { SourceOptions } from './source/source.ts'

export const DEFAULT_BATCH = 64
const MOST_THREADS = 64
const AUTO_THREADS = 16
/** Larger batches gain nothing and cost memory. */
const MOST_BATCH = 512

/** A whole number in a range, or the fallback where it is undefined. */
function whole(name: string, value: unknown, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(name, `a whole number from ${least} to ${most}`, value)
}

/** One of a few words. */
function oneOf<T extends string>(name: string, value: unknown, words: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (words.includes(value as T)) return value as T
  throw invalid(name, words.join(' or '), value)
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal', 'an AbortSignal', signal)
}

/** What reads a file knows the rest; here, what must hold before it is sent to a worker. Values may be secret. */
export function checkSourceOptions(options: SourceOptions & { signal?: AbortSignal }): void {
  checkObject(options)
  const { headers, token, retries, retryDelay, signal } = options
  checkTypes(options, 'function', ['fetch'])
  checkSignal(signal)
  if (headers !== undefined && !soundHeaders(headers)) {
    throw new ArgumentError('INVALID_OPTION', 'headers must be an object of texts by name, or Headers.', typeof headers)
  }
  if (token !== undefined && typeof token !== 'string') {
    throw new ArgumentError('INVALID_OPTION', 'token must be a text.', typeof token)
  }
  for (const [name, value] of Object.entries({ retries, retryDelay })) {
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) continue
    throw invalid(name, 'a number from 0 on', value)
  }
}

/** A Map would seem an object without any. */
function soundHeaders(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null || headers instanceof Map || Array.isArray(headers)) return false
  return Object.values(headers).every((text) => typeof text === 'string')
}

/** @throws ArgumentError INVALID_OPTION for what `settle` does not look at. */
export function checkLoadOptions(options: LoadOptions): void {
  checkSourceOptions(options)
  checkTypes(options, 'boolean', ['inProcess'])
  checkTypes(options, 'function', ['onProgress', 'onWarning'])
  const { workerUrl } = options
  if (workerUrl === undefined || workerUrl instanceof URL) return
  // What it is relative to does not matter to whether it is sound.
  if (typeof workerUrl === 'string' && workerUrl && URL.canParse(workerUrl, 'file:///')) return
  throw invalid('workerUrl', 'a URL or a path', workerUrl)
}

const SAMPLER_OPTIONS: Record<keyof SamplerOptions, true> = {
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  typicalP: true,
  topNSigma: true,
  repeatPenalty: true,
  repeatLastN: true,
  frequencyPenalty: true,
  presencePenalty: true,
  dynatempRange: true,
  dynatempExponent: true,
  logitBias: true,
  seed: true,
  minKeep: true,
}

/** The options of `generate` that the leader takes; nothing but these crosses to a worker. */
export type SettledGenerate = Omit<GenerateOptions, keyof SamplerOptions | 'onToken' | 'onPrompt' | 'signal'> & {
  sampler: SamplerOptions
}

/** @throws ArgumentError INVALID_OPTION with the value at fault */
export function settleGenerate(options: GenerateOptions, vocabularySize: number): SettledGenerate {
  checkObject(options)
  const { maxTokens, stop, special, bos, ignoreEos, showSpecial, signal } = options
  checkTypes(options, 'boolean', ['special', 'bos', 'ignoreEos', 'showSpecial'])
  checkTypes(options, 'function', ['onToken', 'onPrompt'])
  checkSignal(signal)
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 0)) {
    throw invalid('maxTokens', 'a whole number of at least 0', maxTokens)
  }
  if (stop !== undefined) new StopMatcher(typeof stop === 'string' ? [stop] : stop)
  const sampler: Record<string, unknown> = {}
  for (const name of Object.keys(SAMPLER_OPTIONS) as (keyof SamplerOptions)[]) {
    if (options[name] !== undefined) sampler[name] = options[name]
  }
  settleSampler(sampler, vocabularySize)
  return {
    sampler,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stop !== undefined && { stop }),
    ...(special !== undefined && { special }),
    ...(bos !== undefined && { bos }),
    ...(ignoreEos !== undefined && { ignoreEos }),
    ...(showSpecial !== undefined && { showSpecial }),
  }
}

export interface Settled {
  threads: number
  /** 0: min(trained, 4096); TRAINED_CONTEXT: the trained one. */
  context: number
  kv: KvType
  batch: number
  isa: 'simd' | 'relaxed'
  shared: boolean
  inProcess: boolean
  maxSegmentBytes?: number
}

/** Stands for the context that the model was trained for. */
export const TRAINED_CONTEXT = -1

/** Far beyond any model; the file and the memory set the real limits. */
const MOST_CONTEXT = 16_777_216

// (func (param v128 v128) (result v128) i16x8.relaxed_dot_i8x16_i7x16_s), and the same with i16x8.add.
const RELAXED = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd9202 0b'
const SIMD = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd8e01 0b'

function validates(hex: string): boolean {
  const bytes = hex.replaceAll(' ', '').match(/../g)!
  return WebAssembly.validate(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)))
}

/**
 * @throws ArgumentError for a malformed option; UnsupportedError where the engine lacks SIMD, or lacks what was asked for.
 */
export function settle(options: LoadOptions, cores: number, canShare: boolean): Settled {
  const inProcess = options.inProcess === true
  const shared = canShare && !inProcess
  const threads = settleThreads(options.threads, cores, shared, inProcess)
  const { maxSegmentBytes } = options
  return {
    ...settlePlan({ ...options, threads }, cores),
    isa: settleIsa(options.isa),
    shared,
    inProcess,
    ...(maxSegmentBytes !== undefined && {
      maxSegmentBytes: whole('maxSegmentBytes', maxSegmentBytes, 65536, 4_294_967_296, 0),
    }),
  }
}

/** What the size of a model's memory depends on, whether it is loaded or not. */
export function settlePlan(
  options: InspectOptions,
  cores: number,
): Pick<Settled, 'threads' | 'context' | 'kv' | 'batch'> {
  const { context, threads } = options
  return {
    threads: whole('threads', threads === 'auto' ? undefined : threads, 1, MOST_THREADS, Math.min(cores, AUTO_THREADS)),
    context: context === 'trained' ? TRAINED_CONTEXT : whole('context', context, 1, MOST_CONTEXT, 0),
    kv: oneOf('kv', options.kv, ['f32', 'f16', 'q8_0'], 'f16'),
    batch: whole('batch', options.batch, 1, MOST_BATCH, DEFAULT_BATCH),
  }
}

function settleThreads(asked: unknown, cores: number, shared: boolean, inProcess: boolean): number {
  if (asked === undefined || asked === 'auto') return shared ? Math.min(cores, AUTO_THREADS) : 1
  const threads = whole('threads', asked, 1, MOST_THREADS, 1)
  if (threads === 1 || shared) return threads
  const why = inProcess
    ? 'the model runs in process (inProcess)'
    : 'this page or runtime cannot share memory: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  throw new UnsupportedError(
    'NO_SHARED_MEMORY',
    `${threads} threads need shared memory, but ${why}. Use threads: 1 or 'auto'.`,
    threads,
  )
}

function settleIsa(asked: unknown): 'simd' | 'relaxed' {
  const isa = oneOf('isa', asked, ['auto', 'simd', 'relaxed'], 'auto')
  if (!validates(SIMD)) {
    throw new UnsupportedError('NO_SIMD', 'This engine has no WebAssembly SIMD; use one from 2021 or later.')
  }
  if (isa === 'simd') return 'simd'
  if (validates(RELAXED)) return 'relaxed'
  if (isa === 'auto') return 'simd'
  throw new UnsupportedError('NO_RELAXED_SIMD', 'This engine has no relaxed SIMD; use isa: auto or simd.', asked)
}
