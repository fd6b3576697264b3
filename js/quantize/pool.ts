/** Who converts rows: workers, each with a wasm instance of its own, or the calling thread. */
import { type Remote, transfer, wrap } from 'comlink'
import * as platform from '#platform'
import { carryErrors, noWorkers } from '../../workers/protocol.ts'
import { CriaError, UnsupportedError, WorkerError } from '../errors.ts'
import type { WorkerHandle } from '../platform/types.ts'
import type { CriaWarning } from '../util/warn.ts'
import { RowQuantizer, type RowsJob, type RowsResult } from './row-quantizer.ts'

export interface RowPool {
  readonly size: number
  /** The job's bytes are handed over, and must not be used any more. */
  run(job: RowsJob): Promise<RowsResult>
  close(): Promise<void>
}

/** What a worker offers (workers/quantize.ts). */
export interface RowWorker {
  open(module: WebAssembly.Module): Promise<void>
  convert(job: RowsJob): RowsResult
}

/** A worker's calls. In an object, since promises look into what they resolve to, and calls answer to any name. */
interface Slot {
  readonly calls: Remote<RowWorker>
}

/** One thread is the calling one. */
export async function openPool(threads: number, warn: (warning: CriaWarning) => void): Promise<RowPool> {
  const module = await compile()
  try {
    if (threads > 1 && platform.canSpawn()) return await RowWorkerPool.open(module, threads)
  } catch (error) {
    if (!(error instanceof CriaError) || error.code !== 'NO_WORKERS') throw error
    warn({ code: 'NO_WORKERS', message: `${error.message} The calling thread does the work.` })
  }
  const quantizer = await RowQuantizer.open(module)
  return {
    size: 1,
    async run(job) {
      // Between two jobs other tasks have their turn, an abort among them.
      await platform.breathe()
      return quantizer.convert(job)
    },
    async close() {},
  }
}

async function compile(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await platform.wasm('quantize'))
  } catch (cause) {
    if (cause instanceof CriaError) throw cause
    const message = `quantize.wasm cannot be loaded here (${String(cause)}): quantize with cria's own module or command line.`
    throw new UnsupportedError('QUANTIZE_WASM', message, undefined, { cause })
  }
}

class RowWorkerPool implements RowPool {
  private readonly handles: WorkerHandle[] = []
  private count = 0
  private readonly idle: Slot[] = []
  private readonly waiting: ((slot: Slot) => void)[] = []
  /** Of each call under way, what rejects it. */
  private readonly pending = new Set<(error: CriaError) => void>()
  /** A death. */
  private end: CriaError | undefined

  static async open(module: WebAssembly.Module, threads: number): Promise<RowWorkerPool> {
    const pool = new RowWorkerPool()
    try {
      await Promise.all(Array.from({ length: threads }, () => pool.add(module)))
    } catch (error) {
      await pool.close()
      throw error
    }
    return pool
  }

  get size(): number {
    return this.handles.length
  }

  async run(job: RowsJob): Promise<RowsResult> {
    const slot = await this.call(() => this.free())
    const convert = (): Promise<RowsResult> => slot.calls.convert(transfer(job, [job.bytes.buffer as ArrayBuffer]))
    try {
      return await this.call(convert)
    } finally {
      const next = this.waiting.shift()
      if (next) next(slot)
      else this.idle.push(slot)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.terminate()))
  }

  private async add(module: WebAssembly.Module): Promise<void> {
    carryErrors()
    const slot = await this.call(() => this.spawn())
    await this.call(() => slot.calls.open(module))
    this.idle.push(slot)
  }

  private async spawn(): Promise<Slot> {
    const index = this.count++
    let handle: WorkerHandle
    try {
      handle = await platform.spawn('quantize', (cause) => this.die(index, cause))
    } catch (cause) {
      throw noWorkers(cause)
    }
    handle.hold(true)
    this.handles.push(handle)
    return { calls: wrap<RowWorker>(handle.endpoint) }
  }

  /** A worker that has nothing to do, as soon as there is one. */
  private async free(): Promise<Slot> {
    return this.idle.pop() ?? new Promise((resolve) => void this.waiting.push(resolve))
  }

  private die(index: number, cause: unknown): void {
    const message = `Worker ${index} of the quantization died (${String(cause)}). Quantize again, with fewer threads if memory is short.`
    this.end ??= new WorkerError('WORKER_DIED', message, index, { cause })
    for (const reject of this.pending) reject(this.end)
  }

  /** What runs ends with its worker's answer, or with the death of any. */
  private call<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.end) return reject(this.end)
      this.pending.add(reject)
      run()
        .then(resolve, reject)
        .finally(() => this.pending.delete(reject))
    })
  }
}
