/** The tables of flags: spelling, values, help. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  choice,
  either,
  integer,
  list,
  number,
  or,
  readBias,
  readHeader,
  text,
  texts,
  threads,
  toggle,
  UsageError,
} from '../../js/cli/flags.ts'
import { neutral, refused, refusedBut } from '../../js/cli/foreign.ts'
import { commandHelp } from '../../js/cli/help.ts'
import { inFlags } from '../../js/cli/in-flags.ts'
import { csv, readOverrides } from '../../js/cli/overrides.ts'
import { parse } from '../../js/cli/parse.ts'
import { readEscapes } from '../../js/cli/prompt.ts'

const flags = {
  model: text('-m --model', 'FILE', 'a file'),
  count: integer('-n --predict --n-predict', 'how many', -2),
  temp: number('--temp', 'temperature'),
  topP: number('--top-p', 'share', 0, 1),
  kv: choice('--kv -ctk', ['f32', 'f16'], 'type'),
  threads: threads('threads'),
  stop: texts('-r --reverse-prompt', 'TEXT', 'stop'),
  bias: list('-l --logit-bias', 'ID(+/-)BIAS', 'bias', readBias),
  header: list('--header', 'H', 'header', readHeader),
  json: toggle('--json', 'JSON'),
  shift: either('--context-shift', '--no-context-shift', 'shift'),
}

function values(...args: string[]): Record<string, unknown> {
  const { values } = parse(args, flags)
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

test('flags are read in every spelling', () => {
  assert.equal(values(), {})
  assert.equal(values('-n', '5'), { count: 5 })
  assert.equal(values('-n=5'), { count: 5 })
  assert.equal(values('--n-predict', '-1'), { count: -1 })
  assert.equal(values('--predict=-1'), { count: -1 })
  assert.equal(values('-ctk', 'f32', '--json'), { kv: 'f32', json: true })
  assert.equal(values('-m', '-odd=name'), { model: '-odd=name' })
  assert.equal(values('--model=a=b'), { model: 'a=b' })
  assert.equal(values('--model='), { model: '' })
  assert.equal(values('-m', ''), { model: '' })
  assert.equal(values('--temp', '-.5e1', '--top-p', '1'), { temp: -5, topP: 1 })
  assert.equal(values('-t', 'auto'), { threads: 'auto' })
  assert.equal(values('-t', '0'), { threads: 'auto' })
  assert.equal(values('-t', '-1'), { threads: 'auto' })
  assert.equal(values('-t', '96'), { threads: 64 })
  assert.equal(values('--n_predict', '5', '--top_p=0.5'), { count: 5, topP: 0.5 })
  assert.equal(values('--context-shift'), { shift: true })
  assert.equal(values('--context-shift', '--no-context-shift'), { shift: false })
})

test('the last one counts, lists keep all', () => {
  assert.equal(values('-n', '5', '--predict', '6'), { count: 6 })
  assert.equal(values('-r', 'a', '--reverse-prompt', '-b'), { stop: ['a', '-b'] })
  assert.equal(values('-l', '5+1.5', '-l', '6-inf', '-l', '7-.5'), {
    bias: [
      [5, 1.5],
      [6, -Infinity],
      [7, -0.5],
    ],
  })
  assert.equal(values('--header', 'A: b: c', '--header', 'D:e'), {
    header: [
      ['A', 'b: c'],
      ['D', 'e'],
    ],
  })
})

test('what is no flag is positional, and all after --', () => {
  const { values, positionals } = parse(['a', '--json', '-', '--', '-n', '--foo'], flags)
  assert.equal(positionals, ['a', '-', '-n', '--foo'])
  assert.is(values.json, true)
})

test('errors name the flag and the value', () => {
  const wrong: [args: string[], message: RegExp][] = [
    [['--foo'], /no option --foo\./],
    [['--foo=1'], /no option --foo\./],
    [['-x'], /no option -x\./],
    [['-1'], /no option -1;.* after --\./],
    [['-nm'], /no option -nm\./],
    [['-n'], /--predict.*missing/],
    [['-n', '1.5'], /--predict takes a whole number of at least -2, not "1\.5"/],
    [['-n', '-3'], /--predict.*"-3"/],
    [['-n', '0x10'], /--predict.*"0x10"/],
    [['-n', ''], /--predict.*""/],
    [['-n', '99999999999'], /--predict takes a whole number from -2 to 2147483647, not "99999999999"/],
    [['--temp', 'hot'], /--temp takes a number, not "hot"/],
    [['--temp', 'Infinity'], /--temp/],
    [['--temp', '1e999'], /--temp/],
    [['--temp', '1e39'], /--temp/],
    [['--top-p', '1.1'], /--top-p takes a number from 0 to 1, not "1\.1"/],
    [['-ctk', 'q8_0'], /--kv takes f32 or f16, not "q8_0"/],
    [['-t', 'few'], /--threads takes auto or a whole number, not "few"/],
    [['--tmep', '1'], /There is no option --tmep\. Did you mean --temp\?/],
    [['-l', '5'], /--logit-bias.*"5"/],
    [['-l', '-5+1'], /--logit-bias/],
    [['-l', '5+inf'], /--logit-bias/],
    [['--header', 'A'], /--header.*"A"/],
    [['--json=yes'], /--json.*argument/],
    [['--context-shift=1'], /--context-shift.*argument/],
  ]
  for (const [args, message] of wrong) {
    assert.throws(
      () => parse(args, flags),
      (error: unknown) => error instanceof UsageError && message.test(error.message),
      args.join(' '),
    )
  }
})

const FOREIGN = [
  ...neutral('why', '-ngl --n-gpu-layers:1=LLAMA_ARG_N_GPU_LAYERS', '--mlock', '--range:2'),
  ...refused('do this instead', '--lora:1=LLAMA_ARG_LORA', '--rerank=LLAMA_ARG_RERANKING'),
  ...refusedBut(['0'], 'there is none', '--mirostat:1'),
  { names: ['-fa'], values: 1, optional: ['on', 'off'], reason: 'why', refused: false },
]
const VARIABLES = {
  model: or('LLAMA_ARG_MODEL', text('-m --model', 'FILE', 'a file')),
  hfRepo: or('LLAMA_ARG_HF_REPO', text('-hf', 'REPO', 'a repository')),
  topK: or('LLAMA_ARG_TOP_K', integer('--top-k', 'k', 0)),
  json: or('LLAMA_ARG_JSON', toggle('--json', 'JSON')),
  shift: or('LLAMA_ARG_CONTEXT_SHIFT', either('--context-shift', '--no-context-shift', 'shift')),
}

function given(args: string[], env: Record<string, string> = {}) {
  const { values, ...rest } = parse(args, VARIABLES, { foreign: FOREIGN, env })
  return { values: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)), ...rest }
}

test('flags that change nothing take their values along, and are named', () => {
  const args = ['-ngl', '99', 'a', '--mlock', '--range', '1', '2', '-fa', 'on', '-fa', '-ngl=3', '--top-k', '4', '-fa']
  const { values, positionals, neutral } = given(args)
  assert.equal(values, { topK: 4 })
  assert.equal(positionals, ['a'])
  assert.equal(neutral, ['-ngl', '--mlock', '--range', '-fa'])
  assert.equal(given(['--mirostat', '0.0']).neutral, ['--mirostat'])
})

test('flags that are refused say what to do', () => {
  assert.throws(() => given(['--lora', 'x']), /--lora is not supported: do this instead\./)
  assert.throws(() => given(['--mirostat', '2']), /--mirostat is not supported: there is none\./)
  assert.throws(() => given(['--range', '1']), /--range takes a value, which is missing/)
  assert.throws(() => given([], { LLAMA_ARG_LORA: 'x' }), /LLAMA_ARG_LORA is not supported: do this instead\./)
  assert.throws(() => given([], { LLAMA_ARG_RERANKING: '1' }), /LLAMA_ARG_RERANKING is not supported/)
})

test('variables stand for flags that are not there', () => {
  const env = { LLAMA_ARG_TOP_K: '7', LLAMA_ARG_JSON: 'on', LLAMA_ARG_CONTEXT_SHIFT: 'off', LLAMA_ARG_MODEL: '' }
  const { values, variables, overridden } = given([], env)
  assert.equal(values, { topK: 7, json: true, shift: false })
  assert.equal(Array.from(variables).sort(), [
    ['json', 'LLAMA_ARG_JSON'],
    ['shift', 'LLAMA_ARG_CONTEXT_SHIFT'],
    ['topK', 'LLAMA_ARG_TOP_K'],
  ])
  assert.equal(overridden, [])
  assert.equal(given([], { LLAMA_ARG_NO_CONTEXT_SHIFT: 'x', LLAMA_ARG_JSON: 'off' }).values, { shift: false })
  assert.equal(given([], { LLAMA_ARG_N_GPU_LAYERS: '9', LLAMA_ARG_RERANKING: '0' }).neutral, ['LLAMA_ARG_N_GPU_LAYERS'])
  assert.throws(() => given([], { LLAMA_ARG_TOP_K: 'x' }), /LLAMA_ARG_TOP_K takes a whole number.*"x"/)
  assert.throws(() => given([], { LLAMA_ARG_CONTEXT_SHIFT: 'maybe' }), /LLAMA_ARG_CONTEXT_SHIFT takes on.*"maybe"/)
})

test('the command line counts more than variables, of its rivals too', () => {
  const env = { LLAMA_ARG_TOP_K: '7', LLAMA_ARG_MODEL: 'a.gguf' }
  const { values, overridden } = given(['--top-k', '8', '-hf', 'b/c'], env)
  assert.equal(values, { topK: 8, hfRepo: 'b/c' })
  assert.equal(overridden, [
    { env: 'LLAMA_ARG_MODEL', name: '-hf' },
    { env: 'LLAMA_ARG_TOP_K', name: '--top-k' },
  ])
})

test('metadata are overridden as llama.cpp writes it', () => {
  assert.equal(readOverrides('a.b=int:-3,c=float:1e-5,d=bool:true,e=str:x=y:z', '-k'), [
    { key: 'a.b', type: 'uint32', value: -3 },
    { key: 'c', type: 'float32', value: 1e-5 },
    { key: 'd', type: 'bool', value: true },
    { key: 'e', type: 'string', value: 'x=y:z' },
  ])
  assert.equal(readOverrides('"a=str:x, y",b=str:"q"', '-k'), [
    { key: 'a', type: 'string', value: 'x, y' },
    { key: 'b', type: 'string', value: '"q"' },
  ])
  assert.equal(csv('"a ""b""",c,'), ['a "b"', 'c', ''])
  for (const wrong of ['', 'a', 'a=1', 'a=int:x', 'a=bool:yes', 'a=double:1', `a=str:${'x'.repeat(128)}`, '=int:1']) {
    assert.throws(() => readOverrides(wrong, '--override-kv'), /--override-kv takes KEY=TYPE:VALUE/, wrong)
  }
})

test('messages name flags, not options', () => {
  const pairs = {
    "Use kv: 'f16'.": 'Use --kv f16.',
    "Use threads: 1 or 'auto'.": 'Use --threads 1 or auto.',
    'topK must be an integer from -1 to 5, not 9.': '--top-k must be an integer from -1 to 5, not 9.',
    'logitBias[5] must be a finite number': '--logit-bias[5] must be a finite number',
    'Every token is banned: allow some in logitBias.': 'Every token is banned: allow some in --logit-bias.',
    'Give another with the option template.': 'Give another with --chat-template.',
    'pass them with the option headers or token.': 'pass them with --header or --hf-token.',
    'allow it (allowRequantize, --allow-requantize)': 'allow it (--allow-requantize)',
    'Use a shorter context or a smaller quantization.': 'Use a shorter context (--ctx-size) or a smaller quantization.',
    'The context of 5 tokens is full.': 'The context of 5 tokens is full.',
  }
  for (const [message, expected] of Object.entries(pairs)) assert.is(inFlags(message), expected)
})

test('help lists every flag, within 100 columns', () => {
  const help = commandHelp({
    name: 'x',
    summary: '',
    usage: 'x',
    description: ['What it does.'],
    groups: [
      ['First', { ...flags, long: toggle('--long', 'word '.repeat(60).trim()) }],
      ['Second', { wide: text('--a-flag-with-a-very-long-name', 'SOMETHING', 'help') }],
    ],
    examples: ['cria x'],
    flags,
    run: async () => 0,
  })
  for (const name of Object.values(flags).flatMap((flag) => flag.names)) assert.ok(help.includes(name), name)
  assert.match(help, /--predict, --n-predict N +how many/)
  assert.match(help, /--a-flag-with-a-very-long-name SOMETHING\n {34}help/)
  assert.is(help.match(/word/g)?.length, 60)
  for (const line of help.split('\n')) assert.ok(line.length <= 100, line)
})

test('escapes are read as llama.cpp reads them', () => {
  assert.is(readEscapes(String.raw`a\nb\tc\\n\'\"\r`), 'a\nb\tc\\n\'"\r')
  assert.is(readEscapes(String.raw`\x41\xc3\xa9`), 'Aé')
  assert.is(readEscapes(String.raw`\q \N \x4 \ `), String.raw`\q \N \x4 \ `)
})

test.run()
