/** How a server ends: the first Ctrl-C or SIGTERM asks for it, the second one ends the process at once. */
import type { Context } from './command.ts'

const INTERRUPTED = 130
const TERMINATED = 143

export class Ending {
  /** Exit code of a server that was to end before it served: who asks a service to end by SIGTERM sees no failure. */
  code = 0
  private readonly controller = new AbortController()

  /** From here on, signals are heard. */
  constructor({ onInterrupt }: Context) {
    onInterrupt(() => this.ask(INTERRUPTED, INTERRUPTED))
    process.on('SIGTERM', () => this.ask(0, TERMINATED))
  }

  /** Fires when the end is asked for. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** Resolves when the end is asked for. */
  asked(): Promise<void> {
    return new Promise((resolve) => {
      if (this.signal.aborted) resolve()
      else this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  private ask(code: number, again: number): void {
    if (this.signal.aborted) process.exit(again)
    this.code = code
    this.controller.abort()
  }
}
