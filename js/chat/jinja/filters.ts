/** Jinja's filters: those of lists and values here, those of texts in text-filters.ts; rare-filters.ts adds the others. */
import { binary } from './arithmetic.ts'
import { bind, type Parameters, run, type Table } from './call.ts'
import { toJson } from './json.ts'
import { asInt, asNumber, floatOf, intOf, isNegative, negate, parseInteger, round } from './numbers.ts'
import { getItem, onlyAttribute } from './objects.ts'
import { compare, equal, escapeText, markup, sorted, str } from './operations.ts'
import { TESTS } from './tests.ts'
import { TEXT_FILTERS } from './text-filters.ts'
import {
  alike,
  defined,
  dictIn,
  Float,
  fail,
  hashed,
  isTrue,
  itemOr,
  iterate,
  iteratorOf,
  joinTexts,
  type Kwargs,
  lengthOf,
  listOf,
  Markup,
  now,
  Once,
  room,
  Tuple,
  textOf,
  typeName,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

/** The value under a path like `function.name` or `0`, as `value['function']['name']`. */
function getter(path: Value = null, none: Value = null, folded = false): (value: Value) => Value {
  const whole = path === null ? [] : [path]
  const keys: Value[] =
    textOf(path)
      ?.split('.')
      .map((key) => (/^\d+$/.test(key) ? Number(key) : key)) ?? whole
  return (value) => {
    let found = value
    for (const key of keys) {
      found = getItem(found, key)
      if (none !== null && found instanceof Undefined) found = none
    }
    return folded ? lowered(found) : found
  }
}

/** A text without case, for comparisons. */
function lowered(value: Value): Value {
  return textOf(value)?.toLowerCase() ?? value
}

/** Values under several paths with commas between, as a list to compare. */
function manyGetter(paths: Value = null, folded: boolean): (value: Value) => Value {
  const getters = (textOf(paths)?.split(',') ?? [paths]).map((path) => getter(path, null, folded))
  return (value) => getters.map((get) => get(value))
}

function extreme(sign: 1 | -1) {
  const find = (value: Value, cased = false, path?: Value) => {
    const key = getter(path, null, !cased)
    let best: Value | undefined
    for (const item of iterate(value)) {
      if (best === undefined || compare(sign > 0 ? '>' : '<', key(item), key(best)) * sign > 0) best = item
    }
    return itemOr(best, sign > 0 ? 'largest' : 'smallest')
  }
  return ['case_sensitive:bool? attribute?', find] as const
}

/** A filter that gives its values one by one, when they are asked for. */
const lazily = <Rest extends unknown[]>(
  parameters: Parameters,
  values: (value: Value, ...rest: Rest) => Generator<Value>,
) => [parameters, (value: Value, ...rest: Rest) => new Once(values(value, ...rest))] as const

/** A filter or test by name, with the arguments that stand behind the name. */
function applied(table: Table<Value>, kind: string, args: Value[], kwargs: Kwargs): (value: Value) => Value {
  const [given, ...rest] = args
  const name = textOf(given!) ?? ''
  if (!Object.hasOwn(table, name)) return fail(`No ${kind} named '${name}'.`)
  return (value) => run(table, name, value, rest, kwargs)
}

function* map(value: Value, args: Value[], kwargs: Kwargs): Generator<Value> {
  if (!isTrue(value)) return
  if (args.length === 0 && !kwargs.has('attribute')) fail('map() wants a filter')
  const [path, none] = args.length > 0 ? [] : (bind('map', 'attribute default?', args, kwargs) as Value[])
  const change = path === undefined ? applied(FILTERS, 'filter', args, kwargs) : getter(path, none)
  for (const item of iterate(value)) yield change(item)
}

function select(wanted: boolean, byAttribute: boolean) {
  return lazily('**', function* (value, args: Value[], kwargs: Kwargs) {
    if (!isTrue(value)) return
    if (byAttribute && args.length === 0) fail('the attribute is missing')
    const get = getter(byAttribute ? args[0] : null)
    const rest = args.slice(Number(byAttribute))
    const test = rest.length > 0 ? applied(ALL_TESTS, 'test', rest, kwargs) : (item: Value) => item
    for (const item of iterate(value)) if (isTrue(test(get(item))) === wanted) yield item
  })
}

/** A group's value and its items. */
const group = (grouper: Value, list: Value[]) =>
  new Tuple([grouper, list], { grouper: () => grouper, list: () => list })

function groupBy(value: Value, path: Value, none?: Value, cased = false): Value {
  const key = getter(path, none, !cased)
  const shown = getter(path, none)
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sorted(listOf(value), key)) {
    const last = groups.at(-1)
    if (last && equal(last.key, key(item))) last.items.push(item)
    else groups.push({ key: key(item), items: [item] })
  }
  return groups.map(({ items }) => group(shown(items[0]!), items))
}

function* unique(value: Value, cased = false, path?: Value): Generator<Value> {
  const key = getter(path, null, !cased)
  const seen = new Set<unknown>()
  for (const item of iterate(value)) {
    const hash = hashed(key(item))
    if (seen.has(hash)) continue
    seen.add(hash)
    yield item
  }
}

function* batch(value: Value, size: number, fill: Value = null): Generator<Value> {
  let part: Value[] = []
  for (const item of iterate(value)) {
    if (part.length === size) {
      yield part
      part = []
    }
    part.push(item)
  }
  if (part.length === 0) return
  room(size * 8)
  yield fill === null ? part : [...part, ...Array(Math.max(0, size - part.length)).fill(fill)]
}

function* slices(value: Value, count: number, fill: Value = null): Generator<Value> {
  const items = listOf(value)
  if (count === 0) fail('division by zero')
  const size = Math.floor(items.length / count)
  const longer = items.length - size * count
  for (let i = 0, start = 0; i < count; i++) {
    const end = start + size + (i < longer ? 1 : 0)
    const part = items.slice(start, end)
    if (fill !== null && i >= longer) part.push(fill)
    start = end
    yield part
  }
}

function reversed(value: Value): Value {
  const back = listOf(value).reverse()
  if (textOf(value) !== undefined) return alike(value, back)
  return value instanceof Once ? back : new Once(back.values(), `${typeName(value)}_reverseiterator`)
}

function dictSort(value: Value, cased = false, by = 'key', back = false): Value {
  const at = { key: 0, value: 1 }[by] ?? fail("by must be 'key' or 'value'")
  return sorted(dictIn(value).pairs(), getter(at, null, !cased), back)
}

function toInt(value: Value, none: Value = 0, base = 10): Value {
  const text = textOf(value)
  const whole = text === undefined ? asInt(value) : parseInteger(text, base)
  if (whole !== undefined) return whole
  const float = floatOf(value) ?? Number.NaN
  return Number.isFinite(float) ? intOf(Math.trunc(float)) : none
}

function toFloat(value: Value, none: Value = new Float(0)): Value {
  const n = floatOf(value)
  return n === undefined ? none : new Float(n)
}

function roundBy(value: Value, digits = 0, method = 'common'): Value {
  defined(value)
  if (method === 'common') return round(value, digits)
  if (method !== 'ceil' && method !== 'floor') return fail('a method is common, ceil or floor')
  const scale = binary('**', 10, digits)
  const scaled = asNumber(binary('*', value, scale)) ?? unfit(value, 'is no number')
  return binary('/', intOf(method === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled)), scale)
}

function absolute(value: Value): Value {
  const n = asNumber(value) ?? unfit(value, 'is no number')
  return isNegative(n) ? negate(value)! : (asInt(value) ?? value)
}

function* itemPairs(value: Value): Generator<Value> {
  if (!(value instanceof Undefined)) yield* dictIn(value).pairs()
}

function joinAll(value: Value, separator: Value = '', path?: Value): string {
  const get = getter(path)
  return joinTexts(
    Array.from(iterate(value), (item) => str(get(item))),
    str(separator),
  )
}

function sum(value: Value, path?: Value, start: Value = 0): Value {
  if (textOf(start) !== undefined) unfit(start, 'cannot be summed')
  let total = start
  for (const item of iterate(value)) total = binary('+', total, getter(path)(item))
  return total
}

/** The first of a value's items, walked from either end. */
function first(value: Value): Value {
  const next = (iteratorOf(value) ?? unfit(value, 'is not iterable')).next()
  return itemOr(next.done ? undefined : next.value, 'first')
}

function last(value: Value): Value {
  return value instanceof Once ? unfit(value, 'is not reversible') : itemOr(listOf(value).at(-1), 'last')
}

/** One prompt is the same everywhere, by chance too. */
function random(value: Value): Value {
  const count = lengthOf(value)
  return count === 0 ? itemOr(undefined, 'random') : getItem(value, (now.steps * 7919) % count)
}

const otherwise = [
  'default_value? boolean:bool?',
  (value: Value, none: Value = '', boolean = false) =>
    value instanceof Undefined || (boolean && !isTrue(value)) ? none : value,
] as const

export const FILTERS: Table<Value> = {
  ...TEXT_FILTERS,
  abs: absolute,
  attr: ['name:str', onlyAttribute],
  batch: lazily('linecount:int fill_with?', batch),
  count: lengthOf,
  d: otherwise,
  default: otherwise,
  dictsort: ['case_sensitive:bool? by:str? reverse:bool?', dictSort],
  e: markup,
  escape: markup,
  first: first,
  float: ['default?', toFloat],
  forceescape: (value) => new Markup(escapeText(str(value))),
  groupby: ['attribute default? case_sensitive:bool?', groupBy],
  int: ['default? base:int?', toInt],
  items: lazily('', itemPairs),
  join: ['d? attribute?', joinAll],
  last: last,
  length: lengthOf,
  list: listOf,
  map: lazily('**', map),
  max: extreme(1),
  min: extreme(-1),
  random: random,
  reject: select(false, false),
  rejectattr: select(false, true),
  reverse: reversed,
  round: ['precision:int? method:str?', roundBy],
  safe: (value) => new Markup(str(value)),
  select: select(true, false),
  selectattr: select(true, true),
  slice: lazily('slices:int fill_with?', slices),
  sort: [
    'reverse:bool? case_sensitive:bool? attribute?',
    (value, back = false, cased = false, path?: Value) => sorted(listOf(value), manyGetter(path, !cased), back),
  ],
  string: (value) => (value instanceof Markup ? value : str(value)),
  sum: ['attribute? start?', sum],
  tojson: ['ensure_ascii:bool? indent? separators? sort_keys:bool?', toJson],
  unique: lazily('case_sensitive:bool? attribute?', unique),
}

/** Whether a text names filters of rare-filters.ts that are not there. */
export function lacksFilters(source: string): boolean {
  const named = source.match(/\b(?:filesizeformat|pprint|striptags|urlize|wordwrap|xmlattr)\b/)
  return named !== null && !Object.hasOwn(FILTERS, named[0])
}

/** Adds filters to those that templates can name. */
export function provideFilters(filters: Table<Value>): void {
  Object.assign(FILTERS, filters)
}

/** Tests by name, with those that know the names of filters and tests. */
export const ALL_TESTS: Table<Value> = {
  ...TESTS,
  filter: (value) => Object.hasOwn(FILTERS, str(value)),
  test: (value) => Object.hasOwn(ALL_TESTS, str(value)),
}
