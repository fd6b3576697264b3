/** How arguments reach what is written in TypeScript. */
import { asInt } from './numbers.ts'
import { Fn, fail, isTrue, type Kwargs, lengthOf, textOf, unfit, type Value } from './values.ts'

/**
 * A function's parameters, parted by blanks: `/` first where none goes by name, `?` after those that may be missing or
 * None, and what they must be, if it matters. `**`: it takes all arguments itself, as a list and a Map.
 */
export type Parameters = string

export const intArgument = (value: Value) => Number(asInt(value) ?? unfit(value, 'is no integer'))
export const textArgument = (value: Value) => textOf(value) ?? unfit(value, 'is no str')

const TYPES: Readonly<Record<string, (value: Value) => unknown>> = {
  bool: isTrue,
  int: intArgument,
  str: textArgument,
  char(value) {
    const text = textArgument(value)
    return lengthOf(text) === 1 ? text : unfit(value, 'is no character')
  },
}

const known = new Map<Parameters, RegExpMatchArray[]>()

function parsed(parameters: Parameters): RegExpMatchArray[] {
  let words = known.get(parameters)
  if (!words) {
    words = [...parameters.matchAll(/(\w+)(?::(\w+))?(\?)?/g)]
    known.set(parameters, words)
  }
  return words
}

/** Arguments in the order of the parameters. */
export function bind(name: string, parameters: Parameters, args: Value[], kwargs: Kwargs): unknown[] {
  if (parameters === '**') return [args, kwargs]
  const words = parsed(parameters)
  if (args.length > words.length) fail(`${name}() takes at most ${words.length} arguments`)
  const given = args.slice()
  for (const [key, value] of kwargs) {
    const at = parameters.startsWith('/') ? -1 : words.findIndex(([, word]) => word === key)
    if (at < 0) fail(`${name}() has no argument '${key}'`)
    if (at < args.length) fail(`${name}() has the argument '${key}' twice`)
    given[at] = value
  }
  return words.map(([, word, type, optional], i) => {
    const value = given[i]
    if (value === undefined) return optional ? value : fail(`${name}() is missing the argument '${word}'`)
    if (!type) return value
    return optional && value === null && type !== 'bool' ? undefined : TYPES[type]!(value)
  })
}

type Run<Self> = (self: Self, ...args: never[]) => Value

/** Functions of one kind, each with its parameters if it has any. */
export type Table<Self> = Readonly<Record<string, Run<Self> | readonly [parameters: Parameters, run: Run<Self>]>>

/** Calls a function of a table. */
export function run<Self>(table: Table<Self>, name: string, self: Self, args: Value[], kwargs: Kwargs): Value {
  const entry = table[name]!
  const [parameters, call] = typeof entry === 'function' ? (['', entry] as const) : entry
  return call(self, ...(bind(name, parameters, args, kwargs) as never[]))
}

/** A method of a table as a value; undefined where there is none of the name. */
export function methodOf<Self>(table: Table<Self>, self: Self, name: string): Fn | undefined {
  return Object.hasOwn(table, name) ? new Fn(name, (args, kwargs) => run(table, name, self, args, kwargs)) : undefined
}
