/** What Python's operators do with values, and how values print. */
import { classOf, OTHER, SPACE } from '../../util/unicode.ts'
import { asInt, floatText, intText, numeric } from './numbers.ts'
import {
  alike,
  Dict,
  defined,
  Float,
  fail,
  itemsOf,
  iterate,
  Markup,
  partsOf,
  points,
  Range,
  room,
  spend,
  type Thing,
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

/** A list, tuple or dict in its brackets, each item as it is written behind its key; undefined for other values. */
export function bracketed(
  value: Value,
  write: (item: Value, key: string, isLast: boolean) => string,
  between = ', ',
): string | undefined {
  const items = itemsOf(value)
  const entries = items?.map((item) => ['', item] as const) ?? (value instanceof Dict ? value.items() : undefined)
  if (!entries) return undefined
  room(entries.length * 4)
  const parts = entries.map(([key, item], i) => {
    const name = items ? '' : `${repr(key)}: `
    return name + write(item, name, i === entries.length - 1)
  })
  const [open, close] =
    value instanceof Dict ? '{}' : Array.isArray(value) ? '[]' : ['(', parts.length === 1 ? ',)' : ')']
  return open + parts.join(between) + close
}

/** Where a text stands in a width: left, right or in the middle, where str.center rounds odd widths its own way. */
export type Align = '<' | '>' | '^' | 'center'

/** Fills a text up to a width. */
export function pad(text: string, width: number, align: string, fill = ' '): string {
  const count = Math.max(0, width - points(text).length)
  room(text.length + count)
  const middle = (count >> 1) + (align === '^' ? 0 : count & width & 1)
  const left = align === '<' ? 0 : align === '>' ? count : middle
  return fill.repeat(left) + text + fill.repeat(count - left)
}

const thingText = (thing: Thing) => (thing.attribute('__str__') as string | undefined) ?? `<${thing.type} object>`

/** str(value): what a template prints. */
export function str(value: Value): string {
  if (typeof value === 'string') return value
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number' || typeof value === 'bigint') return intText(value)
  if (value instanceof Undefined) return ''
  if (value instanceof Float) return floatText(value.n)
  if (value instanceof Markup) return value.text
  if (value instanceof View) return `${value.type}(${repr(value.items)})`
  return bracketed(value, repr) ?? thingText(value as Thing)
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' }

export const escapeText = (text: string) => text.replace(/[&<>'"]/g, (char) => HTML[char]!)

/** Escapes what is not safe already. */
export const markup = (value: Value): Markup => (value instanceof Markup ? value : new Markup(escapeText(str(value))))

export function equal(a: Value, b: Value): boolean {
  spend()
  if (a === b) return true
  const text = textOf(a)
  if (text !== undefined) return text === textOf(b)
  const [x, y] = [numeric(a), numeric(b)]
  if (x !== undefined || y !== undefined) return x! <= y! && x! >= y!
  if (typeName(a) !== typeName(b)) return false
  if (a instanceof Dict) {
    const other = b as Dict
    return (
      a.size === other.size &&
      a.items().every(([key, value]) => {
        const found = other.get(key)
        return found !== undefined && equal(value, found)
      })
    )
  }
  const [items, others] = [partsOf(a), partsOf(b)] as Value[][]
  return items !== undefined && items.length === others!.length && items.every((item, i) => equal(item, others![i]!))
}

/** Negative, 0 or positive; NaN where neither is less nor equal. */
const order = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : a >= b ? 0 : Number.NaN)

/** Fails because there is no such operation of two values. */
export function unsupported(op: string, a: Value, b: Value): never {
  const [left, right] = [a, b].map((value) => typeName(defined(value)))
  return fail(`unsupported operand type(s) for ${op}: '${left}' and '${right}'`)
}

/** The order of two values; `op` is for the error. */
export function compare(op: string, a: Value, b: Value): number {
  const [x, y] = [numeric(a), numeric(b)]
  if (x !== undefined && y !== undefined) return order(x, y)
  const [text, second] = [textOf(a), textOf(b)]
  if (text !== undefined && second !== undefined) {
    if (typeof points(text) === 'string' && typeof points(second) === 'string') return order(text, second)
    const codes = (chars: string) => Array.from(chars, (char) => char.codePointAt(0)!)
    return compare(op, codes(text), codes(second))
  }
  const [items, others] = [itemsOf(a), itemsOf(b)]
  if (items && others && typeName(a) === typeName(b)) {
    const at = items.findIndex((item, i) => i >= others.length || !equal(item, others[i]!))
    if (at < 0 || at >= others.length) return items.length - others.length
    return compare(op, items[at]!, others[at]!)
  }
  return unsupported(op, a, b)
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
function contains(container: Value, value: Value): boolean {
  const text = textOf(container)
  if (text !== undefined) return text.includes(textOf(value) ?? unfit(value, 'is no str'))
  if (container instanceof Dict) return container.get(value) !== undefined
  for (const item of iterate(container)) if (equal(item, value)) return true
  return false
}

/** One of `== != < <= > >= in not in`. */
export function relation(op: string, a: Value, b: Value): boolean {
  spend(((textOf(a) ?? '').length + (textOf(b) ?? '').length) >> 6)
  if (op === '==' || op === '!=') return equal(a, b) === (op === '==')
  if (op === 'in' || op === 'not in') return contains(b, a) === (op === 'in')
  const difference = compare(op, a, b)
  return (op[0] === '<' ? difference < 0 : difference > 0) || (op.length > 1 && difference === 0)
}

/** value[start:stop:step] */
export function sliced(value: Value, start: Value, stop: Value, step: Value = null): Value {
  const parts = partsOf(defined(value)) ?? unfit(value, 'cannot be sliced')
  if (value instanceof View) unfit(value, 'cannot be sliced')
  const { length } = parts
  if (textOf(value) === undefined) spend(length >> 2)
  const int = (bound: Value) => Number(asInt(bound) ?? unfit(bound, 'is no integer'))
  const by = step === null ? 1 : int(step)
  if (by === 0) fail('a step is zero')
  const [low, high] = by > 0 ? [0, length] : [-1, length - 1]
  const index = (bound: Value, none: number) => {
    const at = bound === null ? none : int(bound)
    return Math.min(Math.max(at < 0 && bound !== null ? at + length : at, low), high)
  }
  const [from, to] = by > 0 ? [index(start, low), index(stop, high)] : [index(start, high), index(stop, low)]
  if (value instanceof Range) {
    const at = (i: number) => value.start + i * value.step
    return new Range(at(from), at(to), value.step * by)
  }
  if (by === 1) return alike(value, parts.slice(from, Math.max(from, to)))
  const count = Math.max(0, Math.ceil((to - from) / by))
  return alike(
    value,
    Array.from({ length: count }, (_, i) => parts[from + i * by]!),
  )
}

/** value[key] where there is such an item; undefined where there is none. */
export function itemAt(value: Value, key: Value): Value | undefined {
  if (value instanceof Dict) return Array.isArray(key) || key instanceof Dict ? undefined : value.get(key)
  const index = asInt(key)
  if (index === undefined || value instanceof View) return undefined
  const item = partsOf(value)?.at(Number(index))
  return value instanceof Markup && item !== undefined ? new Markup(item as string) : item
}

/** How a value is named where it has no such item or attribute. */
export const described = (value: Value) => (value === null ? 'None' : `${typeName(value)} object`)
