/** Jinja's filters of texts. */

import { classOf, LETTER, MARK, NUMBER } from '../../util/unicode.ts'
import { binary } from './arithmetic.ts'
import { intArgument, type Table, textArgument } from './call.ts'
import { percent } from './format.ts'
import { asInt, asNumber, fixed, parseFloatText } from './numbers.ts'
import { escapeText, repr, sliced, sorted, str } from './operations.ts'
import { capitalize, pad, replace, splitLines, strip } from './strings.ts'
import { urlize } from './urlize.ts'
import {
  Dict,
  defined,
  dictIn,
  fail,
  isTrue,
  itemsOf,
  iterate,
  iteratorOf,
  type Kwargs,
  lengthOf,
  listOf,
  Markup,
  points,
  room,
  spend,
  Tuple,
  textOf,
  typeName,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

/** A text's change as a filter: of any value as it prints, safe again where it was safe. */
function changed(value: Value, change: (text: string) => string): Value {
  return value instanceof Markup ? new Markup(change(value.text)) : change(str(value))
}

const each = (change: (text: string) => string) => ['s', (value: Value) => changed(value, change)] as const

function title(text: string): string {
  const words = text.split(/([-\s({[<]+)/).filter((word) => word !== '')
  return words.map(capitalize).join('')
}

function indent(value: Value, width: Value, first: boolean, blank: boolean): Value {
  const text = textOf(value) ?? unfit(value, 'is no str')
  const by = textOf(width) ?? ' '.repeat(Math.max(0, intArgument(width, 4)))
  const lines = splitLines(`${text}\n`)
  room(text.length + lines.length * by.length)
  const rest = lines.slice(1).map((line) => (line !== '' || blank ? by + line : line))
  const result = (first ? by : '') + [lines[0], ...rest].join('\n')
  return value instanceof Markup ? new Markup(result) : result
}

function truncate(value: Value, length: number, killWords: boolean, end: string, leeway: number): Value {
  if (length < lengthOf(end)) fail('the length is too small')
  if (leeway < 0) fail('the leeway is negative')
  if (lengthOf(value) <= length + leeway) return value
  const cut = sliced(value, 0, length - lengthOf(end), null)
  if (killWords) return binary('+', cut, end)
  const text = textOf(cut) ?? unfit(value, 'is no str')
  const at = text.lastIndexOf(' ')
  const kept = at < 0 ? text : text.slice(0, at)
  return binary('+', value instanceof Markup ? new Markup(kept) : kept, end)
}

const SIZES = 'k M G T P E Z Y'.split(' ')

function fileSize(value: Value, binarySizes: boolean): string {
  const text = textOf(defined(value))
  const bytes = (text === undefined ? asNumber(value) : parseFloatText(text)) ?? unfit(value, 'is no number')
  const base = binarySizes ? 1024 : 1000
  if (bytes === 1) return '1 Byte'
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`
  let unit = base
  let at = 0
  while (at < SIZES.length - 1 && bytes >= unit * base) {
    unit *= base
    at++
  }
  const letter = binarySizes && at === 0 ? 'K' : SIZES[at]
  return `${fixed((base * bytes) / (unit * base), 1)} ${letter}${binarySizes ? 'iB' : 'B'}`
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\xa0' }

/** The texts around what stands between two marks. */
function without(text: string, start: string, end: string): string {
  let result = text
  for (let from = result.indexOf(start); from >= 0; from = result.indexOf(start)) {
    spend(result.length >> 6)
    const to = result.indexOf(end, from)
    if (to < 0) break
    result = result.slice(0, from) + result.slice(to + end.length)
  }
  return result
}

function stripTags(text: string): string {
  const plain = without(without(text, '<!--', '-->'), '<', '>')
  const spaced = strip(plain.replace(/\s+/g, ' '), null)
  return spaced.replace(/&(?:#(\d+)|#[xX]([\da-fA-F]+)|(\w+));/g, (whole, decimal, hex, name: string) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined
    if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
    return ENTITIES[name] ?? whole
  })
}

function quoteUrl(value: Value, query: boolean): string {
  const quoted = encodeURIComponent(str(value).replace(/[\ud800-\udfff]/gu, '\ufffd')).replace(/[!'()*]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  })
  return query ? quoted.replaceAll('%20', '+') : quoted.replaceAll('%2F', '/')
}

function urlEncode(value: Value): string {
  if (textOf(value) !== undefined || !iteratorOf(value)) return quoteUrl(value, false)
  const pairs = value instanceof Dict ? Array.from(value.items()) : Array.from(iterate(value), listOf)
  return pairs
    .map((pair) => {
      const [key, item] = pair.length === 2 ? pair : fail('a query is made of pairs')
      return `${quoteUrl(key!, true)}=${quoteUrl(item!, true)}`
    })
    .join('&')
}

function attributes(value: Value, space: boolean): string {
  const parts: string[] = []
  for (const [key, item] of dictIn(value).items()) {
    if (item === null || item instanceof Undefined) continue
    if (/[ \t-\r/>=]/.test(textArgument(key))) fail(`${repr(key)} is no name of an attribute`)
    const text = item instanceof Markup ? item.text : escapeText(str(item))
    parts.push(`${escapeText(textArgument(key))}="${text}"`)
  }
  return (space && parts.length > 0 ? ' ' : '') + parts.join(' ')
}

function countWords(text: string): number {
  let count = 0
  let inside = false
  for (const char of text) {
    const word = char === '_' || (classOf(char.codePointAt(0)!) & (LETTER | NUMBER | MARK)) !== 0
    if (word && !inside) count++
    inside = word
  }
  return count
}

/** Pieces of a line that may stand on lines of their own, by Python's textwrap. */
function chunks(line: string, hyphens: boolean): string[] {
  const word = '[\\w!"\'&.,?]'
  const blank = '[\\t-\\r ]'
  const letter = '[A-Za-z_\\xaa-\\uffff]'
  const parts = hyphens
    ? `(${blank}+|(?<=${word})-{2,}(?=\\w)|[^\\t-\\r ]+?(?:-(?:(?<=${letter}{2}-)|(?<=${letter}-${letter}-))(?=${letter}-?${letter})|(?=${blank}|$)|(?<=${word})(?=-{2,}\\w)))`
    : `(${blank}+)`
  return line.split(new RegExp(parts)).filter((part) => part !== '' && part !== undefined)
}

/** One line of a text as lines of at most `width`. */
function wrapLine(line: string, width: number, breakWords: boolean, hyphens: boolean): string[] {
  if (width <= 0) fail('the width must be positive')
  const lines: string[] = []
  const rest = chunks(line, hyphens).reverse()
  const isBlank = (part: string) => part.trim() === ''
  while (rest.length > 0) {
    const current: string[] = []
    let used = 0
    if (lines.length > 0 && isBlank(rest.at(-1)!)) rest.pop()
    while (rest.length > 0 && used + lengthOf(rest.at(-1)!) <= width) {
      used += lengthOf(rest.at(-1)!)
      current.push(rest.pop()!)
    }
    const next = rest.at(-1)
    if (next !== undefined && lengthOf(next) > width) {
      const space = width - used
      if (breakWords) {
        const all = Array.from(points(next))
        const hyphen = hyphens ? all.slice(0, space).lastIndexOf('-') : -1
        const end =
          hyphen > 0 && all.slice(0, hyphen).some((char) => char !== '-') && all.length > space ? hyphen + 1 : space
        current.push(all.slice(0, end).join(''))
        rest[rest.length - 1] = all.slice(end).join('')
        if (rest.at(-1) === '') rest.pop()
      } else if (current.length === 0) current.push(rest.pop()!)
    }
    if (current.length > 0 && isBlank(current.at(-1)!)) current.pop()
    if (current.length > 0) lines.push(current.join(''))
  }
  return lines
}

function wrap(value: Value, width: number, breakWords: boolean, mark: string, hyphens: boolean): string {
  return splitLines(textArgument(value))
    .map((line) => wrapLine(line, width, breakWords, hyphens).join(mark))
    .join(mark)
}

/** Python's pprint: on one line where it fits, else an item a line. Keys are sorted. */
function pretty(value: Value, column: number, after: number): string {
  const plain = repr(ordered(value))
  if (column + plain.length + after <= 80) return plain
  const items = itemsOf(value)
  const line = `,\n${' '.repeat(column + 1)}`
  if (items) {
    const end = value instanceof Tuple ? (items.length === 1 ? ',)' : ')') : ']'
    const parts = items.map((item, i) => pretty(item, column + 1, i < items.length - 1 ? 1 : after + 1))
    return (value instanceof Tuple ? '(' : '[') + parts.join(line) + end
  }
  if (!(value instanceof Dict)) return plain
  const entries = Array.from((ordered(value) as Dict).items(), ([key, item], i) => {
    const name = `${repr(key)}: `
    return name + pretty(item, column + 1 + name.length, i < value.size - 1 ? 1 : after + 1)
  })
  return `{${entries.join(line)}}`
}

function ordered(value: Value): Value {
  if (Array.isArray(value)) return value.map(ordered)
  if (value instanceof Tuple) return new Tuple(value.items.map(ordered))
  if (!(value instanceof Dict)) return value
  const pairs = Array.from(value.items(), ([key, item]) => new Tuple([key, ordered(item)]))
  const mixed = new Set(pairs.map(({ items }) => typeName(items[0]!))).size > 1
  const key = (pair: Value) => (mixed ? typeName((pair as Tuple).items[0]!) : (pair as Tuple).items[0]!)
  return Dict.of(sorted(pairs, key).map((pair) => (pair as Tuple).items as [Value, Value]))
}

function format(value: Value, args: Value[], kwargs: Kwargs): Value {
  if (args.length > 0 && kwargs.size > 0) fail('format takes arguments by place or by name')
  return percent(value instanceof Markup ? value : str(value), kwargs.size > 0 ? Dict.of(kwargs) : new Tuple(args))
}

const flag = (value: Value | undefined, none = false) => (value === undefined ? none : isTrue(value))

export const TEXT_FILTERS: Table<[Value]> = {
  capitalize: each(capitalize),
  center: ['value width?', (value, width) => changed(value, (text) => pad(text, intArgument(width, 80), ' ', 'both'))],
  filesizeformat: ['value binary?', (value, binarySizes) => fileSize(value, flag(binarySizes))],
  format: [
    '**',
    (value, ...given) => {
      const kwargs = given.pop() as unknown as Kwargs
      return format(value, given as Value[], kwargs)
    },
  ],
  indent: [
    's width? first? blank?',
    (value, width = 4, first, blank) => indent(value, width, flag(first), flag(blank)),
  ],
  lower: each((text) => text.toLowerCase()),
  pprint: ['value', (value) => pretty(value, 0, 0)],
  replace: [
    's old new count?',
    (value, old, to, count = null) =>
      replace(str(value), str(old!), str(to!), count === null ? -1 : Number(asInt(count))),
  ],
  striptags: ['value', (value) => stripTags(str(value))],
  title: each(title),
  trim: ['value chars?', (value, chars) => changed(value, (text) => strip(text, chars))],
  truncate: [
    's length? killwords? end? leeway?',
    (value, length, kill, end, leeway) =>
      truncate(value, intArgument(length, 255), flag(kill), textArgument(end, '...'), intArgument(leeway, 5)),
  ],
  upper: each((text) => text.toUpperCase()),
  urlencode: ['value', urlEncode],
  urlize: [
    'value trim_url_limit? nofollow? target? rel? extra_schemes?',
    (value, limit = null, nofollow, target = null, rel = null, schemes = null) => {
      const words = new Set([...textArgument(rel, '').split(' '), ...(flag(nofollow) ? ['nofollow'] : []), 'noopener'])
      return urlize(value instanceof Markup ? value.text : escapeText(str(value)), {
        limit: limit === null ? undefined : intArgument(limit, 0),
        rel: Array.from(words)
          .filter((word) => word !== '')
          .sort()
          .join(' '),
        target: textArgument(target, ''),
        schemes: schemes === null ? [] : listOf(schemes).map((scheme) => textArgument(scheme)),
      })
    },
  ],
  wordcount: ['s', (value) => countWords(str(value))],
  wordwrap: [
    's width? break_long_words? wrapstring? break_on_hyphens?',
    (value, width, breakWords, mark, hyphens) =>
      wrap(value, intArgument(width, 79), flag(breakWords, true), textArgument(mark, '\n'), flag(hyphens, true)),
  ],
  xmlattr: ['d autospace?', (value, space) => attributes(value, flag(space, true))],
}
