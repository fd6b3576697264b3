/** `+ - * / // % **` of values of every kind. */
import { percent } from './format.ts'
import { arithmetic, asInt, negate } from './numbers.ts'
import { markup, str, unsupported } from './operations.ts'
import { alike, defined, Float, itemsOf, Markup, now, room, textOf, typeName, unfit, type Value } from './values.ts'

function joined(a: Value, b: Value): Value | undefined {
  if (a instanceof Markup || b instanceof Markup) {
    const both = textOf(a) !== undefined && textOf(b) !== undefined
    return both ? new Markup(markup(a).text + markup(b).text) : undefined
  }
  if (typeof a === 'string') {
    if (typeof b !== 'string') return undefined
    room(a.length + b.length)
    return a + b
  }
  const [items, others] = [itemsOf(a), itemsOf(b)]
  if (!items || !others || typeName(a) !== typeName(b)) return undefined
  room((items.length + others.length) * 8)
  return alike(a, [...items, ...others])
}

function repeated(value: Value, times: number): Value | undefined {
  const count = Math.max(0, times)
  const [text, items] = [textOf(value), itemsOf(value)]
  room((text ?? '').length * count + (items ?? []).length * count * 8)
  if (text !== undefined) return alike(value, text.repeat(count))
  return (
    items &&
    alike(
      value,
      Array.from({ length: items.length * count }, (_, i) => items[i % items.length]!),
    )
  )
}

/** `a ~ b`, safe where one of them is. */
function concat(a: Value, b: Value): Value {
  if (now.escapes && (a instanceof Markup || b instanceof Markup)) return new Markup(markup(a).text + markup(b).text)
  const text = str(a) + str(b)
  room(text.length)
  return text
}

/** `a op b` for `+ - * / // % ** ~`. */
export function binary(op: string, a: Value, b: Value): Value {
  if (op === '~') return concat(a, b)
  const number = arithmetic(op, a, b)
  if (number !== undefined) return number
  if (op === '%' && textOf(a) !== undefined) return percent(a as string | Markup, b)
  let result: Value | undefined
  if (op === '+') result = joined(a, b)
  else if (op === '*') {
    const [x, y] = [asInt(a), asInt(b)]
    if (y !== undefined) result = repeated(a, Number(y))
    else if (x !== undefined) result = repeated(b, Number(x))
  }
  return result ?? unsupported(op, a, b)
}

/** `-value` or `+value`. */
export function signed(op: string, value: Value): Value {
  const result =
    op === '-' ? negate(defined(value)) : value instanceof Float ? value : arithmetic('+', defined(value), 0)
  return result ?? unfit(value, `has no ${op}`)
}
