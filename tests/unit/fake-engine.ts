/**
 * An engine for tests of the scheduler, whose cache holds what can be checked: at each position the token there, the
 * position, and a hash of all tokens up to it. What a row sees through its page table decides what it gives.
 */
import { PAGE } from '../../assembly/layout.ts'
import type { BatchSpan } from '../../js/engine/batch.ts'
import type { Engine } from '../../js/engine/engine.ts'
import { AbortError, ArgumentError, NumericError } from '../../js/errors.ts'

/** A token whose keys overflow. */
export const POISON = 9
/** Values of an output: hashes of the chain and of the tokens. */
const VOCABULARY = 2

/** Two numbers → 24 bits, which an f32 holds. */
export function mix(a: number, b: number): number {
  const x = Math.imul(a ^ Math.imul(b + 1, 0x9e3779b1), 0x85ebca6b)
  return (x ^ (x >>> 13)) & 0xffffff
}

/** What a sequence of tokens, computed from the first on, gives at its last position. */
export class Expected {
  chain = 0
  chains = 0
  tokens = 0

  push(id: number): void {
    this.chain = mix(this.chain, id)
    this.chains = mix(this.chains, this.chain)
    this.tokens = mix(this.tokens, id)
  }
}

export interface FakeOptions {
  context: number
  kvPages: number
  batch: number
  parallel: number
}

interface Slot {
  token: number
  position: number
  chain: number
}

/** The full pages of a text, as they would have been computed. */
export function savedPages(ids: readonly number[]): Uint8Array[] {
  const expected = new Expected()
  const slots = ids.map((token, position): Slot => {
    expected.push(token)
    return { token, position, chain: expected.chain }
  })
  const pages = Array.from({ length: Math.floor(ids.length / PAGE) }, (_, i) => slots.slice(i * PAGE, (i + 1) * PAGE))
  return pages as unknown as Uint8Array[]
}

export class FakeEngine {
  readonly config = { vocabSize: VOCABULARY }
  readonly context: number
  readonly plan: { kvPages: number }
  /** Runs of all passes, the aborted ones too. */
  readonly passes: BatchSpan[][] = []
  /** Called before each pass; true aborts it. */
  onPass: (spans: readonly BatchSpan[]) => boolean = () => false
  private readonly slots: Slot[][]
  private rows: Float32Array[] = []

  constructor(private readonly options: FakeOptions) {
    this.context = options.context
    this.plan = { kvPages: options.kvPages }
    this.slots = Array.from({ length: options.kvPages }, () =>
      Array.from({ length: PAGE }, () => ({ token: -1, position: -1, chain: -1 })),
    )
  }

  get engine(): Engine {
    return this as unknown as Engine
  }

  checkTokens(ids: readonly number[]): void {
    if (ids.length === 0 || ids.length > this.context) throw new ArgumentError('CONTEXT', 'Too long.', ids.length)
  }

  forward(spans: readonly BatchSpan[]): void {
    this.passes.push([...spans])
    this.check(spans)
    const aborted = this.onPass(spans)
    this.rows = []
    for (const span of spans) {
      for (const [i, id] of span.ids.entries()) {
        if (aborted) Object.assign(this.slot(span, span.position + i), { token: -2, position: -2, chain: -2 })
        else this.rows.push(this.row(span, span.position + i, id))
      }
    }
    if (aborted) throw new AbortError('The computation')
    if (spans.some(({ ids }) => ids.includes(POISON))) throw new NumericError('CACHE_OVERFLOW', 'Overflow.', POISON)
  }

  /** What the real engine's buffers have room for, and that nobody writes to what another reads. */
  private check(spans: readonly BatchSpan[]): void {
    const { batch, parallel, context } = this.options
    const rows = spans.reduce((sum, { ids }) => sum + ids.length, 0)
    if (rows === 0 || rows > batch || spans.length > parallel) throw new Error(`${spans.length} spans of ${rows} rows`)
    const written = new Map<number, BatchSpan>()
    for (const span of spans) {
      const { ids, position, pages } = span
      if (ids.length === 0 || position + ids.length > context) throw new Error('rows beyond the context')
      if (pages.length > Math.ceil(context / PAGE)) throw new Error('more pages than a table holds')
      if (new Set(pages.map(({ index }) => index)).size < pages.length) throw new Error('a page twice')
      for (const { index } of pages.slice(Math.floor(position / PAGE))) written.set(index, span)
    }
    for (const span of spans) {
      for (const { index } of span.pages) {
        if (written.has(index) && written.get(index) !== span) throw new Error(`page ${index} is written by another`)
      }
    }
  }

  private slot({ pages }: BatchSpan, position: number): Slot {
    const page = pages[Math.floor(position / PAGE)]
    if (!page) throw new Error(`no page for position ${position}`)
    return this.slots[page.index]![position % PAGE]!
  }

  private row(span: BatchSpan, position: number, token: number): Float32Array {
    const seen = { chain: 0, chains: 0, tokens: 0 }
    for (let p = 0; p < position; p++) {
      const slot = this.slot(span, p)
      if (slot.position !== p) throw new Error(`position ${slot.position} at ${p}`)
      seen.chain = slot.chain
      seen.chains = mix(seen.chains, slot.chain)
      seen.tokens = mix(seen.tokens, slot.token)
    }
    const chain = mix(seen.chain, token)
    Object.assign(this.slot(span, position), { token, position, chain })
    return Float32Array.of(mix(seen.chains, chain), mix(seen.tokens, token))
  }

  logits(rows: readonly number[]): Float32Array {
    return Float32Array.from(rows.flatMap((row) => [...this.rows[row]!]))
  }

  hidden(row: number): Float32Array {
    return this.rows[row]!
  }

  copyPage(from: number, to: number): void {
    this.slots[to] = this.slots[from]!.map((slot) => ({ ...slot }))
  }

  /** Only what `savedPages` gave. */
  writePage(page: number, saved: Uint8Array): void {
    this.slots[page] = (saved as unknown as Slot[]).map((slot) => ({ ...slot }))
  }

  shiftPage(page: number, distance: number): void {
    for (const slot of this.slots[page]!) slot.position -= distance
  }
}
