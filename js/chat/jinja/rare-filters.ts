/**
 * Jinja's filters that hardly any chat template has, as they are for reports and HTML: a page imports them with a template
 * that names one.
 */

import { type Table, textArgument } from './call.ts'
import { fixed, floatOf } from './numbers.ts'
import { bracketed, escapeText, markup, repr, sorted, str } from './operations.ts'
import { splitLines, strip } from './strings.ts'
import { urlize } from './urlize.ts'
import {
  alike,
  Dict,
  dictIn,
  fail,
  itemsOf,
  lengthOf,
  listOf,
  points,
  spend,
  Tuple,
  typeName,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

function fileSize(value: Value, isBinary = false): string {
  const bytes = floatOf(value) ?? unfit(value, 'is no number')
  const [base, prefixes, unit] = isBinary ? [1024, 'KMGTPEZY', 'iB'] : [1000, 'kMGTPEZY', 'B']
  if (bytes < base) return bytes === 1 ? '1 Byte' : `${Math.trunc(bytes)} Bytes`
  let [at, limit] = [0, base * base]
  for (; at < prefixes.length - 1 && bytes >= limit; at++) limit *= base
  return `${fixed((base * bytes) / limit, 1)} ${prefixes[at]}${unit}`
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
  const spaced = strip(plain.replace(/\s+/g, ' '))
  return spaced.replace(/&(?:#(\d+)|#[xX]([\da-fA-F]+)|(\w+));/g, (whole, decimal, hex, name: string) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined
    if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
    return ENTITIES[name] ?? whole
  })
}

function attributes(value: Value, space = true): string {
  const parts: string[] = []
  for (const [key, item] of dictIn(value).items()) {
    if (item === null || item instanceof Undefined) continue
    if (/[ \t-\r/>=]/.test(textArgument(key))) fail(`${repr(key)} is no name of an attribute`)
    parts.push(`${escapeText(textArgument(key))}="${markup(item).text}"`)
  }
  return (space && parts.length > 0 ? ' ' : '') + parts.join(' ')
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
  if (width <= 0) fail('the width is too small')
  const lines: string[] = []
  const rest = chunks(line, hyphens)
  while (rest.length > 0) {
    if (lines.length > 0 && rest[0]!.trim() === '') rest.shift()
    const current: string[] = []
    let space = width
    const take = (part: string) => {
      current.push(part)
      space -= lengthOf(part)
    }
    while (rest.length > 0 && lengthOf(rest[0]!) <= space) take(rest.shift()!)
    const [next = ''] = rest
    if (lengthOf(next) > width && breakWords) {
      const all = Array.from(points(next))
      const hyphen = hyphens ? all.slice(0, space).lastIndexOf('-') : -1
      const end = hyphen > 0 && all.slice(0, hyphen).some((char) => char !== '-') ? hyphen + 1 : space
      take(all.slice(0, end).join(''))
      rest[0] = all.slice(end).join('')
    } else if (current.length === 0) take(rest.shift() ?? '')
    if (current.at(-1)!.trim() === '') current.pop()
    if (current.length > 0) lines.push(current.join(''))
  }
  return lines
}

function wrap(value: Value, width = 79, breakWords = true, mark = '\n', hyphens = true): string {
  return splitLines(textArgument(value))
    .map((line) => wrapLine(line, width, breakWords, hyphens).join(mark))
    .join(mark)
}

/** Python's pprint: on one line where it fits, else an item a line. */
function pretty(value: Value, column: number, after: number): string {
  const plain = repr(value)
  if (column + plain.length + after <= 80) return plain
  const write = (item: Value, key: string, isLast: boolean) =>
    pretty(item, column + 1 + key.length, isLast ? after + 1 : 1)
  return bracketed(value, write, `,\n${' '.repeat(column + 1)}`) ?? plain
}

/** Dicts with their keys sorted. */
function ordered(value: Value): Value {
  const items = itemsOf(value)
  if (items) return alike(value, items.map(ordered))
  if (!(value instanceof Dict)) return value
  const pairs = value.items().map(([key, item]) => new Tuple([key, ordered(item)]))
  const mixed = new Set(pairs.map(({ items }) => typeName(items[0]!))).size > 1
  const key = (pair: Value) => (mixed ? typeName((pair as Tuple).items[0]!) : (pair as Tuple).items[0]!)
  return new Dict(sorted(pairs, key).map((pair) => (pair as Tuple).items as [Value, Value]))
}

function links(value: Value, limit?: number, nofollow = false, target = '', rel = '', schemes: Value = null): string {
  const words = new Set([...rel.split(' '), nofollow ? 'nofollow' : '', 'noopener', ''])
  const extra = schemes === null ? [] : listOf(schemes).map(textArgument)
  return urlize(markup(value).text, limit, [...words].sort().slice(1).join(' '), target, extra)
}

export const RARE_FILTERS: Table<Value> = {
  filesizeformat: ['binary:bool?', fileSize],
  pprint: (value) => pretty(ordered(value), 0, 0),
  striptags: (value) => stripTags(str(value)),
  urlize: ['trim_url_limit:int? nofollow:bool? target:str? rel:str? extra_schemes?', links],
  wordwrap: ['width:int? break_long_words:bool? wrapstring:str? break_on_hyphens:bool?', wrap],
  xmlattr: ['autospace:bool?', attributes],
}
