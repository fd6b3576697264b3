/** Jinja's filters of texts. */

import { binary } from './arithmetic.ts'
import { intArgument, type Table, textArgument } from './call.ts'
import { percent } from './format.ts'
import { pad, sliced, str } from './operations.ts'
import { capitalize, isWord, replace, splitLines, strip } from './strings.ts'
import {
  alike,
  Dict,
  fail,
  iterate,
  iteratorOf,
  type Kwargs,
  lengthOf,
  listOf,
  Markup,
  room,
  Tuple,
  textOf,
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

function countWords(text: string): number {
  return Array.from(text, isWord).filter((word, i, all) => word && !all[i - 1]).length
}

function format(value: Value, args: Value[], kwargs: Kwargs): Value {
  if (args.length > 0 && kwargs.size > 0) fail('format takes arguments by place or by name')
  return percent(value instanceof Markup ? value : str(value), kwargs.size > 0 ? new Dict(kwargs) : new Tuple(args))
}

export const TEXT_FILTERS: Table<Value> = {
  capitalize: each(capitalize),
  center: each((text, width = 80) => pad(text, width, 'center'), 'width:int?'),
  format: ['**', format],
  indent: ['width? first:bool? blank:bool?', indent],
  lower: each((text) => text.toLowerCase()),
  replace: [
    'old new count:int?',
    (value, old: Value, to: Value, count?: number) => replace(str(value), str(old), str(to), count),
  ],
  title: each(title),
  trim: each((text, chars?: string) => strip(text, chars), 'chars:str?'),
  truncate: ['length:int? killwords:bool? end:str? leeway:int?', truncate],
  upper: each((text) => text.toUpperCase()),
  urlencode: urlEncode,
  wordcount: (value) => countWords(str(value)),
}
