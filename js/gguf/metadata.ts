/** Metadata by key and type. A missing key without a fallback, or a value of another type, is a FormatError. */
import { FormatError } from '../errors.ts'
import type { Metadata, MetadataValue } from './types.ts'

/** A number: any integer or float type. Integers that are no safe integers are refused. */
export function getNumber(metadata: Metadata, key: string, fallback?: number): number {
  return get(metadata, key, fallback, 'a number', (value) => (typeof value === 'number' ? value : undefined))
}

export function getString(metadata: Metadata, key: string, fallback?: string): string {
  return get(metadata, key, fallback, 'a string', (value) => (typeof value === 'string' ? value : undefined))
}

export function getBoolean(metadata: Metadata, key: string, fallback?: boolean): boolean {
  return get(metadata, key, fallback, 'a boolean', (value) => (typeof value === 'boolean' ? value : undefined))
}

/** An array of numbers (booleans are 0 and 1); 64-bit integers must be safe integers and come as a Float64Array. */
export function getNumbers(metadata: Metadata, key: string, fallback?: ArrayLike<number>): ArrayLike<number> {
  return get(metadata, key, fallback, 'an array of numbers', (value) => {
    if (value instanceof BigUint64Array || value instanceof BigInt64Array) {
      const numbers = Float64Array.from(value as ArrayLike<unknown> as ArrayLike<bigint>, Number)
      return numbers.every(Number.isSafeInteger) ? numbers : undefined
    }
    if (Array.isArray(value)) return value.length === 0 ? [] : undefined
    return ArrayBuffer.isView(value) ? (value as ArrayLike<number>) : undefined
  })
}

function get<T>(
  metadata: Metadata,
  key: string,
  fallback: T | undefined,
  wanted: string,
  convert: (value: MetadataValue) => T | undefined,
): T {
  const value = metadata.get(key)
  if (value === undefined) {
    if (fallback !== undefined) return fallback
    throw new FormatError(
      'METADATA_MISSING',
      `The metadata lacks ${key} (${wanted}): the file is incomplete; convert the model again.`,
      key,
    )
  }
  const converted = convert(value)
  if (converted !== undefined) return converted
  throw new FormatError(
    'METADATA_TYPE',
    `The metadata key ${key} should be ${wanted}, but it is ${describeValue(value)}; convert the model again.`,
    key,
  )
}

/** The kind of a value, for errors: `a boolean`, `an array of strings` … */
export function describeValue(value: MetadataValue): string {
  if (typeof value === 'bigint') return `the integer ${value}, which is no safe integer`
  if (typeof value === 'object') {
    if (!Array.isArray(value)) return `an array of numbers (${value.constructor.name})`
    if (value.length === 0) return 'an empty array'
    return typeof value[0] === 'string' ? 'an array of strings' : 'an array of arrays'
  }
  return `a ${typeof value}`
}
