/** Python's two ways to format: `text % values`, and `text.format(values)` with its specifications. */
import { intArgument } from './call.ts'
import { asInt, asNumber, fixed, floatText, intText, isNegative, scaled, wideExponent } from './numbers.ts'
import { markup, pad, repr, str } from './operations.ts'
import {
  alike,
  Dict,
  Float,
  fail,
  type Kwargs,
  lengthOf,
  Markup,
  orElse,
  points,
  room,
  spend,
  Tuple,
  textOf,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

interface Spec {
  fill: string
  /** `<`, `>`, `^`, `=` (between sign and digits), or as it suits the value. */
  align: string
  sign: string
  /** `#`: prefixes of bases, a point always. */
  alternate: boolean
  width: number
  grouping: string
  /** Digits after the point or in all, of an int at least, or characters of a text at most. */
  precision: number | undefined
  type: string
}

const BASES: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 }

/** The first `count` digits of a float, as they round, and its decimal exponent. */
function significant(size: number, count: number): [digits: string, exponent: number] {
  const exponent = Number(size.toExponential().split('e')[1])
  const digits = String(scaled(size, count - 1 - exponent))
  return [digits.slice(0, count).padEnd(count, '0'), exponent + Number(digits.length > count)]
}

/** A float by e, f, g or %, without its sign; without a type as by g, but with a digit after the point. */
function floatDigits(size: number, { type, precision, alternate }: Spec): string {
  const kind = type.toLowerCase()
  if (!Number.isFinite(size) || (kind === '' && precision === undefined)) return floatText(size)
  const count = precision ?? 6
  room(count)
  const point = alternate && count === 0 ? '.' : ''
  if (kind === 'f') return fixed(size, count) + point
  if (kind === '%') return `${fixed(size * 100, count)}${point}%`
  const most = kind === 'e' ? count + 1 : Math.max(1, count)
  const [digits, exponent] = significant(size, most)
  const plain = (text: string) => {
    if (kind === 'e' || (alternate && text.includes('.'))) return text + point
    if (alternate) return `${text}.`
    return text.includes('.') ? text.replace(/\.?0+$/, '') : text
  }
  if (kind === 'e' || exponent < -4 || exponent >= (kind === '' ? most - 1 : most)) {
    const mantissa = most > 1 ? `${digits[0]}.${digits.slice(1)}` : digits
    return wideExponent(`${plain(mantissa)}e${exponent < 0 ? '' : '+'}${exponent}`)
  }
  const text = plain(fixed(size, most - 1 - exponent))
  return kind === '' && !text.includes('.') ? `${text}.0` : text
}

function intDigits(size: number | bigint, { type, precision = 0 }: Spec): string {
  const base = BASES[type]
  return (base ? size.toString(base) : intText(size)).padStart(precision, '0')
}

function grouped(digits: string, { grouping, type }: Spec): string {
  const [whole = '', ...rest] = digits.split(/(?=[.e%])/)
  const every = /[box]/i.test(type) ? 4 : 3
  return [whole.replace(new RegExp(`\\B(?=(\\w{${every}})+$)`, 'g'), grouping), ...rest].join('')
}

/** A number with sign, prefix and padding. */
function formatNumber(n: number | bigint, isInt: boolean, spec: Spec): string {
  const { type, grouping, fill, align, width } = spec
  if (isInt && type === 'c') return formatText(String.fromCodePoint(Number(n)), spec)
  const negative = isNegative(n)
  const size = negative ? -n : n
  let digits = isInt ? intDigits(size, spec) : floatDigits(Number(size), spec)
  if (/[A-Z]/.test(type)) digits = digits.toUpperCase()
  const sign = negative ? '-' : spec.sign === '-' ? '' : spec.sign
  const head = sign + (isInt && BASES[type] && spec.alternate ? `0${type}` : '')
  room(width)
  const left = width - head.length
  if (align === '=' && grouping && fill === '0') {
    for (; grouped(digits, spec).length < left; digits = `0${digits}`) spend(left >> 6)
  }
  const text = grouped(digits, spec)
  return align === '=' ? head + text.padStart(left, fill) : pad(head + text, width, align || '>', fill)
}

function formatText(text: string, { precision, width, align, fill }: Spec): string {
  const cut = precision === undefined ? text : Array.from(points(text)).slice(0, precision).join('')
  return pad(cut, width, align || '<', fill)
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?z?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su

/** format(value, specification). */
function formatValue(value: Value, text: string): string {
  if (text === '') return str(value)
  const misfit = () => unfit(value, `does not take the format '${text}'`)
  const match = SPEC.exec(text) ?? misfit()
  const [, fill, align, sign, alternate, zero, width = 0, grouping = '', precision, type = ''] = match
  const spec: Spec = {
    fill: fill ?? (zero ? '0' : ' '),
    align: align ?? (zero ? '=' : ''),
    sign: sign ?? '-',
    alternate: alternate !== undefined,
    width: Number(width),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  }
  if (grouping && !(grouping === ',' ? /^[deEfFgG%]?$/ : /^[bdeEfFgGoxX%]?$/).test(type)) {
    misfit()
  }
  const written = textOf(value)
  if (written !== undefined) {
    if (!/^s?$/.test(type) || align === '=' || sign || alternate || grouping) misfit()
    return formatText(written, { ...spec, align: align ?? '' })
  }
  const whole = asInt(value)
  if (whole !== undefined && /^[bcdnoxX]?$/.test(type)) {
    return spec.precision === undefined ? formatNumber(whole, true, spec) : misfit()
  }
  const n = asNumber(value) ?? misfit()
  return /^[eEfFgGn%]?$/.test(type) ? formatNumber(n, false, spec) : misfit()
}

/** What a text takes in as its own kind: a safe one escapes what is not safe. */
const takenIn = (self: Value, value: Value, text: string) =>
  self instanceof Markup && !(value instanceof Markup) ? markup(text).text : text

/** How a field finds attributes and items: as the sandbox does. */
export type Lookup = readonly [
  attribute: (value: Value, name: string) => Value,
  item: (value: Value, key: Value) => Value,
]

/** A field's value: `name.attribute[key]`. */
function fieldValue(path: string, args: Value[], kwargs: Kwargs, next: () => number, [attribute, item]: Lookup): Value {
  const [, first = '', rest = ''] = /^([^.[]*)(.*)$/s.exec(path)!
  const index = first === '' ? next() : /^\d+$/.test(first) ? Number(first) : undefined
  let value = index === undefined ? kwargs.get(first) : args[index]
  if (value === undefined)
    return fail(index === undefined ? `'${first}' is missing` : 'not enough arguments for format string')
  if (!/^(?:\.[^.[]+|\[[^\]]+\])*$/.test(rest)) fail(`'${path}' is no field`)
  for (const [, name, key = ''] of rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    value = name === undefined ? item(value, /^\d+$/.test(key) ? Number(key) : key) : attribute(value, name)
  }
  return value
}

const CONVERSIONS: Readonly<Record<string, (value: Value) => string>> = { r: repr, a: repr, s: str }
/** Doubled braces, a field with perhaps fields in it, or a brace that has no other. */
const FIELD = /\{\{|\}\}|\{((?:[^{}]|\{[^{}]*\})*)\}|[{}]/g

/** text.format(…) */
export function formatFields(self: string | Markup, args: Value[], kwargs: Kwargs, look: Lookup): Value {
  let auto = 0
  const fill = (text: string): string =>
    text.replace(FIELD, (whole, field?: string) => {
      if (field === undefined) return whole.length > 1 ? whole[0]! : fail(`unexpected '${whole}' in format string`)
      const [, path = '', conversion, spec = ''] =
        /^([^:!]*(?:\[[^\]]*\][^:!]*)*)(?:!(.))?(?::(.*))?$/s.exec(field) ?? fail(`'${field}' is no field`)
      const value = fieldValue(path, args, kwargs, () => auto++, look)
      const convert = conversion ? CONVERSIONS[conversion] : (plain: Value) => plain
      if (!convert) return fail(`unsupported format '!${conversion}'`)
      return takenIn(self, value, formatValue(convert(value), fill(spec)))
    })
  const result = fill(textOf(self)!)
  room(result.length)
  return alike(self, result)
}

const DIRECTIVE = /%(?:\(([^)]*)\))?([-#0 +]*)(\*|\d+)?(?:(\.)(\*|\d+)?)?[hlL]?(.)?/gs

/** `text % values`. */
export function percent(self: string | Markup, values: Value): Value {
  const list = values instanceof Tuple ? values.items : [values]
  let used = 0
  const take = () => (used < list.length ? list[used++]! : fail('not enough arguments for format string'))
  const named = (key: string) => {
    if (!(values instanceof Dict)) return fail('format requires a mapping')
    used = list.length
    return orElse(values.get(key), () => fail(`'${key}' is missing`))
  }
  const convert = (_: string, key?: string, flags = '', width = '0', point = '', digits = '0', type = '') => {
    if (type === '%') return '%'
    const [size, precision] = [width, digits].map((count) => (count === '*' ? intArgument(take()) : Number(count)))
    const value = key === undefined ? take() : named(key)
    const zero = flags.includes('0') && /[diouxXeEfFgG]/.test(type)
    const align = flags.includes('-') || size! < 0 ? '<' : zero ? '=' : '>'
    const text = converted(value, {
      fill: align === '=' ? '0' : ' ',
      align,
      sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '-',
      alternate: flags.includes('#'),
      width: Math.abs(size!),
      grouping: '',
      precision: point ? precision : undefined,
      type,
    })
    return takenIn(self, value, text)
  }
  const result = textOf(self)!.replace(DIRECTIVE, convert)
  room(result.length)
  if (used < list.length && !(values instanceof Dict || Array.isArray(values) || values instanceof Undefined)) {
    fail('too many arguments for format string')
  }
  return alike(self, result)
}

function converted(value: Value, spec: Spec): string {
  const { type } = spec
  const misfit = () => unfit(value, `does not take the format '%${type}'`)
  const convert = CONVERSIONS[type]
  if (convert) return formatText(convert(value), spec)
  if (type === 'c') {
    const text = textOf(value) ?? String.fromCodePoint(Number(asInt(value) ?? misfit()))
    return lengthOf(text) === 1 ? formatText(text, { ...spec, precision: undefined }) : misfit()
  }
  if (!/^[diouxXeEfFgG]$/.test(type)) fail(`unsupported format '%${type}'`)
  const n = asNumber(value) ?? misfit()
  if (/[eEfFgG]/.test(type)) return formatNumber(n, false, spec)
  if (value instanceof Float && /[xXo]/.test(type)) misfit()
  return formatNumber(asInt(value) ?? BigInt(Math.trunc(n)), true, spec)
}
