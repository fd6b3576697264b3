/** From a file to a model that is ready: `load`, and what can be asked of a file before. */
import * as platform from '#platform'
import { localLeader } from '../../workers/in-process.ts'
import type { LeaderEvent, Opened, OpenOptions, Place, RemoteReader, SourceSpec } from '../../workers/leader-model.ts'
import { Crew } from '../../workers/pool.ts'
import { contextOf } from '../engine/context.ts'
import { MAX_SEGMENT_BYTES, planMemory } from '../engine/plan.ts'
import { compileBuild, type Modules, measured } from '../engine/wasm-build.ts'
import { AbortError, CriaError, SourceError, throwIfAborted } from '../errors.ts'
import { findTensors, readConfig } from '../models/index.ts'
import { countParameters } from '../models/tensors.ts'
import { checkSourceOptions } from '../source/check.ts'
import { openModel } from '../source/shards.ts'
import type { ModelInput, Source, SourceOptions } from '../source/types.ts'
import { readVocabulary } from '../tokenizer/vocabulary.ts'
import type { CriaWarning } from '../util/warn.ts'
import { warnBy } from '../util/warn.ts'
import { place } from './capabilities.ts'
import { readGguf } from './header.ts'
import { CriaModel } from './model.ts'
import { checkLoadOptions, type Settled, settle, settlePlan } from './options.ts'
import type { Inspection, InspectOptions, LoadOptions, Model, ModelInfo, Progress } from './types.ts'

/**
 * Loads a model: reads its header, creates exactly the memory it needs, and streams its weights in. Where a worker dies later
 * on, the next call loads it again, unless it came as bytes, which are not kept.
 *
 * @param input a path, a `file:`, `http(s):` or `hf:owner/repo/file.gguf` URL, a Blob or File, or bytes; of shards the
 *   first's path or URL, or a list of all
 * @throws ArgumentError, SourceError, FormatError, UnsupportedError, MemoryError, AbortError
 */
export async function load(input: ModelInput, options: LoadOptions = {}): Promise<Model> {
  checkLoadOptions(options)
  const settled = settle(options, place())
  throwIfAborted(options.signal, 'Loading the model')
  const onWarning = warnBy(options.onWarning)
  const warn = (opened: Opened): void => warnOfContext(opened, onWarning)
  return start(input, options, settled, warn, (crew, opened) => {
    const info = describe(opened, settled)
    return new CriaModel(info, crew, opened, onWarning, reloader(input, options, settled, crew, opened))
  })
}

/** What loads a model again that has been loaded by `crew`, unless its bytes are gone. */
function reloader(
  input: ModelInput,
  { onProgress: _, signal: __, ...options }: LoadOptions,
  settled: Settled,
  crew: Crew,
  opened: Opened,
): ((signal: AbortSignal) => Promise<Crew>) | undefined {
  if (holdsBytes(input)) return undefined
  const { isa, isaReason } = opened
  const first = toldOf(opened)
  const check = (now: Opened): void => {
    if (toldOf(now) !== first) throw changed(now)
  }
  crew.loadsAgain = true
  return (signal) =>
    start(input, { ...options, signal }, { ...settled, isa, isaReason }, check, (again) => {
      again.loadsAgain = true
      return again
    })
}

/**
 * Starts the workers and has them load the model: `onOpened` hears what its header says before its weights are read, and
 * what `done` makes of it all is given. The header itself is not: Firefox long holds what an async function gave, and with
 * it a vocabulary.
 */
async function start<T>(
  input: ModelInput,
  options: LoadOptions,
  settled: Settled,
  onOpened: (opened: Opened) => void,
  done: (crew: Crew, opened: Opened) => T,
): Promise<T> {
  const LocalLeader = settled.inProcess ? await localLeader() : undefined
  const wasm = settled.wasm ?? (await inlinedBuilds(settled))
  const { spec, source } = await sourceSpec(input, options)
  const crew = new Crew(LocalLeader, options.workerUrl)
  const stop = (): void => void crew.close(new AbortError('Loading the model', options.signal?.reason))
  options.signal?.addEventListener('abort', stop, { once: true })
  let failure: { error: unknown } | undefined
  crew.listen((event) => {
    try {
      report(event, options.onProgress)
    } catch (error) {
      failure ??= { error }
      stop()
    }
  })
  try {
    throwIfAborted(options.signal, 'Loading the model')
    const opened = await crew.open(
      spec,
      { ...openOptions(settled), ...(wasm && { wasm }) },
      source && readerOf(source, options.signal),
    )
    if (opened.isaReason === 'measured') measured[opened.type] = opened.isa
    onOpened(opened)
    await crew.load()
    if (failure) throw failure.error
    throwIfAborted(options.signal, 'Loading the model')
    options.onProgress?.({ phase: 'ready', done: opened.fileBytes, total: opened.fileBytes })
    return done(crew, opened)
  } catch (error) {
    await crew.close(error instanceof CriaError ? error : new CriaError('LOAD_FAILED', 'The model was not loaded.'))
    if (failure) throw failure.error
    throw error instanceof AbortError ? new AbortError('Loading the model', options.signal?.reason) : error
  } finally {
    options.signal?.removeEventListener('abort', stop)
    await source?.close()
  }
}

/** The builds that may run, where the code holds them within itself. */
async function inlinedBuilds({ isa, isaReason, shared }: Settled): Promise<Modules | undefined> {
  const files = await platform.unpack(isaReason ? [isa] : ['relaxed', 'simd'])
  if (!files) return undefined
  const modules = Object.entries(files).map(async ([name, bytes]) => [name, await compileBuild(bytes, shared)] as const)
  return Object.fromEntries(await Promise.all(modules))
}

function holdsBytes(input: ModelInput): boolean {
  return [input].flat().some((part) => part instanceof ArrayBuffer || ArrayBuffer.isView(part))
}

/** What the façade has told of a model, which must hold when it is loaded again. */
function toldOf({ fileBytes, config, type }: Opened): string {
  return JSON.stringify([fileBytes, config, type])
}

function changed({ config }: Opened): SourceError {
  const message = 'The model’s file is another one than at first; close the model and load it again.'
  return new SourceError('SOURCE_CHANGED', message, config.name)
}

/** Places and Blobs go to the leader as they are; bytes and a `fetch` of the caller's own stay here and are asked for. */
async function sourceSpec(input: ModelInput, options: LoadOptions): Promise<{ spec: SourceSpec; source?: Source }> {
  const kept: SourceOptions = {}
  for (const key of ['headers', 'token', 'sha256', 'retries', 'retryDelay'] as const) {
    if (options[key] !== undefined) Object.assign(kept, { [key]: options[key] })
  }
  // Headers lose all they hold on their way to a worker. Naming the class makes Node load its fetch.
  if (kept.headers && kept.headers instanceof Headers) kept.headers = Object.fromEntries(kept.headers)
  const places = (Array.isArray(input) ? input : [input]).map((part) => placeOf(part, options))
  if (places.length > 0 && places.every((place) => place !== undefined)) return { spec: { places, options: kept } }
  const { signal, fetch } = options
  const source = await openModel(input, platform.openFile, {
    ...kept,
    ...(fetch && { fetch }),
    ...(signal && { signal }),
  })
  const { name, size, parts } = source
  return { spec: { name, size, ...(parts && { parts }) }, source }
}

/** What the leader can open itself. */
function placeOf(part: unknown, { fetch }: LoadOptions): Place | undefined {
  const url = part instanceof URL
  if ((url || typeof part === 'string') && !fetch) return { location: String(part), url }
  return typeof Blob === 'function' && part instanceof Blob ? { blob: part } : undefined
}

function readerOf(source: Source, signal: AbortSignal | undefined): RemoteReader {
  return {
    read: async (offset, length) => {
      const bytes = new Uint8Array(length)
      await source.read(bytes, offset, signal)
      return bytes
    },
    finish: async () => source.finish?.(signal),
  }
}

function openOptions({ inProcess: _, ...settled }: Settled): OpenOptions {
  return { ...settled, found: measured, breathe: !settled.shared }
}

function report(event: LeaderEvent, onProgress: ((progress: Progress) => void) | undefined): void {
  if (event.event !== 'header' && event.event !== 'weights') return
  onProgress?.({ phase: event.event, done: event.done, total: event.total })
}

function warnOfContext({ context, config }: Opened, onWarning: (warning: CriaWarning) => void): void {
  if (context <= config.contextLength) return
  onWarning({
    code: 'CONTEXT_BEYOND_TRAINING',
    message: `The context of ${context} tokens is longer than the ${config.contextLength} the model was trained for.`,
  })
}

function describe(opened: Opened, settled: Settled): ModelInfo {
  const { config, metadata } = opened
  const template = metadata.get('tokenizer.chat_template')
  return {
    name: config.name,
    architecture: metadata.get('general.architecture') as string,
    type: opened.type,
    parameters: opened.parameters,
    fileBytes: opened.fileBytes,
    context: opened.context,
    trainedContext: config.contextLength,
    layers: config.blockCount,
    embeddingLength: config.embeddingLength,
    vocabularySize: config.vocabSize,
    threads: settled.threads,
    parallel: settled.parallel,
    isa: opened.isa,
    isaReason: opened.isaReason,
    shared: settled.shared,
    kv: settled.kv,
    memoryBytes: opened.memoryBytes,
    kvBytes: opened.kvBytes,
    chatTemplate: typeof template === 'string' ? template : undefined,
  }
}

/**
 * What a file holds and what running it would take, from its header alone.
 * @throws ArgumentError, SourceError, FormatError (where the header is unsound), AbortError
 */
export async function inspect(input: ModelInput, options: InspectOptions = {}): Promise<Inspection> {
  checkSourceOptions(options)
  const { context: asked, ...settled } = settlePlan(options, platform.cores())
  const gguf = await readGguf(input, options)
  const { version, fileBytes, metadata } = gguf
  const base = { version, fileBytes, metadata, tensors: [...gguf.tensors.values()] }
  try {
    const config = readConfig(gguf)
    const context = contextOf(config.contextLength, asked)
    const tensors = findTensors(gguf, config)
    if (metadata.has('tokenizer.ggml.model')) readVocabulary(metadata)
    const parameters = countParameters(tensors, config)
    const { maxSegmentBytes = MAX_SEGMENT_BYTES } = options
    const plan = planMemory(config, tensors, { ...settled, context, maxSegmentBytes })
    const memory = {
      context,
      kvType: settled.kv,
      weights: plan.weightBytes,
      kv: plan.kvBytes,
      buffers: plan.bufferBytes,
      total: plan.totalBytes,
      segments: plan.segments.length,
    }
    return { ...base, config, parameters, memory }
  } catch (problem) {
    if (problem instanceof CriaError) return { ...base, problem }
    throw problem
  }
}
