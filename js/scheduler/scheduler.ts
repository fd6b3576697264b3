/**
 * Continuous batching: each pass takes the next token of every sequence that decodes and the next piece of every prompt.
 * Sequences share the pages of their common prefixes (page-pool.ts). Where pages run short, the sequence that came last is
 * preempted and computed again later. The composition of a pass never changes a bit of any sequence.
 */

import { PAGE, TILE } from '../../assembly/layout.ts'
import type { BatchSpan, LayerObserver } from '../engine/batch.ts'
import type { Breathe, Engine } from '../engine/engine.ts'
import { OUTPUT_ROWS } from '../engine/plan.ts'
import { AbortError, MemoryError, NumericError } from '../errors.ts'
import { type Page, PagePool } from './page-pool.ts'
import type { SavedState } from './state.ts'
import { TokenBudget } from './token-budget.ts'
import type { SchedulerStatus } from './types.ts'

/** What a sequence is computed for: it gives tokens and takes outputs. */
export interface Task {
  /** The tokens known so far; `take` may add to them. */
  readonly ids: readonly number[]
  /** Tasks of higher priority go first, among equals the one that came first. */
  readonly priority: number
  readonly output: 'logits' | 'hidden'
  /** The first position whose output is still wanted, below the number of tokens. What lies before may be found in the cache. */
  readonly wanted: number
  /** Sees what the matrices read at each position. */
  readonly observer?: LayerObserver
  /** The task is admitted for the first time: its first `cached` tokens were cache hits. */
  begin?(cached: number): void
  /** Prefill went on: `done` tokens of the prompt are computed. */
  progress?(done: number): void
  /** Context shift: how many of the first tokens to keep where the context is full, and the callback for dropped ones. */
  readonly shift?: { keep: number; drop(from: number, count: number): void }
  /** Takes the output of a position: logits [vocabulary] or the hidden state [dim], good until it returns. True ends the task. */
  take(position: number, values: Float32Array): boolean
}

export interface SchedulerOptions {
  /** Most rows of a pass, and most sequences in it. */
  batch: number
  parallel: number
  /** Most milliseconds of a pass, where messages wait for its end. */
  passMs?: number
}

/** Milliseconds that messages may wait. */
const REST_MS = 1

interface Sequence {
  task: Task
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
  /** Another sequence that is about to compute the first `tokens` of this one too. */
  prefixOwner: { sequence: Sequence; tokens: number } | undefined
  over: boolean
  /** Why it failed. */
  error: unknown
}

/** A wanted output of the pass, and its row. */
interface Output {
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
  private readonly passes = { total: 0, sequences: 0 }
  /** When messages were let in last. */
  private rested = 0
  private readonly budget: TokenBudget

  /** `flush` is called after each pass, when all its outputs are taken. */
  constructor(
    private readonly engine: Engine,
    private readonly options: SchedulerOptions,
    private readonly breathe: Breathe,
    private readonly flush: () => void = () => {},
  ) {
    this.budget = new TokenBudget(options.batch, options.passMs)
    this.pool = new PagePool(engine.plan.kvPages, (from, to) => engine.copyPage(from, to))
  }

  get status(): SchedulerStatus {
    const running = this.sequences.filter(({ active }) => active).length
    const waiting = this.sequences.length - running
    return { running, waiting, kvPages: this.pool.counts, passes: { ...this.passes } }
  }

  /**
   * Computes tasks to their end; the first that fails ends the others. Every caller drives all tasks, a pass a turn: in edge
   * functions a request's own loop is all that runs.
   * @throws ArgumentError, ContextError: see Engine.checkTokens; AbortError once one was cancelled; what `take` throws
   */
  async run(task: Task | readonly Task[]): Promise<void> {
    const tasks = [task].flat()
    for (const { ids } of tasks) this.engine.checkTokens(ids)
    const own = tasks.map((one) => this.sequenceOf(one))
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

  private sequenceOf(task: Task): Sequence {
    return {
      task,
      order: this.orders++,
      pages: [],
      computed: 0,
      prompt: task.ids.length,
      begun: false,
      active: false,
      served: 0,
      rows: 0,
      prefixOwner: undefined,
      over: false,
      error: undefined,
    }
  }

  /** Cancels a task: its pages are free at once. */
  cancel(task: Task): void {
    const sequence = this.sequences.find((one) => one.task === task)
    if (sequence) this.fail(sequence, new AbortError('The computation'))
  }

  /** The pages of a task that is being computed, in order. */
  pagesOf(task: Task): readonly Page[] {
    return this.sequences.find((one) => one.task === task)?.pages ?? []
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

  /** Forgets a text, from its end back to where it is in use or another one goes on. */
  forget(ids: readonly number[]): void {
    this.pool.forgetText(ids)
  }

  /** Lets messages in, at most once a REST_MS: a pass of a small model takes a tenth of a millisecond. */
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

  /** Admits sequences, first come, first served, while there are slots and pages. */
  private admit(): void {
    let active = this.sequences.filter((one) => one.active).length
    for (const sequence of this.sequences) {
      if (sequence.active) continue
      if (active >= this.options.parallel || (active > 0 && !this.fits(sequence, active))) return
      sequence.active = true
      sequence.served = this.steps
      active++
      this.holdPrefix(sequence)
      sequence.prefixOwner = this.prefixOwnerOf(sequence)
    }
  }

  /** Whether there are pages for a sequence's known tokens, and one more for each active sequence. */
  private fits({ task }: Sequence, active: number): boolean {
    const { free, cached } = this.pool.counts
    const { pages } = this.pool.find(task.ids, task.wanted)
    const held = pages.filter(({ refs }) => refs > 0).length
    return Math.ceil((task.ids.length + 1) / PAGE) - held + active <= free + cached
  }

  private holdPrefix(sequence: Sequence): void {
    this.pool.release(sequence.pages)
    const { pages, tokens } = this.pool.hold(sequence.task.ids, sequence.task.wanted)
    sequence.pages = pages
    sequence.computed = tokens
  }

  /**
   * The sequence that will compute the longest prefix of this one's tokens beyond its hits. It precedes this one, so that no
   * two wait for each other, and none for a sequence of lower precedence.
   */
  private prefixOwnerOf(sequence: Sequence): Sequence['prefixOwner'] {
    const { ids } = sequence.task
    let best: Sequence['prefixOwner']
    let most = sequence.computed
    for (const other of this.sequences) {
      if (other === sequence) break
      if (!other.active) continue
      const limit = Math.min(sequence.task.wanted, other.task.ids.length)
      let tokens = 0
      while (tokens < limit && ids[tokens] === other.task.ids[tokens]) tokens++
      if (tokens <= most) continue
      most = tokens
      best = { sequence: other, tokens }
    }
    return best
  }

  /** Whether a sequence waits for its prefix owner. Takes the prefix over once it is computed. */
  private waitsForPrefix(sequence: Sequence): boolean {
    const { prefixOwner } = sequence
    if (!prefixOwner) return false
    if (prefixOwner.sequence.active && prefixOwner.sequence.computed < prefixOwner.tokens) return true
    sequence.prefixOwner = undefined
    this.holdPrefix(sequence)
    return false
  }

  /** The sequences that have rows in the next pass. */
  private compose(): Sequence[] {
    const active = this.sequences.filter((one) => one.active)
    for (const one of active) one.rows = 0
    const ready = active.filter((one) => !this.waitsForPrefix(one))
    for (const one of ready) {
      this.begin(one)
      if (one.task.ids.length > this.engine.context) this.shift(one)
    }
    const prefilling = ready.filter(prefills)
    const decoding = ready.length - prefilling.length
    let left = this.budget.mostRows(decoding)
    let prefill = Math.min(this.budget.prefillRows(decoding), Math.max(left - decoding, TILE))
    const grant = (one: Sequence, most: number): void => {
      const rows = Math.min(remaining(one), most, left, prefills(one) ? prefill : left)
      if (rows <= 0 || !one.active) return
      const granted = this.room(one, rows)
      one.rows += granted
      left -= granted
      if (prefills(one)) prefill -= granted
    }
    const share = Math.max(TILE, Math.floor(prefill / Math.max(1, prefilling.length) / TILE) * TILE)
    const fair = [...ready].sort((a, b) => b.task.priority - a.task.priority || a.served - b.served)
    for (const one of fair) grant(one, prefills(one) ? share : 1)
    for (const one of prefilling) grant(one, prefill)
    return this.sequences.filter((one) => one.active && one.rows > 0)
  }

  private begin(sequence: Sequence): void {
    if (sequence.begun) return
    sequence.begun = true
    this.guarded(sequence, () => sequence.task.begin?.(sequence.computed))
  }

  /** Drops half the pages of a full context that need not be kept, and moves the pages after them to their positions. */
  private shift(sequence: Sequence): void {
    const { task, pages } = sequence
    if (!task.shift) return
    const kept = Math.ceil(task.shift.keep / PAGE)
    const dropped = Math.max(1, Math.floor((sequence.computed / PAGE - kept) / 2))
    const distance = dropped * PAGE
    this.pool.release(pages.splice(kept, dropped))
    task.shift.drop(kept * PAGE, distance)
    sequence.prompt = 0
    // Shared pages need copies; without a free page the sequence is computed again.
    if (!this.pool.own(pages, kept)) {
      this.preempt(sequence)
      return
    }
    for (const page of pages.slice(kept)) this.engine.shiftPage(page.index, distance)
    sequence.computed -= distance
  }

  /** Holds pages for more rows of a sequence, preempting those that come after it. Returns how many rows fit. */
  private room(sequence: Sequence, rows: number): number {
    const { pages } = sequence
    const from = sequence.computed + sequence.rows
    while (pages.length * PAGE < from + rows) {
      if (this.pool.extend(pages)) continue
      const last = this.sequences.findLast((one) => one.active)
      if (!last || last === sequence || precedence(last, sequence) < 0) break
      this.preempt(last)
    }
    return Math.min(rows, pages.length * PAGE - from)
  }

  /** Releases a sequence's pages; it waits to be admitted again. */
  private preempt(sequence: Sequence): void {
    this.pool.release(sequence.pages)
    sequence.pages = []
    sequence.computed = 0
    sequence.rows = 0
    sequence.active = false
    sequence.prefixOwner = undefined
  }

  private pass(batch: readonly Sequence[]): void {
    if (batch.length === 0) return
    const start = performance.now()
    try {
      this.engine.forward(batch.map(spanOf))
    } catch (error) {
      // A message waits. The next pass is composed of what is left then.
      if (error instanceof AbortError) return
      if (!(error instanceof NumericError)) throw error
      // A pass for each alone shows whose keys overflow.
      if (batch.length === 1) this.fail(batch[0]!, error)
      else for (const one of batch) if (one.active) this.pass([one])
      return
    }
    this.passes.total++
    this.passes.sequences += batch.length
    const rows = batch.reduce((sum, one) => sum + one.rows, 0)
    this.budget.note(performance.now() - start, rows, batch.some(prefills))
    this.deliver(this.advance(batch))
  }

  /** Counts the rows of a pass as computed; returns their wanted outputs. */
  private advance(batch: readonly Sequence[]): Output[] {
    const outputs: Output[] = []
    let row = 0
    for (const sequence of batch) {
      const { task, computed, rows } = sequence
      for (let i = Math.max(0, task.wanted - computed); i < rows; i++) {
        outputs.push({ sequence, position: computed + i, row: row + i })
      }
      this.pool.append(sequence.pages, computed, task.ids.slice(computed, computed + rows))
      sequence.computed += rows
      sequence.served = this.steps
      row += rows
      if (sequence.computed <= sequence.prompt) this.guarded(sequence, () => task.progress?.(sequence.computed))
    }
    return outputs
  }

  /** Hands the outputs of a pass to their tasks, computing logits of several rows at once. */
  private deliver(outputs: readonly Output[]): void {
    const put = (sequence: Sequence, position: number, values: Float32Array): void => {
      this.guarded(sequence, () => {
        if (sequence.task.take(position, values) && !sequence.over) this.finish(sequence)
      })
    }
    for (const { sequence, position, row } of outputs) {
      if (sequence.task.output === 'hidden') put(sequence, position, this.engine.hidden(row))
    }
    const { vocabSize } = this.engine.config
    const rest = outputs.filter(({ sequence }) => sequence.task.output === 'logits')
    for (let from = 0; from < rest.length; from += OUTPUT_ROWS) {
      const some = rest.slice(from, from + OUTPUT_ROWS).filter(({ sequence }) => sequence.active)
      if (some.length === 0) continue
      const logits = this.engine.logits(some.map(({ row }) => row))
      for (const [i, { sequence, position }] of some.entries()) {
        put(sequence, position, logits.subarray(i * vocabSize, (i + 1) * vocabSize))
      }
    }
  }

  /** Runs a hook of a sequence's task: its failure is that sequence's alone. */
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
    this.preempt(sequence)
    this.sequences = this.sequences.filter((one) => one !== sequence)
  }
}

function precedence(a: Sequence, b: Sequence): number {
  return b.task.priority - a.task.priority || a.order - b.order
}

function remaining({ task, computed, rows }: Sequence): number {
  return task.ids.length - computed - rows
}

/** Whether a sequence has more to compute than its next token. */
function prefills({ task, computed }: Sequence): boolean {
  return task.ids.length - computed > 1
}

function spanOf({ task, computed, rows, pages }: Sequence): BatchSpan {
  return { ids: task.ids.slice(computed, computed + rows), position: computed, pages, observer: task.observer }
}
