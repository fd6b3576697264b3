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

/** File bytes of `rows` whole rows at `src` → a TENSOR, from row `firstRow` on; both in the memory of segment `segment`. */
export interface Job {
  segment: number
  /** Address of the TENSOR. */
  tensor: number
  src: number
  rowBytes: number
  firstRow: number
  rows: number
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
    const { exports } = this.segments[field(L.JOB_SEGMENT)]!
    return exports.repack(
      field(L.JOB_TENSOR),
      field(L.JOB_SRC),
      field(L.JOB_ROW_BYTES),
      field(L.JOB_FIRST_ROW),
      field(L.JOB_ROWS),
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
export class RepackQueue {
  private readonly ring: Ring
  /** Jobs so far. */
  published = 0

  constructor(
    segments: readonly Segment[],
    private readonly threads: number,
  ) {
    this.ring = new Ring(segments)
  }

  /** Publishes a job, whose place in the ring must be free: job − JOBS is done and waited for. Runs jobs that are too many. */
  publish(job: Job): void {
    const { ring } = this
    const at = ring.at(this.published)
    const put = (offset: number, value: number): void => {
      ring.words[at + (offset >> 2)] = value
    }
    put(L.JOB_STATE, 0)
    put(L.JOB_SEGMENT, job.segment)
    put(L.JOB_TENSOR, job.tensor)
    put(L.JOB_SRC, job.src)
    put(L.JOB_ROW_BYTES, job.rowBytes)
    put(L.JOB_FIRST_ROW, job.firstRow)
    put(L.JOB_ROWS, job.rows)
    this.published++
    Atomics.store(ring.words, ring.published, this.published)
    Atomics.notify(ring.words, ring.published, 1)
    while (ring.unclaimed >= this.threads) ring.runOne()
  }

  /**
   * Waits until a job is done, helping meanwhile; returns what repack returned.
   * @throws WorkerError where a worker died.
   */
  wait(index: number): number {
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

  /** Ends the repacking of the other threads. */
  end(): void {
    const { words, published } = this.ring
    Atomics.store(words, published, L.JOBS_OVER)
    Atomics.notify(words, published)
  }
}
