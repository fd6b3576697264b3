/** How many requests are under way at once, and how many may wait for their turn. */
import { ApiError, RETRY_AFTER } from './errors.ts'

export class Gate {
  running = 0
  private readonly queue: (() => void)[] = []

  constructor(
    readonly parallel: number,
    private readonly most: number,
  ) {}

  get waiting(): number {
    return this.queue.length
  }

  /**
   * Runs work when its turn comes, first come, first served. `onWait` is called where it has to wait.
   * @throws ApiError 429 where too many wait already; the signal's reason once it fires while waiting
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>, onWait?: () => void): Promise<T> {
    if (this.running >= this.parallel) await this.turn(signal, onWait)
    else this.running++
    try {
      return await work()
    } finally {
      // The place goes on to the next one.
      const next = this.queue.shift()
      if (next) next()
      else this.running--
    }
  }

  private turn(signal: AbortSignal, onWait?: () => void): Promise<void> {
    if (this.queue.length >= this.most) {
      const message = `${this.running} requests are under way and ${this.queue.length} wait already; try again later.`
      throw new ApiError(429, 'queue_full', message, null, this.queue.length, RETRY_AFTER)
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.queue.splice(this.queue.indexOf(enter), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) return reject(signal.reason)
      this.queue.push(enter)
      onWait?.()
    })
  }
}
