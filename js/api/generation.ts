/** One generation as its caller sees it: pieces of text to iterate over, and a result. */

import { AbortError } from '../errors.ts'
import { expose } from '../util/caller.ts'
import type { GenerateResult, Generation } from './types.ts'

export interface GenerationHooks {
  /** Does the work: calls `onText` with each piece; rejects with AbortError once `stop` was called. */
  run(onText: (text: string) => void): Promise<GenerateResult>
  stop(): void
}

/** Nothing runs before the first piece or the result is asked for. Every loop over it begins with the first piece. */
export class RunningGeneration implements Generation {
  private readonly pieces: string[] = []
  /** Of each loop that has had all pieces so far, what wakes it. */
  private waiting: (() => void)[] = []
  private over = false
  private outcome: Promise<GenerateResult> | undefined

  constructor(private readonly hooks: GenerationHooks) {
    expose(this, 'Generation')
  }

  result(): Promise<GenerateResult> {
    return this.start()
  }

  private start(): Promise<GenerateResult> {
    if (this.outcome) return this.outcome
    const onText = (text: string): void => {
      if (text === '') return
      this.pieces.push(text)
      this.wake()
    }
    this.outcome = this.hooks.run(onText).finally(() => {
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
    const outcome = this.start()
    try {
      for (let next = 0; ; ) {
        if (next < this.pieces.length) yield this.pieces[next++]!
        else if (this.over) break
        else await new Promise<void>((resume) => this.waiting.push(resume))
      }
      await outcome
    } finally {
      await this.leave(outcome)
    }
  }

  /** A loop left early stops the work, and waits until it has stopped. */
  private async leave(outcome: Promise<GenerateResult>): Promise<void> {
    if (this.over) return
    this.hooks.stop()
    await outcome.catch((error: unknown) => {
      if (!(error instanceof AbortError)) throw error
    })
  }
}
