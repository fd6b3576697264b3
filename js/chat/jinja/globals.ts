/** What every template can call: range, dict, namespace, cycler and joiner. */
import { bind, intArgument, textArgument } from './call.ts'
import { dictOf, fromKeys } from './objects.ts'
import { repr, str } from './operations.ts'
import { Fn, fail, Range, Thing, type Value } from './values.ts'

/** Named values that a template may set. A name that begins with an underscore is refused, as transformers does. */
export class Namespace extends Thing {
  override readonly type = 'Namespace'
  private readonly values = new Map<string, Value>()

  set(name: string, value: Value): void {
    if (name.startsWith('_')) fail(`a namespace cannot have the attribute '${name}': rename it`)
    this.values.set(name, value)
  }
  override attribute(name: string): Value | undefined {
    return this.values.get(name)
  }
  override print(): string {
    return `<Namespace {${Array.from(this.values, ([name, value]) => `${repr(name)}: ${repr(value)}`).join(', ')}}>`
  }
}

class Cycler extends Thing {
  override readonly type = 'Cycler'
  private at = 0
  constructor(private readonly items: Value[]) {
    super()
    if (items.length === 0) fail('cycler() wants an item')
  }
  override attribute(name: string): Value | undefined {
    const current = this.items[this.at]!
    if (name === 'current') return current
    if (name === 'reset') {
      return new Fn(name, () => {
        this.at = 0
        return null
      })
    }
    if (name !== 'next') return undefined
    return new Fn(name, () => {
      const next = this.items[this.at]!
      this.at = (this.at + 1) % this.items.length
      return next
    })
  }
}

function joiner(separator: string): Fn {
  let used = false
  return new Fn('joiner', () => {
    const mark = used ? separator : ''
    used = true
    return mark
  })
}

/** As the sandbox has it. */
const RANGE_MOST = 100_000

function range(args: Value[]): Range {
  if (args.length < 1 || args.length > 3) fail('range() takes 1 to 3 arguments')
  const [first = 0, second, step = 1] = args.map((arg) => intArgument(arg ?? 'None', 0))
  if (step === 0) fail('a step is zero')
  const made = second === undefined ? new Range(0, first, 1) : new Range(first, second, step)
  return made.length > RANGE_MOST ? fail(`a range has more than ${RANGE_MOST} numbers`) : made
}

/** A dict's maker, which has fromkeys. */
class DictType extends Fn {
  constructor() {
    super('dict', dictOf)
  }
  override attribute(name: string): Value | undefined {
    return name === 'fromkeys' ? fromKeys : undefined
  }
}

const functions = [
  new DictType(),
  new Fn('range', range),
  new Fn('namespace', (args, kwargs) => {
    const space = new Namespace()
    for (const [name, value] of dictOf(args, kwargs).items()) space.set(str(name), value)
    return space
  }),
  new Fn('cycler', (args) => new Cycler(args)),
  new Fn('joiner', (args, kwargs) => joiner(textArgument(bind('joiner', 'sep?', args, kwargs)[0], ', '))),
  new Fn('lipsum', () => fail('lipsum is not supported')),
]

export const GLOBALS: readonly (readonly [string, Fn])[] = functions.map((made) => [made.name, made])
