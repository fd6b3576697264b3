/** Checks what users say of how to read a file. */

import { ArgumentError } from '../errors.ts'
import { checkTypes, invalid, type OptionNames } from '../util/check.ts'
import { isAbortSignal, kindOf } from '../util/kind.ts'
import type { SourceOptions } from './types.ts'

/** The options of each call that reads a file. */
export const SOURCE_OPTIONS: OptionNames<SourceOptions & { signal: unknown }> = {
  headers: true,
  token: true,
  fetch: true,
  sha256: true,
  retries: true,
  retryDelay: true,
  reconnectTimeout: true,
  onWarning: true,
  signal: true,
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isAbortSignal(signal)) throw invalid('signal', 'an AbortSignal', signal)
}

/** Values of options whose names are checked; what reads a file knows the rest. Values may be secret. */
export function checkSourceOptions(options: SourceOptions & { signal?: AbortSignal }): void {
  const { headers, token, retries, retryDelay, reconnectTimeout, signal } = options
  checkTypes(options, 'function', ['fetch', 'onWarning'])
  checkSignal(signal)
  if (headers !== undefined && !soundHeaders(headers)) {
    throw new ArgumentError('INVALID_OPTION', 'headers must be an object of texts by name, or Headers.', typeof headers)
  }
  if (token !== undefined && typeof token !== 'string') {
    throw new ArgumentError('INVALID_OPTION', 'token must be a text.', typeof token)
  }
  for (const [name, value] of Object.entries({ retries, retryDelay, reconnectTimeout })) {
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) continue
    throw invalid(name, 'a number from 0 on', value)
  }
}

/** A Map would seem an object without any. */
function soundHeaders(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null || kindOf(headers) === 'Map' || Array.isArray(headers))
    return false
  return Object.values(headers).every((text) => typeof text === 'string')
}
