/** The options of `load`, `inspect` and `generate`: checked and resolved, once. */

import type { OpenOptions } from '../../workers/protocol.ts'
import { MOST_CONTEXT, TRAINED_CONTEXT } from '../engine/context.ts'
import { KV_TYPES } from '../engine/kv.ts'
import { DEFAULT_PARALLEL, MAX_SEGMENT_BYTES, type PlanOptions } from '../engine/plan.ts'
import { type Isa, isaOf, measured } from '../engine/wasm-build.ts'
import { UnsupportedError } from '../errors.ts'
import type { GrammarSource } from '../grammar/grammar.ts'
import { resolve as resolveSampler, SAMPLER_OPTIONS } from '../sampler/options.ts'
import { StopMatcher } from '../sampler/stop.ts'
import type { SamplerOptions } from '../sampler/types.ts'
import type { GenerateRequest } from '../scheduler/generate.ts'
import type { GenerateSettings } from '../scheduler/types.ts'
import { checkSignal, checkSourceOptions, SOURCE_OPTIONS } from '../source/check.ts'
import type { SourceOptions } from '../source/types.ts'
import { checkOptions, checkTypes, invalid, type OptionNames, oneOf } from '../util/check.ts'
import { isUrl } from '../util/kind.ts'
import { autoThreads, hasRelaxedSimd, hasSimd, type RuntimeSupport, whyOneThread } from './capabilities.ts'
import type { ChatOptions, GenerateOptions, InspectOptions, LoadOptions } from './types.ts'

const DEFAULT_BATCH = 64
const MOST_THREADS = 64
/** Larger batches gain nothing and cost memory. */
const MOST_BATCH = 512
/** More than any processor has a use for. */
const MOST_PARALLEL = 256
/** As many as OpenAI's API takes. */
const MOST_CHOICES = 128
/** As many as OpenAI's API tells. */
const MOST_LOGPROBS = 20

/** A whole number in a range, or the fallback where it is undefined. */
function whole(name: string, value: unknown, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(name, `a whole number from ${least} to ${most}`, value)
}

/** Of what `resolvePlan` takes. */
export const PLAN_OPTIONS: OptionNames<Omit<InspectOptions, keyof SourceOptions | 'signal'>> = {
  context: true,
  kvTokens: true,
  parallel: true,
  kv: true,
  threads: true,
  batch: true,
  maxSegmentBytes: true,
  overrides: true,
}

const LOAD_OPTIONS: OptionNames<LoadOptions> = {
  ...SOURCE_OPTIONS,
  ...PLAN_OPTIONS,
  isa: true,
  wasm: true,
  inProcess: true,
  workerUrl: true,
  grammars: true,
  cache: true,
  onProgress: true,
}

/** @throws ArgumentError INVALID_OPTION for options that `resolveLoad` does not look at. */
export function checkLoadOptions(options: LoadOptions): void {
  checkOptions(options, LOAD_OPTIONS)
  checkSourceOptions(options)
  checkTypes(options, 'boolean', ['inProcess', 'grammars', 'cache'])
  checkTypes(options, 'function', ['onProgress'])
  const { workerUrl } = options
  if (workerUrl === undefined || isUrl(workerUrl)) return
  // What it is relative to does not matter to whether it is sound.
  if (typeof workerUrl === 'string' && workerUrl && URL.canParse(workerUrl, 'file:///')) return
  throw invalid('workerUrl', 'a URL or a path', workerUrl)
}

const BOOLEANS = {
  special: true,
  bos: true,
  ignoreEos: true,
  showSpecial: true,
  logprobs: true,
  postSamplingProbs: true,
  contextShift: true,
  echo: true,
} as const
const SETTINGS: OptionNames<GenerateSettings> = {
  ...BOOLEANS,
  maxTokens: true,
  minTokens: true,
  stop: true,
  topLogprobs: true,
  priority: true,
  keep: true,
}
const GENERATE_OPTIONS: OptionNames<GenerateOptions> = {
  ...SAMPLER_OPTIONS,
  ...SETTINGS,
  n: true,
  schema: true,
  json: true,
  grammar: true,
  regex: true,
  compact: true,
  onDelta: true,
  onToken: true,
  onPrompt: true,
  signal: true,
}
export const CHAT_OPTIONS: OptionNames<ChatOptions> = {
  ...GENERATE_OPTIONS,
  template: true,
  tools: true,
  toolChoice: true,
  parallelToolCalls: true,
  reasoning: true,
  reasoningFormat: true,
  templateVariables: true,
  addGenerationPrompt: true,
  continueFinalMessage: true,
  strict: true,
}

/** Those of the options that are given. */
function pick<T, K extends keyof T>(options: T, names: OptionNames<Pick<T, K>>): Pick<T, K> {
  const given = (Object.keys(names) as K[]).filter((name) => options[name] !== undefined)
  return Object.fromEntries(given.map((name) => [name, options[name]])) as Pick<T, K>
}

/** A generation but for its prompt. Nothing else crosses to a worker. */
export type ResolvedGenerate = Omit<GenerateRequest, 'prompt'>

/**
 * @param defaults of the sampler, where its options are not given
 * @param chat options of a chat are taken too
 * @throws ArgumentError INVALID_OPTION with the name or value at fault
 */
export function resolveGenerate(
  options: GenerateOptions,
  vocabularySize: number,
  defaults: SamplerOptions,
  chat: boolean,
): ResolvedGenerate {
  checkOptions(options, chat ? CHAT_OPTIONS : GENERATE_OPTIONS)
  const { maxTokens, stop, topLogprobs, priority, keep, signal } = options
  checkTypes(options, 'boolean', Object.keys(BOOLEANS))
  whole('keep', keep, -1, MOST_CONTEXT, 0)
  whole('n', options.n, 1, MOST_CHOICES, 1)
  checkTypes(options, 'function', ['onDelta', 'onToken', 'onPrompt'])
  checkSignal(signal)
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 0)) {
    throw invalid('maxTokens', 'a whole number of at least 0', maxTokens)
  }
  whole('minTokens', options.minTokens, 0, MOST_CONTEXT, 0)
  if (stop !== undefined) new StopMatcher(typeof stop === 'string' ? [stop] : stop)
  whole('topLogprobs', topLogprobs, 0, MOST_LOGPROBS, 0)
  if (priority !== undefined && !Number.isFinite(priority)) throw invalid('priority', 'a number', priority)
  const sampler = { ...defaults, ...pick(options, SAMPLER_OPTIONS) }
  resolveSampler(sampler, vocabularySize)
  const grammar = resolveGrammar(options)
  return { sampler, ...pick(options, SETTINGS), ...(grammar && { grammar }) }
}

/** What the text has to be. */
function resolveGrammar(options: GenerateOptions): GrammarSource | undefined {
  checkTypes(options, 'boolean', ['json', 'compact'])
  checkTypes(options, 'string', ['grammar', 'regex'])
  const { schema, json = false, grammar, regex, compact = false } = options
  const sources: GrammarSource[] = []
  if (schema !== undefined) sources.push({ jsonSchema: plainSchema(schema), compact })
  if (json) sources.push({ json: true, compact })
  if (grammar !== undefined) sources.push({ gbnf: grammar })
  if (regex !== undefined) sources.push({ regex })
  if (sources.length > 1) throw invalid('schema', 'the only one of schema, json, grammar and regex', schema)
  if (compact && schema === undefined && !json) throw invalid('compact', 'given with schema or json', compact)
  return sources[0]
}

function plainSchema(schema: unknown): unknown {
  if (typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null && !Array.isArray(schema))) {
    try {
      return JSON.parse(JSON.stringify(schema))
    } catch (error) {
      throw invalid('schema', 'a JSON Schema, which JSON can hold', error)
    }
  }
  throw invalid('schema', 'a JSON Schema: an object or a boolean', schema)
}

export interface ResolvedLoad {
  /** What the leader opens the model with. */
  open: OpenOptions
  inProcess: boolean
}

/**
 * @throws ArgumentError for a malformed option; UnsupportedError where the engine lacks SIMD, or what was asked for
 */
export function resolveLoad(options: LoadOptions, support: RuntimeSupport): ResolvedLoad {
  const isa = options.wasm === undefined ? undefined : isaOf(options.wasm)
  const inProcess = options.inProcess ?? !support.canSpawn
  if (!inProcess && !support.canSpawn) throw noWorkers()
  const shared = support.canShare && !inProcess && isa === undefined
  const why = options.inProcess ? 'the model runs in process (inProcess)' : whyOneThread(support)
  const threads = resolveThreads(options.threads, support.cores, shared, why ?? 'the module given as wasm has none')
  const open = {
    ...resolvePlan({ ...options, threads }, support.cores),
    ...resolveIsa(options.isa, isa, inProcess),
    shared,
    found: measured,
    ...(options.overrides !== undefined && { overrides: options.overrides }),
    ...(isa && { wasm: { [isa]: options.wasm } }),
  }
  return { open, inProcess }
}

/** Also of a model that runs in the calling thread for want of another. */
export function noWorkers(): UnsupportedError {
  return new UnsupportedError('NO_WORKERS', 'There are no workers here.')
}

/** What the memory plan of a model depends on, whether it is loaded or not. `context`: as contextOf takes it. */
export function resolvePlan(options: InspectOptions, cores: number): PlanOptions & { parallel: number } {
  const { context, threads, kvTokens, maxSegmentBytes } = options
  return {
    threads: whole('threads', threads === 'auto' ? undefined : threads, 1, MOST_THREADS, autoThreads(cores, true)),
    parallel: whole('parallel', options.parallel, 1, MOST_PARALLEL, DEFAULT_PARALLEL),
    ...(kvTokens !== undefined && { kvTokens: whole('kvTokens', kvTokens, 1, MOST_CONTEXT, 0) }),
    context: context === 'trained' ? TRAINED_CONTEXT : whole('context', context, 1, MOST_CONTEXT, 0),
    kv: oneOf('kv', options.kv, KV_TYPES, 'f16'),
    batch: whole('batch', options.batch, 1, MOST_BATCH, DEFAULT_BATCH),
    maxSegmentBytes: whole('maxSegmentBytes', maxSegmentBytes, 65536, MAX_SEGMENT_BYTES, MAX_SEGMENT_BYTES),
  }
}

/** `why`: why there can be no more than one, where memory is not shared. */
function resolveThreads(asked: unknown, cores: number, shared: boolean, why: string): number {
  if (asked === undefined || asked === 'auto') return autoThreads(cores, shared)
  const threads = whole('threads', asked, 1, MOST_THREADS, 1)
  if (threads === 1 || shared) return threads
  throw new UnsupportedError(
    'NO_SHARED_MEMORY',
    `${threads} threads need shared memory, but ${why}. Use threads: 1 or 'auto'.`,
    threads,
  )
}

/** `given`: of the module that the caller gave. */
function resolveIsa(
  asked: unknown,
  given: Isa | undefined,
  inProcess: boolean,
): Pick<OpenOptions, 'isa' | 'isaReason'> {
  const isa = oneOf('isa', asked, ['auto', 'simd', 'relaxed'], 'auto')
  if (given) {
    if (isa === 'auto' || isa === given) return { isa: given, isaReason: 'asked' }
    throw invalid('isa', `'${given}', as wasm is that build, or 'auto'`, isa)
  }
  if (!hasSimd()) {
    const message =
      'This engine has no WebAssembly SIMD, which engines have since 2021, or compiles nothing from bytes: then pass the option wasm.'
    throw new UnsupportedError('NO_SIMD', message)
  }
  if (isa === 'simd') return { isa, isaReason: 'asked' }
  if (hasRelaxedSimd()) {
    if (isa === 'relaxed') return { isa, isaReason: 'asked' }
    // A trial would hold up the caller's thread.
    return { isa: 'relaxed', ...(inProcess && { isaReason: 'untried' }) }
  }
  if (isa === 'auto') return { isa: 'simd', isaReason: 'only' }
  throw new UnsupportedError('NO_RELAXED_SIMD', 'This engine has no relaxed SIMD; use isa: auto or simd.', asked)
}
