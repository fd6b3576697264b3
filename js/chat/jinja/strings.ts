/** The methods of str, on code points. */
import { classOf, LETTER, MARK, NUMBER } from '../../util/unicode.ts'
import { type Bound, fillArgument, intArgument, methodOf, type Table, textArgument } from './call.ts'
import { escapeText, isPrintable, sliced } from './operations.ts'
import {
  dictIn,
  Fn,
  fail,
  isTrue,
  iterate,
  Markup,
  points,
  room,
  spend,
  Tuple,
  textOf,
  unfit,
  type Value,
} from './values.ts'

/** Python's white space. */
const BLANK = '\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const BLANKS = new RegExp(`[${BLANK}]`)
/** What splitlines takes for a line's end. */
const ENDS = '\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029'
const LINE_END = new RegExp(`\\r\\n|[${ENDS}]`, 'g')

const isBlank = (char: string) => BLANKS.test(char)

const lengthIn = (text: string) => points(text).length

/** Cuts characters off the ends: white space, or those of a set. */
export function strip(text: string, chars: Value | undefined, left = true, right = true): string {
  const set = chars === undefined || chars === null ? undefined : new Set(textArgument(chars))
  const all = points(text)
  const goes = (i: number) => (set ? set.has(all[i]!) : isBlank(all[i]!))
  let start = 0
  let end = all.length
  while (left && start < end && goes(start)) start++
  while (right && end > start && goes(end - 1)) end--
  const rest = all.slice(start, end)
  return typeof rest === 'string' ? rest : rest.join('')
}

/** Words between white space, from one end; at most `most` cuts. */
function words(text: string, most: number, fromEnd: boolean): string[] {
  const found: string[] = []
  const step = fromEnd ? -1 : 1
  const within = (i: number) => i >= 0 && i < text.length
  for (let i = fromEnd ? text.length - 1 : 0; ; ) {
    while (within(i) && isBlank(text[i]!)) i += step
    if (!within(i)) break
    const start = i
    while (within(i) && (found.length === most || !isBlank(text[i]!))) i += step
    found.push(fromEnd ? text.slice(i + 1, start + 1) : text.slice(start, i))
  }
  return fromEnd ? found.reverse() : found
}

function split(text: string, separator: Value | undefined, limit: Value | undefined, fromEnd = false): string[] {
  const count = intArgument(limit, -1)
  const most = count < 0 ? Infinity : count
  if (separator === undefined || separator === null) return words(text, most, fromEnd)
  const mark = textArgument(separator)
  if (mark === '') fail('empty separator')
  const parts = text.split(mark)
  if (parts.length - 1 <= most) return parts
  if (fromEnd) return [parts.slice(0, parts.length - most).join(mark), ...parts.slice(parts.length - most)]
  return [...parts.slice(0, most), parts.slice(most).join(mark)]
}

export function splitLines(text: string, keep = false): string[] {
  const lines: string[] = []
  let start = 0
  for (const { 0: end, index } of text.matchAll(LINE_END)) {
    lines.push(text.slice(start, keep ? index + end.length : index))
    start = index + end.length
  }
  if (start < text.length) lines.push(text.slice(start))
  return lines
}

export function replace(text: string, from: string, to: string, limit = -1): string {
  const parts = from === '' ? ['', ...points(text), ''] : text.split(from)
  const count = limit < 0 ? parts.length - 1 : Math.min(limit, parts.length - 1)
  room(text.length + count * to.length)
  return (
    parts.slice(0, count + 1).join(to) +
    parts
      .slice(count + 1)
      .map((part) => from + part)
      .join('')
  )
}

/** Where a part first (last) is between two places, or -1. */
function find(
  text: string,
  part: Value | undefined,
  start: Value | undefined,
  end: Value | undefined,
  last = false,
): number {
  const from = Math.min(lengthIn(text), intArgument(start, 0))
  const within = sliced(text, start ?? null, end ?? null, null) as string
  const at = last ? within.lastIndexOf(textArgument(part)) : within.indexOf(textArgument(part))
  if (at < 0 || intArgument(start, 0) > lengthIn(text)) return -1
  return lengthIn(within.slice(0, at)) + (from < 0 ? Math.max(0, from + lengthIn(text)) : from)
}

const found = (at: number) => (at < 0 ? fail('substring not found') : at)

/** startswith and endswith: with one text or any of a tuple's. */
function meets(test: (text: string, part: string) => boolean, [self, parts, start, end]: [string, ...Bound]): boolean {
  const text = sliced(self, start ?? null, end ?? null, null) as string
  if (parts instanceof Tuple) return parts.items.some((part) => test(text, textArgument(part)))
  return test(text, textArgument(parts))
}

/** Fills up to a width, on one or both sides. */
export function pad(text: string, width: number, fill: string, side: 'left' | 'right' | 'both'): string {
  const count = Math.max(0, width - lengthIn(text))
  room(text.length + count)
  const left = side === 'left' ? count : side === 'right' ? 0 : (count >> 1) + (count & width & 1)
  return fill.repeat(left) + text + fill.repeat(count - left)
}

/** A character as a word begins with it: ß becomes Ss. */
function titled(char: string): string {
  const [first = '', ...rest] = char.toUpperCase()
  return first + rest.join('').toLowerCase()
}

export function capitalize(text: string): string {
  const [first = ''] = text
  return titled(first) + text.slice(first.length).toLowerCase()
}

const isCased = (char: string) => char.toLowerCase() !== char.toUpperCase()

function mapCase(text: string, change: (char: string, afterCased: boolean) => string): string {
  let result = ''
  let after = false
  for (const char of text) {
    result += change(char, after)
    after = isCased(char)
  }
  return result
}

/** Whether a text has cased letters, all of them in one case. */
export function isCase(text: string, fits: (char: string) => boolean): boolean {
  const cased = Array.from(text).filter(isCased)
  return cased.length > 0 && cased.every(fits)
}
export const isLower = (text: string) => isCase(text, (char) => char === char.toLowerCase())
export const isUpper = (text: string) => isCase(text, (char) => char === char.toUpperCase())

const all = (text: string, fits: (char: string) => boolean) => text !== '' && Array.from(text).every(fits)
const inClass = (char: string, classes: number) => (classOf(char.codePointAt(0)!) & classes) !== 0
/** Numbers that are no digits, such as fractions, and digits that are no decimals, such as superscripts. */
const NO_DIGIT = /[\xbc-\xbe\u2150-\u218b\u3007\u3021-\u3029]/
const NO_DECIMAL = /[\xb2\xb3\xb9\u2070-\u209c\u2460-\u24ff\u2776-\u2793]/
const isDigit = (char: string) => inClass(char, NUMBER) && !NO_DIGIT.test(char)

function isTitle(text: string): boolean {
  return (
    isCase(text, () => true) && mapCase(text, (char, after) => (after ? char.toLowerCase() : titled(char))) === text
  )
}

function translate(text: string, table: Value | undefined): string {
  const map = dictIn(table ?? null)
  return Array.from(text, (char) => {
    const to = map.get(char.codePointAt(0)!)
    if (to === undefined) return char
    return typeof to === 'number' ? String.fromCodePoint(to) : to === null ? '' : textArgument(to)
  }).join('')
}

function expandTabs(text: string, size: number): string {
  let column = 0
  let result = ''
  for (const char of text) {
    const blanks = char === '\t' && size > 0 ? size - (column % size) : 0
    room(result.length + blanks)
    result += char === '\t' ? ' '.repeat(blanks) : char
    column = char === '\n' || char === '\r' ? 0 : column + (char === '\t' ? blanks : 1)
  }
  return result
}

export function join(separator: string, values: Value): string {
  const parts = Array.from(iterate(values), (value) => {
    return textOf(value) ?? unfit(value, 'is no str')
  })
  room(parts.reduce((sum, part) => sum + part.length + separator.length, 0))
  return parts.join(separator)
}

function zeroFill(text: string, width: number): string {
  const sign = /^[-+]/.test(text) ? text[0]! : ''
  return sign + pad(text.slice(sign.length), width - sign.length, '0', 'left')
}

function partition(text: string, mark: string, last: boolean): Tuple {
  if (mark === '') fail('empty separator')
  const at = last ? text.lastIndexOf(mark) : text.indexOf(mark)
  if (at < 0) return new Tuple(last ? ['', '', text] : [text, '', ''])
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)])
}

const RANGE = 'start? end?'
const METHODS: Table<[string]> = {
  capitalize: ['', capitalize],
  casefold: ['', (s) => s.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ')],
  center: ['/ width fill?', (s, width, fill) => pad(s, intArgument(width, 0), fillArgument(fill), 'both')],
  count: [
    `/ part ${RANGE}`,
    (s, part, start, end) => {
      const within = sliced(s, start ?? null, end ?? null, null) as string
      return part === '' ? lengthIn(within) + 1 : within.split(textArgument(part)).length - 1
    },
  ],
  endswith: [`/ parts ${RANGE}`, (...args) => meets((text, part) => text.endsWith(part), args)],
  expandtabs: ['tabsize?', (s, size) => expandTabs(s, intArgument(size, 8))],
  find: [`/ part ${RANGE}`, (s, part, start, end) => find(s, part, start, end)],
  index: [`/ part ${RANGE}`, (s, part, start, end) => found(find(s, part, start, end))],
  isalnum: ['', (s) => all(s, (char) => inClass(char, LETTER | NUMBER))],
  isalpha: ['', (s) => all(s, (char) => inClass(char, LETTER))],
  isascii: ['', (s) => s === '' || all(s, (char) => char <= '\x7f')],
  isdecimal: ['', (s) => all(s, (char) => isDigit(char) && !NO_DECIMAL.test(char))],
  isdigit: ['', (s) => all(s, isDigit)],
  isidentifier: [
    '',
    (s) => all(s, (char) => char === '_' || inClass(char, LETTER | NUMBER | MARK)) && !inClass(s, NUMBER | MARK),
  ],
  islower: ['', isLower],
  isnumeric: ['', (s) => all(s, (char) => inClass(char, NUMBER))],
  isprintable: ['', (s) => s === '' || all(s, isPrintable)],
  isspace: ['', (s) => all(s, isBlank)],
  istitle: ['', isTitle],
  isupper: ['', isUpper],
  join: ['/ values', (s, values) => join(s, values!)],
  ljust: ['/ width fill?', (s, width, fill) => pad(s, intArgument(width, 0), fillArgument(fill), 'right')],
  lower: ['', (s) => s.toLowerCase()],
  lstrip: ['/ chars?', (s, chars) => strip(s, chars, true, false)],
  partition: ['/ mark', (s, mark) => partition(s, textArgument(mark), false)],
  removeprefix: ['/ part', (s, part) => (s.startsWith(textArgument(part)) ? s.slice(textArgument(part).length) : s)],
  removesuffix: [
    '/ part',
    (s, part) => (part !== '' && s.endsWith(textArgument(part)) ? s.slice(0, -textArgument(part).length) : s),
  ],
  replace: [
    'old new count?',
    (s, old, to, count) => replace(s, textArgument(old), textArgument(to), intArgument(count, -1)),
  ],
  rfind: [`/ part ${RANGE}`, (s, part, start, end) => find(s, part, start, end, true)],
  rindex: [`/ part ${RANGE}`, (s, part, start, end) => found(find(s, part, start, end, true))],
  rjust: ['/ width fill?', (s, width, fill) => pad(s, intArgument(width, 0), fillArgument(fill), 'left')],
  rpartition: ['/ mark', (s, mark) => partition(s, textArgument(mark), true)],
  rsplit: ['sep? maxsplit?', (s, mark, most) => split(s, mark, most, true)],
  rstrip: ['/ chars?', (s, chars) => strip(s, chars, false)],
  split: ['sep? maxsplit?', (s, mark, most) => split(s, mark, most)],
  splitlines: ['keepends?', (s, keep) => splitLines(s, isTrue(keep ?? false))],
  startswith: [`/ parts ${RANGE}`, (...args) => meets((text, part) => text.startsWith(part), args)],
  strip: ['/ chars?', (s, chars) => strip(s, chars)],
  swapcase: ['', (s) => mapCase(s, (char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase()))],
  title: ['', (s) => mapCase(s, (char, after) => (after ? char.toLowerCase() : titled(char)))],
  translate: ['/ table', translate],
  upper: ['', (s) => s.toUpperCase()],
  zfill: ['/ width', (s, width) => zeroFill(s, intArgument(width, 0))],
}

/** Arguments that a safe str escapes before it takes them in. */
function escaped(name: string, args: Value[]): Value[] {
  const one = (value: Value): Value => (typeof value === 'string' ? new Markup(escapeText(value)) : value)
  if (name === 'join') return [Array.from(iterate(args[0] ?? null), one)]
  return name === 'replace' ? args.map((value, i) => (i === 1 ? one(value) : value)) : args
}

function marked(value: Value): Value {
  if (typeof value === 'string') return new Markup(value)
  if (Array.isArray(value)) return value.map(marked)
  return value instanceof Tuple ? new Tuple(value.items.map(marked)) : value
}

/** A method of a str; undefined where there is none of the name. */
export function textMethod(self: string | Markup, name: string): Value | undefined {
  const text = textOf(self)!
  spend(text.length >> 6)
  const method = methodOf(METHODS, text, name)
  if (!method || typeof self === 'string') return method
  return new Fn(name, (args, kwargs) => marked(method.call(escaped(name, args), kwargs)))
}
