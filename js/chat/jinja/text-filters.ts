/** Jinja's filters of texts. */

import { binary } from './arithmetic.ts'
import { intArgument, type Table, textArgument } from './call.ts'
import { percent } from './format.ts'
import { fixed, floatOf } from './numbers.ts'
import { bracketed, escapeText, markup, pad, repr, sliced, sorted, str } from './operations.ts'
import { capitalize, isWord, replace, splitLines, strip } from './strings.ts'
import { urlize } from './urlize.ts'
import {
  alike,
  Dict,
  dictIn,
  fail,
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

/** A change of texts as a filter. */
const each = <Rest extends unknown[]>(change: (text: string, ...rest: Rest) => string, parameters = '') =>
  [parameters, (value: Value, ...rest: Rest) => changed(value, (text) => change(text, ...rest))] as const

function title(text: string): string {
  const words = text.split(/([-\s({[<]+)/)
  return words.map(capitalize).join('')
}

function indent(value: Value, width: Value = 4, first = false, blank = false): Value {
  const text = textArgument(value)
  const by = textOf(width) ?? ' '.repeat(Math.max(0, intArgument(width)))
  const lines = splitLines(`${text}\n`)
  room(text.length + lines.length * by.length)
  const rest = lines.slice(1).map((line) => (line !== '' || blank ? by + line : line))
  const result = (first ? by : '') + [lines[0], ...rest].join('\n')
  return alike(value, result)
}

function truncate(value: Value, length = 255, killWords = false, end = '...', leeway = 5): Value {
  if (length < lengthOf(end)) fail('the length is too small')
  if (leeway < 0) fail('the leeway is too small')
  if (lengthOf(value) <= length + leeway) return value
  const cut = sliced(value, 0, length - lengthOf(end), null)
  if (killWords) return binary('+', cut, end)
  return binary('+', alike(value, textArgument(cut).replace(/ [^ ]*$/, '')), end)
}

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

function quoteUrl(value: Value, query: boolean): string {
  const quoted = encodeURIComponent(str(value).replace(/[\ud800-\udfff]/gu, '\ufffd')).replace(/[!'()*]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  })
  return query ? quoted.replaceAll('%20', '+') : quoted.replaceAll('%2F', '/')
}

function urlEncode(value: Value): string {
  if (textOf(value) !== undefined || !iteratorOf(value)) return quoteUrl(value, false)
  const pairs = value instanceof Dict ? value.items() : Array.from(iterate(value), listOf)
  return pairs
    .map((pair) => {
      const [key, item] = pair.length === 2 ? pair : fail('a query is made of pairs')
      return `${quoteUrl(key!, true)}=${quoteUrl(item!, true)}`
    })
    .join('&')
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

function countWords(text: string): number {
  return Array.from(text, isWord).filter((word, i, all) => word && !all[i - 1]).length
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

function format(value: Value, args: Value[], kwargs: Kwargs): Value {
  if (args.length > 0 && kwargs.size > 0) fail('format takes arguments by place or by name')
  return percent(value instanceof Markup ? value : str(value), kwargs.size > 0 ? new Dict(kwargs) : new Tuple(args))
}

function links(value: Value, limit?: number, nofollow = false, target = '', rel = '', schemes: Value = null): string {
  const words = new Set([...rel.split(' '), nofollow ? 'nofollow' : '', 'noopener', ''])
  const extra = schemes === null ? [] : listOf(schemes).map(textArgument)
  return urlize(markup(value).text, limit, [...words].sort().slice(1).join(' '), target, extra)
}

export const TEXT_FILTERS: Table<Value> = {
  capitalize: each(capitalize),
  center: each((text, width = 80) => pad(text, width, 'center'), 'width:int?'),
  filesizeformat: ['binary:bool?', fileSize],
  format: ['**', format],
  indent: ['width? first:bool? blank:bool?', indent],
  lower: each((text) => text.toLowerCase()),
  pprint: (value) => pretty(ordered(value), 0, 0),
  replace: [
    'old new count:int?',
    (value, old: Value, to: Value, count?: number) => replace(str(value), str(old), str(to), count),
  ],
  striptags: (value) => stripTags(str(value)),
  title: each(title),
  trim: each((text, chars?: string) => strip(text, chars), 'chars:str?'),
  truncate: ['length:int? killwords:bool? end:str? leeway:int?', truncate],
  upper: each((text) => text.toUpperCase()),
  urlencode: urlEncode,
  urlize: ['trim_url_limit:int? nofollow:bool? target:str? rel:str? extra_schemes?', links],
  wordcount: (value) => countWords(str(value)),
  wordwrap: ['width:int? break_long_words:bool? wrapstring:str? break_on_hyphens:bool?', wrap],
  xmlattr: ['autospace:bool?', attributes],
}
