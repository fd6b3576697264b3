/** The command line: which command is meant, and what happens when it ends. */
import { readFileSync } from 'node:fs'
import { CriaError } from '../errors.ts'
import type { Command, Context } from './command.ts'
import { COMMANDS } from './commands.ts'
import { UsageError } from './flags.ts'
import { commandHelp, overview } from './help.ts'
import { inFlags } from './in-flags.ts'
import { parse } from './parse.ts'
import { runCommand } from './run.ts'
import { printable, say, write } from './terminal.ts'

const INTERRUPTED = 130

const interrupt = new AbortController()
let onInterrupt: (() => void) | undefined
const context: Omit<Context, 'variables'> = {
  signal: interrupt.signal,
  onInterrupt: (handler) => {
    onInterrupt = handler
  },
}

process.on('SIGINT', () => {
  if (onInterrupt) onInterrupt()
  // A second one does not wait for the first to take effect.
  else if (interrupt.signal.aborted) process.exit(INTERRUPTED)
  else interrupt.abort()
})
// The reader has gone, as in `cria | head -1`: there is nothing left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') say(`cria: stdout: ${error.message}`)
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

const args = process.argv.slice(2)
const code = await main(args).catch(report)
process.stdout.write('', () => process.exit(code))

async function main([first, ...rest]: string[]): Promise<number> {
  if (first === '--version') {
    await write(`${version()}\n`)
    return 0
  }
  if (first === 'help' && rest[0] !== undefined) return main([rest[0], '--help'])
  if (first === 'help' || first === '--help' || first === '-h') {
    await write(overview(COMMANDS, version()))
    return 0
  }
  if (first === undefined || first.startsWith('-')) return start(runCommand(true) as Command, args)
  const command = COMMANDS.find(({ name }) => name === first)
  if (!command) throw new UsageError(`There is no command ${first}; a model goes after -m, a prompt after -p.`)
  return start(command, rest)
}

async function start(command: Command, args: readonly string[]): Promise<number> {
  // Help is had also where the rest is wrong.
  const end = args.indexOf('--')
  const flags = args.slice(0, end < 0 ? undefined : end)
  if (flags.some((arg) => ['--help', '-h', '--usage'].includes(arg))) {
    await write(commandHelp(command))
    return 0
  }
  if (flags.includes('--version')) return main(['--version'])
  const { foreign = [], environment = false } = command
  const parsed = parse(args, command.flags, { foreign, env: environment ? process.env : {} })
  const { values, positionals, neutral, variables, overridden } = parsed
  for (const { env, name } of overridden) say(`cria: warning: the variable ${env} is set, but ${name} counts.`)
  if (neutral.length > 0)
    say(`cria: note: ${enumerate(neutral)} ${neutral.length > 1 ? 'change' : 'changes'} nothing here.`)
  return command.run(values, positionals, { ...context, variables })
}

/** `a, b and c`. */
function enumerate(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** Says what went wrong, in one line unless a stack is wanted; returns the exit code. */
function report(error: unknown): number {
  if (interrupt.signal.aborted) return INTERRUPTED
  const verbose = process.env.CRIA_DEBUG || args.includes('-v') || args.includes('--verbose')
  if (error instanceof UsageError) {
    const named = COMMANDS.some(({ name }) => name === args[0])
    say(`cria: ${printable(error.message)} See cria ${named ? `${args[0]} ` : ''}--help.`)
    return 2
  }
  const { message, code, syscall } = error as NodeJS.ErrnoException
  if (error instanceof CriaError) say(`cria: ${printable(inFlags(message))} (${error.code})`)
  else if (syscall !== undefined) say(`cria: ${printable(message)}`)
  else say(`cria: ${printable(String(message ?? error))}${code ? ` (${code})` : ''} (set CRIA_DEBUG=1 to see where)`)
  if (verbose && error instanceof Error) say(error.stack ?? '')
  return 1
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}
