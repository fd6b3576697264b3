/** A command: its flags, what help says of it, and what it does. */
import type { Flags, Values } from './flags.ts'

/** What a command is given beside its arguments. */
export interface Context {
  /** Fires at Ctrl-C, unless {@link onInterrupt} has taken it. */
  readonly signal: AbortSignal
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
  /** Resolves to the exit code. */
  run(values: Values<F>, positionals: readonly string[], context: Context): Promise<number>
}
