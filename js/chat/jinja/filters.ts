/** Jinja's filters: those of lists and values here, those of texts in text-filters.ts. */
import { binary } from './arithmetic.ts'
import { bind, intArgument, type Table, textArgument } from './call.ts'
import { toJson } from './json.ts'
import { asInt, asNumber, intOf, negate, parseFloatText, parseInteger, round } from './numbers.ts'
import { getItem, onlyAttribute } from './objects.ts'
import { compare, equal, escapeText, markup, sorted, str } from './operations.ts'
import { TESTS } from './tests.ts'
import { TEXT_FILTERS } from './text-filters.ts'
import {
  defined,
  dictIn,
  Float,
  fail,
  hashed,
  isTrue,
  iterate,
  iteratorOf,
  type Kwargs,
  lengthOf,
  listOf,
  Markup,
  now,
  Once,
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

/** The value under a path like `function.name` or `0`, as `value['function']['name']`. */
function getter(path: Value | undefined, none: Value | undefined = undefined, folded = false): (value: Value) => Value {
  const text = path === undefined ? undefined : textOf(path)
  const whole = path === undefined || path === null ? [] : [path]
  const keys: Value[] =
    text === undefined ? whole : text.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key))
  return (value) => {
    let found = value
    for (const key of keys) {
      found = getItem(found, key)
      if (none !== undefined && none !== null && found instanceof Undefined) found = none
    }
    return folded ? lowered(found) : found
  }
}

/** A text without case, for comparisons. */
function lowered(value: Value): Value {
  return textOf(value)?.toLowerCase() ?? value
}

/** Values under several paths with commas between, as a list to compare. */
function manyGetter(paths: Value | undefined, folded: boolean): (value: Value) => Value {
  const text = paths === undefined ? undefined : textOf(paths)
  const getters = (text === undefined ? [paths] : text.split(',')).map((path) => getter(path, undefined, folded))
  return (value) => getters.map((get) => get(value))
}

const flag = (value: Value | undefined) => isTrue(value ?? false)

function extreme(op: '<' | '>', value: Value, caseSensitive: Value | undefined, path: Value | undefined): Value {
  const key = getter(path, undefined, !flag(caseSensitive))
  let best: Value | undefined
  let bestKey: Value = null
  for (const item of iterate(value)) {
    const itemKey = key(item)
    const difference = best === undefined ? 1 : compare(op, itemKey, bestKey)
    if (best === undefined || (op === '<' ? difference < 0 : difference > 0)) [best, bestKey] = [item, itemKey]
  }
  return best ?? (best === null ? null : new Undefined('No aggregated item, sequence was empty.'))
}

/** What a filter gives piece by piece, when it is asked for. */
function lazily(values: () => Generator<Value>): Once {
  return new Once(values())
}

/** A filter or test by name, with the arguments that stand behind the name. */
function applied(table: Table<[Value]>, kind: string, args: Value[], kwargs: Kwargs): (value: Value) => Value {
  const [given, ...rest] = args
  const name = textOf(given!) ?? ''
  if (!Object.hasOwn(table, name)) return fail(`No ${kind} named '${name}'.`)
  return (value) => run(table, name, [value, ...rest], kwargs)
}

/** Runs a filter or test of a table. */
export function run(table: Table<[Value]>, name: string, args: Value[], kwargs: Kwargs): Value {
  const [parameters, call] = table[name]!
  spend((textOf(args[0]!) ?? '').length >> 6)
  const [value, ...given] = parameters === '**' ? [...args, kwargs as never] : bind(name, parameters, args, kwargs)
  return call(value!, ...given)
}

function map(value: Value, args: Value[], kwargs: Kwargs): Value {
  return lazily(function* () {
    if (!isTrue(value)) return
    let change: (value: Value) => Value
    if (args.length === 0 && kwargs.has('attribute')) {
      for (const name of kwargs.keys()) {
        if (name !== 'attribute' && name !== 'default') fail(`map() has no argument '${name}'`)
      }
      change = getter(kwargs.get('attribute'), kwargs.get('default'))
    } else if (args.length === 0) return fail('map() wants a filter')
    else change = applied(FILTERS, 'filter', args, kwargs)
    for (const item of iterate(value)) yield change(item)
  })
}

function select(wanted: boolean, byAttribute: boolean, value: Value, args: Value[], kwargs: Kwargs): Value {
  return lazily(function* () {
    if (!isTrue(value)) return
    const rest = args.slice()
    if (byAttribute && rest.length === 0) fail('the attribute is missing')
    const get = byAttribute ? getter(rest.shift()) : (item: Value) => item
    const test = rest.length > 0 ? applied(ALL_TESTS, 'test', rest, kwargs) : (item: Value) => item
    for (const item of iterate(value)) if (isTrue(test(get(item))) === wanted) yield item
  })
}

/** A filter that takes all its arguments itself. */
const open = (call: (value: Value, args: Value[], kwargs: Kwargs) => Value) =>
  [
    '**',
    (value: Value, ...given: (Value | undefined)[]) => {
      const kwargs = given.pop() as unknown as Kwargs
      return call(value, given as Value[], kwargs)
    },
  ] as const

/** A group's value and its items. */
class Group extends Tuple {
  override attribute(name: string): Value | undefined {
    return name === 'grouper' ? this.items[0] : name === 'list' ? this.items[1] : undefined
  }
}

function groupBy(value: Value, path: Value, none: Value | undefined, caseSensitive: Value | undefined): Value {
  const key = getter(path, none, !flag(caseSensitive))
  const shown = getter(path, none)
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sorted(listOf(value), key)) {
    const last = groups.at(-1)
    if (last && equal(last.key, key(item))) last.items.push(item)
    else groups.push({ key: key(item), items: [item] })
  }
  return groups.map(({ items }) => new Group([shown(items[0]!), items]))
}

function* unique(value: Value, caseSensitive: Value | undefined, path: Value | undefined): Generator<Value> {
  const key = getter(path, undefined, !flag(caseSensitive))
  const seen = new Set<unknown>()
  for (const item of iterate(value)) {
    const hash = hashed(key(item))
    if (seen.has(hash)) continue
    seen.add(hash)
    yield item
  }
}

function* batch(value: Value, size: number, fill: Value): Generator<Value> {
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
  if (fill !== null) while (part.length < size) part.push(fill)
  yield part
}

function* slices(value: Value, count: number, fill: Value): Generator<Value> {
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
  const text = textOf(value)
  if (text !== undefined) {
    const back = Array.from(points(text)).reverse().join('')
    return value instanceof Markup ? new Markup(back) : back
  }
  if (value instanceof Once) return listOf(value).reverse()
  return new Once(listOf(value).reverse().values(), `${typeName(value)}_reverseiterator`)
}

function dictSort(
  value: Value,
  caseSensitive: Value | undefined,
  by: Value | undefined,
  back: Value | undefined,
): Value {
  const at = { key: 0, value: 1 }[textArgument(by, 'key')] ?? fail("a dict is sorted by 'key' or 'value'")
  const key = (item: Value) => {
    const part = (item as Tuple).items[at]!
    return flag(caseSensitive) ? part : lowered(part)
  }
  return sorted(
    Array.from(dictIn(value).items(), (item) => new Tuple(item)),
    key,
    flag(back),
  )
}

function toInt(value: Value, none: Value, base: number): Value {
  const text = textOf(defined(value))
  const n = text === undefined ? asNumber(value) : undefined
  const whole = text === undefined ? asInt(value) : parseInteger(text, base)
  if (whole !== undefined) return whole
  const float = n ?? (text === undefined ? undefined : parseFloatText(text))
  return float === undefined || !Number.isFinite(float) ? none : intOf(Math.trunc(float))
}

function toFloat(value: Value, none: Value): Value {
  const text = textOf(defined(value))
  const n = text === undefined ? asNumber(value) : parseFloatText(text)
  return n === undefined ? none : new Float(n)
}

function roundBy(value: Value, digits: number, method: string): Value {
  if (method === 'common') return round(value, digits)
  if (method !== 'ceil' && method !== 'floor') return fail('a method is common, ceil or floor')
  const scale = binary('**', 10, digits)
  const scaled = asNumber(binary('*', value, scale)) ?? unfit(value, 'is no number')
  return binary('/', intOf(method === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled)), scale)
}

function absolute(value: Value): Value {
  const n = asNumber(value) ?? unfit(value, 'is no number')
  return n < 0 || Object.is(n, -0) ? negate(value)! : typeof value === 'boolean' ? Number(value) : value
}

function* itemPairs(value: Value): Generator<Value> {
  if (value instanceof Undefined) return
  for (const item of dictIn(value).items()) yield new Tuple(item)
}

function joinAll(value: Value, separator: Value, path: Value | undefined): string {
  const get = getter(path)
  const parts = Array.from(iterate(value), (item) => str(get(item)))
  const mark = str(separator)
  room(parts.reduce((sum, part) => sum + part.length + mark.length, 0))
  return parts.join(mark)
}

function sum(value: Value, path: Value | undefined, start: Value): Value {
  if (textOf(start) !== undefined) unfit(start, 'cannot be summed')
  let total = start
  for (const item of iterate(value)) total = binary('+', total, getter(path)(item))
  return total
}

const length = ['value', lengthOf] as const
const safely = ['value', (value: Value) => markup(value)] as const
const otherwise = [
  'value default_value? boolean?',
  (value: Value, none: Value = '', boolean?: Value) =>
    value instanceof Undefined || (flag(boolean) && !isTrue(value)) ? none : value,
] as const

export const FILTERS: Table<[Value]> = {
  ...TEXT_FILTERS,
  abs: ['value', absolute],
  attr: ['obj name', (value, name) => onlyAttribute(value, textArgument(name))],
  batch: [
    'value linecount fill_with?',
    (value, size, fill = null) => lazily(() => batch(value, intArgument(size, 0), fill)),
  ],
  count: length,
  d: otherwise,
  default: otherwise,
  dictsort: ['value case_sensitive? by? reverse?', dictSort],
  e: safely,
  escape: safely,
  first: [
    'seq',
    (value) => {
      const next = (iteratorOf(value) ?? unfit(value, 'is not iterable')).next()
      return next.done ? new Undefined('No first item, sequence was empty.') : next.value
    },
  ],
  float: ['value default?', (value, none = new Float(0)) => toFloat(value, none)],
  forceescape: ['value', (value) => new Markup(escapeText(str(value)))],
  groupby: [
    'value attribute default? case_sensitive?',
    (value, path, none, cased) => groupBy(value, path!, none, cased),
  ],
  int: ['value default? base?', (value, none = 0, base = 10) => toInt(value, none, intArgument(base, 10))],
  items: ['value', (value) => lazily(() => itemPairs(value))],
  join: ['value d? attribute?', (value, mark = '', path) => joinAll(value, mark, path)],
  last: [
    'seq',
    (value) => {
      if (value instanceof Once) return unfit(value, 'is not reversible')
      const last = listOf(value).at(-1)
      return last === undefined ? new Undefined('No last item, sequence was empty.') : last
    },
  ],
  length,
  list: ['value', listOf],
  map: open(map),
  max: ['value case_sensitive? attribute?', (value, cased, path) => extreme('>', value, cased, path)],
  min: ['value case_sensitive? attribute?', (value, cased, path) => extreme('<', value, cased, path)],
  random: [
    'seq',
    (value) => {
      const count = lengthOf(value)
      return count === 0
        ? new Undefined('No random item, sequence was empty.')
        : // One prompt is the same everywhere, by chance too.
          getItem(value, (now.steps * 7919) % count)
    },
  ],
  reject: open((value, args, kwargs) => select(false, false, value, args, kwargs)),
  rejectattr: open((value, args, kwargs) => select(false, true, value, args, kwargs)),
  reverse: ['value', reversed],
  round: [
    'value precision? method?',
    (value, digits, method) => roundBy(defined(value), intArgument(digits, 0), textArgument(method, 'common')),
  ],
  safe: ['value', (value) => new Markup(str(value))],
  select: open((value, args, kwargs) => select(true, false, value, args, kwargs)),
  selectattr: open((value, args, kwargs) => select(true, true, value, args, kwargs)),
  slice: [
    'value slices fill_with?',
    (value, count, fill = null) => lazily(() => slices(value, intArgument(count, 0), fill)),
  ],
  sort: [
    'value reverse? case_sensitive? attribute?',
    (value, back, cased, path) => sorted(listOf(value), manyGetter(path, !flag(cased)), flag(back)),
  ],
  string: ['value', (value) => (value instanceof Markup ? value : str(value))],
  sum: ['value attribute? start?', (value, path, start = 0) => sum(value, path, start)],
  tojson: ['x ensure_ascii? indent? separators? sort_keys?', toJson],
  unique: ['value case_sensitive? attribute?', (value, cased, path) => lazily(() => unique(value, cased, path))],
}

/** Tests by name, with those that know the names of filters and tests. */
export const ALL_TESTS: Table<[Value]> = {
  ...TESTS,
  filter: ['value', (value) => Object.hasOwn(FILTERS, str(value))],
  test: ['value', (value) => Object.hasOwn(ALL_TESTS, str(value))],
}
