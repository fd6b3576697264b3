/** From a command's arguments, and llama.cpp's environment variables, to the values of its flags. */

import { nearest } from '../util/nearest.ts'
import { type Flag, type Flags, longName, UsageError, type Values } from './flags.ts'
import { asksForNothing, type ForeignFlag } from './foreign.ts'

export interface Parsed<F extends Flags> {
  values: Values<F>
  positionals: readonly string[]
  /** Flags of llama.cpp's that are there and change nothing here, as they are spelled. */
  neutral: readonly string[]
  /** Flags, by their keys, whose value comes from a variable, and its name. */
  variables: ReadonlyMap<string, string>
  /** Variables that do not count, since the command line says otherwise. */
  overridden: readonly { env: string; name: string }[]
}

export interface Surroundings {
  /** Flags of llama.cpp's that are known by name alone. */
  foreign?: readonly ForeignFlag[]
  /** Environment variables that stand for flags; default: none. */
  env?: Readonly<Record<string, string | undefined>>
}

interface Named {
  key: string
  flag: Flag<unknown>
  /** Of a switch: what this name says. */
  says: boolean
}

/**
 * Reads a command's arguments: `--flag value`, `--flag=value`, llama.cpp's short names (`-ctk f16`), `_` for `-` in long
 * names, `--` before what only looks like flags.
 * @throws UsageError naming what is wrong, or what is not supported
 */
export function parse<F extends Flags>(
  args: readonly string[],
  flags: F,
  { foreign = [], env = {} }: Surroundings = {},
): Parsed<F> {
  const own = new Map(Object.entries(flags).flatMap(([key, flag]) => namesOf(key, flag)))
  const others = new Map(foreign.flatMap((flag) => flag.names.map((name) => [name, flag] as const)))
  const given = new Map<string, string[]>()
  const positionals: string[] = []
  const neutral: string[] = []
  const typed = new Map<Flag<unknown> | ForeignFlag, string>()
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === '--') {
      positionals.push(...args.slice(i + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      positionals.push(arg)
      continue
    }
    const equals = arg.indexOf('=')
    const spelled = equals < 0 ? arg : arg.slice(0, equals)
    const name = spelled.startsWith('--') ? spelled.replaceAll('_', '-') : spelled
    const inline = equals < 0 ? undefined : arg.slice(equals + 1)
    const mine = own.get(name)
    const other = others.get(name)
    if (mine) {
      const value = readValue(mine, name, inline, args[i + 1])
      if (mine.flag.takes !== undefined && inline === undefined) i++
      given.set(mine.key, [...(given.get(mine.key) ?? []), value])
      typed.set(mine.flag, name)
    } else if (other) {
      const count = inline === undefined ? valuesBehind(other, args.slice(i + 1)) : 0
      const values = inline === undefined ? args.slice(i + 1, i + 1 + count) : [inline]
      if (inline === undefined && !other.optional && count < other.values) throw missing(name)
      i += count
      take(other, name, other.values === 0 ? [name] : values, neutral)
      typed.set(other, name)
    } else throw unknown(name, own.keys())
  }
  const variables = new Map<string, string>()
  const overridden = readEnvironment(flags, foreign, env, { given, typed, neutral, variables })
  const values = Object.entries(flags).map(([key, flag]) => [key, flag.read(given.get(key) ?? [], longName(flag))])
  return { values: Object.fromEntries(values), positionals, neutral, variables, overridden }
}

function namesOf(key: string, flag: Flag<unknown>): [name: string, named: Named][] {
  const { names, negated = [] } = flag
  return [
    ...names.map((name): [string, Named] => [name, { key, flag, says: true }]),
    ...negated.map((name): [string, Named] => [name, { key, flag, says: false }]),
  ]
}

function readValue({ flag, says }: Named, name: string, inline: string | undefined, next: string | undefined): string {
  if (flag.takes === undefined) {
    if (inline === undefined) return String(says)
    throw new UsageError(`${name} is a switch and takes no argument, not ${JSON.stringify(inline)}.`)
  }
  const value = inline ?? next
  if (value === undefined) throw missing(longName(flag))
  return value
}

function missing(name: string): UsageError {
  return new UsageError(`${name} takes a value, which is missing.`)
}

function valuesBehind({ values, optional }: ForeignFlag, rest: readonly string[]): number {
  if (optional) return rest[0] !== undefined && optional.includes(rest[0]) ? 1 : 0
  return Math.min(values, rest.length)
}

/**
 * @param values of a switch, the name itself
 * @throws UsageError for a flag that is not supported
 */
function take(flag: ForeignFlag, name: string, values: readonly string[], neutral: string[]): void {
  if (flag.refused && !asksForNothing(flag, values)) throw new UsageError(`${name} is not supported: ${flag.reason}.`)
  if (!neutral.includes(name)) neutral.push(name)
}

function unknown(name: string, names: Iterable<string>): UsageError {
  if (/^-[\d.]/.test(name)) return new UsageError(`There is no option ${name}; a value like it goes after --.`)
  const meant = nearest(name, names)
  return new UsageError(`There is no option ${name}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`)
}

/**
 * Flags of which one stands for all: where the command line has one of them, the variables of the others do not count.
 */
const RIVALS = [
  ['model', 'modelUrl', 'hfRepo', 'hfFile'],
  ['chatTemplate', 'chatTemplateFile'],
  ['ropeScale', 'ropeFreqScale'],
]

/** What the command line has given so far. */
interface Line {
  given: Map<string, string[]>
  /** The flags that are there, and how they are spelled. */
  typed: ReadonlyMap<Flag<unknown> | ForeignFlag, string>
  neutral: string[]
  variables: Map<string, string>
}

/** Adds what the environment gives of flags that the command line does not have. */
function readEnvironment(
  flags: Flags,
  foreign: readonly ForeignFlag[],
  env: Readonly<Record<string, string | undefined>>,
  { given, typed, neutral, variables }: Line,
): { env: string; name: string }[] {
  const overridden: { env: string; name: string }[] = []
  const typedKeys = new Set(given.keys())
  for (const [key, flag] of Object.entries(flags)) {
    const found = fromEnvironment(flag, env)
    if (!found) continue
    const rival = RIVALS.find((keys) => keys.includes(key))?.find((other) => typedKeys.has(other))
    const name = typed.get(flag) ?? (rival === undefined ? undefined : longName(flags[rival]!))
    if (name !== undefined) overridden.push({ env: found.name, name })
    else if (found.value !== undefined) {
      // So that the message names the variable.
      flag.read([found.value], found.name)
      given.set(key, [found.value])
      variables.set(key, found.name)
    }
  }
  for (const flag of foreign) {
    const value = flag.env === undefined ? undefined : env[flag.env]
    // A switch that is off asks for nothing, unless its opposite is refused.
    const off = flag.values === 0 && FALSE.includes(value ?? '') && !flag.nothing
    if (value && !off && !typed.has(flag)) take(flag, flag.env!, [value], neutral)
  }
  return overridden
}

const TRUE = ['on', 'enabled', 'true', '1']
const FALSE = ['off', 'disabled', 'false', '0']

/**
 * What the flag's variable says, as llama.cpp reads it: of a switch words for yes and no, and LLAMA_ARG_NO_… with any value for
 * no. An empty one is as none. The value is undefined of a switch that stays as it is.
 */
function fromEnvironment(
  { env: name, negated, takes }: Pick<Flag<unknown>, 'env' | 'negated' | 'takes'>,
  env: Readonly<Record<string, string | undefined>>,
): { name: string; value: string | undefined } | undefined {
  if (name === undefined) return undefined
  const opposite = name.replace('LLAMA_ARG_', 'LLAMA_ARG_NO_')
  if (negated && env[opposite]) return { name: opposite, value: 'false' }
  const value = env[name]
  if (!value) return undefined
  if (takes !== undefined) return { name, value }
  if (TRUE.includes(value)) return { name, value: 'true' }
  if (!negated) return { name, value: undefined }
  if (FALSE.includes(value)) return { name, value: 'false' }
  throw new UsageError(`${name} takes ${[...TRUE, ...FALSE].join(', ')}, not ${JSON.stringify(value)}.`)
}
