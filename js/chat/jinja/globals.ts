/** What every template can call: range, dict, namespace, cycler and joiner. */
import { bind, intArgument } from './call.ts'
import { dictOf, fromKeys } from './objects.ts'
import { str } from './operations.ts'
import { Dict, Fn, fail, Range, Thing, type Value } from './values.ts'

/** Named values that a template may set. A name that begins with an underscore is refused, as transformers does. */
export class Namespace extends Thing {
  private readonly values = new Dict()
  constructor() {
    super('Namespace', { __str__: () => `<Namespace ${str(this.values)}>` })
  }
  set(name: string, value: Value): undefined {
    if (name.startsWith('_')) fail(`cannot assign to '${name}' of a namespace: rename it`)
    this.values.set(name, value)
  }
  override attribute(name: string): Value | undefined {
    return name === '__str__' ? super.attribute(name) : this.values.get(name)
  }
}

function cycler(items: Value[]): Thing {
  if (items.length === 0) fail('cycler() wants an item')
  let at = 0
  const reset = () => {
    at = 0
    return null
  }
  return new Thing('Cycler', {
    current: () => items[at % items.length]!,
    next: () => new Fn('next', () => items[at++ % items.length]!),
    reset: () => new Fn('reset', reset),
  })
}

function joiner(separator = ', '): Fn {
  let used = false
  return new Fn('joiner', () => {
    const mark = used ? separator : ''
    used = true
    return mark
  })
}

function range(args: Value[]): Range {
  if (args.length < 1 || args.length > 3) fail('range() takes 1 to 3 arguments')
  const [first = 0, second, step = 1] = args.map(intArgument)
  if (step === 0) fail('a step is zero')
  return second === undefined ? new Range(0, first, 1) : new Range(first, second, step)
}

const functions = [
  new Fn('dict', dictOf, 'function', { fromkeys: () => fromKeys, __str__: () => '<function dict>' }),
  new Fn('range', range),
  new Fn('namespace', (args, kwargs) => {
    const space = new Namespace()
    for (const [name, value] of dictOf(args, kwargs).items()) space.set(str(name), value)
    return space
  }),
  new Fn('cycler', cycler),
  new Fn('joiner', (args, kwargs) => joiner(...(bind('joiner', 'sep:str?', args, kwargs) as [string?]))),
  new Fn('lipsum', () => fail('lipsum is not supported')),
]

export const GLOBALS: readonly (readonly [string, Fn])[] = functions.map((made) => [made.name, made])
