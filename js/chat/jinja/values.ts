/**
 * Python's values, as templates know them. None is null, a bool a boolean, a str a string. An int is a number within the
 * safe integers and a bigint beyond, so that equal ints are one value; a float is a Float. A list is an array. The rest
 * are the classes of this file.
 */

export type Value = null | boolean | number | bigint | string | Value[] | Thing

export type Kwargs = Map<string, Value>

/** What is wrong with a template or with its use, in Python's words; who renders adds the line. */
export class JinjaError extends Error {
  /** The line in the template, from 1; 0 until known. */
  line: number
  constructor(message: string, line = 0) {
    super(message)
    this.line = line
  }
}

export function fail(message: string): never {
  throw new JinjaError(message)
}

/** Attributes by name, found when they are asked for; `__str__`: how it prints, `__len__`: how long it is. */
export type Attributes = Readonly<Record<string, () => Value>>

/** A value that JavaScript has nothing like. `type`: Python's name of its type. */
export class Thing {
  // Declared, as fields that are defined take their time.
  declare readonly type: string
  declare private readonly attributes: Attributes | undefined
  constructor(type: string, attributes?: Attributes) {
    this.type = type
    this.attributes = attributes
  }
  /** An attribute; undefined where there is none. */
  attribute(name: string): Value | undefined {
    const { attributes } = this
    return attributes && Object.hasOwn(attributes, name) ? attributes[name]!() : undefined
  }
}

export class Float extends Thing {
  constructor(readonly n: number) {
    super('float')
  }
}

/** A value with items in order that is no list. */
export class Items extends Thing {
  constructor(
    type: string,
    readonly items: Value[],
    attributes?: Attributes,
  ) {
    super(type, attributes)
  }
}

export class Tuple extends Items {
  constructor(items: Value[], attributes?: Attributes) {
    super('tuple', items, attributes)
  }
}

/** The keys, values or items of a dict. */
export class View extends Items {}

/** A str that is safe in HTML: what is joined to it is escaped. */
export class Markup extends Thing {
  constructor(readonly text: string) {
    super('Markup')
  }
}

/** What is not there. It prints as nothing, is false and empty; any other use of it fails. */
export class Undefined extends Thing {
  constructor(readonly reason: string) {
    super('Undefined')
  }
}

export const missingName = (name: string) => new Undefined(`'${name}' is undefined`)

/** What is there, or else what is made for it. */
export const orElse = <T>(found: Value | undefined, other: () => T): Value | T =>
  found === undefined ? other() : found

/** An item, or what stands for one that is not there. */
export const itemOr = (item: Value | undefined, which: string) =>
  orElse(item, () => new Undefined(`there is no ${which} item`))

/** As the sandbox has it. */
const RANGE_MOST = 100_000

export class Range extends Items {
  constructor(
    readonly start: number,
    stop: number,
    readonly step: number,
  ) {
    const length = Math.max(0, Math.ceil((stop - start) / step))
    if (length > RANGE_MOST) fail('it makes too large a range')
    spend(length >> 2)
    const items = Array.from({ length }, (_, i) => start + i * step)
    super('range', items, {
      start: () => start,
      stop: () => stop,
      step: () => step,
      __str__: () => `range(${start}, ${stop}${step === 1 ? '' : `, ${step}`})`,
    })
  }
}

/** An iterator that can be walked once: a generator, a reversed list. */
export class Once extends Thing {
  constructor(
    readonly iterator: Iterator<Value>,
    type = 'generator',
  ) {
    super(type)
  }
}

export class Fn extends Thing {
  constructor(
    readonly name: string,
    readonly call: (args: Value[], kwargs: Kwargs) => Value,
    type = 'function',
    attributes: Attributes = { __str__: () => `<function ${name}>` },
  ) {
    super(type, attributes)
  }
}

/** A dict in the order of insertion; keys that are equal are one, as 1, 1.0 and True are. */
export class Dict extends Thing {
  private readonly entries = new Map<unknown, [Value, Value]>()
  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super('dict')
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.entries.size
  }
  get(key: Value): Value | undefined {
    return this.entries.get(hashed(key))?.[1]
  }
  set(key: Value, value: Value): void {
    const hash = hashed(key)
    this.entries.set(hash, [this.entries.get(hash)?.[0] ?? key, value])
  }
  items(): [key: Value, value: Value][] {
    return [...this.entries.values()]
  }
  /** Its items as Python's tuples. */
  pairs(): Tuple[] {
    return this.items().map((item) => new Tuple(item))
  }
  keys(): Value[] {
    return this.items().map(([key]) => key)
  }
}

/** What stands for a value in a Map or Set: the same for equal values. Lists and dicts have none. */
export function hashed(value: Value): unknown {
  spend()
  if (typeof value === 'boolean') return Number(value)
  if (value instanceof Float) return value.n
  if (value instanceof Markup) return value.text
  if (value instanceof Undefined) return Undefined
  if (value instanceof Tuple)
    return `\0(${value.items.map((item) => `${typeof item}${String(hashed(item))}`).join('\0')}`
  if (Array.isArray(value) || value instanceof Dict) return unfit(value, 'is unhashable')
  return value
}

const TYPES: Readonly<Record<string, string>> = { boolean: 'bool', string: 'str', number: 'int', bigint: 'int' }

export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  return value instanceof Thing ? value.type : (TYPES[typeof value] ?? 'list')
}

/** The text of a str, safe or not; undefined for other values. */
export function textOf(value: Value | undefined): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Markup ? value.text : undefined
}

/** The items of a list or tuple; undefined for other values. */
export function itemsOf(value: Value): Value[] | undefined {
  if (Array.isArray(value)) return value
  return value instanceof Tuple ? value.items : undefined
}

/** A value that is there: an Undefined fails with its reason. */
export function defined(value: Value): Value {
  return value instanceof Undefined ? fail(value.reason) : value
}

/** Fails because a value's type does not fit: what such an object is or has not. */
export function unfit(value: Value, what: string): never {
  return fail(`'${typeName(defined(value))}' object ${what}`)
}

/** A dict; other values fail. */
export function dictIn(value: Value): Dict {
  return value instanceof Dict ? value : unfit(value, 'is no mapping')
}

export const TOO_DEEP = 'it is nested too deeply'

/** Refuses what is nested too deeply. */
export function deep(depth: number): void {
  if (depth > MOST.depth) fail(TOO_DEEP)
}

const SURROGATE = /[\ud800-\udfff]/

/** A text's code points, each a string: the text itself where every unit is one. */
export function points(text: string): string | string[] {
  const wide = SURROGATE.test(text)
  spend(text.length >> (wide ? 1 : 6))
  return wide ? Array.from(text) : text
}

/** What a sequence is made of: a text's characters, or items; undefined for other values. */
export function partsOf(value: Value): string | Value[] | undefined {
  const text = textOf(value)
  if (text !== undefined) return points(text)
  if (value instanceof Undefined) return []
  return value instanceof Items ? value.items : itemsOf(value)
}

/** A text, list or tuple, as the value is one, of other parts. */
export function alike(value: Value, parts: string | Value[]): Value {
  if (Array.isArray(value)) return parts as Value[]
  if (value instanceof Tuple) return new Tuple(parts as Value[])
  const text = typeof parts === 'string' ? parts : parts.join('')
  return value instanceof Markup ? new Markup(text) : text
}

function sizeOf(value: Value): number | undefined {
  return value instanceof Dict ? value.size : partsOf(value)?.length
}

/** How many values there are in a value; fails for what has no length. */
export function lengthOf(value: Value): number {
  const size = sizeOf(value) ?? (value instanceof Thing ? value.attribute('__len__') : undefined)
  return typeof size === 'number' ? size : unfit(value, 'has no len()')
}

export function isTrue(value: Value): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value)
  return value instanceof Float ? value.n !== 0 : sizeOf(value) !== 0
}

/** Walks a value as Python's iter does; undefined for what cannot be walked. */
export function iteratorOf(value: Value): Iterator<Value> | undefined {
  if (value instanceof Once) return value.iterator
  const parts = value instanceof Dict ? value.keys() : partsOf(value)
  return parts?.[Symbol.iterator]()
}

/** Steps, sizes and depths that one rendering may take: templates come from strangers, as files do. */
export const MOST = { steps: 10_000_000, size: 1 << 26, depth: 200 }

/** The rendering under way: renderings never overlap. */
export const now = { line: 0, steps: 0, depth: 0, escapes: false }

/** Begins a rendering. */
export function begin(): void {
  Object.assign(now, { line: 0, steps: 0, depth: 0, escapes: false })
}

/** Counts work against the limit of one rendering. */
export function spend(count = 1): void {
  now.steps += count
  if (now.steps > MOST.steps) fail('it takes too many steps')
}

/** Refuses a text or list larger than a rendering may make, before it is made. */
export function room(size: number): void {
  if (size > MOST.size) fail('it makes too large a text or list')
  spend(size >> 6)
}

/** Texts with a mark between, if there is room. */
export function joinTexts(texts: readonly string[], mark: string): string {
  room(texts.reduce((sum, text) => sum + text.length + mark.length, 0))
  return texts.join(mark)
}

/** A value's items in a for loop of JavaScript's; fails for what cannot be walked. */
export function* iterate(value: Value): IterableIterator<Value> {
  const iterator = iteratorOf(value) ?? unfit(value, 'is not iterable')
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    spend()
    yield next.value
  }
}

export function listOf(value: Value): Value[] {
  const items = itemsOf(value)
  if (items) spend(items.length >> 2)
  return items ? items.slice() : Array.from(iterate(value))
}
