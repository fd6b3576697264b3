/** transformers' filter tojson: Python's json.dumps, without escapes for HTML and with every character as it is. */
import { intArgument } from './call.ts'
import { asInt, floatText, intText } from './numbers.ts'
import { compare, str } from './operations.ts'
import { Dict, deep, Float, fail, itemsOf, joinTexts, spend, textOf, unfit, type Value } from './values.ts'

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

export function toJson(
  value: Value,
  ascii = false,
  indent: Value = null,
  separators: Value = null,
  sort = false,
): string {
  const width = indent === null ? undefined : (textOf(indent) ?? ' '.repeat(Math.max(0, intArgument(indent))))
  const [comma, colon] =
    separators === null ? [width === undefined ? ', ' : ',', ': '] : (itemsOf(separators) ?? []).map(str)
  if (comma === undefined || colon === undefined) return fail('separators are two texts')

  const wrap = (brackets: string, parts: string[], depth: number) => {
    if (parts.length === 0) return brackets
    const line = width === undefined ? '' : `\n${width.repeat(depth)}`
    const inner = width === undefined ? '' : line + width
    return brackets[0] + inner + joinTexts(parts, comma + inner) + line + brackets[1]
  }
  const write = (part: Value, depth: number): string => {
    spend()
    deep(depth)
    const simple = textOf(part)
    if (simple !== undefined) return quoted(simple, ascii)
    const inner = (item: Value) => write(item, depth + 1)
    const items = itemsOf(part)
    if (items) return wrap('[]', items.map(inner), depth)
    if (!(part instanceof Dict)) return plain(part) ?? unfit(part, 'is not JSON serializable')
    const entries = part.items()
    if (sort) entries.sort(([a], [b]) => compare('<', a, b))
    const written = entries.map(([key, item]) => {
      const name = textOf(key) ?? plain(key) ?? unfit(key, 'is no key in JSON')
      return quoted(name, ascii) + colon + inner(item)
    })
    return wrap('{}', written, depth)
  }
  return write(value, 0)
}
