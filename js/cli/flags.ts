/** Flags as tables: of each its spelling, its value and its line of help. */

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

export interface Flag<T> {
  /** As typed, `-n`, `--predict`; the first with two dashes names it in messages. */
  readonly names: readonly string[]
  /** Of a switch, the names that say the opposite: `--no-escape`. */
  readonly negated?: readonly string[]
  /** llama.cpp's environment variable for it; the command line counts more. */
  readonly env?: string
  /** What it takes, for help; undefined for a switch. */
  readonly takes?: string
  readonly help: string
  /** The value of all its occurrences, in order; undefined where there are none. A switch occurs as `true` or `false`. */
  read(given: readonly string[], name: string): T | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds flags of any type
export type Flags = Readonly<Record<string, Flag<any>>>
export type Values<F extends Flags> = { readonly [K in keyof F]?: NonNullable<ReturnType<F[K]['read']>> }

/** A flag with a value; where it is repeated the last one counts, as in llama.cpp. */
export function single<T>(
  names: string,
  takes: string,
  help: string,
  read: (text: string, name: string) => T,
): Flag<T> {
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

/** A switch with names for both; the last one counts. */
export function either(names: string, negated: string, help: string): Flag<boolean> {
  return {
    names: names.split(' '),
    negated: negated.split(' '),
    help,
    read: (given) => (given.length > 0 ? given.at(-1) === 'true' : undefined),
  }
}

/** The flag, which the variable stands for where the command line has none. */
export function or<T>(env: string, flag: Flag<T>): Flag<T> {
  return { ...flag, env }
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

/** A number of threads, or `auto`, which llama.cpp writes as any number below 1; more than 64 count as 64. */
export function threads(help: string): Flag<number | 'auto'> {
  return single('-t --threads', 'N|auto', help, (given, name) => {
    const count = given === 'auto' ? 0 : readNumber(given, name, 'auto or a whole number', -Infinity, 2147483647)
    return count < 1 ? 'auto' : Math.min(count, 64)
  })
}

function readNumber(given: string, name: string, kind: string, low: number, high: number): number {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(given) ? Number(given) : Number.NaN
  // As the sampler holds it.
  const fits = Number.isFinite(Math.fround(value)) && value >= low && value <= high
  if (fits && (Number.isInteger(value) || !kind.includes('whole'))) return value
  throw new UsageError(`${name} takes ${kind}${rangeOf(value, low, high)}, not ${JSON.stringify(given)}.`)
}

function rangeOf(value: number, low: number, high: number): string {
  const bounded = high < Infinity && (high !== 2147483647 || value > high)
  if (low === -Infinity) return bounded ? ` of at most ${high}` : ''
  return bounded ? ` from ${low} to ${high}` : ` of at least ${low}`
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
export function longName(flag: Pick<Flag<unknown>, 'names'>): string {
  return flag.names.find((name) => name.startsWith('--')) ?? flag.names[0]!
}
