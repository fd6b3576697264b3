/** Errors as the Prompt API has them. */
import { AbortError, ClosedError, ContextError, GrammarError, SourceError, UnsupportedError } from '../errors.ts'

export function domException(name: string, message: string, cause?: unknown): DOMException {
  const error = new DOMException(message, name)
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  return error
}

/** @param requested tokens of what does not fit, where they are known */
export function quotaExceeded(message: string, quota: number, requested: number | null, cause?: unknown): DOMException {
  const error = domException('QuotaExceededError', message, cause)
  for (const [name, value] of Object.entries({ quota, requested })) {
    Object.defineProperty(error, name, { value, enumerable: true, configurable: true })
  }
  return error
}

/**
 * What a call rejects with.
 *
 * @param other the name of failures that have none of their own
 * @param quota the context, in tokens
 */
export function asDomException(error: unknown, other: string, quota: number): unknown {
  if (error instanceof AbortError) return error.cause ?? domException('AbortError', error.message)
  if (error instanceof DOMException || error instanceof TypeError || error instanceof RangeError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ContextError) {
    const { value } = error
    return quotaExceeded(message, quota, typeof value === 'number' ? value : null, error)
  }
  if (error instanceof GrammarError || error instanceof UnsupportedError) {
    return domException('NotSupportedError', message, error)
  }
  if (error instanceof SourceError) return domException('NetworkError', message, error)
  if (error instanceof ClosedError) return domException('InvalidStateError', message, error)
  return domException(other, message, error)
}
