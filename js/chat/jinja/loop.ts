/** The variable `loop`. */

import { equal } from './operations.ts'
import { Fn, fail, iterate, type Kwargs, lengthOf, Once, Tuple, Undefined, type Value } from './values.ts'

export class Loop extends Fn {
  override readonly type: string = 'LoopContext'
  private index = -1
  private count: number | undefined
  private before: Value | undefined
  private current: Value | undefined
  /** The next item, where it was looked at already. */
  private after: IteratorResult<Value> | undefined
  private seen: Value[] | undefined
  private items: Iterator<Value>

  /** `recurse`: renders the loop again over other items, one level deeper. */
  constructor(
    private readonly over: Value,
    recurse: ((over: Value, depth: number) => Value) | undefined,
    private readonly depth: number,
  ) {
    super('loop', ([items = null]) => {
      if (!recurse) return fail('the loop is not recursive')
      return recurse(items, depth + 1)
    })
    this.items = iterate(over)
  }

  /** Goes to the next item; undefined after the last. */
  next(): { item: Value } | undefined {
    const next = this.peek()
    this.after = undefined
    if (next.done) return undefined
    this.index++
    this.before = this.current
    this.current = next.value
    return { item: next.value }
  }

  private peek(): IteratorResult<Value> {
    this.after ??= this.items.next()
    return this.after
  }

  private length(): number {
    if (this.count === undefined) {
      if (this.over instanceof Once) {
        const rest: Value[] = []
        for (let next = this.items.next(); !next.done; next = this.items.next()) rest.push(next.value)
        this.items = rest.values()
        this.count = rest.length + this.index + 1 + (this.after && !this.after.done ? 1 : 0)
      } else this.count = lengthOf(this.over)
    }
    return this.count
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'index0':
        return this.index
      case 'index':
        return this.index + 1
      case 'revindex0':
        return this.length() - this.index - 1
      case 'revindex':
        return this.length() - this.index
      case 'first':
        return this.index === 0
      case 'last':
        return this.peek().done === true
      case 'length':
      case '__len__':
        return this.length()
      case 'depth0':
        return this.depth
      case 'depth':
        return this.depth + 1
      case 'previtem':
        return this.index === 0 ? new Undefined('there is no previous item') : this.before
      case 'nextitem': {
        const next = this.peek()
        return next.done ? new Undefined('there is no next item') : next.value
      }
      case 'cycle':
        return new Fn(name, (args) => args[this.index % args.length] ?? fail('cycle() wants an item'))
      case 'changed':
        return new Fn(name, (args: Value[], _kwargs: Kwargs) => this.changed(args))
      default:
        return undefined
    }
  }

  private changed(values: Value[]): boolean {
    const known = this.seen !== undefined && equal(new Tuple(this.seen), new Tuple(values))
    this.seen = values
    return !known
  }

  override print(): string {
    return `<LoopContext ${this.index + 1}/${this.length()}>`
  }
}
