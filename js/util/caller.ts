/** Objects in callers' hands, which frameworks wrap in proxies, copy and serialize. */
import { kindOf } from './kind.ts'

/**
 * Makes an object safe there, at the end of its constructor. Its methods are bound, so that neither proxies nor destructuring
 * matter. What is not `shown` is not enumerable: serialization sees no more. `name` is what it says it is, which keeps
 * reactive proxies away.
 */
export function expose(object: object, name: string, shown: readonly string[] = []): void {
  const define = (key: string | symbol, value: unknown): void => {
    Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: false })
  }
  for (const [key, value] of Object.entries(object)) if (!shown.includes(key)) define(key, value)
  const prototype = Object.getPrototypeOf(object)
  for (const key of Reflect.ownKeys(prototype)) {
    const { value } = Reflect.getOwnPropertyDescriptor(prototype, key)!
    if (typeof value === 'function' && key !== 'constructor') define(key, value.bind(object))
  }
  define(Symbol.toStringTag, name)
}

/**
 * A copy as of now, which workers can be sent: proxies are neither, and may be revoked. Arrays, Maps and plain objects are
 * copied, others are kept.
 */
export function plain<T>(value: T, above: readonly unknown[] = []): T {
  if (typeof value !== 'object' || value === null || above.includes(value)) return value
  const inside = [...above, value]
  const copy = (item: unknown): unknown => plain(item, inside)
  if (Array.isArray(value)) return Array.from(value, copy) as T
  if (kindOf(value) === 'Map') return new Map(value as unknown as Map<unknown, unknown>) as T
  const prototype = Object.getPrototypeOf(value)
  // Of any realm's Object.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item)])) as T
}
