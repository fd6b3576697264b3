/** A dead worker costs time, not answers: the model is loaded again, and calls under way go on. */

import type { WorkerPool } from '../../workers/pool.ts'
import type { CallEvent } from '../../workers/protocol.ts'
import { ClosedError, WorkerError } from '../errors.ts'
import type { SampledLogprobs } from '../scheduler/types.ts'
import { untilAborted } from '../util/abort.ts'
import type { CriaWarning } from '../util/warn.ts'

/** Most deaths that a call survives while others get further and it does not. */
const MOST_DEATHS = 8

/** The pool of a model; after the death of a worker, the one that takes its place. */
export class RecoveringPool {
  private readonly closing = new AbortController()
  /** The next pool, while the model is loaded again. */
  private reloading: Promise<WorkerPool> | undefined

  /** `reload`: makes another pool; absent where the model cannot be loaded again. */
  constructor(
    private pool: WorkerPool,
    private readonly onWarning: (warning: CriaWarning) => void,
    private readonly reload?: (signal: AbortSignal) => Promise<WorkerPool>,
  ) {}

  /**
   * Runs a call, and runs it again in the next pool where a worker died.
   * @param stuck how many deaths in a row the call has seen without getting further; default: all that it has seen
   * @throws WorkerError where the model cannot be loaded again, and where a worker of the next pool dies before any call got
   *   further; what the call throws
   */
  async run<T>(
    what: string,
    signal: AbortSignal | undefined,
    call: (pool: WorkerPool) => Promise<T>,
    stuck?: () => number,
  ): Promise<T> {
    for (let deaths = 1; ; deaths++) {
      const pool = await this.working(what, signal)
      try {
        return await call(pool)
      } catch (error) {
        const died = error instanceof WorkerError && pool.death !== undefined
        if (!died || !this.reload || (deaths > 1 && !pool.advanced)) throw error
        if ((stuck?.() ?? deaths) > MOST_DEATHS) throw error
      }
    }
  }

  async close(): Promise<void> {
    this.closing.abort()
    await this.pool.close(closedError())
    await this.reloading?.catch(() => {})
  }

  checkOpen(): void {
    if (this.closing.signal.aborted) throw closedError()
  }

  /** The pool; where a worker of it died, the next one, which all calls wait for. */
  private async working(what: string, signal: AbortSignal | undefined): Promise<WorkerPool> {
    this.checkOpen()
    const { pool, reload } = this
    if (!pool.death || !reload) return pool
    this.reloading ??= this.replace(pool, pool.death, reload).finally(() => {
      this.reloading = undefined
    })
    return untilAborted(this.reloading, signal, what)
  }

  private async replace(
    dead: WorkerPool,
    { message }: WorkerError,
    reload: (signal: AbortSignal) => Promise<WorkerPool>,
  ): Promise<WorkerPool> {
    // Its memory goes before there is another.
    await dead.close(closedError())
    this.checkOpen()
    this.onWarning({
      code: 'WORKER_RESTARTED',
      message: message.replace(dead.advice, ' The model is loaded again, and calls under way go on.'),
    })
    try {
      const pool = await reload(this.closing.signal)
      if (!this.closing.signal.aborted) {
        this.pool = pool
        return pool
      }
      await pool.close(closedError())
    } catch (error) {
      this.checkOpen()
      throw error
    }
    throw closedError()
  }
}

/** What the caller of a generation has heard. The next pool tells all of it again, from the start: that is left out. */
export class Heard {
  /** Of each event with a text: its token's id, −1 without one. */
  private readonly ids: number[] = []
  readonly logprobs: SampledLogprobs[] = []
  /** Tokens of the prompt that are computed; −1 until it is begun, with those that were cached. */
  private prompt = -1
  /** Events with a text in this pool. */
  private told = 0
  /** Of this pool: whether it has told anything, and anything new. */
  private begun = false
  advanced = false
  private deaths = 0

  /** Deaths in a row without anything new, but for those that found the generation waiting. */
  readonly stuck = (): number => {
    if (this.advanced) this.deaths = 0
    if (this.begun) this.deaths++
    return this.deaths
  }

  /** Another pool runs the generation. Gives the ids that were sampled so far. */
  restart(): number[] {
    this.told = 0
    this.begun = false
    this.advanced = false
    return this.ids.filter((id) => id >= 0)
  }

  /** Whether the caller has yet to hear of an event. @throws WorkerError where it contradicts those before */
  isNew(event: CallEvent): boolean {
    this.begun = true
    const fresh = event.event === 'prompt' ? event.done > this.prompt : this.told++ === this.ids.length
    if (fresh) this.note(event)
    else if (event.event === 'token' && event.id !== this.ids[this.told - 1]) throw differs()
    return fresh
  }

  private note(event: CallEvent): void {
    // Beginning is no advance.
    this.advanced ||= event.event === 'token' || event.done > 0
    if (event.event === 'prompt') this.prompt = event.done
    else {
      this.ids.push(event.id)
      if (event.logprobs) this.logprobs.push(event.logprobs)
    }
  }
}

function differs(): WorkerError {
  const message =
    'A worker died, and the model that was loaded again gave other tokens than before: its file may have changed. Close the model and load it again.'
  return new WorkerError('RESUME_DIFFERS', message)
}

function closedError(): ClosedError {
  return new ClosedError('CLOSED', 'The model was closed; load it again to use it.')
}
