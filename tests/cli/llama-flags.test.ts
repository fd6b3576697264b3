/**
 * Every flag of llama.cpp's tools, from its own lists (tests/llama-names.ts), is obeyed by the command for the same, accepted with a
 * note, or refused by name.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Command } from '../../js/cli/command.ts'
import { COMMANDS } from '../../js/cli/commands.ts'
import { UsageError } from '../../js/cli/flags.ts'
import { parse } from '../../js/cli/parse.ts'
import { flagsOf, LLAMA, type LlamaFlag } from '../llama-names.ts'

/** The commands, and the tools of llama.cpp that they stand for. */
const TOOLS: Record<string, string[]> = {
  run: ['completion', 'cli'],
  chat: ['cli'],
  serve: ['server'],
  perplexity: ['perplexity'],
  imatrix: ['imatrix'],
  tokenize: ['tokenize'],
}

/** Values that flags take where they do not take 1. */
const VALUES: Record<string, string> = {
  '--ctx-size': '64',
  '--color': 'on',
  '--chat-template-kwargs': '{"a":1}',
  '--reasoning': 'off',
  '--reasoning-format': 'deepseek',
  '--cache-type-k': 'f16',
  '--cache-type-v': 'f16',
  '--rope-scaling': 'linear',
  '--samplers': 'top_k;temperature',
  '--sampler-seq': 'kt',
  '--adaptive-decay': '0.5',
  '--logit-bias': '5+1',
  '--override-kv': 'a=int:1',
  '--output-format': 'gguf',
  '--pooling': 'last',
  '--embd-normalize': '2',
  '--tensor-type': 'a=q8_0',
  '--output': 'md',
  '-pg': '1,2',
  '--outtype': 'f16',
}

type Verdict = 'obeyed' | 'neutral' | 'refused'

/** What becomes of the flag, or the message of an error that does not name it as unsupported. */
function verdictOf(command: Command, args: string[], env: Record<string, string> = {}): Verdict | string {
  const { flags, foreign = [] } = command
  try {
    const { values, neutral } = parse(args, flags, { foreign, env })
    if (neutral.length > 0) return 'neutral'
    return Object.values(values).some((value) => value !== undefined) ? 'obeyed' : 'nothing came of it'
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const [name = Object.keys(env)[0]!] = args
    return error.message.startsWith(`${name} is not supported: `) ? 'refused' : error.message
  }
}

function commandOf(name: string): Command {
  return COMMANDS.find((command) => command.name === name)!
}

function valuesOf(names: readonly string[], count: number): string[] {
  const value = names.map((name) => VALUES[name]).find((found) => found !== undefined) ?? '1'
  return Array.from({ length: count }, () => value)
}

/** Flags that end the command before it begins. */
const FIRST = ['--version', '-h', '--help', '--usage']

for (const [name, tools] of Object.entries(TOOLS)) {
  const command = commandOf(name)
  const flags = flagsOf(...tools)

  test(`cria ${name}: every flag of llama-${tools.join(' and llama-')}`, () => {
    const wrong: string[] = []
    const seen = { obeyed: 0, neutral: 0, refused: 0 }
    for (const { names, negated = [], values } of flags) {
      for (const flag of [...names, ...negated].filter((one) => !FIRST.includes(one))) {
        const verdict = verdictOf(command, [flag, ...valuesOf(names, values)])
        if (verdict in seen) seen[verdict as Verdict]++
        else wrong.push(`${flag}: ${verdict}`)
      }
    }
    assert.equal(wrong, [])
    for (const count of Object.values(seen)) assert.ok(count > 5, JSON.stringify(seen))
  })

  test(`cria ${name}: every variable`, () => {
    assert.is(command.environment, true)
    const wrong: string[] = []
    for (const flag of flags.filter(({ env }) => env !== undefined && env !== 'HF_TOKEN')) {
      const [typed, variable] = bothWays(command, flag)
      if (typed !== variable) wrong.push(`${flag.env}: ${variable}, and ${flag.names[0]}: ${typed}`)
    }
    assert.equal(wrong, [])
  })
}

/** What becomes of the flag on the command line and as a variable. */
function bothWays(command: Command, { names, values, env }: LlamaFlag): [typed: string, variable: string] {
  const args = [names.at(-1)!, ...valuesOf(names, values)]
  return [
    verdictOf(command, args),
    verdictOf(command, [], { [env!]: values === 0 ? '1' : valuesOf(names, values)[0]! }),
  ]
}

/** Of tools with flags of their own, those that take no value. */
const SWITCHES = {
  quantize: ['--leave-output-tensor', '--dry-run', '--allow-requantize', '--pure', '--keep-split'],
  gguf: ['--dry-run', '--no-tensor-first-split', '--merge', '--split', '--delete-splits'],
  bench: ['--offline', '--list-devices', '-v', '--verbose', '--progress', '--no-warmup'],
  convert: [
    '--vocab-only',
    '--bigendian',
    '--use-temp-file',
    '--no-lazy',
    '--verbose',
    '--dry-run',
    '--no-tensor-first-split',
    '--print-supported-models',
    '--remote',
    '--mmproj',
    '--mtp',
    '--no-nextn',
    '--no-mtp',
    '--dspark',
    '--mistral-format',
    '--disable-mistral-community-chat-template',
    '--sentence-transformers-dense-modules',
    '--fuse-gate-up-exps',
    '--fp8-as-q8',
    '--fuse-qkv',
  ],
}
const LISTS = { quantize: LLAMA.quantize, gguf: LLAMA['gguf-split'], bench: LLAMA.bench, convert: LLAMA.convert }

for (const [name, switches] of Object.entries(SWITCHES)) {
  test(`cria ${name}: every flag of its tool`, () => {
    const wrong: string[] = []
    for (const names of LISTS[name as keyof typeof LISTS]) {
      for (const flag of names.filter((one) => !FIRST.includes(one))) {
        const verdict = verdictOf(commandOf(name), [flag, ...valuesOf(names, switches.includes(flag) ? 0 : 1)])
        if (!['obeyed', 'neutral', 'refused'].includes(verdict)) wrong.push(`${flag}: ${verdict}`)
      }
    }
    assert.equal(wrong, [])
  })
}

test('the flags that issue 16 names change nothing', () => {
  const args = '-ngl 99 -fa --mlock --no-mmap --jinja -no-cnv -ub 512 --no-warmup --numa distribute'.split(' ')
  const { neutral } = parse(args, commandOf('run').flags, { foreign: commandOf('run').foreign ?? [] })
  assert.equal(
    neutral,
    args.filter((arg) => arg.startsWith('-')),
  )
})

test('a flag has one verdict in a command', () => {
  for (const { name, flags, foreign = [] } of COMMANDS) {
    const own = Object.values(flags).flatMap(({ names, negated = [] }) => [...names, ...negated])
    assert.equal(
      own.filter((one, i) => own.indexOf(one) !== i),
      [],
      name,
    )
    assert.equal(
      foreign.flatMap(({ names }) => names).filter((one) => own.includes(one) && name !== 'bench'),
      [],
      name,
    )
  }
})

test.run()
