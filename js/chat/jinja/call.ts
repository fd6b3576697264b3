/** How arguments reach what is written in TypeScript. */
import { asInt } from './numbers.ts'
import { Fn, fail, type Kwargs, lengthOf, textOf as text, unfit, type Value } from './values.ts'

/** A function's parameters, parted by blanks: `?` after those that may be missing, `/` first where none goes by name. */
export type Parameters = string

export type Bound = (Value | undefined)[]

const known = new Map<Parameters, { names: string[]; unnamed: boolean }>()

function parsed(parameters: Parameters): { names: string[]; unnamed: boolean } {
  let made = known.get(parameters)
  if (!made) {
    const words = parameters.split(' ').filter((word) => word !== '')
    const unnamed = words[0] === '/'
    made = { names: words.slice(Number(unnamed)), unnamed }
    known.set(parameters, made)
  }
  return made
}

/** Arguments in the order of the parameters. */
export function bind(name: string, parameters: Parameters, args: Value[], kwargs: Kwargs): Bound {
  const { names, unnamed } = parsed(parameters)
  if (args.length > names.length) fail(`${name}() takes at most ${names.length} arguments`)
  const given: Bound = args.slice()
  for (const [key, value] of kwargs) {
    const at = names.findIndex((word) => word === key || word === `${key}?`)
    if (at < 0 || unnamed) fail(`${name}() has no argument '${key}'`)
    if (at < args.length) fail(`${name}() has the argument '${key}' twice`)
    given[at] = value
  }
  const missing = names.find((word, i) => !word.endsWith('?') && given[i] === undefined)
  if (missing) fail(`${name}() is missing the argument '${missing}'`)
  return given
}

/** Functions of one kind, each with its parameters. */
export type Table<Self extends Bound = []> = Readonly<
  Record<string, readonly [parameters: Parameters, run: (...args: [...Self, ...Bound]) => Value]>
>

/** A method of a table as a value; undefined where there is none of the name. */
export function methodOf<Self extends Value>(table: Table<[Self]>, self: Self, name: string): Fn | undefined {
  if (!Object.hasOwn(table, name)) return undefined
  const [parameters, run] = table[name]!
  return new Fn(name, (args, kwargs) => run(self, ...bind(name, parameters, args, kwargs)))
}

/** An argument that must be an int; `none` where it is missing or None. */
export function intArgument(value: Value | undefined, none: number): number {
  if (value === undefined || value === null) return none
  const n = asInt(value) ?? unfit(value, 'is no integer')
  return Number(n)
}

export function textArgument(value: Value | undefined, none?: string): string {
  if (none !== undefined && (value === undefined || value === null)) return none
  return text(value) ?? unfit(value ?? null, 'is no str')
}

/** One character, to fill with. */
export function fillArgument(value: Value | undefined): string {
  const fill = textArgument(value, ' ')
  return lengthOf(fill) === 1 ? fill : fail('a fill must be one character')
}
