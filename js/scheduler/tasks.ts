/** What is computed for its own sake: the logits of a text, and its embedding. */

import { MemoryError, NumericError } from '../errors.ts'
import type { Task } from './scheduler.ts'
import type { Pooling } from './types.ts'

/** Logits after every token from the one at `first` on. */
export class LogitsTask implements Task {
  readonly priority = 0
  readonly output = 'logits'
  /** [ids.length - first, vocabulary] */
  readonly logits: Float32Array<ArrayBuffer>

  /** @throws MemoryError where the logits do not fit in memory */
  constructor(
    readonly ids: readonly number[],
    readonly first: number,
    private readonly vocabulary: number,
  ) {
    this.wanted = first
    this.logits = allocateLogits(ids.length - first, vocabulary)
  }

  wanted: number

  /** @throws NumericError where a logit is not finite */
  take(position: number, logits: Float32Array): boolean {
    checkFinite(logits, 'a logit')
    this.logits.set(logits, (position - this.first) * this.vocabulary)
    this.wanted = position + 1
    return this.wanted === this.ids.length
  }
}

/** A text that is to be in the cache. `done` is called while its pages are held. */
export class CacheTask implements Task {
  readonly priority = 0
  readonly output = 'logits'
  readonly wanted: number

  constructor(
    readonly ids: readonly number[],
    private readonly done: () => void = () => {},
  ) {
    this.wanted = ids.length - 1
  }

  take(): boolean {
    this.done()
    return true
  }
}

/** The mean of all tokens' normed hidden states, or the last token's. */
export class EmbedTask implements Task {
  readonly priority = 0
  readonly output = 'hidden'
  wanted: number
  private readonly sums: Float64Array

  constructor(
    readonly ids: readonly number[],
    private readonly pooling: Pooling,
    dim: number,
  ) {
    this.wanted = pooling === 'mean' ? 0 : ids.length - 1
    this.sums = new Float64Array(dim)
  }

  /** Sums go in the order of positions. @throws NumericError where a state is not finite */
  take(position: number, state: Float32Array): boolean {
    checkFinite(state, 'a hidden state')
    for (const [i, value] of state.entries()) this.sums[i]! += value
    this.wanted = position + 1
    return this.wanted === this.ids.length
  }

  /** f32[dim], of length 1 where `normalize`. */
  embedding(normalize: boolean): Float32Array {
    const { sums, ids } = this
    let squares = 0
    for (const value of sums) squares += value * value
    const count = this.pooling === 'mean' ? ids.length : 1
    const divisor = normalize ? Math.sqrt(squares) : count
    return Float32Array.from(sums, (value) => (divisor === 0 ? 0 : value / divisor))
  }
}

function allocateLogits(rows: number, vocabulary: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(rows * vocabulary)
  } catch (cause) {
    const bytes = rows * vocabulary * 4
    const message = `The logits of ${rows} tokens take ${bytes} bytes, more than fit in memory. Ask for fewer tokens at once.`
    throw new MemoryError('OUT_OF_MEMORY', message, bytes, { cause })
  }
}

function checkFinite(values: Float32Array, what: string): void {
  const wrong = values.find((value) => !Number.isFinite(value))
  if (wrong === undefined) return
  throw new NumericError(
    'LOGITS_NOT_FINITE',
    `The model computed ${wrong} for ${what}: its weights are damaged or overflow; try KV type f32, or get the file again.`,
    wrong,
  )
}
