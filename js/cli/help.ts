/** Help, written from the tables. */
import type { Command } from './command.ts'
import type { Flag, Flags } from './flags.ts'

const WIDTH = 100
const COLUMN = 32

/** Help of one command: usage, description, its flags by group, examples. */
export function commandHelp(command: Command): string {
  const parts = [
    `Usage: cria ${command.usage}`,
    command.description.join('\n'),
    ...command.groups.map(([title, flags]) => `${title}:\n${flagLines(flags)}`),
    `Examples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`,
  ]
  return `${parts.join('\n\n')}\n`
}

/** What cria is and the commands it has. */
export function overview(commands: readonly Command[], version: string): string {
  return `cria ${version}: language models from GGUF files, in WebAssembly

Usage: cria [command] [options]

Commands:
${commands.map(({ name, summary }) => row(name, summary, 13)).join('\n')}

Flags have llama.cpp's names and meanings, and where it has variables (LLAMA_ARG_…) they count too: docs/FLAGS.md.
The default command is \`cria run\`; the default model is the built-in stories260K.
Text goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

  cria COMMAND --help     the options of a command
  cria --version          the version
`
}

function flagLines(flags: Flags): string {
  return Object.values(flags)
    .map((flag: Flag<unknown>) => {
      const names =
        [...flag.names, ...(flag.negated ?? [])].join(', ') + (flag.takes === undefined ? '' : ` ${flag.takes}`)
      return row(names, flag.help, COLUMN)
    })
    .join('\n')
}

/** Two columns; the right one wraps, and begins on a line of its own where the left one is too long. */
function row(left: string, right: string, column: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of right.split(' ')) {
    if (line && column + 2 + line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = word
    } else line = line ? `${line} ${word}` : word
  }
  lines.push(line)
  const head = `  ${left}`
  const indent = ' '.repeat(column + 2)
  const first = head.length < indent.length - 1 ? head.padEnd(indent.length) : `${head}\n${indent}`
  return first + lines.join(`\n${indent}`)
}
