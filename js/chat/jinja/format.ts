/** Python's two ways to format: `text % values`, and `text.format(values)` with its specifications. */
import { intArgument } from './call.ts'
import { asInt, asNumber, exponentText, fixed, floatText, intText } from './numbers.ts'
import { markup, repr, str } from './operations.ts'
import {
  Dict,
  defined,
  Float,
  fail,
  type Kwargs,
  lengthOf,
  Markup,
  points,
  room,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

interface Spec {
  fill: string
  align: string
  sign: string
  /** `#`: prefixes of bases, a point always. */
  alternate: boolean
  width: number
  grouping: string
  precision: number | undefined
  type: string
}

/** A float by e, f, g or %, without its sign. */
function floatDigits(n: number, type: string, precision: number, alternate: boolean): string {
  if (!Number.isFinite(n)) return floatText(Math.abs(n))
  const size = Math.abs(n)
  room(precision)
  const point = alternate && precision === 0 ? '.' : ''
  if (type === 'f') return fixed(size, precision) + point
  if (type === '%') return `${fixed(size * 100, precision)}${point}%`
  const scientific = (digits: number): [mantissa: string, exponent: number] => {
    const exponent = Number(size.toExponential().split('e')[1])
    const all = fixed(size, digits - exponent)
      .replace('.', '')
      .replace(/^0+(?=.)/, '')
    const carried = all.length > Math.max(digits, exponent) + 1 ? 1 : 0
    const cut = all.slice(0, digits + 1).padEnd(digits + 1, '0')
    return [digits > 0 ? `${cut[0]}.${cut.slice(1)}` : cut, exponent + carried]
  }
  if (type === 'e') {
    const [mantissa, exponent] = scientific(precision)
    return `${mantissa}${point}e${exponentText(exponent)}`
  }
  const most = Math.max(1, precision)
  const [mantissa, exponent] = scientific(most - 1)
  const plain = (text: string) => {
    if (alternate) return text.includes('.') ? text : `${text}.`
    return text.includes('.') ? text.replace(/\.?0+$/, '') : text
  }
  // Without a type there is a digit after the point, for which there must be room.
  if (exponent < -4 || exponent >= (type === '' ? most - 1 : most))
    return `${plain(mantissa)}e${exponentText(exponent)}`
  const text = plain(fixed(size, most - 1 - exponent))
  return type === '' && !text.includes('.') ? `${text}.0` : text
}

function grouped(digits: string, separator: string, every: number): string {
  const [whole = '', ...rest] = digits.split(/(?=[.e%])/)
  return whole.replace(new RegExp(`\\B(?=(\\w{${every}})+$)`, 'g'), separator) + rest.join('')
}

/** Digits with sign, prefix and padding. */
function finish(digits: string, negative: boolean, prefix: string, spec: Spec): string {
  const sign = negative ? '-' : spec.sign === '-' ? '' : spec.sign
  const every = /[box]/i.test(spec.type) ? 4 : 3
  let text = spec.grouping ? grouped(digits, spec.grouping, every) : digits
  const head = sign + prefix
  room(spec.width)
  if (spec.align === '=') {
    const width = spec.width - head.length
    if (spec.grouping && spec.fill === '0') {
      while (text.length < width) {
        const longer = grouped(`0${text.replaceAll(spec.grouping, '')}`, spec.grouping, every)
        if (longer.length > width && longer.length > text.length + 1) text = `0${longer}`.slice(-width - 1)
        else text = longer
      }
    }
    return head + text.padStart(width, spec.fill)
  }
  return aligned(head + text, { ...spec, align: spec.align || '>' })
}

function aligned(text: string, { fill, align, width }: Spec): string {
  const count = Math.max(0, width - lengthOf(text))
  room(count)
  const left = align === '>' ? count : align === '^' ? count >> 1 : 0
  return fill.repeat(left) + text + fill.repeat(count - left)
}

const BASES: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 }

function formatInt(n: number | bigint, spec: Spec): string {
  const { type } = spec
  const size = n < 0 ? -n : n
  if (type === 'c') return aligned(String.fromCodePoint(Number(n)), { ...spec, align: spec.align || '<' })
  const base = BASES[type]
  const plain = base ? size.toString(base) : intText(size)
  const digits = type === 'X' ? plain.toUpperCase() : plain
  return finish(digits, n < 0, base && spec.alternate ? `0${type}` : '', spec)
}

function formatFloat(n: number, spec: Spec): string {
  const { type, precision } = spec
  const negative = n < 0 || Object.is(n, -0)
  const lower = type.toLowerCase()
  let digits: string
  if (type === '' && precision === undefined) digits = floatText(Math.abs(n))
  else digits = floatDigits(n, lower, precision ?? 6, spec.alternate)
  return finish(type === lower ? digits : digits.toUpperCase(), negative, '', spec)
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?z?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su

/** format(value, specification). */
export function formatValue(value: Value, text: string): string {
  if (text === '') return str(value)
  const match = SPEC.exec(text) ?? fail(`invalid format specifier '${text}'`)
  const [, fill, align, sign = '-', alternate, zero, width, grouping = '', precision, type = ''] = match
  const spec: Spec = {
    fill: fill ?? (zero ? '0' : ' '),
    align: align ?? (zero ? '=' : ''),
    sign,
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  }
  if (grouping && !(grouping === ',' ? /^[deEfFgG%]?$/ : /^[bdeEfFgGoxX%]?$/).test(type)) {
    fail(`cannot specify '${grouping}' with '${type}'`)
  }
  const unknown = () => fail(`unknown format code '${type}' for object of type '${typeName(value)}'`)
  const written = textOf(value)
  if (written !== undefined) {
    if (type !== '' && type !== 's') unknown()
    if (align === '=' || match[3] || alternate || grouping) fail(`'${text}' does not fit a string`)
    const cut = spec.precision === undefined ? written : Array.from(points(written)).slice(0, spec.precision).join('')
    return aligned(cut, { ...spec, align: spec.align === '=' ? '<' : spec.align })
  }
  const whole = typeof value === 'boolean' && type === '' ? Number(value) : asInt(value)
  if (whole !== undefined && /^[bcdnoxX]?$/.test(type)) {
    return spec.precision === undefined ? formatInt(whole, spec) : fail('precision not allowed in integer format')
  }
  const n = asNumber(value)
  if (n !== undefined) return /^[eEfFgGn%]?$/.test(type) ? formatFloat(n, spec) : unknown()
  return fail(`unsupported format string passed to ${typeName(value)}.__format__`)
}

/** How a field finds attributes and items: as the sandbox does. */
export interface Lookup {
  attribute(value: Value, name: string): Value
  item(value: Value, key: Value): Value
}

/** A field's value: `name.attribute[key]`. */
function fieldValue(path: string, args: Value[], kwargs: Kwargs, next: () => number, look: Lookup): Value {
  const [, first = '', rest = ''] = /^([^.[]*)(.*)$/s.exec(path)!
  const index = first === '' ? next() : /^\d+$/.test(first) ? Number(first) : undefined
  let value = index === undefined ? kwargs.get(first) : args[index]
  if (value === undefined)
    return fail(index === undefined ? `'${first}' is missing` : 'there are too few values to format')
  let length = 0
  for (const [step, name, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    value = name === undefined ? look.item(value, /^\d+$/.test(key!) ? Number(key) : key!) : look.attribute(value, name)
    length += step.length
  }
  return length === rest.length ? value : fail(`'${path}' is no field`)
}

const CONVERSIONS: Readonly<Record<string, (value: Value) => string>> = { r: repr, a: repr, s: str }

/** text.format(…); a safe text escapes what it takes in. */
export function formatFields(self: string | Markup, args: Value[], kwargs: Kwargs, look: Lookup): Value {
  let auto = 0
  const next = () => auto++
  const fill = (text: string, depth: number): string => {
    if (depth > 2) fail('max string recursion exceeded')
    let result = ''
    for (let i = 0; i < text.length; ) {
      const char = text[i]!
      if ((char === '{' || char === '}') && text[i + 1] === char) {
        result += char
        i += 2
      } else if (char === '}') fail("single '}' encountered in format string")
      else if (char === '{') {
        const end = closing(text, i)
        const [, path = '', conversion, spec = ''] =
          /^([^:!]*(?:\[[^\]]*\][^:!]*)*)(?:!(.))?(?::(.*))?$/s.exec(text.slice(i + 1, end)) ??
          fail('malformed field in format string')
        const value = fieldValue(path, args, kwargs, next, look)
        if (conversion && !CONVERSIONS[conversion]) fail(`unknown conversion specifier ${conversion}`)
        const shown = conversion ? CONVERSIONS[conversion]!(value) : value
        const written = formatValue(shown, fill(spec, depth + 1))
        result += self instanceof Markup && !(value instanceof Markup) ? markup(written).text : written
        i = end + 1
      } else {
        result += char
        i++
      }
    }
    room(result.length)
    return result
  }
  const result = fill(textOf(self)!, 1)
  return self instanceof Markup ? new Markup(result) : result
}

function closing(text: string, start: number): number {
  for (let i = start, depth = 0; i < text.length; i++) {
    if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  return fail("expected '}' before end of string")
}

const DIRECTIVE = /%(?:\(([^)]*)\))?([-#0 +]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?(.)?/gs

/** `text % values`. */
export function percent(self: string | Markup, values: Value): Value {
  const list = values instanceof Tuple ? values.items : [values]
  let used = 0
  const take = () => (used < list.length ? list[used++]! : fail('not enough arguments for format string'))
  const convert = (match: RegExpMatchArray): string => {
    const [whole, key, flags = '', width, digits, type = ''] = match
    if (type === '%') return '%'
    const size = width === '*' ? intArgument(take(), 0) : Number(width ?? 0)
    const given = digits === '*' ? intArgument(take(), 0) : digits
    const precision = given === undefined ? (/\./.test(whole) ? 0 : undefined) : Number(given)
    let value: Value
    if (key === undefined) value = take()
    else {
      if (!(values instanceof Dict)) return fail('format requires a mapping')
      const found = values.get(key)
      value = found === undefined ? fail(`'${key}' is missing`) : found
      used = list.length
    }
    const align = flags.includes('-') || size < 0 ? '<' : flags.includes('0') && /[diouxXeEfFgG]/.test(type) ? '=' : '>'
    const sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '-'
    const fill = align === '=' ? '0' : ' '
    const alternate = flags.includes('#')
    const spec: Spec = { fill, align, sign, alternate, width: Math.abs(size), grouping: '', precision, type }
    const text = converted(value, spec)
    return self instanceof Markup && !(value instanceof Markup) ? markup(text).text : text
  }
  const result = textOf(self)!.replace(DIRECTIVE, (...args) => convert(args.slice(0, 6) as unknown as RegExpMatchArray))
  room(result.length)
  if (used < list.length && !(values instanceof Dict || Array.isArray(values) || values instanceof Undefined)) {
    fail('not all arguments converted during string formatting')
  }
  return self instanceof Markup ? new Markup(result) : result
}

function converted(value: Value, spec: Spec): string {
  const { type, precision } = spec
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? str(value) : repr(value)
    return aligned(precision === undefined ? text : Array.from(text).slice(0, precision).join(''), spec)
  }
  if (type === 'c') {
    const text = textOf(value) ?? String.fromCodePoint(Number(asInt(value) ?? fail('%c requires int or char')))
    return lengthOf(text) === 1 ? aligned(text, spec) : fail('%c requires int or char')
  }
  if (!/[diouxXeEfFgG]/.test(type) || type === '') {
    return fail(type ? `unsupported format character '${type}'` : 'incomplete format')
  }
  const n = asNumber(defined(value)) ?? fail(`%${type} format: a real number is required, not ${typeName(value)}`)
  if (/[eEfFgG]/.test(type)) return formatFloat(n, spec)
  if (value instanceof Float && /[xXo]/.test(type)) fail(`%${type} format: an integer is required, not float`)
  const whole = value instanceof Float ? BigInt(Math.trunc(n)) : asInt(value)!
  if (precision !== undefined) {
    const digits = (whole < 0 ? -whole : whole).toString(BASES[type] ?? 10).padStart(precision, '0')
    return finish(
      type === 'X' ? digits.toUpperCase() : digits,
      whole < 0,
      BASES[type] && spec.alternate ? `0${type}` : '',
      spec,
    )
  }
  return formatInt(whole, { ...spec, type: BASES[type] ? type : 'd' })
}
