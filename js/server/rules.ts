/**
 * Schemas of fields, each with its rule in words: errors say it, and so does docs/SERVER.md. A field that is null counts as
 * absent, as in OpenAI's API.
 */
import * as v from 'valibot'

/** Any schema of a field. */
export type FieldRule<T = unknown> = v.GenericSchema<unknown, T>

/** Of schemas made of several, what they say together. */
const WORDS = new WeakMap<object, string>()

/** The rule in words: `a number from 0 to 2`. */
export function wordsOf(rule: FieldRule): string {
  const { message = '' } = rule as { message?: string }
  return WORDS.get(rule) ?? message.replace('must be ', '')
}

function worded<T>(words: string, rule: FieldRule<T>): FieldRule<T> {
  WORDS.set(rule, words)
  return rule
}

function rule<T>(words: string, holds: (value: unknown) => boolean): FieldRule<T> {
  return v.custom<T>(holds, `must be ${words}`)
}

export function number(low: number, high: number): FieldRule<number> {
  return rule(`a number from ${low} to ${high}`, (x) => typeof x === 'number' && x >= low && x <= high)
}

export function integer(low: number, high: number): FieldRule<number> {
  return rule(`a whole number from ${low} to ${high}`, (x) => Number.isInteger(x) && within(x as number, low, high))
}

function within(x: number, low: number, high: number): boolean {
  return x >= low && x <= high
}

/** A text of at most `most` characters. */
export function text(most?: number, least = 0): FieldRule<string> {
  const from = least > 0 ? ` of at least ${least}` : ''
  const upTo = most === undefined ? '' : `${from ? ' and' : ' of'} at most ${most}`
  const words = `a text${from}${upTo}${from || upTo ? ' characters' : ''}`
  return rule(words, (x) => typeof x === 'string' && within(x.length, least, most ?? Infinity))
}

export const boolean: FieldRule<boolean> = rule('true or false', (x) => typeof x === 'boolean')

export const object: FieldRule<Record<string, unknown>> = rule('an object', isObject)

export function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x)
}

/** One of a few values: what else there is in OpenAI's API would change the output. */
export function only<T extends string | number | boolean>(...values: T[]): FieldRule<T> {
  return rule(values.map((value) => JSON.stringify(value)).join(' or '), (x) => values.includes(x as T))
}

/** A list; an error names the item at fault. */
export function list<T>(items: FieldRule<T>, least: number, most: number): FieldRule<T[]> {
  const words = `a list of ${least} to ${most} items`
  const holds = (x: unknown): boolean => Array.isArray(x) && within(x.length, least, most)
  const checked = v.pipe(v.custom<unknown[]>(holds, `must be ${words}`), v.array(items))
  return worded(`${words}, each ${wordsOf(items)}`, checked as FieldRule<T[]>)
}

/** A list with one rule for it as a whole, where items are many and their positions say nothing. */
export function listOf<T>(words: string, most: number, holds: (item: unknown) => boolean): FieldRule<T[]> {
  const fits = (x: unknown): boolean => Array.isArray(x) && x.length <= most && x.every(holds)
  return rule(`a list of at most ${most} ${words}`, fits)
}

/** The first rule that the value's kind asks for. `when`: whether it is of the first one's kind. */
export function either<A, B>(
  when: (value: unknown) => boolean,
  first: FieldRule<A>,
  second: FieldRule<B>,
): FieldRule<A | B> {
  const schema = v.lazy<FieldRule<A | B>>((value) => (when(value) ? first : second))
  return worded(`${wordsOf(first)}, or ${wordsOf(second)}`, schema as FieldRule<A | B>)
}

/** A rule for what is made of a value. */
export function after<T>(change: (value: unknown) => unknown, rule: FieldRule<T>): FieldRule<T> {
  return worded(wordsOf(rule), v.pipe(v.unknown(), v.transform(change), rule) as unknown as FieldRule<T>)
}

/** An object with these fields and no others. A rule in `required` is that of a field that must be there. */
export function fields<T>(
  words: string,
  entries: Record<string, FieldRule>,
  required: readonly string[] = [],
): FieldRule<T> {
  const optional = Object.entries(entries).map(([name, entry]) => [
    name,
    required.includes(name) ? entry : v.optional(entry),
  ])
  // What has no rule is kept, and refused.
  const withoutNulls = (value: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(value).filter(([name, field]) => field != null || !Object.hasOwn(entries, name)))
  const schema = v.pipe(
    v.custom<Record<string, unknown>>(isObject, `must be ${words}`),
    v.transform(withoutNulls),
    v.strictObject(Object.fromEntries(optional) as Record<string, FieldRule>),
  )
  return worded(words, schema as unknown as FieldRule<T>)
}

export interface Problem {
  /** The field: `messages[0].role`; empty for the whole value. */
  path: string
  /** What follows the field's name in a sentence. */
  message: string
  kind: 'missing' | 'unknown' | 'invalid'
  value: unknown
}

/** The value that fits, or the first thing that is wrong with it. */
export function check<T>(schema: FieldRule<T>, value: unknown): { value: T } | { problem: Problem } {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return { value: result.output }
  const [issue] = result.issues
  const path = (issue.path ?? []).reduce((all, { key }) => {
    if (typeof key === 'number') return `${all}[${key}]`
    return all === '' ? String(key) : `${all}.${String(key)}`
  }, '')
  // What valibot says of an object's keys.
  const kind = issue.type !== 'strict_object' ? 'invalid' : issue.expected === 'never' ? 'unknown' : 'missing'
  return { problem: { path, message: issue.message, kind, value: issue.input } }
}
