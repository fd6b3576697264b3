/** What Python's operators do with values, and how values print. */
import { classOf, OTHER, SPACE } from '../../util/unicode.ts'
import { asInt, asNumber, floatText, intText } from './numbers.ts'
import {
  Dict,
  defined,
  Float,
  fail,
  itemsOf,
  iterate,
  lengthOf,
  Markup,
  Once,
  points,
  Range,
  room,
  spend,
  Tuple,
  textOf,
  typeName,
  Undefined,
  unfit,
  type Value,
  View,
} from './values.ts'

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
/** Characters that may not print: all but those of ASCII that do. */
const UNUSUAL = /[^ -[\]-~]/gu

export function isPrintable(char: string): boolean {
  const code = char.codePointAt(0)!
  if (code < 0x7f) return code >= 0x20
  return (classOf(code) & (OTHER | SPACE)) === 0
}

function textRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replace(UNUSUAL, (char) => {
    if (ESCAPES[char] || isPrintable(char)) return ESCAPES[char] ?? char
    const hex = char.codePointAt(0)!.toString(16)
    if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`
    return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
  })
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote
}

/** repr(value). */
export function repr(value: Value): string {
  spend()
  if (typeof value === 'string') return textRepr(value)
  if (value instanceof Markup) return `Markup(${textRepr(value.text)})`
  if (value instanceof Undefined) return 'Undefined'
  return str(value)
}

const listed = (items: Iterable<Value>) => Array.from(items, repr).join(', ')

function dictText(dict: Dict): string {
  return `{${Array.from(dict.items(), ([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`
}

/** str(value): what a template prints. */
export function str(value: Value): string {
  if (typeof value === 'string') return value
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number' || typeof value === 'bigint') return intText(value)
  spend4(value)
  if (Array.isArray(value)) return `[${listed(value)}]`
  if (value instanceof Undefined) return ''
  if (value instanceof Float) return floatText(value.n)
  if (value instanceof Markup) return value.text
  if (value instanceof Tuple)
    return value.items.length === 1 ? `(${repr(value.items[0]!)},)` : `(${listed(value.items)})`
  if (value instanceof Dict) return dictText(value)
  if (value instanceof View) return `${value.type}([${listed(iterate(value))}])`
  if (value instanceof Range) {
    return `range(${value.start}, ${value.stop}${value.step === 1 ? '' : `, ${value.step}`})`
  }
  return value.print()
}

/** Counts the items that are about to be printed. */
function spend4(value: Value): void {
  const items = itemsOf(value)
  if (items) room(items.length * 4)
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' }

export const escapeText = (text: string) => text.replace(/[&<>'"]/g, (char) => HTML[char]!)

/** Escapes what is not safe already. */
export const markup = (value: Value): Markup => (value instanceof Markup ? value : new Markup(escapeText(str(value))))

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true
  const [x, y] = [asNumber(a), asNumber(b)]
  if (x !== undefined || y !== undefined) return x === y && !(typeof a === 'bigint' && typeof b === 'bigint')
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    const text = textOf(a)
    return text !== undefined && text === textOf(b)
  }
  if (a instanceof Undefined) return b instanceof Undefined
  if (a instanceof Markup) return b instanceof Markup && a.text === b.text
  if (a instanceof Dict) {
    if (!(b instanceof Dict) || a.size !== b.size) return false
    for (const [key, value] of a.items()) {
      spend()
      const other = b.get(key)
      if (other === undefined || !equal(value, other)) return false
    }
    return true
  }
  if (a instanceof Range) return b instanceof Range && sameItems(Array.from(iterate(a)), Array.from(iterate(b)))
  const [items, others] = [itemsOf(a), itemsOf(b)]
  return (
    items !== undefined && others !== undefined && Array.isArray(a) === Array.isArray(b) && sameItems(items, others)
  )
}

function sameItems(a: readonly Value[], b: readonly Value[]): boolean {
  return (
    a.length === b.length &&
    a.every((item, i) => {
      spend()
      return equal(item, b[i]!)
    })
  )
}

/** Texts by their code points: negative, 0 or positive. */
function compareTexts(a: string, b: string): number {
  const [x, y] = [points(a), points(b)]
  if (typeof x === 'string' && typeof y === 'string') return x < y ? -1 : x > y ? 1 : 0
  for (let i = 0; i < x.length && i < y.length; i++) {
    const difference = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return x.length - y.length
}

/** Negative, 0 or positive; NaN where neither is less nor equal. `op` is for the error. */
export function compare(op: string, a: Value, b: Value): number {
  const [whole, other] = [asInt(a), asInt(b)]
  if (whole !== undefined && other !== undefined) return whole < other ? -1 : whole > other ? 1 : 0
  const [x, y] = [asNumber(a), asNumber(b)]
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN
  const [text, second] = [textOf(a), textOf(b)]
  if (text !== undefined && second !== undefined) return compareTexts(text, second)
  const [items, others] = [itemsOf(a), itemsOf(b)]
  if (items && others && Array.isArray(a) === Array.isArray(b)) {
    const at = items.findIndex((item, i) => i >= others.length || !equal(item, others[i]!))
    return at < 0 ? items.length - others.length : at >= others.length ? 1 : compare(op, items[at]!, others[at]!)
  }
  defined(a)
  defined(b)
  return fail(`'${op}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`)
}

/** sorted(values, key=…): stable, in reverse too. */
export function sorted(
  values: readonly Value[],
  key: (value: Value) => Value = (value) => value,
  reverse = false,
): Value[] {
  const keyed = values.map((value) => [key(value), value] as const)
  const sign = reverse ? -1 : 1
  keyed.sort(([a], [b]) => sign * (compare('<', a, b) || 0))
  return keyed.map(([, value]) => value)
}

/** `value in container`. */
export function contains(container: Value, value: Value): boolean {
  const text = textOf(container)
  if (text !== undefined) {
    const part = textOf(value) ?? unfit(value, 'is no str')
    return text.includes(part)
  }
  if (container instanceof Dict) return container.has(value)
  if (container instanceof View && container.kind === 'keys') return container.dict.has(value)
  if (itemsOf(container) || container instanceof View || container instanceof Range || container instanceof Once) {
    for (const item of iterate(container)) if (equal(item, value)) return true
    return false
  }
  if (container instanceof Undefined) return false
  return unfit(container, 'is not iterable')
}

/** One of `== != < <= > >= in not in`. */
export function relation(op: string, a: Value, b: Value): boolean {
  spend(((textOf(a) ?? '').length + (textOf(b) ?? '').length) >> 6)
  switch (op) {
    case '==':
      return equal(a, b)
    case '!=':
      return !equal(a, b)
    case 'in':
      return contains(b, a)
    case 'not in':
      return !contains(b, a)
    case '<':
      return compare(op, a, b) < 0
    case '<=':
      return compare(op, a, b) <= 0
    case '>':
      return compare(op, a, b) > 0
    default:
      return compare(op, a, b) >= 0
  }
}

/** Bounds of a slice of `length` items: where it starts and stops, and its step. */
function bounds(length: number, start: Value, stop: Value, step: Value): [from: number, to: number, by: number] {
  const index = (value: Value, none: number, low: number, high: number): number => {
    if (value === null) return none
    const at = Number(asInt(value) ?? unfit(value, 'is no integer'))
    return Math.min(Math.max(at < 0 ? at + length : at, low), high)
  }
  const by = step === null ? 1 : index(step, 1, -Infinity, Infinity)
  const way = step === null ? 1 : Number(asInt(step))
  if (by === 0 && way === 0) fail('a step is zero')
  return way > 0
    ? [index(start, 0, 0, length), index(stop, length, 0, length), way]
    : [index(start, length - 1, -1, length - 1), index(stop, -1, -1, length - 1), way]
}

/** value[start:stop:step] */
export function sliced(value: Value, start: Value, stop: Value, step: Value): Value {
  const text = textOf(value)
  const whole = text === undefined ? itemsOf(value) : points(text)
  if (text === undefined) spend((whole ?? []).length >> 2)
  if (value instanceof Range) {
    const [from, to, by] = bounds(value.length, start, stop, step)
    return new Range(value.at(from), value.at(to), value.step * by)
  }
  if (whole === undefined) return unfit(value, 'cannot be sliced')
  const [from, to, by] = bounds(whole.length, start, stop, step)
  let part: string | Value[]
  if (by === 1) part = to > from ? whole.slice(from, to) : whole.slice(0, 0)
  else {
    const count = Math.max(0, Math.ceil((to - from) / by))
    part = Array.from({ length: count }, (_, i) => whole[from + i * by]!)
  }
  if (text === undefined) return value instanceof Tuple ? new Tuple(part as Value[]) : part
  const cut = typeof part === 'string' ? part : part.join('')
  return value instanceof Markup ? new Markup(cut) : cut
}

/** value[key] where there is such an item; undefined where there is none. */
export function itemAt(value: Value, key: Value): Value | undefined {
  if (value instanceof Dict) {
    return Array.isArray(key) || key instanceof Dict ? undefined : value.get(key)
  }
  const index = asInt(key)
  if (index === undefined || value === null) return undefined
  const text = textOf(value)
  if (text === undefined && !itemsOf(value) && !(value instanceof Range)) return undefined
  const length = lengthOf(value)
  const at = Number(index) < 0 ? Number(index) + length : Number(index)
  if (at < 0 || at >= length) return undefined
  if (value instanceof Range) return value.at(at)
  const item = text === undefined ? itemsOf(value)![at]! : points(text)[at]!
  return value instanceof Markup ? new Markup(item as string) : item
}

/** How a value is named where it has no such item or attribute. */
export const described = (value: Value) => (value === null ? 'None' : `${typeName(value)} object`)
