/** Arguments of the wrong kind, as errors that name the option, the rule and the value. */
import { ArgumentError, SourceError } from '../errors.ts'
import { nearest } from './nearest.ts'

export function invalid(name: string, rule: string, value: unknown): ArgumentError {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value)
      : typeof value === 'object' && value !== null
        ? 'an object'
        : String(value)
  return new ArgumentError('INVALID_OPTION', `${name} must be ${rule}, not ${shown}.`, value)
}

/** @throws ArgumentError INVALID_OPTION for what is no object */
export function checkObject(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalid('The options', 'an object', options)
}

/** `top_k` → `topK`. */
export function camelCase(name: string): string {
  return name.replaceAll(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** All names of a kind of options: the compiler finds one that is missing. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>

/**
 * Refuses an option that there is not, a misspelled one or one as llama.cpp and OpenAI write it: it would change nothing.
 * @throws ArgumentError INVALID_OPTION with the nearest name, for what is no object too
 */
export function checkOptions(options: unknown, names: OptionNames<object>): void {
  checkObject(options)
  for (const [name, value] of Object.entries(options as object)) {
    if (Object.hasOwn(names, name) || value === undefined) continue
    const known = Object.keys(names)
    const near = nearest(camelCase(name), known)
    const advice = near ? `; write ${near}.` : `; there are ${known.join(', ')}.`
    throw new ArgumentError('INVALID_OPTION', `There is no option ${name}${advice}`, name)
  }
}

/** Options that are of one type where they are given. @throws ArgumentError INVALID_OPTION */
export function checkTypes(options: object, type: 'boolean' | 'function' | 'string', names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined && typeof value !== type) throw invalid(name, `a ${type}`, value)
  }
}

/** One of a few words, or the fallback where it is undefined. @throws ArgumentError INVALID_OPTION */
export function oneOf<T extends string>(name: string, value: unknown, words: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (words.includes(value as T)) return value as T
  throw invalid(name, words.join(' or '), value)
}

/** Refuses a read that leaves the source. */
export function checkRange(source: { name: string; size: number }, target: Uint8Array, offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + target.length <= source.size) return
  throw new SourceError(
    'SOURCE_RANGE',
    `${target.length} bytes at offset ${offset} were asked of ${source.name}, which has ${source.size}.`,
    offset,
  )
}
