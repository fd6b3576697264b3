/** Flags as tables: of each its spelling, its value and its line of help. */
import { parseArgs } from 'node:util'

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

export interface Flag<T> {
  /** As typed, `-n`, `--predict`; the first with two dashes names it in messages. */
  readonly names: readonly string[]
  /** What it takes, for help; undefined for a switch. */
  readonly takes?: string
  readonly help: string
  /** The value of all its occurrences, in order; undefined where there are none. */
  read(given: readonly string[], name: string): T | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds flags of any type
export type Flags = Readonly<Record<string, Flag<any>>>
export type Values<F extends Flags> = { readonly [K in keyof F]?: NonNullable<ReturnType<F[K]['read']>> }

/** A flag with a value; where it is repeated the last one counts, as in llama.cpp. */
function single<T>(names: string, takes: string, help: string, read: (text: string, name: string) => T): Flag<T> {
  return {
    names: names.split(' '),
    takes,
    help,
    read: (given, name) => (given.length === 0 ? undefined : read(given[given.length - 1]!, name)),
  }
}

export function toggle(names: string, help: string): Flag<true> {
  return { names: names.split(' '), help, read: (given) => (given.length > 0 ? true : undefined) }
}

export function text(names: string, takes: string, help: string): Flag<string> {
  return single(names, takes, help, (given) => given)
}

/** May be repeated. */
export function texts(names: string, takes: string, help: string): Flag<readonly string[]> {
  return { names: names.split(' '), takes, help, read: (given) => (given.length > 0 ? given : undefined) }
}

/** May be repeated; each occurrence is read by itself. */
export function list<T>(
  names: string,
  takes: string,
  help: string,
  read: (text: string, name: string) => T,
): Flag<readonly T[]> {
  return {
    names: names.split(' '),
    takes,
    help,
    read: (given, name) => (given.length > 0 ? given.map((value) => read(value, name)) : undefined),
  }
}

export function choice<T extends string>(names: string, choices: readonly T[], help: string): Flag<T> {
  // Many choices go into the right column, which wraps.
  const all = choices.join('|')
  const [takes, more] = all.length > 70 ? ['NAME', `${help}: ${choices.join(', ')}`] : [all, help]
  return single(names, takes, more, (given, name) => {
    if ((choices as readonly string[]).includes(given)) return given as T
    throw new UsageError(`${name} takes ${choices.join(' or ')}, not ${JSON.stringify(given)}.`)
  })
}

export function number(names: string, help: string, low = -Infinity, high = Infinity): Flag<number> {
  return single(names, 'N', help, (given, name) => readNumber(given, name, 'a number', low, high))
}

export function integer(names: string, help: string, low: number, high = 2147483647): Flag<number> {
  return single(names, 'N', help, (given, name) => readNumber(given, name, 'a whole number', low, high))
}

/** As integer, or `auto`, which llama.cpp writes -1. */
export function integerOrAuto(names: string, help: string, low: number, high: number): Flag<number | 'auto'> {
  return single(names, 'N|auto', help, (given, name) =>
    given === 'auto' || given === '-1' ? 'auto' : readNumber(given, name, 'auto or a whole number', low, high),
  )
}

function readNumber(given: string, name: string, kind: string, low: number, high: number): number {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(given) ? Number(given) : Number.NaN
  // As the sampler holds it.
  const fits = Number.isFinite(Math.fround(value)) && value >= low && value <= high
  if (fits && (Number.isInteger(value) || !kind.includes('whole'))) return value
  const range =
    high < Infinity && (high !== 2147483647 || value > high) ? ` from ${low} to ${high}` : ` of at least ${low}`
  throw new UsageError(`${name} takes ${kind}${low > -Infinity ? range : ''}, not ${JSON.stringify(given)}.`)
}

/** `TOKEN_ID(+/-)BIAS`, as llama.cpp writes it: `15043+1`, `15043-0.5`, `15043-inf`. */
export function readBias(given: string, name: string): [id: number, bias: number] {
  const match = /^(\d+)([-+](?:\d+\.?\d*|\.\d+)|-inf)$/i.exec(given)
  if (!match) {
    throw new UsageError(`${name} takes TOKEN_ID and bias, as in 15043+1 or 15043-inf, not ${JSON.stringify(given)}.`)
  }
  return [Number(match[1]), /inf/i.test(match[2]!) ? -Infinity : Number(match[2])]
}

/** `Name: value` of an HTTP header. */
export function readHeader(given: string, name: string): [name: string, value: string] {
  const colon = given.indexOf(':')
  if (colon > 0) return [given.slice(0, colon).trim(), given.slice(colon + 1).trim()]
  throw new UsageError(`${name} takes 'Name: value', not ${JSON.stringify(given)}.`)
}

/** The name of a flag in messages: its first one with two dashes. */
function longName(flag: Flag<unknown>): string {
  return flag.names.find((name) => name.startsWith('--')) ?? flag.names[0]!
}

/**
 * Reads a command's arguments: `--flag value`, `--flag=value`, llama.cpp's short names (`-ctk f16`), `--` before what
 * only looks like flags.
 * @throws UsageError naming what is wrong.
 */
export function parse<F extends Flags>(
  args: readonly string[],
  flags: F,
): { values: Values<F>; positionals: readonly string[] } {
  const entries = Object.entries(flags)
  const options = Object.fromEntries(
    entries.map(([, flag]) => [
      longName(flag).slice(2),
      { type: flag.takes === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  )
  const { values: given, positionals } = parseLong(spellLong(args, entries), options)
  const values = entries.map(([key, flag]) => {
    const name = longName(flag)
    return [key, flag.read(([given[name.slice(2)] ?? []].flat() as unknown[]).map(String), name)]
  })
  return { values: Object.fromEntries(values), positionals }
}

/** Spells every flag `--name=value`: parseArgs knows neither names like `-ctk` nor values like `-1`. */
function spellLong(args: readonly string[], entries: readonly [string, Flag<unknown>][]): string[] {
  const byName = new Map(entries.flatMap(([, flag]) => flag.names.map((name) => [name, flag] as const)))
  const out: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === '--') return [...out, ...args.slice(i)]
    const equals = arg.indexOf('=')
    const name = equals < 0 ? arg : arg.slice(0, equals)
    const flag = byName.get(name)
    if (!flag && arg.startsWith('-') && arg !== '-') {
      throw new UsageError(
        `There is no option ${name}${/^-[\d.]/.test(name) ? '; a value like it goes after --' : ''}.`,
      )
    }
    if (!flag) out.push(arg)
    else if (equals >= 0) out.push(longName(flag) + arg.slice(equals))
    else if (flag.takes !== undefined && i + 1 < args.length) out.push(`${longName(flag)}=${args[++i]}`)
    else out.push(longName(flag))
  }
  return out
}

function parseLong(args: string[], options: Record<string, { type: 'boolean' | 'string'; multiple: boolean }>) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error
    throw new UsageError(message.endsWith('.') ? message : `${message}.`)
  }
}
