/** transformers' filter tojson: Python's json.dumps, without escapes for HTML and with every character as it is. */
import { asInt, floatText, intText } from './numbers.ts'
import { compare, str } from './operations.ts'
import { Dict, deep, Float, fail, itemsOf, joinTexts, spend, textOf, typeName, unfit, type Value } from './values.ts'

function quoted(text: string, ascii: boolean): string {
  const hex = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  return ascii ? JSON.stringify(text).replace(/[\x7f-\uffff]/g, hex) : JSON.stringify(text)
}

/** None, a bool or a number; undefined for other values. */
function plain(value: Value): string | undefined {
  if (value === null || typeof value === 'boolean') return String(value)
  if (value instanceof Float) return Number.isFinite(value.n) ? floatText(value.n) : String(value.n)
  const whole = asInt(value)
  return whole === undefined ? undefined : intText(whole)
}

interface Style {
  ascii: boolean
  indent: string | undefined
  comma: string
  colon: string
  sort: boolean
}

function write(value: Value, style: Style, depth: number): string {
  spend()
  deep(depth)
  const text = textOf(value)
  if (text !== undefined) return quoted(text, style.ascii)
  const inner = (item: Value) => write(item, style, depth + 1)
  const items = itemsOf(value)
  if (items) return wrap('[]', items.map(inner), style, depth)
  if (!(value instanceof Dict)) return plain(value) ?? fail(`${typeName(value)} is not JSON serializable`)
  const entries = value.items()
  if (style.sort) entries.sort(([a], [b]) => compare('<', a, b))
  const written = entries.map(([key, item]) => {
    const name = textOf(key) ?? plain(key) ?? unfit(key, 'is no key in JSON')
    return quoted(name, style.ascii) + style.colon + inner(item)
  })
  return wrap('{}', written, style, depth)
}

function wrap(brackets: string, parts: string[], { indent, comma }: Style, depth: number): string {
  if (parts.length === 0) return brackets
  const line = indent === undefined ? '' : `\n${indent.repeat(depth)}`
  const inner = indent === undefined ? '' : line + indent
  return brackets[0] + inner + joinTexts(parts, comma + inner) + line + brackets[1]
}

export function toJson(
  value: Value,
  ascii = false,
  indent: Value = null,
  separators: Value = null,
  sort = false,
): string {
  const width =
    indent === null
      ? undefined
      : (textOf(indent) ?? ' '.repeat(Math.max(0, Number(asInt(indent) ?? fail('indent must be an int or a str')))))
  const [comma, colon] =
    separators === null ? [width === undefined ? ', ' : ',', ': '] : (itemsOf(separators) ?? []).map(str)
  if (comma === undefined || colon === undefined) return fail('separators are two texts')
  return write(value, { ascii, indent: width, comma, colon, sort }, 0)
}
