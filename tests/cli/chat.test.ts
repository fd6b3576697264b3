/** `cria chat`: commands, conversations that are saved and loaded, what a terminal sends and gets. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MarkdownStyler } from '../../js/cli/markdown.ts'
import { CLI, command, cria, withFolder } from '../cli-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const ECHO = "{% for m in messages %}{{ m['role'][0] + m['content'] + '.' }}{% endfor %}"
const CHAT = ['chat', '-n', '6', '-t', '1', '--chat-template', ECHO]
const talk = (lines: string[], ...args: string[]) =>
  cria([...CHAT, ...args], { input: lines.map((line) => `${line}\n`).join('') })

/** The text after a prompt that is not a chat's. */
async function completion(prompt: string, ...args: string[]): Promise<string> {
  return (await cria(['-p', prompt, '-n', '6', '-t', '1', ...args])).stdout
}

test('a command is answered on stderr, and the model does not hear of it', async () => {
  const { code, stdout, stderr } = await talk(['/foo', '/hepl me', '/help', 'One', '/bye', 'Two'], '--temp', '0')
  assert.equal([code, stdout], [0, await completion('uOne.', '--temp', '0')])
  assert.match(stderr, /no command \/foo\. \/help lists all/)
  assert.match(stderr, /no command \/hepl\. Did you mean \/help\?/)
  for (const name of ['/set', '/show', '/system', '/retry', '/save', '/load', '/reset', '/bye']) {
    assert.match(stderr, new RegExp(`^ +${name} .*\\w`, 'm'))
  }
})

test('two slashes begin a message with one; a path is a message', async () => {
  for (const [line, message] of [
    ['//help', '/help'],
    ['/etc/hosts', '/etc/hosts'],
    ['/ x', '/ x'],
  ] as const) {
    assert.is((await talk([line], '--temp', '0')).stdout, await completion(`u${message}.`, '--temp', '0'), line)
  }
})

test('/set changes settings by any of their names, and refuses others by name', async () => {
  const greedy = await completion('uOne.', '--temp', '0')
  for (const line of ['/set temp 0', '/set temperature 0', '/set --temp 0', '/set TOP_K 1', '/set topK 1']) {
    assert.is((await talk([line, 'One'], '-s', '7')).stdout, greedy, line)
  }
  const { stdout, stderr, code } = await talk(
    ['/set tempp 1', '/set temp', '/set temp hot', '/set seed 7', '/set', 'One'],
    '-s',
    '3',
  )
  assert.equal([code, stdout], [0, await completion('uOne.', '-s', '7')])
  assert.match(stderr, /no setting tempp; there is temp\./)
  assert.match(stderr, /\/set temp takes a value/)
  assert.match(stderr, /--temp takes a number, not "hot"/)
  assert.match(stderr, /^ +seed +7 /m)
  const shifts = await talk(['/set ignore-eos on', '/set', '/set ignore-eos off', '/set'])
  assert.equal(
    [...shifts.stderr.matchAll(/^ +ignore-eos( +true)? /gm)].map(([, on]) => on !== undefined),
    [true, false],
  )
})

test('/system, /show and /reset', async () => {
  const { stdout, stderr } = await talk(
    [
      '/system',
      '/system S',
      'One',
      '/show messages',
      '/reset',
      '/show messages',
      '/system ""',
      '/show system',
      '/show x',
    ],
    '--temp',
    '0',
  )
  assert.is(stdout, await completion('sS.uOne.', '--temp', '0'))
  const answer = stdout.replace(/\n$/, '')
  const shown = [
    'no system message',
    'system: S',
    'user: One',
    `assistant: ${answer}`,
    'system: S',
    'no system message',
  ]
  assert.is(stderr.slice(0, stderr.indexOf('cria:')), `${shown.join('\n')}\n`)
  assert.match(stderr, /\/show takes info, system, template, settings, messages, not "x"/)
  assert.match((await talk(['/show'])).stderr, /model +stories260K\n.*architecture +llama/)
})

test('/retry gives another answer in the place of the last', async () => {
  const { stdout, stderr } = await talk(['/retry', 'One', '/retry', '/show messages'], '-s', '5')
  const [first, second, ...rest] = stdout.split('\n')
  assert.is(`${first}\n`, await completion('uOne.', '-s', '5'))
  assert.equal(rest, [''])
  assert.is.not(first, second)
  assert.match(stderr, /There is no message to answer again/)
  assert.ok(stderr.endsWith(`user: One\nassistant: ${second}\n`), stderr)
})

test('/save and /load keep a conversation; /read puts a file before a message', async () => {
  await withFolder(async (folder) => {
    const file = join(folder, 'talk.json')
    const saved = await talk(['/system S', 'One', `/save ${file}`, `/save ${file}`], '--temp', '0')
    const { model, messages } = JSON.parse(readFileSync(file, 'utf8'))
    assert.is(model, 'stories260K')
    const answer = saved.stdout.replace(/\n$/, '')
    assert.equal(messages, [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: answer },
    ])
    const text = join(folder, 'text.txt')
    writeFileSync(text, 'File')
    const loaded = await talk([`/load ${file}`, `/read ${text}`, 'Two', `/save ${file}`], '--temp', '0')
    assert.is(loaded.stdout, await completion(`sS.uOne.a${answer}.uFile\nTwo.`, '--temp', '0'))
    assert.is(JSON.parse(readFileSync(file, 'utf8')).messages.length, 5)
    const { stderr, code } = await talk([`/save ${file}`, `/load ${text}`, `/load ${folder}/none`, '/save', '/load'])
    assert.is(code, 0)
    for (const problem of [
      /talk\.json exists/,
      /text\.txt is no conversation/,
      /ENOENT/,
      /\/save takes/,
      /\/load takes/,
    ]) {
      assert.match(stderr, problem)
    }
    assert.is(JSON.parse(readFileSync(file, 'utf8')).messages.length, 5)
  })
})

test('the speed is a line where it is asked for', async () => {
  const line = /^\[ Prompt: [\d.]+ t\/s \| Generation: [\d.]+ t\/s \]\n$/
  const { stdout, stderr } = await talk(['One'], '--temp', '0', '--show-timings')
  assert.is(stdout, await completion('uOne.', '--temp', '0'))
  assert.match(stderr, line)
  assert.match((await talk(['/set timings on', 'One', '/set timings off', 'Two'], '--temp', '0')).stderr, line)
  assert.is((await talk(['One'], '--temp', '0')).stderr, '')
})

test('a full context is told, and --context-shift goes on', async () => {
  const full = await cria(['-c', '64', '-t', '1', '--temp', '0'])
  assert.match(full.stderr, /^cria: the context of 64 tokens is full\. -c .*--context-shift/)
  assert.is((await cria(['-c', '64', '-n', '8', '-t', '1', '--temp', '0'])).stderr, '')
  const turns = Array.from({ length: 30 }, (_, i) => `The cat of day ${i}`)
  const { code, stdout, stderr } = await talk(turns, '--temp', '0', '-c', '256', '--context-shift')
  assert.is(code, 0)
  assert.ok(stdout.split('\n').length > turns.length)
  assert.match(stderr, /goes on without its first \d+ messages/)
})

sharedTest('the case of a conversation that outgrows the context', async () => {
  const turns = readFileSync(shared('cases', 'core-39-chat-context-shift', 'turns.txt'), 'utf8')
  const args = ['-c', '256', '--temp', '0', '-n', '30', '-t', '1', '--context-shift', '--chat-template', 'chatml']
  const { code, stdout } = await cria(['chat', ...args], { input: turns })
  const answers = turns.split('\n').filter((line) => line.trim() !== '').length
  assert.is(code, 0)
  assert.ok(stdout.split('\n').length > answers, stdout)
})

/** util-linux's, which gives a command a terminal. */
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false
const terminalTest = hasScript ? test : test.skip

/** Types at the terminal, each text when the prompt stands. */
async function type(texts: string[], ...args: string[]): Promise<string> {
  const quoted = [process.execPath, CLI, ...CHAT, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`)
  const rest = [...texts, '\x04']
  let seen = 0
  const { code, stdout } = await command('script', ['-qec', quoted.join(' '), '/dev/null'], {
    input: null,
    env: { TERM: 'xterm-256color', NO_COLOR: '' },
    onOutput: (child, stdout) => {
      if (stdout.length === seen || !stdout.endsWith('> \x1b[3G')) return
      seen = stdout.length
      child.stdin?.write(rest.shift() ?? '')
    },
  })
  assert.equal([code, rest], [0, []])
  return stdout
}

terminalTest('at a terminal a pasted text is one message, as one in quotes and one of continued lines is', async () => {
  for (const typed of [
    '\x1b[200~a\rb\rc\x1b[201~\r',
    '\x1b[200~a\rb\rc\r\x1b[201~\r',
    '"""a\rb\rc"""\r',
    'a\\\rb\\\rc\r',
  ]) {
    const out = await type([typed, '/show messages\r'], '--temp', '0')
    const whole = /user: a\r\nb\r\nc\r\n(\r\n)?assistant: /.test(out)
    assert.ok(whole, `${JSON.stringify(typed)}: ${JSON.stringify(out)}`)
    assert.is(out.match(/user: /g)?.length, 1)
    assert.ok(out.includes('\x1b[?2004h') && out.endsWith('\x1b[?2004l'), 'asks for marks, and no longer')
  }
})

test('Markdown is styled as it comes, whatever the pieces', () => {
  const plain = (styled: string): string =>
    styled
      .replaceAll('\x1b[0m', '}')
      .replaceAll('\x1b[1m', 'B{')
      .replaceAll('\x1b[2m', 'F{')
      .replaceAll('\x1b[3m', 'I{')
      .replaceAll('\x1b[36m', 'C{')
  for (const [text, styled] of [
    ['plain', 'plain'],
    ['# Head\ntext', 'B{Head}\ntext'],
    ['a **b** `c` *d* _e_ f', 'a B{b} C{c} I{d} I{e} f'],
    ['**a *b* c**', 'B{a I{b}B{ c}'],
    ['`a*b*c`', 'C{a*b*c}'],
    ['snake_case_name 2 * 3 * 4 2*3*4', 'snake_case_name 2 * 3 * 4 2*3*4'],
    ['- a\n* b\n1. c', '• a\n• b\n1. c'],
    ['> q\nt', 'F{│ q}\nt'],
    ['```js\nlet a = *b*\n\n# no\n```\nend', 'F{```js}\nC{let a = *b*}\nC{}\nC{# no}\nF{```}\nend'],
    ['open **bold', 'open B{bold}'],
    ['a **b\nc', 'a B{b}\nc'],
    ['#hashtag -dash', '#hashtag -dash'],
    ['\x1b[2J\ttab', '\\u001b[2J\ttab'],
  ] as const) {
    for (let size = 1; size <= text.length; size++) {
      const styler = new MarkdownStyler()
      let out = ''
      for (let at = 0; at < text.length; at += size) out += styler.push(text.slice(at, at + size))
      assert.is(plain(out + styler.end()), styled, `in pieces of ${size}`)
    }
  }
})

test.run()
