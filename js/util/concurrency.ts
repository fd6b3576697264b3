/** Waiting: for a signal, for a while, for one's turn. */
import { AbortError } from '../errors.ts'

/** The promise, or an AbortError as soon as the signal fires. The work behind the promise is not stopped by this. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortError(what, signal.reason))
    const settle = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(settle)
  })
}

export async function sleep(milliseconds: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  try {
    await untilAborted(timeout, signal, what)
  } finally {
    clearTimeout(timer)
  }
}

/** Runs tasks one at a time, in the order they come. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => {})
    return result
  }
}
