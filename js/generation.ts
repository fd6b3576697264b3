/** One generation as its caller sees it: pieces of text to iterate over, and a result. */
import type { GenerateResult, Generation } from './api.ts'
import { AbortError } from './errors.ts'

export interface GenerationHooks {
  /** Does the work: calls `onText` with each piece; rejects with AbortError once `stop` was called. */
  run(onText: (text: string) => void): Promise<GenerateResult>
  stop(): void
}

/** Nothing runs before the first piece or the result is asked for. */
export class RunningGeneration implements Generation {
  private readonly pieces: string[] = []
  private wake: () => void = () => {}
  private over = false
  private outcome: Promise<GenerateResult> | undefined
  private left = false

  constructor(private readonly hooks: GenerationHooks) {}

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

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    const outcome = this.start()
    try {
      while (true) {
        const piece = this.pieces.shift()
        if (piece !== undefined) yield piece
        else if (this.over) break
        else {
          await new Promise<void>((resolve) => {
            this.wake = resolve
          })
        }
      }
      await outcome
      this.left = true
    } finally {
      await this.leave(outcome)
    }
  }

  /** A loop left early stops the work, and waits until it has stopped. */
  private async leave(outcome: Promise<GenerateResult>): Promise<void> {
    if (this.left || this.over) return
    this.hooks.stop()
    await outcome.catch((error: unknown) => {
      if (!(error instanceof AbortError)) throw error
    })
  }
}
