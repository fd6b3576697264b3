/**
 * Repacking, shared out: thread 0 publishes jobs in a ring in shared memory, and all threads claim them. It helps where
 * the others don't keep up, and does all where there are none; then the memory need not be shared.
 *
 *     jobs │ … done │ claimed: under way or done │ published: to be claimed │ next to publish │
 *                   └───────────── at most JOBS in the ring ────────────────┘
 */
import * as L from '../../assembly/layout.ts'
import { WorkerError } from '../errors.ts'
import type { Segment } from './wasm.ts'

/** Milliseconds after which a wait looks whether all threads still live. */
const SLICE = 100

/**
 * File bytes of whole rows at `src` → row groups from number `first` on, of a matrix of `groups` groups at `dst`; both in the
 * memory of segment `segment`.
 */
export interface Job {
  segment: number
  /** ggml_type id. */
  type: number
  src: number
  rows: number
  columns: number
  rowBytes: number
  dst: number
  groupBytes: number
  groups: number
  first: number
  panelColumns: number
  panelBytes: number
}

/** The ring as every thread sees it: in the control words of segment 0. */
class Ring {
  readonly words: Int32Array
  readonly published: number
  private readonly claimed: number
  private readonly control: number

  constructor(private readonly segments: readonly Segment[]) {
    const { memory, control } = segments[0]!
    this.words = new Int32Array(memory.buffer)
    this.control = control
    this.published = (control + L.CONTROL_PUBLISHED) >> 2
    this.claimed = (control + L.CONTROL_CLAIMED) >> 2
  }

  /** Index in `words` of the struct of job `index`. */
  at(index: number): number {
    return (this.control + L.CONTROL_JOBS + (index % L.JOBS) * L.JOB_BYTES) >> 2
  }

  get unclaimed(): number {
    return Atomics.load(this.words, this.published) - Atomics.load(this.words, this.claimed)
  }

  get poisoned(): boolean {
    return Atomics.load(this.words, (this.control + L.CONTROL_POISON) >> 2) !== 0
  }

  /** Claims a job and runs it; false where there is none. */
  runOne(): boolean {
    const { words, claimed } = this
    for (;;) {
      const index = Atomics.load(words, claimed)
      if (index >= Atomics.load(words, this.published)) return false
      if (Atomics.compareExchange(words, claimed, index, index + 1) !== index) continue
      const at = this.at(index)
      const state = at + (L.JOB_STATE >> 2)
      Atomics.store(words, state, 1 + this.repack(at))
      Atomics.notify(words, state)
      return true
    }
  }

  private repack(at: number): number {
    const field = (offset: number): number => this.words[at + (offset >> 2)]! >>> 0
    return this.segments[field(L.JOB_SEGMENT)]!.exports.repack(
      field(L.JOB_TYPE),
      field(L.JOB_SRC),
      field(L.JOB_ROWS),
      field(L.JOB_COLUMNS),
      field(L.JOB_ROW_BYTES),
      field(L.JOB_DST),
      field(L.JOB_GROUP_BYTES),
      field(L.JOB_GROUPS),
      field(L.JOB_FIRST),
      field(L.JOB_PANEL_COLUMNS),
      field(L.JOB_PANEL_BYTES),
    )
  }
}

/** A pool thread repacks what is published, until nothing more will be or a worker has died. */
export function serveJobs(segments: readonly Segment[]): void {
  const ring = new Ring(segments)
  for (;;) {
    const published = Atomics.load(ring.words, ring.published)
    if (ring.runOne()) continue
    if (published === L.JOBS_OVER || ring.poisoned) return
    Atomics.wait(ring.words, ring.published, published, SLICE)
  }
}

/** Thread 0's side. Jobs count from 0, in the order they are published. */
export class Jobs {
  private readonly ring: Ring
  /** Jobs so far. */
  published = 0

  constructor(
    segments: readonly Segment[],
    private readonly threads: number,
  ) {
    this.ring = new Ring(segments)
  }

  /** Publishes a job, whose place in the ring must be free: job − JOBS was settled. Runs jobs that are too many. */
  publish(job: Job): void {
    const { ring } = this
    const at = ring.at(this.published)
    const put = (offset: number, value: number): void => {
      ring.words[at + (offset >> 2)] = value
    }
    put(L.JOB_STATE, 0)
    put(L.JOB_SEGMENT, job.segment)
    put(L.JOB_TYPE, job.type)
    put(L.JOB_SRC, job.src)
    put(L.JOB_ROWS, job.rows)
    put(L.JOB_COLUMNS, job.columns)
    put(L.JOB_ROW_BYTES, job.rowBytes)
    put(L.JOB_DST, job.dst)
    put(L.JOB_GROUP_BYTES, job.groupBytes)
    put(L.JOB_GROUPS, job.groups)
    put(L.JOB_FIRST, job.first)
    put(L.JOB_PANEL_COLUMNS, job.panelColumns)
    put(L.JOB_PANEL_BYTES, job.panelBytes)
    this.published++
    Atomics.store(ring.words, ring.published, this.published)
    Atomics.notify(ring.words, ring.published, 1)
    while (ring.unclaimed >= this.threads) ring.runOne()
  }

  /**
   * Waits until a job is done, helping meanwhile; returns what repack returned.
   * @throws WorkerError where a worker died.
   */
  settle(index: number): number {
    const { ring } = this
    const state = ring.at(index) + (L.JOB_STATE >> 2)
    for (;;) {
      const value = Atomics.load(ring.words, state)
      if (value !== 0) return value - 1
      if (ring.runOne()) continue
      if (ring.poisoned) {
        throw new WorkerError('WORKER_DIED', 'A worker of this model died; close the model and load it again.')
      }
      Atomics.wait(ring.words, state, 0, SLICE)
    }
  }

  /** Lets the other threads go. */
  end(): void {
    const { words, published } = this.ring
    Atomics.store(words, published, L.JOBS_OVER)
    Atomics.notify(words, published)
  }
}
