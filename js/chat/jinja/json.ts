/** transformers' filter tojson: Python's json.dumps, without escapes for HTML and with every character as it is. */
import { asInt, floatText, intText } from './numbers.ts'
import { compare, str } from './operations.ts'
import { Dict, deep, Float, fail, isTrue, itemsOf, room, spend, textOf, typeName, unfit, type Value } from './values.ts'

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function quoted(text: string, ascii: boolean): string {
  const escaped = text.replace(ascii ? /[^ !#-[\]-~]/g : /["\\]|[^ -\uffff]/g, (char) => {
    return SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

function floatJson(n: number): string {
  if (Number.isFinite(n)) return floatText(n)
  return Number.isNaN(n) ? 'NaN' : n < 0 ? '-Infinity' : 'Infinity'
}

function keyText(key: Value): string {
  const text = textOf(key)
  if (text !== undefined) return text
  if (key === null || typeof key !== 'object')
    return key === null ? 'null' : typeof key === 'boolean' ? String(key) : str(key)
  return key instanceof Float ? floatJson(key.n) : unfit(key, 'is no key in JSON')
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
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (value instanceof Float) return floatJson(value.n)
  const whole = asInt(value)
  if (whole !== undefined) return intText(whole)
  const items = itemsOf(value)
  if (items)
    return wrap(
      '[]',
      items.map((item) => write(item, style, depth + 1)),
      style,
      depth,
    )
  if (!(value instanceof Dict)) return fail(`${typeName(value)} is not JSON serializable`)
  const entries = Array.from(value.items())
  if (style.sort) entries.sort(([a], [b]) => compare('<', a, b))
  const written = entries.map(([key, item]) => {
    return quoted(keyText(key), style.ascii) + style.colon + write(item, style, depth + 1)
  })
  return wrap('{}', written, style, depth)
}

function wrap(brackets: string, parts: string[], { indent, comma }: Style, depth: number): string {
  if (parts.length === 0) return brackets
  const line = indent === undefined ? '' : `\n${indent.repeat(depth)}`
  const inner = indent === undefined ? '' : line + indent
  room(parts.reduce((sum, part) => sum + part.length + inner.length, 0))
  return brackets[0] + inner + parts.join(comma + inner) + line + brackets[1]
}

export function toJson(
  value: Value,
  ascii: Value = false,
  indent: Value = null,
  separators: Value = null,
  sort: Value = false,
): string {
  const width =
    indent === null
      ? undefined
      : (textOf(indent) ?? ' '.repeat(Math.max(0, Number(asInt(indent) ?? fail('indent must be an int or a str')))))
  const [comma, colon] =
    separators === null ? [width === undefined ? ', ' : ',', ': '] : (itemsOf(separators) ?? []).map(str)
  if (comma === undefined || colon === undefined) return fail('separators are two texts')
  return write(value, { ascii: isTrue(ascii), indent: width, comma, colon, sort: isTrue(sort) }, 0)
}
