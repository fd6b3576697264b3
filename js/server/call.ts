/** One request from its arrival to the end of its answer. */
import { ApiError } from './errors.ts'
import type { NamedModel } from './models.ts'
import { normalPath } from './paths.ts'
import type { RequestLog } from './types.ts'

/** The tokens of an answer. @internal */
export interface TokenUsage {
  promptTokens: number
  cachedTokens: number
  completionTokens: number
}

/** @internal */
export class Call {
  readonly path: string
  /** Fires when the client has gone, or the time is up. */
  readonly signal: AbortSignal
  /** Whose answer it is, once that is known. */
  model: NamedModel | undefined
  /** The field that holds the prompt. */
  prompt = 'body'
  /** The field that says what the text has to be. */
  constraint: string | undefined
  /** What fields of chats are called in the API that the client speaks. */
  names: Readonly<Record<string, string>> = {}
  results: readonly TokenUsage[] = []
  /** Of a stream: resolves at its end. */
  streaming: Promise<ApiError | undefined> | undefined
  gone = false
  private readonly controller = new AbortController()
  private readonly start = performance.now()
  private readonly timer: ReturnType<typeof setTimeout>
  readonly leave = (): void => {
    if (this.signal.aborted) return
    this.gone = true
    this.controller.abort(new ApiError(499, 'client_gone', 'The client has gone.'))
  }

  /** @param timeout milliseconds */
  constructor(
    private readonly request: Request,
    timeout: number,
  ) {
    this.path = normalPath(new URL(request.url).pathname)
    this.signal = this.controller.signal
    const late = new ApiError(504, 'timeout', `The request took more than ${timeout} ms.`, null, timeout)
    this.timer = setTimeout(() => this.controller.abort(late), timeout)
    request.signal.addEventListener('abort', this.leave, { once: true })
    if (request.signal.aborted) this.leave()
  }

  /** @param status as it is logged */
  end(status: number): RequestLog {
    clearTimeout(this.timer)
    this.request.signal.removeEventListener('abort', this.leave)
    const sum = (key: keyof TokenUsage): number => this.results.reduce((total, result) => total + result[key], 0)
    return {
      method: this.request.method,
      path: this.path,
      status,
      milliseconds: performance.now() - this.start,
      ...(this.model && { model: this.model.name }),
      ...(this.results.length > 0 && {
        promptTokens: sum('promptTokens'),
        cachedTokens: sum('cachedTokens'),
        completionTokens: sum('completionTokens'),
      }),
    }
  }
}
