/**
 * Attributes and items, as transformers' sandbox gives them: methods of str, list, tuple, dict and numbers, but none that
 * would change a list or dict, and nothing of Python's insides.
 */
import { methodOf, type Table } from './call.ts'
import { formatFields } from './format.ts'
import { asInt } from './numbers.ts'
import { described, equal, itemAt, repr, str } from './operations.ts'
import { textMethod } from './strings.ts'
import {
  Dict,
  defined,
  dictIn,
  Float,
  Fn,
  fail,
  Items,
  iterate,
  type Kwargs,
  listOf,
  Markup,
  orElse,
  Thing,
  textOf,
  typeName,
  Undefined,
  type Value,
  View,
} from './values.ts'

/** Methods that change what they are of. */
const CHANGES: Readonly<Record<string, string>> = {
  list: 'append clear pop reverse insert sort extend remove',
  dict: 'clear pop popitem setdefault update',
}

const SEQUENCE: Table<Value[]> = {
  count: ['/ value', (items, value: Value) => items.filter((item) => equal(item, value)).length],
  index: [
    '/ value start:int? stop:int?',
    (items, value: Value, start = 0, stop?: number) => {
      const from = start < 0 ? start + items.length : start
      const at = items.slice(0, stop).findIndex((item, i) => i >= from && equal(item, value))
      return at < 0 ? fail(`${repr(value)} is not in list`) : at
    },
  ],
}

/** dict(…): of a mapping or of pairs, and of names. */
export function dictOf(args: Value[], kwargs: Kwargs): Dict {
  const [from] = args
  if (args.length > 1) fail('dict() takes at most 1 arguments')
  const dict = new Dict(from instanceof Dict ? from.items() : [])
  if (from !== undefined && !(from instanceof Dict)) {
    for (const pair of iterate(defined(from))) {
      const [key, value, ...more] = listOf(pair)
      if (key === undefined || value === undefined || more.length > 0) fail('a dict is made of pairs')
      dict.set(key!, value!)
    }
  }
  for (const [key, value] of kwargs) dict.set(key, value)
  return dict
}

export const fromKeys = new Fn('fromkeys', ([keys = null, value = null]) => {
  return new Dict(Array.from(iterate(keys), (key) => [key, value] as const))
})

const DICT: Table<Dict> = {
  copy: (dict) => new Dict(dict.items()),
  get: ['/ key default?', (dict, key: Value, none: Value = null) => orElse(dict.get(key), () => none)],
  items: (dict) => new View('dict_items', dict.pairs()),
  keys: (dict) => new View('dict_keys', dict.keys()),
  values: (dict) =>
    new View(
      'dict_values',
      dict.items().map(([, value]) => value),
    ),
}

const size = (n: number | bigint) => BigInt(n < 0 ? -n : n).toString(2)

const NUMBER: Table<Value> = {
  bit_count: (n) => size(asInt(n)!).replaceAll('0', '').length,
  bit_length: (n) => (asInt(n) === 0 ? 0 : size(asInt(n)!).length),
  conjugate: (n) => n,
  is_integer: (n) => !(n instanceof Float) || Number.isInteger(n.n),
}

function numberAttribute(value: Value, name: string): Value | undefined {
  const whole = asInt(value)
  if (name === 'real' || (name === 'numerator' && whole !== undefined)) return whole ?? value
  if (name === 'imag') return whole === undefined ? new Float(0) : 0
  if (name === 'denominator' && whole !== undefined) return 1
  if (whole === undefined && name.startsWith('bit_')) return undefined
  return methodOf(NUMBER, value, name)
}

const LOOKUP = [getAttribute, getItem] as const

function formatMethod(text: string | Markup, name: string): Value | undefined {
  if (name === 'format') return new Fn(name, (args, kwargs) => formatFields(text, args, kwargs, LOOKUP))
  if (name !== 'format_map') return undefined
  return new Fn(name, ([map]) => {
    const named = new Map(Array.from(dictIn(map ?? null).items(), ([key, value]) => [str(key), value]))
    return formatFields(text, [], named, LOOKUP)
  })
}

/** What Python itself has under a name; undefined where it has nothing. */
function attributeOf(value: Value, name: string): Value | undefined {
  if (value === null) return undefined
  if (typeof value === 'string' || value instanceof Markup) return formatMethod(value, name) ?? textMethod(value, name)
  if (Array.isArray(value)) {
    if (name === 'copy') return new Fn(name, () => value.slice())
    return methodOf(SEQUENCE, value, name)
  }
  if (value instanceof Dict) return name === 'fromkeys' ? fromKeys : methodOf(DICT, value, name)
  if (value instanceof Float || !(value instanceof Thing)) return numberAttribute(value, name)
  if (name.startsWith('_')) return undefined
  return orElse(value.attribute(name), () =>
    value instanceof Items && !(value instanceof View) ? methodOf(SEQUENCE, value.items, name) : undefined,
  )
}

/** What stands for an attribute or item that is not there, or that the sandbox keeps back. */
function absent(value: Value, key: Value): Undefined {
  const name = textOf(key)
  if (name === undefined) return new Undefined(`${described(value)} has no element ${repr(key)}`)
  const kept = CHANGES[typeName(value)]?.split(' ').includes(name) || (name.startsWith('__') && name.endsWith('__'))
  if (kept) return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe.`)
  return new Undefined(`'${described(value)}' has no attribute ${repr(name)}`)
}

/** `value.name`: an attribute, or else an item. */
export function getAttribute(value: Value, name: string): Value {
  return orElse(attributeOf(defined(value), name), () => orElse(itemAt(value, name), () => absent(value, name)))
}

/** `value[key]`: an item, or else an attribute. */
export function getItem(value: Value, key: Value): Value {
  return orElse(itemAt(defined(value), key), () => onlyAttribute(value, key))
}

/** What the filter attr gives: an attribute, never an item. */
export function onlyAttribute(value: Value, key: Value): Value {
  const name = value instanceof Undefined ? undefined : textOf(key)
  return orElse(name === undefined ? undefined : attributeOf(value, name), () => absent(value, key))
}
