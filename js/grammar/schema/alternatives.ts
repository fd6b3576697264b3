/** What a schema allows, as a list of alternatives of one type each, and the alternatives that two schemas share. */

import type { StringLimits } from '../json-text.ts'
import type { Term } from '../terms.ts'
import type { Located } from './document.ts'
import { ANY_NUMBER, type NumberLimits, tighterMax, tighterMin } from './numbers.ts'

/** Schemas that all hold, each once and in order. */
export type Conjunction = readonly Located[]

export interface ValueAlternative {
  readonly type: 'values'
  readonly values: readonly unknown[]
}

export interface NumberAlternative extends NumberLimits {
  readonly type: 'number'
}

export interface StringAlternative extends StringLimits {
  readonly type: 'string'
}

/** What one schema says of the items of an array. */
export interface ItemFacet {
  readonly prefix: readonly Located[]
  readonly items: Located | undefined
  /** It comes of a `not`: what it says makes no item an evaluated one. */
  readonly negative?: true
}

export interface Contains {
  readonly schema: Located
  readonly min: number
  readonly max: number
}

export interface ArrayAlternative {
  readonly type: 'array'
  readonly facets: readonly ItemFacet[]
  readonly contains: readonly Contains[]
  readonly unique: Located | undefined
  readonly min: number
  readonly max: number
}

/** What one schema says of the properties of an object. */
export interface PropertyFacet {
  readonly properties: ReadonlyMap<string, Located>
  readonly patterns: readonly NamePattern[]
  readonly additional: Located | undefined
  /** It comes of a `not`: what it says makes no property an evaluated one. */
  readonly negative?: true
}

export interface NamePattern {
  readonly source: string
  readonly term: Term
  readonly schema: Located
}

export interface ObjectAlternative {
  readonly type: 'object'
  readonly facets: readonly PropertyFacet[]
  readonly required: ReadonlySet<string>
  readonly min: number
  readonly max: number
  /** What names are. */
  readonly names: Conjunction
}

export type Alternative =
  | ValueAlternative
  | NumberAlternative
  | StringAlternative
  | ArrayAlternative
  | ObjectAlternative

const ENDLESS = Number.POSITIVE_INFINITY
export const ANY_STRING: StringAlternative = { type: 'string', content: undefined, min: 0, max: ENDLESS }
export const ANY_ARRAY: ArrayAlternative = {
  type: 'array',
  facets: [],
  contains: [],
  unique: undefined,
  min: 0,
  max: ENDLESS,
}
export const ANY_OBJECT: ObjectAlternative = {
  type: 'object',
  facets: [],
  required: new Set(),
  min: 0,
  max: ENDLESS,
  names: [],
}

/** By the names of JSON Schema's `type`. */
export const OF_TYPE: Readonly<Record<string, Alternative>> = {
  null: { type: 'values', values: [null] },
  boolean: { type: 'values', values: [true, false] },
  number: { type: 'number', ...ANY_NUMBER },
  integer: { type: 'number', ...ANY_NUMBER, integer: true },
  string: ANY_STRING,
  array: ANY_ARRAY,
  object: ANY_OBJECT,
}
/** Everything. */
export const ANY: readonly Alternative[] = ['null', 'boolean', 'number', 'string', 'array', 'object'].map(
  (type) => OF_TYPE[type]!,
)

export function conjunction(schemas: Iterable<Located>): Conjunction {
  const all = [...new Set(schemas)].filter(({ schema }) => schema !== true)
  const never = all.find(({ schema }) => schema === false)
  return never ? [never] : all.sort((a, b) => a.id - b.id)
}

export function keyOf(schemas: Conjunction): string {
  return schemas.map(({ id }) => id).join()
}

/**
 * What both of two allow; undefined where that is plainly nothing.
 *
 * @param test whether a value is one of an alternative
 * @param both the texts of two terms
 */
export function intersect(
  a: Alternative,
  b: Alternative,
  test: (value: unknown, alternative: Alternative) => boolean,
  both: (a: Term, b: Term) => Term,
): Alternative | undefined {
  if (a.type === 'values' || b.type === 'values') {
    const [values, other] = a.type === 'values' ? [a, b] : [b as ValueAlternative, a]
    const left = values.values.filter((value) => test(value, other))
    return left.length > 0 ? { type: 'values', values: left } : undefined
  }
  if (a.type === 'number' && b.type === 'number') {
    return {
      type: 'number',
      integer: a.integer || b.integer,
      fractional: a.fractional || b.fractional,
      min: tighterMin(a.min, b.min),
      max: tighterMax(a.max, b.max),
      multiples: [...new Set([...a.multiples, ...b.multiples])],
      notMultiples: [...new Set([...a.notMultiples, ...b.notMultiples])],
      excluded: [...new Set([...a.excluded, ...b.excluded])],
    }
  }
  if (a.type === 'string' && b.type === 'string') {
    const content = a.content && b.content ? both(a.content, b.content) : (a.content ?? b.content)
    return bounded({ type: 'string', content, ...range(a, b) })
  }
  if (a.type === 'array' && b.type === 'array') {
    const facets = [...new Set([...a.facets, ...b.facets])]
    const contains = [...new Set([...a.contains, ...b.contains])]
    return bounded({ type: 'array', facets, contains, unique: a.unique ?? b.unique, ...range(a, b) })
  }
  if (a.type === 'object' && b.type === 'object') {
    return bounded({
      type: 'object',
      facets: [...new Set([...a.facets, ...b.facets])],
      required: new Set([...a.required, ...b.required]),
      names: conjunction([...a.names, ...b.names]),
      ...range(a, b),
    })
  }
  return undefined
}

function range(a: { min: number; max: number }, b: { min: number; max: number }): { min: number; max: number } {
  return { min: Math.max(a.min, b.min), max: Math.min(a.max, b.max) }
}

function bounded<T extends Alternative & { min: number; max: number }>(alternative: T): T | undefined {
  return alternative.min <= alternative.max ? alternative : undefined
}

/** A text that two values share where they are equal: keys in order, -0 as 0. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}
