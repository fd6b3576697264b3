/** The tables of flags: spelling, values, help. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  choice,
  integer,
  integerOrAuto,
  list,
  number,
  parse,
  readBias,
  readHeader,
  text,
  texts,
  toggle,
  UsageError,
} from '../../js/cli/flags.ts'
import { commandHelp } from '../../js/cli/help.ts'
import { readEscapes } from '../../js/cli/prompt.ts'

const flags = {
  model: text('-m --model', 'FILE', 'a file'),
  count: integer('-n --predict --n-predict', 'how many', -2),
  temp: number('--temp', 'temperature'),
  topP: number('--top-p', 'share', 0, 1),
  kv: choice('--kv -ctk', ['f32', 'f16'], 'type'),
  threads: integerOrAuto('-t --threads', 'threads', 1, 64),
  stop: texts('-r --reverse-prompt', 'TEXT', 'stop'),
  bias: list('-l --logit-bias', 'ID(+/-)BIAS', 'bias', readBias),
  header: list('--header', 'H', 'header', readHeader),
  json: toggle('--json', 'JSON'),
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
    [['-t', '0'], /--threads takes auto or a whole number from 1 to 64/],
    [['-l', '5'], /--logit-bias.*"5"/],
    [['-l', '-5+1'], /--logit-bias/],
    [['-l', '5+inf'], /--logit-bias/],
    [['--header', 'A'], /--header.*"A"/],
    [['--json=yes'], /--json.*argument/],
  ]
  for (const [args, message] of wrong) {
    assert.throws(
      () => parse(args, flags),
      (error: unknown) => error instanceof UsageError && message.test(error.message),
      args.join(' '),
    )
  }
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
