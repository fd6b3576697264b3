/** The command line: which command is meant, and what happens when it ends. */
import { readFileSync } from 'node:fs'
import { CriaError } from '../errors.ts'
import { benchCommand } from './bench.ts'
import { chatCommand } from './chat.ts'
import type { Command, Context } from './command.ts'
import { conformanceCommand } from './conformance.ts'
import { convertCommand } from './convert.ts'
import { parse, UsageError } from './flags.ts'
import { ggufCommand } from './gguf.ts'
import { commandHelp, overview } from './help.ts'
import { imatrixCommand } from './imatrix.ts'
import { inspectCommand } from './inspect.ts'
import { perplexityCommand } from './perplexity.ts'
import { quantizeCommand } from './quantize.ts'
import { runCommand } from './run.ts'
import { serveCommand } from './serve.ts'
import { printable, say, write } from './terminal.ts'
import { tokenizeCommand } from './tokenize.ts'

const COMMANDS = [
  runCommand(false),
  chatCommand,
  serveCommand,
  inspectCommand,
  tokenizeCommand,
  convertCommand,
  quantizeCommand,
  imatrixCommand,
  perplexityCommand,
  ggufCommand,
  benchCommand,
  conformanceCommand,
] as Command[]
const INTERRUPTED = 130

const interrupt = new AbortController()
let onInterrupt: (() => void) | undefined
const context: Context = {
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
  if (args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '--help' || arg === '-h')) {
    await write(commandHelp(command))
    return 0
  }
  const { values, positionals } = parse(args, command.flags)
  return command.run(values, positionals, context)
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
  if (error instanceof CriaError) say(`cria: ${printable(message)} (${error.code})`)
  else if (syscall !== undefined) say(`cria: ${printable(message)}`)
  else say(`cria: ${printable(String(message ?? error))}${code ? ` (${code})` : ''} (set CRIA_DEBUG=1 to see where)`)
  if (verbose && error instanceof Error) say(error.stack ?? '')
  return 1
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}
