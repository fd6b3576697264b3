/**
 * Streams a file's tensors into the segments. Reads go on, some windows ahead, while windows that have come are repacked
 * on all threads:
 *
 *     file │ repacked │ being repacked, or waiting for it │ being read │ not yet asked for │
 *                     └────── slots of the staging area ───────────────┘
 */
import { JOBS, REPACK_NOT_FINITE } from '../../assembly/layout.ts'
import { CriaError, FormatError, throwIfAborted } from '../errors.ts'
import type { HalfSplit, Matrix, ModelTensors, TensorPart } from '../models/tensors.ts'
import type { Source } from '../source/types.ts'
import { fileRowBytes, largestGroup, type MemoryPlan, rowsAtOnce, segmentTensors } from './plan.ts'
import { type Job, RepackQueue } from './repack-queue.ts'
import type { Segment } from './wasm.ts'

/** Largest window read at once: large enough to hide a read's cost, small enough for a cache and to report progress. */
const WINDOW = 512 * 1024
/** Reads under way at once, and the fewest slots in use: as many again are being repacked, or wait for it. */
const READS = 2
const SLOTS = 4
/** Most reports of progress: each is a message to another thread. */
const STEPS = 200
/** Where a thread must come up for air, it does so about this often, in milliseconds. */
const BREATH_MS = 50

export type OnBytes = (done: number, total: number) => void

export interface Destination {
  plan: MemoryPlan
  segments: readonly Segment[]
  tensors: ModelTensors
  /** Of each segment: addresses of TENSORs by the names of the tensors. */
  structs: readonly ReadonlyMap<string, number>[]
  threads: number
  /** Lets pending messages in, where nothing else does. */
  breathe?: (() => Promise<void>) | undefined
}

interface Item {
  segment: number
  info: TensorPart
  matrix?: Matrix
}

/** A run of a tensor's bytes that is read at once: to be repacked, or a vector that is read where it stays. */
interface Window {
  info: TensorPart
  bytes: number
  read: Promise<void>
  /** What was read, of heads whose rows change places. */
  heads?: { bytes: Uint8Array; rowBytes: number; split: HalfSplit }
  job?: Job
  vector?: Float32Array
}

/**
 * Reads every tensor of the model, in the order of the file.
 * @throws FormatError NON_FINITE_WEIGHTS naming the tensor; SourceError, AbortError, WorkerError
 */
export async function loadWeights(
  source: Source,
  destination: Destination,
  onBytes: OnBytes,
  signal?: AbortSignal,
): Promise<void> {
  const loader = new Loader(source, destination, onBytes, signal)
  try {
    await loader.run()
  } finally {
    loader.end()
  }
  await source.finish?.(signal)
}

function listItems({ plan, tensors }: Destination): Item[] {
  const items: Item[] = []
  for (const [segment, held] of plan.segments.entries()) {
    for (const { matrix, vector } of segmentTensors(tensors, held)) {
      if (vector) items.push({ segment, info: vector })
      if (!matrix) continue
      items.push({ segment, info: matrix.info, matrix })
      if (matrix.bias) items.push({ segment, info: matrix.bias })
    }
  }
  return items.sort((a, b) => a.info.offset - b.info.offset)
}

class Loader {
  private readonly items: Item[]
  private readonly queue: RepackQueue
  /** Slots of each segment's staging area, and bytes of one. The nth window to be repacked has slot n mod slots. */
  private readonly slots: number
  private readonly slotBytes: number
  /** Windows to be repacked that were asked for, and that are known to be done; the tensor of each, by slot. */
  private asked = 0
  private repacked = 0
  private readonly names: TensorPart[] = []
  private breath = performance.now()

  constructor(
    private readonly source: Source,
    private readonly destination: Destination,
    private readonly onBytes: OnBytes,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { plan, segments, tensors, threads } = destination
    this.items = listItems(destination)
    this.queue = new RepackQueue(segments, threads)
    const room = Math.min(...plan.segments.map(({ staging }) => staging.bytes))
    const wanted = Math.min(JOBS, Math.max(SLOTS, READS + threads))
    this.slots = Math.max(1, Math.min(wanted, Math.floor(room / largestGroup(tensors))))
    this.slotBytes = Math.floor(Math.min(room / this.slots, Math.max(WINDOW, largestGroup(tensors))) / 64) * 64
  }

  async run(): Promise<void> {
    const total = this.items.reduce((sum, { info }) => sum + info.bytes, 0)
    let done = 0
    let reported = 0
    this.onBytes(0, total)
    const windows = this.windows()
    const reading: Window[] = []
    for (;;) {
      while (reading.length < Math.min(READS, this.slots)) {
        const { value } = windows.next()
        if (!value) break
        reading.push(value)
      }
      const window = reading.shift()
      if (!window) break
      await window.read
      this.take(window)
      done += window.bytes
      if (done === total || done - reported >= total / STEPS) {
        reported = done
        this.onBytes(done, total)
      }
      await this.breathe()
    }
    this.waitFor(this.queue.published)
  }

  end(): void {
    this.queue.end()
  }

  /** Asks for one window after the other, each once there is a slot for it. */
  private *windows(): Generator<Window, undefined> {
    for (const item of this.items) {
      if (item.matrix) yield* this.matrixWindows(item, item.matrix)
      else yield this.vectorWindow(item)
    }
  }

  private *matrixWindows({ segment, info }: Item, matrix: Matrix): Generator<Window> {
    const { plan, structs, segments } = this.destination
    const { rows } = matrix
    const rowBytes = fileRowBytes(matrix)
    const atOnce = rowsAtOnce(matrix)
    const step = Math.max(1, Math.floor(this.slotBytes / (atOnce * rowBytes))) * atOnce
    const { staging } = plan.segments[segment]!
    const tensor = structs[segment]!.get(info.name)!
    for (let firstRow = 0; firstRow < rows; firstRow += step) {
      const count = Math.min(step, rows - firstRow)
      this.waitFor(this.asked + 1 - this.slots)
      const slot = this.asked++ % this.slots
      this.names[slot] = info
      const src = staging.at + slot * this.slotBytes
      const window = this.read(segment, info, src, firstRow * rowBytes, count * rowBytes)
      const bytes = new Uint8Array(segments[segment]!.memory.buffer, src, count * rowBytes)
      const heads = info.halfSplit && { heads: { bytes, rowBytes, split: info.halfSplit } }
      yield { ...window, ...heads, job: { segment, tensor, src, rowBytes, firstRow, rows: count } }
    }
  }

  private vectorWindow({ segment, info }: Item): Window {
    const at = this.destination.plan.segments[segment]!.addresses.get(info.name)!
    const { buffer } = this.destination.segments[segment]!.memory
    const vector = new Float32Array(buffer, at, info.bytes / 4)
    const bytes = new Uint8Array(buffer, at, info.bytes)
    const heads = info.halfSplit && { heads: { bytes, rowBytes: 4, split: info.halfSplit } }
    return { ...this.read(segment, info, at, 0, info.bytes), ...heads, vector }
  }

  /** Starts to read `bytes` bytes of a tensor, from its byte `from` on, to address `at`. */
  private read(segment: number, info: TensorPart, at: number, from: number, bytes: number): Window {
    throwIfAborted(this.signal, 'Loading the model')
    const target = new Uint8Array(this.destination.segments[segment]!.memory.buffer, at, bytes)
    const read = this.source.read(target, info.offset + from, this.signal)
    // Reads that are still under way when loading fails have nobody to wait for them.
    read.catch(() => {})
    return { info, bytes, read }
  }

  /** What was read: repacked, or checked. */
  private take({ info, heads, job, vector }: Window): void {
    if (heads) interleave(heads.bytes, heads.rowBytes, heads.split)
    if (job) this.queue.publish(job)
    if (!vector || vector.every(Number.isFinite)) return
    // An earlier tensor's fault comes first, on any number of threads.
    this.waitFor(this.queue.published)
    throw notFinite(info)
  }

  /** Waits until `count` windows are repacked. */
  private waitFor(count: number): void {
    for (; this.repacked < count; this.repacked++) {
      const status = this.queue.wait(this.repacked)
      if (status === 0) continue
      const info = this.names[this.repacked % this.slots]!
      if (status === REPACK_NOT_FINITE) throw notFinite(info)
      throw new CriaError('REPACK', `The kernels do not know the type of ${info.name}.`, info.type)
    }
  }

  private async breathe(): Promise<void> {
    const { breathe } = this.destination
    if (!breathe || performance.now() - this.breath < BREATH_MS) return
    await breathe()
    this.breath = performance.now()
  }
}

/** Brings rows of whole heads, dimensions i and i + half of each, into the order of pairs: 0, half, 1, half + 1 … */
function interleave(bytes: Uint8Array, rowBytes: number, { headDim, dimensions }: HalfSplit): void {
  const half = dimensions / 2
  const head = new Uint8Array(dimensions * rowBytes)
  for (let at = 0; at < bytes.length; at += headDim * rowBytes) {
    head.set(bytes.subarray(at, at + head.length))
    for (let row = 0; row < dimensions; row++) {
      const from = ((row >> 1) + (row & 1) * half) * rowBytes
      bytes.set(head.subarray(from, from + rowBytes), at + row * rowBytes)
    }
  }
}

function notFinite(info: TensorPart): FormatError {
  return new FormatError(
    'NON_FINITE_WEIGHTS',
    `The tensor ${info.name} holds an infinity or NaN: the file is damaged or was converted wrongly. Get it again.`,
    info.name,
  )
}
