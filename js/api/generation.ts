/** One generation as its caller sees it: pieces of text to iterate over, and a result. */

import { AbortError } from '../errors.ts'
import { expose } from '../util/caller.ts'
import type { ChatDelta, GenerateResult, Generation } from './types.ts'

export interface GenerationHooks<Result> {
  /** Does the work: calls `onPart` with each part; rejects with AbortError once `stop` was called. */
  run(onPart: (delta: ChatDelta) => void): Promise<Result>
  stop(): void
}

/** Nothing runs before the first part or the result is asked for. Every loop over it begins with the first part. */
export class RunningGeneration<Result extends GenerateResult = GenerateResult> implements Generation {
  private readonly parts: ChatDelta[] = []
  /** Of each loop that has had all parts so far, what wakes it. */
  private waiting: (() => void)[] = []
  private over = false
  private outcome: Promise<Result> | undefined

  constructor(private readonly hooks: GenerationHooks<Result>) {
    expose(this, 'Generation')
  }

  result(): Promise<Result> {
    return this.start()
  }

  private start(): Promise<Result> {
    if (this.outcome) return this.outcome
    const onPart = (delta: ChatDelta): void => {
      this.parts.push(delta)
      this.wake()
    }
    this.outcome = this.hooks.run(onPart).finally(() => {
      this.over = true
      this.wake()
    })
    // Whoever iterates hears of a failure there.
    this.outcome.catch(() => {})
    return this.outcome
  }

  private wake(): void {
    const { waiting } = this
    this.waiting = []
    for (const resume of waiting) resume()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for await (const { content } of this.deltas()) if (content !== undefined) yield content
  }

  async *deltas(): AsyncGenerator<ChatDelta, void, undefined> {
    const outcome = this.start()
    try {
      for (let next = 0; ; ) {
        if (next < this.parts.length) yield this.parts[next++]!
        else if (this.over) break
        else await new Promise<void>((resume) => this.waiting.push(resume))
      }
      await outcome
    } finally {
      await this.leave(outcome)
    }
  }

  /** A loop left early stops the work, and waits until it has stopped. */
  private async leave(outcome: Promise<Result>): Promise<void> {
    if (this.over) return
    this.hooks.stop()
    await outcome.catch((error: unknown) => {
      if (!(error instanceof AbortError)) throw error
    })
  }
}
