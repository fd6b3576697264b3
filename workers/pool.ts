/**
 * The workers of one model, seen from the caller's thread: spawned here, so that the death of any is noticed here. Then a
 * flag in shared memory ends every wait, and pending calls reject; js/api/recovery.ts runs them again in another pool.
 */
import { proxy, type Remote, transfer, wrap } from 'comlink'
import * as platform from '#platform'
import { CONTROL_ABORT, CONTROL_GENERATION, CONTROL_POISON, CONTROL_TICKET } from '../assembly/layout.ts'
import type { SegmentHandle } from '../js/engine/wasm.ts'
import { AbortError, CriaError, throwIfAborted, WorkerError } from '../js/errors.ts'
import type { WorkerHandle } from '../js/platform/types.ts'
import type { InputSums } from '../js/scheduler/activations.ts'
import type { GenerateRequest, Prompt } from '../js/scheduler/generate.ts'
import type { Embeddings, SchedulerStatus } from '../js/scheduler/types.ts'
import { untilAborted } from '../js/util/abort.ts'
import type { LeaderModel } from './leader-model.ts'
import {
  type CallEvent,
  carryErrors,
  type EmbedRequest,
  type Generated,
  type LeaderCalls,
  type LeaderEvent,
  noWorkers,
  type Opened,
  type OpenOptions,
  type PoolMessage,
  type RemoteReader,
  type SourceSpec,
  Unpacked,
} from './protocol.ts'

export class WorkerPool {
  /** In a worker, or in process. */
  private leader!: Remote<LeaderCalls> | LeaderModel
  /** Whether the leader is there. */
  private readonly up: Promise<void>
  private readonly workers: WorkerHandle[] = []
  private spawned = 0
  private segments: SegmentHandle[] = []
  private listener: (event: LeaderEvent) => void = () => {}
  /** Listeners to the events of a call, by its number. */
  private readonly listeners = new Map<number, (event: CallEvent) => void>()
  private calls = 0
  /** What to do after a death, for errors: a sentence with a space before it; nothing while the model loads. */
  advice = ''
  /** Whether a call has got further here than in the pools before this one. */
  advanced = false
  /** Set for good by the death of a worker, or by close(). */
  private end: CriaError | undefined
  /** Of each pending call, the function that rejects it. */
  private readonly pending = new Set<(error: CriaError) => void>()

  /** `InProcess`: to run in the calling thread, without workers. */
  constructor(
    InProcess: typeof LeaderModel | undefined,
    private readonly workerUrl?: string | URL,
    private readonly grammars = false,
  ) {
    this.up = this.startLeader(InProcess)
    this.up.catch(() => {})
  }

  private async startLeader(InProcess: typeof LeaderModel | undefined): Promise<void> {
    if (InProcess) {
      this.leader = new InProcess((events) => this.hear(events))
      return
    }
    carryErrors()
    const worker = await this.spawn(this.grammars ? 'grammars' : 'leader')
    worker.onMessage((data) => {
      const message = data as PoolMessage | undefined
      if (message?.cria === 'events') this.hear(message.events)
    })
    this.leader = wrap<LeaderCalls>(worker.endpoint)
  }

  /** Resolves when the leader is there. @throws UnsupportedError NO_WORKERS where none can start */
  start(): Promise<void> {
    return this.call(() => this.up)
  }

  /** Sets the listener to the events of loading. */
  listen(listener: (event: LeaderEvent) => void): void {
    this.listener = listener
  }

  private hear(events: readonly LeaderEvent[]): void {
    for (const event of events) {
      if ('call' in event) this.listeners.get(event.call)?.(event)
      else this.listener(event)
    }
  }

  /** `reader`: gives the bytes that the leader cannot read itself. The memories stay in here. */
  async open(spec: SourceSpec, options: OpenOptions, reader?: RemoteReader): Promise<Opened> {
    const crossing = reader && this.workers.length > 0 ? crossingReader(reader) : reader
    const { opened, segments } = await this.call(async () => this.leader.open(spec, options, crossing))
    this.segments = segments
    if (this.workers.length > 0) opened.metadata = new Unpacked(opened.metadata)
    for (let thread = 1; thread < options.threads; thread++) {
      const start: PoolMessage = {
        cria: 'start',
        wasm: options.wasm?.[opened.isa] ?? opened.isa,
        segments: this.segments,
        thread,
        threads: options.threads,
      }
      this.spawn('thread').then(
        (worker) => worker.postMessage(start),
        () => {},
      )
    }
    return opened
  }

  /** Reads the weights; gives their fingerprint. */
  load(): Promise<string> {
    return this.call(async () => this.leader.load())
  }

  generate(
    request: GenerateRequest,
    signal: AbortSignal | undefined,
    listener: (event: CallEvent) => void,
  ): Promise<Generated> {
    return this.abortable(
      'Generation',
      signal,
      (number) => {
        this.listeners.set(number, listener)
        return this.leader.generate(number, request)
      },
      (number) => this.listeners.delete(number),
    )
  }

  logits(ids: number[], first: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    return this.abortable('Computing logits', signal, (number) => this.leader.logits(number, ids, first))
  }

  embed(request: EmbedRequest, signal: AbortSignal | undefined): Promise<Embeddings> {
    return this.abortable('The embedding', signal, (number) => this.leader.embed(number, request))
  }

  activations(ids: number[], signal: AbortSignal | undefined): Promise<InputSums[]> {
    return this.abortable('The importance matrix', signal, (number) => this.leader.activations(number, ids))
  }

  saveState(prompt: Prompt, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
    return this.abortable('Saving the state', signal, (number) => this.leader.saveState(number, prompt))
  }

  loadState(state: Uint8Array, signal: AbortSignal | undefined): Promise<number[]> {
    return this.abortable('Loading the state', signal, (number) => this.leader.loadState(number, state))
  }

  reset(prompt?: Prompt): Promise<void> {
    return this.call(async () => this.leader.reset(prompt))
  }

  status(): Promise<SchedulerStatus> {
    return this.call(async () => this.leader.status())
  }

  /** A call that ends as soon as the signal fires; the leader cancels it then. */
  private async abortable<T>(
    what: string,
    signal: AbortSignal | undefined,
    run: (number: number) => Promise<T> | T,
    done?: (number: number) => void,
  ): Promise<T> {
    const number = this.calls++
    const abort = (): void => this.abort(number)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      throwIfAborted(signal, what)
      const result = await untilAborted(
        this.call(async () => run(number)),
        signal,
        what,
      )
      this.advanced = true
      return result
    } catch (error) {
      throw error instanceof AbortError ? new AbortError(what, signal?.reason) : error
    } finally {
      signal?.removeEventListener('abort', abort)
      done?.(number)
    }
  }

  /** Has the leader cancel a call; a pass that is for it alone ends between two layers. */
  private abort(number: number): void {
    if (this.end) return
    void Promise.resolve(this.leader.abort(number)).catch(() => {})
    if (this.pending.size === 1) this.flag(CONTROL_ABORT, 1)
  }

  /** The error that every call rejects with, once a worker died or trapped. */
  get death(): WorkerError | undefined {
    return this.end instanceof WorkerError ? this.end : undefined
  }

  /** Ends all workers; pending calls reject with `reason`. */
  async close(reason: CriaError): Promise<void> {
    this.finish(reason)
    if (this.spawned === 0) (this.leader as LeaderModel).close()
    await Promise.all(this.workers.map((worker) => worker.terminate()))
    this.segments = []
  }

  private async spawn(kind: 'leader' | 'grammars' | 'thread'): Promise<WorkerHandle> {
    const index = this.spawned++
    const onDeath = (reason: unknown): void => {
      const cause = reason instanceof Error ? reason : new Error(String(reason))
      const message = `Worker ${index} (${kind === 'thread' ? kind : 'leader'}) of this model died (${cause.message}).${this.advice}`
      this.die(new WorkerError('WORKER_DIED', message, index, { cause }))
    }
    try {
      const worker = await platform.spawn(kind, onDeath, this.workerUrl)
      this.workers.push(worker)
      if (!this.end) return worker
      void worker.terminate()
    } catch (cause) {
      this.die(noWorkers(cause))
    }
    throw this.end
  }

  private die(error: CriaError): void {
    if (this.end) return
    this.finish(error)
    for (const worker of this.workers) void worker.terminate()
  }

  /** Ends every wait in wasm and rejects pending calls. */
  private finish(error: CriaError): void {
    if (this.end) return
    this.end = error
    this.flag(CONTROL_POISON, 1)
    for (const { memory, control } of this.segments) {
      const words = new Int32Array(memory.buffer)
      Atomics.notify(words, (control + CONTROL_GENERATION) >> 2)
      Atomics.notify(words, (control + CONTROL_TICKET) >> 2)
    }
    for (const reject of this.pending) reject(error)
  }

  private flag(offset: number, value: 0 | 1): void {
    for (const { memory, control } of this.segments) {
      Atomics.store(new Int32Array(memory.buffer), (control + offset) >> 2, value)
    }
  }

  /** Runs a call of the leader; ends with it, or with the pool. Keeps the process alive meanwhile. */
  private async call<T>(run: () => Promise<T>): Promise<T> {
    if (this.end) throw this.end
    let reject!: (error: CriaError) => void
    const ended = new Promise<never>((_, no) => {
      reject = no
    })
    this.pending.add(reject)
    if (this.pending.size === 1) this.workers[0]?.hold(true)
    try {
      return await Promise.race([run(), ended])
    } catch (error) {
      if (error instanceof CriaError) throw error
      throw this.trapped(error)
    } finally {
      this.pending.delete(reject)
      if (this.pending.size === 0) this.workers[0]?.hold(false)
    }
  }

  /** After a trap the other threads may wait for a barrier that the leader never reaches: the pool is dead. */
  private trapped(cause: unknown): CriaError {
    const message = `The model's worker failed (${String(cause)}).${this.advice}`
    this.die(new WorkerError('WORKER_TRAPPED', message, 0, { cause }))
    return this.end!
  }
}

/** A reader to be called from a worker; its copies of the bytes are handed over. */
function crossingReader(reader: RemoteReader): RemoteReader {
  return proxy({
    read: async (offset: number, length: number) => {
      const bytes = await reader.read(offset, length)
      return transfer(bytes, [bytes.buffer])
    },
    finish: () => reader.finish(),
  })
}
