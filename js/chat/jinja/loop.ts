/** The variable `loop`. */

import { equal } from './operations.ts'
import { Fn, fail, itemOr, iterate, lengthOf, Once, Tuple, type Value } from './values.ts'

/**
 * `loop` over items, and what goes to the next of them; it gives undefined after the last. `recurse`: renders the loop again
 * over other items.
 */
export function loopOver(
  over: Value,
  recurse: ((over: Value) => Value) | undefined,
  depth: number,
): [loop: Fn, advance: () => [item: Value] | undefined] {
  let items: IterableIterator<Value> = iterate(over)
  let index = -1
  let count: number | undefined
  let before: Value | undefined
  let current: Value | undefined
  /** The next item, where it was looked at already. */
  let after: IteratorResult<Value> | undefined
  let seen: Tuple | undefined

  const peek = () => {
    after ??= items.next()
    return after
  }
  const length = () => {
    if (over instanceof Once && count === undefined) {
      const rest = peek().done ? [] : [peek().value, ...items]
      after = undefined
      items = rest.values()
      count = rest.length + index + 1
    }
    count ??= lengthOf(over)
    return count
  }
  const changed = (args: Value[]) => {
    const known = seen
    seen = new Tuple(args)
    return known === undefined || !equal(known, seen)
  }
  const advance = (): [Value] | undefined => {
    const next = peek()
    after = undefined
    if (next.done) return undefined
    index++
    before = current
    current = next.value
    return [next.value]
  }

  const call = ([others = null]: Value[]) => (recurse ?? fail('the loop is not recursive'))(others)
  const loop = new Fn('loop', call, 'LoopContext', {
    index0: () => index,
    index: () => index + 1,
    revindex0: () => length() - index - 1,
    revindex: () => length() - index,
    first: () => index === 0,
    last: () => peek().done === true,
    length,
    depth0: () => depth,
    depth: () => depth + 1,
    previtem: () => itemOr(before, 'previous'),
    nextitem: () => itemOr(peek().value, 'next'),
    cycle: () => new Fn('cycle', (args) => args[index % args.length] ?? fail('cycle() wants an item')),
    changed: () => new Fn('changed', changed),
    __len__: length,
    __str__: () => `<LoopContext ${index + 1}/${length()}>`,
  })
  return [loop, advance]
}
