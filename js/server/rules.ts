/**
 * Rules of fields. Each says itself in words, for errors and docs/SERVER.md, and as JSON Schema. A field that is null counts
 * as absent, as in OpenAI's API, also where its name is unknown.
 */

/** What a rule makes of a value, and what it says of itself. */
export interface FieldRule<T = unknown> {
  /** `a number from 0 to 2`. Of a field that is refused: `is not supported, but for 0`. */
  readonly words: string
  readonly schema: JsonSchema
  /** The value as it is used, undefined where it asks for nothing. What is wrong goes to `faults`. */
  read(value: unknown, path: string, faults: Faults): T | undefined
}

export type JsonSchema = Readonly<Record<string, unknown>>

export interface Problem {
  /** The field: `messages[0].role`; empty for the whole value. */
  path: string
  /** What follows the field's name in a sentence. */
  message: string
  kind: 'unsupported' | 'unknown' | 'invalid' | 'missing'
  value: unknown
}

const RANKS: Record<Problem['kind'], number> = { unsupported: 0, unknown: 1, invalid: 1, missing: 2 }

/**
 * The fault to tell of a body: what is not supported comes before what is wrong, and what is missing is told last. Who leaves
 * out a message's content for its tool calls learns of the tool calls.
 */
export class Faults {
  worst: Problem | undefined

  add(kind: Problem['kind'], path: string, message: string, value: unknown): undefined {
    if (!this.worst || RANKS[kind] < RANKS[this.worst.kind]) this.worst = { kind, path, message, value }
  }
}

/** The value that fits, or what is wrong with it. */
export function check<T>(rule: FieldRule<T>, value: unknown): { value: T } | { problem: Problem } {
  const faults = new Faults()
  const read = rule.read(value, '', faults)
  return faults.worst ? { problem: faults.worst } : { value: read as T }
}

/** A rule by a predicate. */
export function rule<T>(words: string, holds: (value: unknown) => boolean, schema: JsonSchema): FieldRule<T> {
  const read = (value: unknown, path: string, faults: Faults): T | undefined =>
    holds(value) ? (value as T) : faults.add('invalid', path, `must be ${words}`, value)
  return { words, schema, read }
}

export function number(low: number, high: number): FieldRule<number> {
  const holds = (x: unknown): boolean => typeof x === 'number' && within(x, low, high)
  return rule(`a number from ${low} to ${high}`, holds, { type: 'number', minimum: low, maximum: high })
}

export function integer(low: number, high: number): FieldRule<number> {
  const holds = (x: unknown): boolean => Number.isInteger(x) && within(x as number, low, high)
  return rule(`a whole number from ${low} to ${high}`, holds, { type: 'integer', minimum: low, maximum: high })
}

function within(x: number, low: number, high: number): boolean {
  return x >= low && x <= high
}

/** A text of at most `most` characters, code points as JSON Schema counts them. */
export function text(most?: number, least = 0): FieldRule<string> {
  const from = least > 0 ? ` of at least ${least}` : ''
  const upTo = most === undefined ? '' : `${from ? ' and' : ' of'} at most ${most}`
  const words = `a text${from}${upTo}${from || upTo ? ' characters' : ''}`
  const lengths = { ...(least > 0 && { minLength: least }), ...(most !== undefined && { maxLength: most }) }
  const holds = (x: unknown): boolean =>
    typeof x === 'string' && within(most === undefined ? x.length : Array.from(x).length, least, most ?? Infinity)
  return rule(words, holds, { type: 'string', ...lengths })
}

export const boolean: FieldRule<boolean> = rule('true or false', (x) => typeof x === 'boolean', { type: 'boolean' })

export const object: FieldRule<Record<string, unknown>> = rule('an object', isObject, { type: 'object' })

export const anything: FieldRule = rule('anything', () => true, {})

export function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x)
}

/** One of a few values. */
export function only<T extends string | number | boolean>(...values: T[]): FieldRule<T> {
  const words = values.map((value) => JSON.stringify(value)).join(' or ')
  return rule(words, (x) => values.includes(x as T), { enum: values })
}

/** A list; an error names the item at fault. */
export function list<T>(items: FieldRule<T>, least: number, most: number): FieldRule<T[]> {
  const words = `a list of ${least} to ${most} items`
  return {
    words: `${words}, each ${items.words}`,
    schema: { type: 'array', items: items.schema, minItems: least, maxItems: most },
    read: (value, path, faults) =>
      Array.isArray(value) && within(value.length, least, most)
        ? value.map((item, i) => items.read(item, `${path}[${i}]`, faults) as T)
        : faults.add('invalid', path, `must be ${words}`, value),
  }
}

/** A list with one rule for it as a whole, where items are many and their positions say nothing. */
export function listOf<T>(
  words: string,
  most: number,
  holds: (item: unknown) => boolean,
  items: JsonSchema,
): FieldRule<T[]> {
  const fits = (x: unknown): boolean => Array.isArray(x) && x.length <= most && x.every(holds)
  return rule(`a list of at most ${most} ${words}`, fits, { type: 'array', items, maxItems: most })
}

/** The first rule that the value's kind asks for. `when`: whether it is of the first one's kind. */
export function either<A, B>(
  when: (value: unknown) => boolean,
  first: FieldRule<A>,
  second: FieldRule<B>,
): FieldRule<A | B> {
  return {
    words: `${first.words}, or ${second.words}`,
    schema: { anyOf: [first.schema, second.schema] },
    read: (value, path, faults) => (when(value) ? first : second).read(value, path, faults),
  }
}

/** Of each type of an object, fields beside `type`, and the names of those that are required. */
type Kinds = Readonly<Record<string, readonly [Readonly<Record<string, FieldRule>>, required?: string]>>

/**
 * An object whose `type` says which fields it has, `unnamed` where it has none. Types of other names are told to be unsupported:
 * OpenAI's and Anthropic's APIs have many.
 */
export function byType<T>(words: string, kinds: Kinds, unnamed?: string): FieldRule<T> {
  const rules = new Map(
    Object.entries(kinds).map(([type, [entries, required = '']]) => {
      const names = `${type === unnamed ? '' : 'type '}${required}`.split(' ').filter(Boolean)
      return [type, fields<T>(words, { type: only(type), ...entries }, names)]
    }),
  )
  const types = only(...rules.keys()).words
  return {
    words,
    schema: { anyOf: Array.from(rules.values(), ({ schema }) => schema) },
    read: (value, path, faults) => {
      if (!isObject(value)) return faults.add('invalid', path, `must be ${words}`, value)
      const type = value.type ?? unnamed
      const rule = rules.get(type as string)
      if (rule) return rule.read(value, path, faults)
      const at = path === '' ? 'type' : `${path}.type`
      if (typeof type === 'string')
        return faults.add('unsupported', at, `must be ${types}: others are not supported`, type)
      return faults.add(type === undefined ? 'missing' : 'invalid', at, `must be ${types}`, type)
    },
  }
}

/** A value that stands for none: llama.cpp's -1. */
export function orNone<T>(none: T, rule: FieldRule<T>): FieldRule<T> {
  return { ...rule, read: (value, path, faults) => (value === none ? undefined : rule.read(value, path, faults)) }
}

/** A rule for what is made of a value. `schema`: of the value itself. */
export function after<T>(
  change: (value: unknown) => unknown,
  rule: FieldRule<T>,
  schema: JsonSchema = rule.schema,
): FieldRule<T> {
  return { ...rule, schema, read: (value, path, faults) => rule.read(change(value), path, faults) }
}

/** A rule whose schema is one of those that `/openapi.json` has by name: only the models served say what it is. */
export function byModel<T>(name: string, rule: FieldRule<T>): FieldRule<T> {
  return { ...rule, schema: { $ref: `#/components/schemas/${name}` } }
}

/** Checked, and then dropped: without effect here. */
export function idle(rule: FieldRule = anything): FieldRule<never> {
  const read = (value: unknown, path: string, faults: Faults): undefined => void rule.read(value, path, faults)
  return { ...rule, read }
}

/** Not supported; only values that ask for nothing are let through: these, empty lists and objects, objects of nulls. */
export function unsupported(...nothing: (string | number | boolean)[]): FieldRule<never> {
  const words = nothing.map((value) => JSON.stringify(value)).join(' or ')
  const empty = (x: unknown): boolean =>
    Array.isArray(x) ? x.length === 0 : isObject(x) && Object.values(x).every((one) => one === null)
  const schemas = [...(nothing.length > 0 ? [{ enum: nothing }] : []), ...EMPTY]
  return refused(words, (x) => nothing.includes(x as string) || empty(x), { anyOf: schemas })
}

const EMPTY: readonly JsonSchema[] = [
  { type: 'array', maxItems: 0 },
  { type: 'object', additionalProperties: { type: 'null' } },
]

/** Not supported, but for what `holds`. `words`: that, as text. */
export function refused(words: string, holds: (value: unknown) => boolean, schema: JsonSchema): FieldRule<never> {
  const message = `is not supported${words ? `, but for ${words}` : ''}`
  return {
    words: message,
    schema,
    read: (value, path, faults) => (holds(value) ? undefined : faults.add('unsupported', path, message, value)),
  }
}

/** An object with these fields and no others. */
export function fields<T>(
  words: string,
  entries: Record<string, FieldRule>,
  required: readonly string[] = [],
): FieldRule<T> {
  const properties = Object.fromEntries(
    Object.entries(entries).map(([name, { schema }]) => [name, required.includes(name) ? schema : orNull(schema)]),
  )
  const read = (value: unknown, path: string, faults: Faults): T | undefined => {
    if (!isObject(value)) return faults.add('invalid', path, `must be ${words}`, value)
    const given = new Map(Object.entries(value).filter(([, field]) => field !== null))
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
    const out: Record<string, unknown> = {}
    for (const [name, entry] of Object.entries(entries)) {
      if (!given.has(name)) continue
      const field = entry.read(given.get(name), at(name), faults)
      if (field !== undefined) out[name] = field
    }
    for (const [name, field] of given) {
      if (!Object.hasOwn(entries, name)) faults.add('unknown', at(name), 'is no parameter of this endpoint', field)
    }
    for (const name of required) if (!given.has(name)) faults.add('missing', at(name), 'is missing', undefined)
    return out as T
  }
  return { words, schema: { type: 'object', properties, required, additionalProperties: false }, read }
}

/** An object that has one of these fields at least; an error names the first. */
export function oneAtLeast<T>(names: readonly string[], rule: FieldRule<T>): FieldRule<T> {
  const anyOf = names.map((name) => ({ required: [name], properties: { [name]: { not: NULL } } }))
  return {
    ...rule,
    schema: { ...rule.schema, anyOf },
    read: (value, path, faults) => {
      const found = rule.read(value, path, faults)
      const given = !isObject(value) || names.some((name) => (value[name] ?? null) !== null)
      return given ? found : faults.add('missing', names[0]!, 'is missing', undefined)
    },
  }
}

/**
 * An object with a field that says nothing unless another one, `beside`, is true: it is then refused in words of its own, but
 * for the values that ask for `nothing`.
 */
export function onlyBeside<T>(
  name: string,
  beside: string,
  message: string,
  nothing: readonly unknown[],
  rule: FieldRule<T>,
): FieldRule<T> {
  const without = { properties: { [name]: { enum: [null, ...nothing] } } }
  const within = { properties: { [beside]: { enum: [true] } }, required: [beside] }
  return {
    ...rule,
    schema: {
      ...rule.schema,
      dependentSchemas: { ...(rule.schema.dependentSchemas as object), [name]: { anyOf: [without, within] } },
    },
    read: (value, path, faults) => {
      const found = rule.read(value, path, faults)
      const asks = isObject(value) && ![null, undefined, ...nothing].includes(value[name])
      if (asks && value[beside] !== true) faults.add('invalid', name, message, value[name])
      return found
    },
  }
}

const NULL = { type: 'null' }

/** Of a field that need not be there. */
export function orNull(schema: JsonSchema): JsonSchema {
  const { anyOf, enum: values, type } = schema
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...anyOf, NULL] }
  if (Array.isArray(values)) return { ...schema, enum: [...values, null] }
  if (schema.$ref) return { anyOf: [schema, NULL] }
  return type === undefined ? schema : { ...schema, type: [type, 'null'].flat() }
}
