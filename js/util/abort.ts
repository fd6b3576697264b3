/** Waiting and working under a signal. */
import { AbortError } from '../errors.ts'

/** The promise, or an AbortError as soon as the signal fires. What the promise waits for goes on. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortError(what, signal.reason))
    const stop = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(stop)
  })
}

/** `online`: no longer than until a browser says that its network is back. */
export async function sleep(
  milliseconds: number,
  signal: AbortSignal | undefined,
  what: string,
  online = false,
): Promise<void> {
  let wake!: () => void
  const woken = new Promise<void>((resolve) => {
    wake = resolve
  })
  const timer = setTimeout(wake, milliseconds)
  if (online) globalThis.addEventListener?.('online', wake)
  try {
    await untilAborted(woken, signal, what)
  } finally {
    clearTimeout(timer)
    globalThis.removeEventListener?.('online', wake)
  }
}

/**
 * Runs work under a signal that fires with any of several, and stops listening to them when it is done: they may outlive
 * it. (AbortSignal.any is in Node since 20.3 only.)
 */
export async function underAny<T>(
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort(signals.find((signal) => signal?.aborted)?.reason)
  if (signals.some((signal) => signal?.aborted)) abort()
  for (const signal of signals) signal?.addEventListener('abort', abort)
  try {
    return await work(controller.signal)
  } finally {
    for (const signal of signals) signal?.removeEventListener('abort', abort)
  }
}
