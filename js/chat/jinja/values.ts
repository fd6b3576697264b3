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

/** A value that JavaScript has nothing like. */
export abstract class Thing {
  /** Python's name of the type. */
  abstract readonly type: string
  /** An attribute; undefined where there is none. */
  attribute(_name: string): Value | undefined {
    return undefined
  }
  /** How it prints. */
  print(): string {
    return `<${this.type} object>`
  }
}

export class Float extends Thing {
  override readonly type = 'float'
  constructor(readonly n: number) {
    super()
  }
}

export class Tuple extends Thing {
  override readonly type: string = 'tuple'
  constructor(readonly items: Value[]) {
    super()
  }
}

/** A str that is safe in HTML: what is joined to it is escaped. */
export class Markup extends Thing {
  override readonly type = 'Markup'
  constructor(readonly text: string) {
    super()
  }
}

/** What is not there. It prints as nothing, is false and empty; any other use of it fails. */
export class Undefined extends Thing {
  override readonly type = 'Undefined'
  constructor(readonly reason: string) {
    super()
  }
}

export const missingName = (name: string) => new Undefined(`'${name}' is undefined`)

export class Range extends Thing {
  override readonly type = 'range'
  readonly length: number
  constructor(
    readonly start: number,
    readonly stop: number,
    readonly step: number,
  ) {
    super()
    this.length = Math.max(0, Math.ceil((stop - start) / step))
  }
  at(i: number): number {
    return this.start + i * this.step
  }
  override attribute(name: string): Value | undefined {
    return name === 'start' || name === 'stop' || name === 'step' ? this[name] : undefined
  }
}

/** An iterator that can be walked once: a generator, a reversed list. */
export class Once extends Thing {
  constructor(
    readonly iterator: Iterator<Value>,
    override readonly type = 'generator',
  ) {
    super()
  }
}

/** The keys, values or items of a dict. */
export class View extends Thing {
  override readonly type: string
  constructor(
    readonly dict: Dict,
    readonly kind: 'keys' | 'values' | 'items',
  ) {
    super()
    this.type = `dict_${kind}`
  }
}

export class Fn extends Thing {
  override readonly type: string = 'function'
  constructor(
    readonly name: string,
    readonly call: (args: Value[], kwargs: Kwargs) => Value,
  ) {
    super()
  }
  override print(): string {
    return `<function ${this.name}>`
  }
}

/** A dict in the order of insertion; keys that are equal are one, as 1, 1.0 and True are. */
export class Dict extends Thing {
  override readonly type = 'dict'
  private readonly entries = new Map<unknown, [Value, Value]>()

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict()
    for (const [key, value] of entries) dict.set(key, value)
    return dict
  }
  get size(): number {
    return this.entries.size
  }
  get(key: Value): Value | undefined {
    return this.entries.get(hashed(key))?.[1]
  }
  has(key: Value): boolean {
    return this.entries.has(hashed(key))
  }
  set(key: Value, value: Value): void {
    const hash = hashed(key)
    const known = this.entries.get(hash)
    this.entries.set(hash, [known ? known[0] : key, value])
  }
  items(): IterableIterator<[Value, Value]> {
    return this.entries.values()
  }
  *keys(): IterableIterator<Value> {
    for (const [key] of this.items()) yield key
  }
  *values(): IterableIterator<Value> {
    for (const [, value] of this.items()) yield value
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

export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'string':
      return 'str'
    case 'object':
      return value.type
    default:
      return 'int'
  }
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

/** Refuses what is nested too deeply. */
export function deep(depth: number): void {
  if (depth > MOST.depth) fail('it is nested too deeply')
}

const SURROGATE = /[\ud800-\udfff]/

/** A text's code points, each a string: the text itself where every unit is one. */
export function points(text: string): string | string[] {
  const wide = SURROGATE.test(text)
  spend(text.length >> (wide ? 1 : 6))
  return wide ? Array.from(text) : text
}

/** How many values there are in a value; fails for what has no length. */
export function lengthOf(value: Value): number {
  const text = textOf(value)
  if (text !== undefined) return points(text).length
  const items = itemsOf(value)
  if (items) return items.length
  if (value instanceof Dict) return value.size
  if (value instanceof View) return value.dict.size
  if (value instanceof Range) return value.length
  if (value instanceof Undefined) return 0
  if (value instanceof Thing) {
    const length = value.attribute('__len__')
    if (typeof length === 'number') return length
  }
  return unfit(value, 'has no len()')
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false
  if (Array.isArray(value)) return value.length > 0
  if (typeof value !== 'object') return Boolean(value)
  if (value instanceof Float) return value.n !== 0
  if (value instanceof Markup || value instanceof Tuple || value instanceof Dict) return lengthOf(value) > 0
  return !(value instanceof View || value instanceof Range) || lengthOf(value) > 0
}

function* countUp(range: Range): IterableIterator<Value> {
  for (let i = 0; i < range.length; i++) yield range.at(i)
}

function* pairs(dict: Dict): IterableIterator<Value> {
  for (const item of dict.items()) yield new Tuple(item)
}

/** Walks a value as Python's iter does; undefined for what cannot be walked. */
export function iteratorOf(value: Value): Iterator<Value> | undefined {
  const items = itemsOf(value)
  if (items) return items.values()
  const text = textOf(value)
  if (text !== undefined) return text[Symbol.iterator]()
  if (value instanceof Dict) return value.keys()
  if (value instanceof View) return value.kind === 'items' ? pairs(value.dict) : value.dict[value.kind]()
  if (value instanceof Range) return countUp(value)
  if (value instanceof Once) return value.iterator
  return value instanceof Undefined ? [].values() : undefined
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
