/** JavaScript's values as Python's, and back for functions of the caller's. */
import { int, intOf } from './numbers.ts'
import { str } from './operations.ts'
import { Dict, deep, Float, Fn, itemsOf, Thing, Undefined, type Value } from './values.ts'

/**
 * A value of the caller's. Whole numbers and bigints are ints, other numbers floats (a Float stays one that is whole);
 * undefined is None; objects and Maps are dicts, without what is undefined in them.
 */
export function fromJs(value: unknown, depth = 0): Value {
  deep(depth)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return int(value)
  if (typeof value === 'number') return Number.isInteger(value) ? intOf(value) : new Float(value)
  if (typeof value === 'function') return new Fn(value.name || 'function', (args) => fromJs(value(...args.map(toJs))))
  return typeof value === 'object' ? fromObject(value, depth) : null
}

function fromObject(value: object | null, depth: number): Value {
  if (value === null || value instanceof Thing) return value
  if (Array.isArray(value)) return value.map((item) => fromJs(item, depth + 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return fromJs(value.toJSON(), depth + 1)
  const dict = new Dict()
  for (const [key, item] of value instanceof Map ? value : Object.entries(value)) {
    if (item !== undefined) dict.set(fromJs(key, depth + 1), fromJs(item, depth + 1))
  }
  return dict
}

export function toJs(value: Value): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Float) return value.n
  if (value instanceof Undefined) return undefined
  const items = itemsOf(value)
  if (items) return items.map(toJs)
  if (value instanceof Dict)
    return Object.fromEntries(Array.from(value.items(), ([key, item]) => [String(toJs(key)), toJs(item)]))
  return str(value)
}
