/** `cria conformance`: whether this machine gives the bits that all others give. */
import { conformance } from '../conformance/index.ts'
import type { CaseResult, Report } from '../conformance/types.ts'
import { load, loadTokenizer } from '../index.ts'
import type { Command, Context } from './command.ts'
import { toggle, UsageError, type Values } from './flags.ts'
import { BUILT_IN } from './source.ts'
import { printable, say, write } from './terminal.ts'

const OUTPUT = { json: toggle('--json', 'print the report as one JSON object') }
const OTHER = { help: toggle('-h --help', 'this help') }

const flags = { ...OUTPUT, ...OTHER }

export const conformanceCommand: Command<typeof flags> = {
  name: 'conformance',
  summary: 'compare the bits of this machine with all others',
  usage: 'conformance [--json]',
  description: [
    'Runs the built-in model in every configuration of this engine (builds, numbers of threads, sizes',
    "of a prompt's pieces, types of the KV cache), tokenizes, samples and chats, and compares with",
    'the hashes of every runtime. Checks errors, aborts and closing too.',
    'The exit code is 1 if anything differs.',
  ],
  groups: [['Output', flags]],
  examples: ['cria conformance', 'cria conformance --json > report.json'],
  flags,
  run,
}

async function run(values: Values<typeof flags>, positionals: readonly string[], context: Context): Promise<number> {
  if (positionals.length > 0) {
    throw new UsageError(`conformance takes no argument: ${JSON.stringify(positionals[0])}.`)
  }
  const report = await conformance(
    { load, loadTokenizer },
    {
      stories: BUILT_IN,
      onCase: (result) => say(line(result)),
      signal: context.signal,
    },
  )
  await write(values.json ? `${JSON.stringify(report, null, 2)}\n` : summary(report))
  return report.ok ? 0 : 1
}

function line({ name, configurations, problem }: CaseResult): string {
  const how =
    configurations === undefined
      ? ''
      : `, ${configurations} ${configurations === 1 ? 'configuration' : 'configurations'}`
  return problem === undefined ? `✓ ${name}${how}` : `✘ ${name}${how}: ${printable(problem)}`
}

function summary({ ok, hash, isas, threads, missing, tokensPerSecond }: Report): string {
  const lacks = Object.entries(missing).map(([what, why]) => `${what}: ${why}`)
  const lines = [
    `builds ${isas.join(', ')}; threads ${threads.join(', ')}${lacks.length > 0 ? ` (${lacks.join('; ')})` : ''}`,
    `${tokensPerSecond.toFixed(0)} tokens per second`,
    `${ok ? 'same bits as everywhere' : 'NOT AS EVERYWHERE'}: ${hash}`,
  ]
  return `${lines.join('\n')}\n`
}
