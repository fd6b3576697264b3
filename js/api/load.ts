/** From a file to a model that is ready. */
import * as platform from '#platform'
import { inProcessLeader } from '../../workers/in-process.ts'
import { WorkerPool } from '../../workers/pool.ts'
import type { LeaderEvent, Location, Opened, OpenOptions, RemoteReader, SourceSpec } from '../../workers/protocol.ts'
import { compileBuild, type Modules, measured } from '../engine/wasm-build.ts'
import { AbortError, CriaError, SourceError, throwIfAborted } from '../errors.ts'
import type { SamplerOptions } from '../sampler/types.ts'
import { fileOf } from '../source/memory.ts'
import { openModel } from '../source/shards.ts'
import type { ModelInput, Source, SourceOptions } from '../source/types.ts'
import { plain } from '../util/caller.ts'
import { isBlob, isUrl, kindOf } from '../util/kind.ts'
import { type CriaWarning, warnBy } from '../util/warn.ts'
import { runtimeSupport } from './capabilities.ts'
import { CriaModel } from './model.ts'
import { checkLoadOptions, noWorkers, type ResolvedLoad, resolveLoad } from './options.ts'
import { RecoveringPool } from './recovery.ts'
import { samplingOf } from './sampling.ts'
import { loadTemplatesOf } from './templates.ts'
import type { LoadOptions, Model, ModelInfo } from './types.ts'

/**
 * Loads a model: reads its header, creates exactly the memory it needs, and streams its weights in. Where a worker dies later
 * on, the model is loaded again and calls under way go on, unless it came as bytes, which are not kept.
 *
 * @param input a path, a `file:`, `http(s):` or `hf:owner/repo/file.gguf` URL, a Blob or File, or bytes; of shards the
 *   first's path or URL, or a list of all
 * @throws ArgumentError, SourceError, FormatError, UnsupportedError, MemoryError, AbortError
 */
export async function load(input: ModelInput, options: LoadOptions = {}): Promise<Model> {
  checkLoadOptions(options)
  // As they are now: where a worker dies, it is loaded again.
  const { cache, ...now } = plain(options)
  if (!cache) return loadNow(plain(input), now)
  const { loadKept } = await import('./kept.ts')
  return loadKept(plain(input), now, loadNow)
}

async function loadNow(input: ModelInput, options: LoadOptions): Promise<Model> {
  const support = runtimeSupport()
  const onWarning = warnBy(options.onWarning)
  let sampling: SamplerOptions
  const warn = (opened: Opened): void => {
    warnOfContext(opened, onWarning)
    for (const warning of opened.warnings) onWarning(warning)
    sampling = samplingOf(opened.metadata, onWarning)
  }
  const begin = (resolved: ResolvedLoad): Promise<CriaModel> =>
    start(input, options, resolved, warn, (pool, opened, weights) => {
      const info = describe(opened, resolved.open, sampling)
      const reload = reloader(input, options, resolved, opened, weights)
      pool.advice = reload ? LOADS_AGAIN : ' Close the model and load it again: its bytes were not kept.'
      return new CriaModel(info, new RecoveringPool(pool, onWarning, reload), opened, onWarning)
    })
  const { inProcess, threads = 1 } = options
  const warnOf = ({ message }: CriaError): void =>
    onWarning({ code: 'NO_WORKERS', message: `${message} The model runs in the calling thread.` })
  // Whoever gives a module knows a runtime that has none.
  if (!support.canSpawn && inProcess === undefined && !options.wasm) warnOf(noWorkers())
  try {
    return await begin(resolveLoad(options, support))
  } catch (error) {
    const none = error instanceof CriaError && error.code === 'NO_WORKERS'
    if (!none || inProcess === false || Number(threads) > 1) throw error
    warnOf(error)
    return begin(resolveLoad(options, { ...support, canSpawn: false }))
  }
}

const LOADS_AGAIN = ' The next call loads the model again.'

/** Loads a model again; undefined where its bytes are not kept. */
function reloader(
  input: ModelInput,
  { onProgress: _, signal: __, ...options }: LoadOptions,
  { open, inProcess }: ResolvedLoad,
  { isa, isaReason, fileBytes, headerHash }: Opened,
  weights: string,
): ((signal: AbortSignal) => Promise<WorkerPool>) | undefined {
  if (holdsBytes(input)) return undefined
  const again = { open: { ...open, isa, isaReason }, inProcess }
  const check = (now: Opened): void => {
    if (now.fileBytes !== fileBytes || now.headerHash !== headerHash) throw changed(now)
  }
  const done = (pool: WorkerPool, now: Opened, found: string): WorkerPool => {
    if (found !== weights) throw changed(now)
    pool.advice = LOADS_AGAIN
    return pool
  }
  return (signal) => start(input, { ...options, signal }, again, check, done)
}

/**
 * Starts the workers and has them load the model. `onOpened` gets the header before the weights are read, `done` makes the
 * result; `weights` is their fingerprint. The header itself is no result: Firefox long holds what an async function
 * returned, and with it a vocabulary.
 */
async function start<T>(
  input: ModelInput,
  options: LoadOptions,
  { open, inProcess }: ResolvedLoad,
  onOpened: (opened: Opened) => void,
  done: (pool: WorkerPool, opened: Opened, weights: string) => T,
): Promise<T> {
  const InProcess = inProcess ? await inProcessLeader() : undefined
  throwIfAborted(options.signal, 'Loading the model')
  const wasm = await builds(open)
  const pool = new WorkerPool(InProcess, options.workerUrl, options.grammars)
  const stop = (): void => void pool.close(new AbortError('Loading the model', options.signal?.reason))
  options.signal?.addEventListener('abort', stop, { once: true })
  let failure: { error: unknown } | undefined
  let source: Source | undefined
  pool.listen((event) => {
    try {
      report(event, options)
    } catch (error) {
      failure ??= { error }
      stop()
    }
  })
  try {
    throwIfAborted(options.signal, 'Loading the model')
    // Where none can start, nothing has been asked for yet.
    await pool.start()
    const { spec, ...given } = await sourceSpec(input, options)
    source = given.source
    const reader = source && readerOf(source, options.signal)
    const opened = await pool.open(spec, { ...open, ...(wasm && { wasm }) }, reader)
    if (opened.isaReason === 'measured') measured[opened.type] = opened.isa
    onOpened(opened)
    const [weights] = await Promise.all([pool.load(), loadTemplatesOf(opened.metadata)])
    if (failure) throw failure.error
    throwIfAborted(options.signal, 'Loading the model')
    options.onProgress?.({ phase: 'ready', done: opened.fileBytes, total: opened.fileBytes })
    return done(pool, opened, weights)
  } catch (error) {
    await pool.close(error instanceof CriaError ? error : new CriaError('LOAD_FAILED', 'The model was not loaded.'))
    if (failure) throw failure.error
    throw error instanceof AbortError ? new AbortError('Loading the model', options.signal?.reason) : error
  } finally {
    options.signal?.removeEventListener('abort', stop)
    await source?.close()
  }
}

/** The builds that may run, where they are at hand: given by the caller, or within the code. */
async function builds({ isa, isaReason, shared, wasm }: OpenOptions): Promise<Modules | undefined> {
  const files = await platform.unpack(wasm ? [] : isaReason ? [isa] : ['relaxed', 'simd'])
  if (wasm || !files) return wasm
  const modules = Object.entries(files).map(async ([name, bytes]) => [name, await compileBuild(bytes, shared)] as const)
  return Object.fromEntries(await Promise.all(modules))
}

function holdsBytes(input: ModelInput): boolean {
  return [input].flat().some((part) => kindOf(part) === 'ArrayBuffer' || ArrayBuffer.isView(part))
}

function changed({ config }: Opened): SourceError {
  const message = 'The model’s file is another one than at first; close the model and load it again.'
  return new SourceError('SOURCE_CHANGED', message, config.name)
}

/** Paths, URLs and Blobs go to the leader; bytes, and sources read by the caller's own `fetch`, stay behind a reader. */
async function sourceSpec(input: ModelInput, options: LoadOptions): Promise<{ spec: SourceSpec; source?: Source }> {
  const kept: SourceOptions = {}
  for (const key of ['headers', 'token', 'sha256', 'retries', 'retryDelay', 'reconnectTimeout'] as const) {
    if (options[key] !== undefined) Object.assign(kept, { [key]: options[key] })
  }
  // Headers lose all they hold on their way to a worker.
  if (kindOf(kept.headers) === 'Headers') kept.headers = Object.fromEntries(kept.headers as Headers)
  const inputs = await Promise.all((Array.isArray(input) ? input : [input]).map(fileOf))
  const locations = inputs.map((part) => locationOf(part, options))
  if (locations.length > 0 && locations.every((one) => one !== undefined)) return { spec: { locations, options: kept } }
  const { signal, fetch, onWarning } = options
  const source = await openModel(input, platform.openFile, {
    ...kept,
    ...(fetch && { fetch }),
    ...(onWarning && { onWarning }),
    ...(signal && { signal }),
  })
  const { name, size, parts } = source
  return { spec: { name, size, ...(parts && { parts }) }, source }
}

/** What the leader can open itself. */
function locationOf(part: unknown, { fetch }: LoadOptions): Location | undefined {
  const url = isUrl(part)
  if (!fetch && (url || typeof part === 'string')) return { location: url ? part.href : platform.locate(part), url }
  return isBlob(part) && survives(part) ? { blob: part } : undefined
}

/** Whether a worker can read it: not an emulation of a browser's, nor in WebKit one of an opaque origin. */
function survives(blob: Blob): boolean {
  try {
    return globalThis.origin !== 'null' && isBlob(structuredClone(blob))
  } catch {
    return false
  }
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

function report(event: LeaderEvent, { onProgress, onWarning }: LoadOptions): void {
  if (event.event === 'warning') warnBy(onWarning)(event.warning)
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

function describe(opened: Opened, { threads, parallel, shared, kv }: OpenOptions, sampling: SamplerOptions): ModelInfo {
  const { config, metadata } = opened
  const template = metadata.get('tokenizer.chat_template')
  return {
    name: config.name,
    architecture: config.architecture,
    type: opened.type,
    parameters: opened.parameters,
    fileBytes: opened.fileBytes,
    context: opened.context,
    trainedContext: config.contextLength,
    layers: config.blockCount,
    embeddingLength: config.embeddingLength,
    vocabularySize: config.vocabSize,
    threads,
    parallel,
    isa: opened.isa,
    isaReason: opened.isaReason,
    shared,
    kv,
    memoryBytes: opened.memoryBytes,
    kvBytes: opened.kvBytes,
    chatTemplate: typeof template === 'string' ? template : undefined,
    sampling,
  }
}
