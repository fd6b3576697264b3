/**
 * Many sequences through one forward pass: each pass takes the next token of every sequence that generates and the next
 * piece of every prompt. Sequences share the pages of what they have in common (page-pool.ts); where pages run short the one
 * that came last steps back and is computed again later. What is in a pass never changes a bit of any sequence.
 */

import { PAGE, TILE } from '../../assembly/layout.ts'
import type { Run } from '../engine/batch.ts'
import type { Breathe, Engine } from '../engine/engine.ts'
import { OUTPUT_ROWS } from '../engine/plan.ts'
import { AbortError, MemoryError, NumericError } from '../errors.ts'
import type { Activations } from './activations.ts'
import { type Page, PagePool } from './page-pool.ts'
import type { SavedState } from './state.ts'
import { Pace } from './token-budget.ts'
import type { SchedulerStatus } from './types.ts'

/** What a sequence is computed for. */
export interface Work {
  /** The tokens known so far; `take` may add to them. */
  readonly ids: readonly number[]
  /** Works of higher priority go first, among equals the one that came first. */
  readonly priority: number
  readonly output: 'logits' | 'hidden'
  /** The first position whose output is still wanted, below the number of tokens. What lies before may be found in the cache. */
  readonly wanted: number
  /** Where what the matrices read at the positions from `wanted` on is counted. */
  readonly activations?: Activations
  /** Its turn has come: `cached` tokens need not be computed. Once only. */
  begin?(cached: number): void
  /** `done` tokens of the first that were known are computed. */
  read?(done: number): void
  /** Where more tokens are known than the context holds: how many of the first to keep, and what hears of those given up. */
  readonly shift?: { keep: number; drop(from: number, count: number): void }
  /** The output of a position: logits [vocabulary] or the hidden state [dim], good until it returns. True: that was all. */
  take(position: number, values: Float32Array): boolean
}

export interface SchedulerOptions {
  /** Most rows of a pass, and most sequences in it. */
  batch: number
  parallel: number
  /** Milliseconds that a pass should take at most, where messages wait for its end. */
  passMs?: number
}

/** Milliseconds that messages may wait. */
const REST_MS = 1

interface Sequence {
  work: Work
  order: number
  pages: Page[]
  /** Tokens in the cache. */
  computed: number
  /** Tokens that were known at first: the prompt. */
  prompt: number
  begun: boolean
  active: boolean
  /** Number of the step it last had rows in, or was let in. */
  served: number
  /** Rows in the pass at hand. */
  rows: number
  /** Another that is about to compute what this one needs too: so many tokens of it. */
  donor: { sequence: Sequence; tokens: number } | undefined
  over: boolean
  /** What it failed of. */
  error: unknown
}

/** An output that is wanted: of which row of the pass. */
interface Place {
  sequence: Sequence
  position: number
  row: number
}

export class Scheduler {
  private readonly pool: PagePool
  /** All sequences, those that go first first. */
  private sequences: Sequence[] = []
  private orders = 0
  private steps = 0
  /** When messages were let in last. */
  private rested = 0
  private readonly pace: Pace

  /** `flush` is called after each pass, when all its outputs are taken. */
  constructor(
    private readonly engine: Engine,
    private readonly options: SchedulerOptions,
    private readonly breathe: Breathe,
    private readonly flush: () => void = () => {},
  ) {
    this.pace = new Pace(options.batch, options.passMs)
    this.pool = new PagePool(engine.plan.kvPages, (from, to) => engine.copyPage(from, to))
  }

  get status(): SchedulerStatus {
    const running = this.sequences.filter(({ active }) => active).length
    return { running, waiting: this.sequences.length - running, kvPages: this.pool.counts }
  }

  /**
   * Computes works to their end; the first that fails ends the others. Whoever waits keeps all works going, a pass a turn:
   * where requests come and go one by one (edge functions), what one of them has begun ends with it.
   * @throws ArgumentError, ContextError: see Engine.checkTokens; AbortError once one was cancelled; what `take` throws
   */
  async run(work: Work | readonly Work[]): Promise<void> {
    const works = [work].flat()
    for (const { ids } of works) this.engine.checkTokens(ids)
    const own = works.map((one) => this.sequenceOf(one))
    this.sequences = this.sequences.concat(own).sort(precedence)
    const failed = (): Sequence | undefined => own.find(({ error }) => error !== undefined)
    const goesOn = (): boolean => !failed() && own.some(({ over }) => !over)
    while (goesOn()) {
      const { steps } = this
      await this.rest()
      if (this.steps === steps && goesOn()) this.step()
    }
    const error = failed()?.error
    if (error === undefined) return
    for (const one of own) this.fail(one, error)
    throw error
  }

  private sequenceOf(work: Work): Sequence {
    return {
      work,
      order: this.orders++,
      pages: [],
      computed: 0,
      prompt: work.ids.length,
      begun: false,
      active: false,
      served: 0,
      rows: 0,
      donor: undefined,
      over: false,
      error: undefined,
    }
  }

  /** Gives a work up: its pages are free at once. */
  cancel(work: Work): void {
    const sequence = this.sequences.find((one) => one.work === work)
    if (sequence) this.fail(sequence, new AbortError('The computation'))
  }

  /** The pages of a work that is being computed, in order. */
  pagesOf(work: Work): readonly Page[] {
    return this.sequences.find((one) => one.work === work)?.pages ?? []
  }

  /**
   * Puts full pages that were saved into the cache, where they are found as if they had been computed here.
   * @throws MemoryError where all pages are held
   */
  restore({ ids, pages: saved }: SavedState): void {
    const { pages, tokens } = this.pool.hold(ids, saved.length * PAGE)
    try {
      for (let at = tokens; at < saved.length * PAGE; ) {
        const p = Math.floor(at / PAGE)
        if (p === pages.length && !this.pool.extend(pages)) {
          const message = 'All pages of the KV cache are in use; load the state later, or the model with more kvTokens.'
          throw new MemoryError('CACHE_FULL', message, saved.length)
        }
        this.engine.writePage(pages[p]!.index, saved[p]!)
        this.pool.append(pages, at, ids.slice(at, (p + 1) * PAGE))
        at = (p + 1) * PAGE
      }
    } finally {
      this.pool.release(pages)
    }
  }

  /** Forgets what was computed so far. */
  reset(): void {
    this.pool.forget()
  }

  /** Lets messages in, but no more often than they are worth: small models take a tenth of a millisecond for a pass. */
  private async rest(): Promise<void> {
    const passed = performance.now() - this.rested
    // Some clocks stand still while nothing but this runs (workerd's).
    if (passed > 0 && passed < REST_MS) return
    await this.breathe()
    this.rested = performance.now()
  }

  private step(): void {
    this.steps++
    try {
      this.admit()
      this.pass(this.compose())
      this.flush()
    } catch (error) {
      for (const sequence of [...this.sequences]) this.fail(sequence, error)
    }
  }

  /** Lets sequences in, first come, first served, as far as there are places and pages. */
  private admit(): void {
    let active = this.sequences.filter((one) => one.active).length
    for (const sequence of this.sequences) {
      if (sequence.active) continue
      if (active >= this.options.parallel || (active > 0 && !this.fits(sequence, active))) return
      sequence.active = true
      sequence.served = this.steps
      active++
      this.holdPrefix(sequence)
      sequence.donor = this.donorOf(sequence)
    }
  }

  /** Whether there are pages for what is known of a sequence, and one more for each that is active. */
  private fits({ work }: Sequence, active: number): boolean {
    const { free, cached } = this.pool.counts
    const { pages } = this.pool.find(work.ids, work.wanted)
    const held = pages.filter(({ refs }) => refs > 0).length
    return Math.ceil((work.ids.length + 1) / PAGE) - held + active <= free + cached
  }

  private holdPrefix(sequence: Sequence): void {
    this.pool.release(sequence.pages)
    const { pages, tokens } = this.pool.hold(sequence.work.ids, sequence.work.wanted)
    sequence.pages = pages
    sequence.computed = tokens
  }

  /**
   * Whoever will compute the longest prefix of a sequence's tokens beyond what it has. It goes before the sequence, so that
   * no two wait for each other, and none for what has less of a claim.
   */
  private donorOf(sequence: Sequence): Sequence['donor'] {
    const { ids } = sequence.work
    let best: Sequence['donor']
    let most = sequence.computed
    for (const other of this.sequences) {
      if (other === sequence) break
      if (!other.active) continue
      const limit = Math.min(sequence.work.wanted, other.work.ids.length)
      let tokens = 0
      while (tokens < limit && ids[tokens] === other.work.ids[tokens]) tokens++
      if (tokens <= most) continue
      most = tokens
      best = { sequence: other, tokens }
    }
    return best
  }

  /** Whether a sequence has to wait for another's tokens. Takes them over when they are there. */
  private waitsForDonor(sequence: Sequence): boolean {
    const { donor } = sequence
    if (!donor) return false
    if (donor.sequence.active && donor.sequence.computed < donor.tokens) return true
    sequence.donor = undefined
    this.holdPrefix(sequence)
    return false
  }

  /** The sequences that have rows in the next pass. */
  private compose(): Sequence[] {
    const active = this.sequences.filter((one) => one.active)
    for (const one of active) one.rows = 0
    const ready = active.filter((one) => !this.waitsForDonor(one))
    for (const one of ready) {
      this.begin(one)
      if (one.work.ids.length > this.engine.context) this.shift(one)
    }
    const reading = ready.filter(reads)
    const generating = ready.length - reading.length
    let left = this.pace.mostRows(generating)
    let prompts = Math.min(this.pace.promptRows(generating), Math.max(left - generating, TILE))
    const give = (one: Sequence, most: number): void => {
      const rows = Math.min(remaining(one), most, left, reads(one) ? prompts : left)
      if (rows <= 0 || !one.active) return
      const given = this.room(one, rows)
      one.rows += given
      left -= given
      if (reads(one)) prompts -= given
    }
    const share = Math.max(TILE, Math.floor(prompts / Math.max(1, reading.length) / TILE) * TILE)
    const fair = [...ready].sort((a, b) => b.work.priority - a.work.priority || a.served - b.served)
    for (const one of fair) give(one, reads(one) ? share : 1)
    for (const one of reading) give(one, prompts)
    return this.sequences.filter((one) => one.active && one.rows > 0)
  }

  private begin(sequence: Sequence): void {
    if (sequence.begun) return
    sequence.begun = true
    this.guarded(sequence, () => sequence.work.begin?.(sequence.computed))
  }

  /** Gives up pages of a full context, half of those that need not be kept, and moves what comes after to their places. */
  private shift(sequence: Sequence): void {
    const { work, pages } = sequence
    if (!work.shift) return
    const kept = Math.ceil(work.shift.keep / PAGE)
    const given = Math.max(1, Math.floor((sequence.computed / PAGE - kept) / 2))
    const distance = given * PAGE
    this.pool.release(pages.splice(kept, given))
    work.shift.drop(kept * PAGE, distance)
    sequence.prompt = 0
    // Without a page for what others hold too, it is computed again from what is left.
    if (!this.pool.own(pages, kept)) {
      this.stepBack(sequence)
      return
    }
    for (const page of pages.slice(kept)) this.engine.shiftPage(page.index, distance)
    sequence.computed -= distance
  }

  /** Holds pages for more rows of a sequence, taking them from those that come after it; for how many there is room. */
  private room(sequence: Sequence, rows: number): number {
    const { pages } = sequence
    const from = sequence.computed + sequence.rows
    while (pages.length * PAGE < from + rows) {
      if (this.pool.extend(pages)) continue
      const last = this.sequences.findLast((one) => one.active)
      if (!last || last === sequence || precedence(last, sequence) < 0) break
      this.stepBack(last)
    }
    return Math.min(rows, pages.length * PAGE - from)
  }

  /** A sequence gives its pages up and waits to be let in again. */
  private stepBack(sequence: Sequence): void {
    this.pool.release(sequence.pages)
    sequence.pages = []
    sequence.computed = 0
    sequence.rows = 0
    sequence.active = false
    sequence.donor = undefined
  }

  private pass(batch: readonly Sequence[]): void {
    if (batch.length === 0) return
    const start = performance.now()
    try {
      this.engine.forward(batch.map(runOf))
    } catch (error) {
      // Something waits to be heard; the pass is begun again with what is left then.
      if (error instanceof AbortError) return
      if (!(error instanceof NumericError)) throw error
      // Whose keys overflow shows when each goes alone.
      if (batch.length === 1) this.fail(batch[0]!, error)
      else for (const one of batch) if (one.active) this.pass([one])
      return
    }
    const rows = batch.reduce((sum, one) => sum + one.rows, 0)
    this.pace.note(performance.now() - start, rows, batch.some(reads))
    this.outputs(this.advance(batch))
  }

  /** Notes that the rows of a pass are computed; the outputs of them that are wanted. */
  private advance(batch: readonly Sequence[]): Place[] {
    const places: Place[] = []
    let row = 0
    for (const sequence of batch) {
      const { work, computed, rows } = sequence
      for (let i = Math.max(0, work.wanted - computed); i < rows; i++) {
        places.push({ sequence, position: computed + i, row: row + i })
      }
      this.pool.append(sequence.pages, computed, work.ids.slice(computed, computed + rows))
      sequence.computed += rows
      sequence.served = this.steps
      row += rows
      if (sequence.computed <= sequence.prompt) this.guarded(sequence, () => work.read?.(sequence.computed))
    }
    return places
  }

  /** Hands out what the pass gave, computing logits for several places at once. */
  private outputs(places: readonly Place[]): void {
    const give = (sequence: Sequence, position: number, values: Float32Array): void => {
      this.guarded(sequence, () => {
        if (sequence.work.take(position, values) && !sequence.over) this.finish(sequence)
      })
    }
    for (const { sequence, position, row } of places) {
      if (sequence.work.output === 'hidden') give(sequence, position, this.engine.hidden(row))
    }
    const { vocabulary } = this.engine.config
    const rest = places.filter(({ sequence }) => sequence.work.output === 'logits')
    for (let from = 0; from < rest.length; from += OUTPUT_ROWS) {
      const some = rest.slice(from, from + OUTPUT_ROWS).filter(({ sequence }) => sequence.active)
      if (some.length === 0) continue
      const logits = this.engine.logits(some.map(({ row }) => row))
      for (const [i, { sequence, position }] of some.entries()) {
        give(sequence, position, logits.subarray(i * vocabulary, (i + 1) * vocabulary))
      }
    }
  }

  /** Runs a part of a sequence's own work, whose failure is its own too. */
  private guarded(sequence: Sequence, part: () => void): void {
    if (!sequence.active) return
    try {
      part()
    } catch (error) {
      this.fail(sequence, error)
    }
  }

  private fail(sequence: Sequence, error: unknown): void {
    if (sequence.over) return
    sequence.error = error
    this.finish(sequence)
  }

  private finish(sequence: Sequence): void {
    sequence.over = true
    this.stepBack(sequence)
    this.sequences = this.sequences.filter((one) => one !== sequence)
  }
}

function precedence(a: Sequence, b: Sequence): number {
  return b.work.priority - a.work.priority || a.order - b.order
}

function remaining({ work, computed, rows }: Sequence): number {
  return work.ids.length - computed - rows
}

/** Whether a sequence has more to compute than its next token. */
function reads({ work, computed }: Sequence): boolean {
  return work.ids.length - computed > 1
}

function runOf({ work, computed, rows, pages }: Sequence): Run {
  return { ids: work.ids.slice(computed, computed + rows), position: computed, pages, activations: work.activations }
}
