/** A command: its flags, what help says of it, and what it does. */
import type { Flags, Values } from './flags.ts'
import type { ForeignFlag } from './foreign.ts'

/** What a command is given beside its arguments. */
export interface Context {
  /** Fires at Ctrl-C, unless {@link onInterrupt} has taken it. */
  readonly signal: AbortSignal
  /** Flags, by their keys, whose value comes from an environment variable, and its name. */
  readonly variables: ReadonlyMap<string, string>
  /** Puts a handler in the place of the signal, or undefined to have the signal again. */
  onInterrupt(handler: (() => void) | undefined): void
}

export interface Command<F extends Flags = Flags> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows `cria` in the usage line. */
  readonly usage: string
  /** Paragraphs after the usage line; one line each. */
  readonly description: readonly string[]
  /** Titles and their flags, in help's order; together they are F. */
  readonly groups: readonly [title: string, flags: Flags][]
  readonly examples: readonly string[]
  readonly flags: F
  /** Flags of llama.cpp's tool for the same that change nothing here, or that are refused. */
  readonly foreign?: readonly ForeignFlag[]
  /** The tool reads llama.cpp's environment variables. */
  readonly environment?: boolean
  /** Resolves to the exit code. */
  run(values: Values<F>, positionals: readonly string[], context: Context): Promise<number>
}
