/**
 * The workers of one model, seen from the caller's thread: spawned here, so that the death of any is noticed here. Then a
 * flag in shared memory ends every wait, and what is pending rejects.
 */
import { proxy, type Remote, wrap } from 'comlink'
import * as platform from '#platform'
import { CONTROL_ABORT, CONTROL_GENERATION, CONTROL_POISON, CONTROL_TICKET } from '../assembly/layout.ts'
import type { GenerateRequest, InternalResult } from './engine/generate.ts'
import type { Leader, LeaderEvent, Opened, OpenOptions, RemoteRead, SourceSpec } from './engine/leader.ts'
import { Leader as LocalLeader } from './engine/leader.ts'
import type { SegmentHandle } from './engine/wasm.ts'
import { type CriaError, WorkerError } from './errors.ts'
import type { WorkerHandle } from './platform/types.ts'
import { carryErrors } from './rpc.ts'

/** The leader as the façade calls it: in a worker, or in process. */
type LeaderCalls = Remote<Leader> | Leader

export class Crew {
  private readonly leader: LeaderCalls
  private readonly workers: WorkerHandle[] = []
  private segments: SegmentHandle[] = []
  private listener: (event: LeaderEvent) => void = () => {}
  /** Why nothing works any more: a death, or close(). */
  private end: CriaError | undefined
  private rejectEnded!: (error: CriaError) => void
  private readonly ended = new Promise<never>((_, reject) => {
    this.rejectEnded = reject
  })
  /** Calls under way. */
  private busy = 0

  constructor(inProcess: boolean) {
    // Nobody may be waiting when it ends.
    this.ended.catch(() => {})
    if (inProcess) {
      this.leader = new LocalLeader((event) => this.listener(event))
      return
    }
    carryErrors()
    const worker = this.spawn('leader')
    worker.onMessage((message) => {
      if (typeof message === 'object' && message !== null && 'event' in message) this.listener(message as LeaderEvent)
    })
    this.leader = wrap<Leader>(worker.endpoint)
  }

  /** Who hears the leader's events; one call runs at a time. */
  listen(listener: (event: LeaderEvent) => void): void {
    this.listener = listener
  }

  async open(spec: SourceSpec, options: OpenOptions): Promise<Opened> {
    const crossing = 'read' in spec && this.workers.length > 0 ? proxied(spec) : spec
    const opened = await this.call(async () => this.leader.open(crossing, options))
    this.segments = opened.segments
    for (let thread = 1; thread < options.threads; thread++) {
      const start = { wasm: `${options.isa}-threads`, segments: this.segments, thread, threads: options.threads }
      this.spawn('thread').postMessage(start)
    }
    return opened
  }

  load(): Promise<void> {
    return this.call(async () => this.leader.load())
  }

  generate(request: GenerateRequest): Promise<InternalResult> {
    return this.call(async () => this.leader.generate(request))
  }

  logits(ids: number[]): Promise<Float32Array> {
    return this.call(async () => this.leader.logits(ids))
  }

  reset(): Promise<void> {
    return this.call(async () => this.leader.reset())
  }

  /** Ends what the leader is doing between two layers, or two reads. */
  abort(): void {
    if (this.end) return
    if (this.segments.length > 0) this.flag(CONTROL_ABORT, 1)
    // A leader that loads, or whose memory is its own, reads its messages.
    void Promise.resolve(this.leader.abort()).catch(() => {})
  }

  /** Makes ready for the next call after an abort. */
  async clear(): Promise<void> {
    if (this.segments.length > 0) this.flag(CONTROL_ABORT, 0)
    await this.call(async () => this.leader.clear())
  }

  /** Ends all workers; what is pending rejects with `reason`. */
  async close(reason: CriaError): Promise<void> {
    this.finish(reason)
    if (this.workers.length === 0) (this.leader as Leader).close()
    await Promise.all(this.workers.map((worker) => worker.terminate()))
    this.segments = []
  }

  private spawn(kind: 'leader' | 'thread'): WorkerHandle {
    const index = this.workers.length
    const worker = platform.spawn(kind, (reason) => {
      const cause = reason instanceof Error ? reason : new Error(String(reason))
      const message = `Worker ${index} (${kind}) of this model died (${cause.message}). Close the model and load it again.`
      this.die(new WorkerError('WORKER_DIED', message, index, { cause }))
    })
    this.workers.push(worker)
    return worker
  }

  private die(error: WorkerError): void {
    if (this.end) return
    this.finish(error)
    this.flag(CONTROL_POISON, 1)
    for (const { memory, control } of this.segments) {
      const words = new Int32Array(memory.buffer)
      Atomics.notify(words, (control + CONTROL_GENERATION) >> 2)
      Atomics.notify(words, (control + CONTROL_TICKET) >> 2)
    }
    for (const worker of this.workers) void worker.terminate()
  }

  private finish(error: CriaError): void {
    this.end ??= error
    this.rejectEnded(this.end)
  }

  private flag(offset: number, value: 0 | 1): void {
    for (const { memory, control } of this.segments) {
      Atomics.store(new Int32Array(memory.buffer), (control + offset) >> 2, value)
    }
  }

  /** Runs a call of the leader's; ends with it, or with the crew. Keeps the process alive meanwhile. */
  private async call<T>(run: () => Promise<T>): Promise<T> {
    if (this.end) throw this.end
    if (this.busy++ === 0) this.workers[0]?.hold(true)
    try {
      return await Promise.race([run(), this.ended])
    } finally {
      if (--this.busy === 0) this.workers[0]?.hold(false)
    }
  }
}

/** A spec whose functions run on this side. */
function proxied(spec: { name: string; size: number; read: RemoteRead; finish?: () => Promise<void> }): SourceSpec {
  const { name, size, read, finish } = spec
  return { name, size, read: proxy(read), ...(finish && { finish: proxy(finish) }) }
}
