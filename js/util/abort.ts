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
