/** The methods of str, on code points. */
import { classOf, LETTER, MARK, NUMBER } from '../../util/unicode.ts'
import { methodOf, type Table, textArgument } from './call.ts'
import { type Align, escapeText, isPrintable, pad, sliced } from './operations.ts'
import {
  alike,
  dictIn,
  Fn,
  fail,
  iterate,
  joinTexts,
  Markup,
  points,
  room,
  spend,
  Tuple,
  textOf,
  type Value,
} from './values.ts'

/** Python's white space: JavaScript's without the byte order mark, and some controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are white space to Python
const BLANKS = /((?:[^\S\ufeff]|[\x1c-\x1f\x85])+)/
/** What splitlines takes for a line's end. */
const ENDS = '\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029'
const LINE_END = new RegExp(`\\r\\n|[${ENDS}]`, 'g')

const isBlank = (char: string) => BLANKS.test(char)

const RANGE = 'start:int? end:int?'

const lengthIn = (text: string) => points(text).length

/** Cuts characters off the ends: white space, or those of a set. */
export function strip(text: string, chars?: string, left = true, right = true): string {
  const set = chars === undefined ? undefined : new Set(chars)
  const all = points(text)
  const goes = (i: number) => (set ? set.has(all[i]!) : isBlank(all[i]!))
  let start = 0
  let end = all.length
  while (left && start < end && goes(start)) start++
  while (right && end > start && goes(end - 1)) end--
  return alike(text, all.slice(start, end)) as string
}

/** Parts between separators, or between white space without one; at most `limit` cuts, from one end. */
function split(text: string, separator: string | undefined, limit = -1, fromEnd = false): string[] {
  if (separator === '') fail('empty separator')
  // Every other piece is what stands between two parts.
  const pieces =
    separator === undefined
      ? strip(text, undefined, !fromEnd, fromEnd).split(BLANKS)
      : text.split(separator).flatMap((part, i) => (i > 0 ? [separator, part] : [part]))
  const parts = (some: string[]) => some.filter((_, i) => i % 2 === 0)
  const most = limit < 0 ? pieces.length - 1 : Math.min(limit * 2, pieces.length - 1)
  const cut = pieces.length - most
  const found = fromEnd
    ? [pieces.slice(0, cut).join(''), ...parts(pieces.slice(cut + 1))]
    : [...parts(pieces.slice(0, most)), pieces.slice(most).join('')]
  return separator === undefined ? found.filter((part) => part !== '') : found
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
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from)
}

/** The part of a text that methods look at. */
const window = (text: string, start?: number, end?: number) => sliced(text, start ?? null, end ?? null) as string

/** Where a part first (last) is between two places; what is not found is an error, or at -1. */
function finder(last: boolean, strict: boolean) {
  const find = (text: string, part: string, start = 0, end?: number) => {
    const length = lengthIn(text)
    const within = window(text, start, end)
    const at = last ? within.lastIndexOf(part) : within.indexOf(part)
    if (at >= 0 && start <= length)
      return lengthIn(within.slice(0, at)) + Math.max(0, start < 0 ? start + length : start)
    return strict ? fail('substring not found') : -1
  }
  return [`/ part:str ${RANGE}`, find] as const
}

/** startswith and endswith: with one text or any of a tuple's. */
function meets(test: 'startsWith' | 'endsWith') {
  const run = (self: string, parts: Value, start?: number, end?: number) => {
    const text = window(self, start, end)
    return (parts instanceof Tuple ? parts.items : [parts]).some((part) => text[test](textArgument(part)))
  }
  return [`/ parts ${RANGE}`, run] as const
}

const padded = (align: Align) =>
  ['/ width:int fill:char?', (text: string, width: number, fill?: string) => pad(text, width, align, fill)] as const

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

/** A method that asks whether all characters fit; `empty`: what it says of no characters. */
const all =
  (fits: (char: string) => boolean, empty = false) =>
  (text: string): boolean =>
    text === '' ? empty : Array.from(text).every(fits)
const inClass = (char: string, classes: number) => (classOf(char.codePointAt(0)!) & classes) !== 0
/** Whether a character may stand in a name. */
export const isWord = (char: string) => char === '_' || inClass(char, LETTER | NUMBER | MARK)
/** Numbers that are no digits, such as fractions, and digits that are no decimals, such as superscripts. */
const NO_DIGIT = /[\xbc-\xbe\u2150-\u218b\u3007\u3021-\u3029]/
const NO_DECIMAL = /[\xb2\xb3\xb9\u2070-\u209c\u2460-\u24ff\u2776-\u2793]/
const isDigit = (char: string) => inClass(char, NUMBER) && !NO_DIGIT.test(char)

const titleCase = (text: string) => mapCase(text, (char, after) => (after ? char.toLowerCase() : titled(char)))

const isTitle = (text: string) => isCase(text, () => true) && titleCase(text) === text

function translate(text: string, table: Value): string {
  const map = dictIn(table)
  return Array.from(text, (char) => {
    const to = map.get(char.codePointAt(0)!)
    if (to === undefined) return char
    return typeof to === 'number' ? String.fromCodePoint(to) : to === null ? '' : textArgument(to)
  }).join('')
}

function expandTabs(text: string, size = 8): string {
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

function join(separator: string, values: Value): string {
  return joinTexts(Array.from(iterate(values), textArgument), separator)
}

function zeroFill(text: string, width: number): string {
  const sign = /^[-+]/.test(text) ? text[0]! : ''
  return sign + pad(text.slice(sign.length), width - sign.length, '>', '0')
}

function partitioner(last: boolean) {
  const partition = (text: string, mark: string) => {
    const [head = '', tail] = split(text, mark, 1, last)
    if (tail === undefined) return new Tuple(last ? ['', '', text] : [text, '', ''])
    return new Tuple([head, mark, tail])
  }
  return ['/ mark:str', partition] as const
}

const stripper = (left: boolean, right: boolean) =>
  ['/ chars:str?', (text: string, chars?: string) => strip(text, chars, left, right)] as const

const splitter = (fromEnd: boolean) =>
  [
    'sep:str? maxsplit:int?',
    (text: string, separator?: string, limit?: number) => split(text, separator, limit, fromEnd),
  ] as const

const METHODS: Table<string> = {
  capitalize: capitalize,
  casefold: (s) => s.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ'),
  center: padded('center'),
  count: [
    `/ part:str ${RANGE}`,
    (s, part: string, start?: number, end?: number) => {
      const within = window(s, start, end)
      return part === '' ? lengthIn(within) + 1 : within.split(part).length - 1
    },
  ],
  endswith: meets('endsWith'),
  expandtabs: ['tabsize:int?', expandTabs],
  find: finder(false, false),
  index: finder(false, true),
  isalnum: all((char) => inClass(char, LETTER | NUMBER)),
  isalpha: all((char) => inClass(char, LETTER)),
  isascii: all((char) => char <= '\x7f', true),
  isdecimal: all((char) => isDigit(char) && !NO_DECIMAL.test(char)),
  isdigit: all(isDigit),
  isidentifier: (s) => s !== '' && !inClass(s, NUMBER | MARK) && Array.from(s).every(isWord),
  islower: isLower,
  isnumeric: all((char) => inClass(char, NUMBER)),
  isprintable: all(isPrintable, true),
  isspace: all(isBlank),
  istitle: isTitle,
  isupper: isUpper,
  join: ['/ values', join],
  ljust: padded('<'),
  lower: (s) => s.toLowerCase(),
  lstrip: stripper(true, false),
  partition: partitioner(false),
  removeprefix: ['/ part:str', (s, part: string) => (s.startsWith(part) ? s.slice(part.length) : s)],
  removesuffix: ['/ part:str', (s, part: string) => (s.endsWith(part) ? s.slice(0, s.length - part.length) : s)],
  replace: ['old:str new:str count:int?', replace],
  rfind: finder(true, false),
  rindex: finder(true, true),
  rjust: padded('>'),
  rpartition: partitioner(true),
  rsplit: splitter(true),
  rstrip: stripper(false, true),
  split: splitter(false),
  splitlines: ['keepends:bool?', splitLines],
  startswith: meets('startsWith'),
  strip: stripper(true, true),
  swapcase: (s) => mapCase(s, (char) => (char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase())),
  title: titleCase,
  translate: ['/ table', translate],
  upper: (s) => s.toUpperCase(),
  zfill: ['/ width:int', zeroFill],
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
