/** `cria`, `cria run`, `cria chat` as their users see them: what goes where, and how they end. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CLI, command, cria } from '../cli-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const COMMANDS = ['run', 'chat', 'inspect', 'tokenize', 'convert', 'quantize', 'perplexity', 'gguf', 'pull', 'models']
const GREEDY = ['--temp', '0']
/** Longer than any test lasts. */
const ENDLESS = ['--ignore-eos', '-c', '20000', '-n', '-1']

/** After Node has started and the command waits; a signal before would end Node itself. */
function interruptSoon(child: ChildProcess): void {
  setTimeout(() => child.kill('SIGINT'), 1500)
}

function lines(text: string): number {
  return text.split('\n').length - 1
}

test('help of every command, and the version', async () => {
  const { code, stdout, stderr } = await cria(['--help'])
  assert.equal([code, stderr], [0, ''])
  for (const name of COMMANDS) {
    assert.match(stdout, new RegExp(`\n {2}${name} `))
    const help = await cria([name, '--help'])
    assert.equal([help.code, help.stderr], [0, ''], name)
    assert.match(help.stdout, /^Usage: cria /)
    for (const line of help.stdout.split('\n')) assert.ok(line.length <= 110, line)
    assert.equal(await cria(['help', name]), help)
    // Help is what whoever got lost asks for.
    assert.equal(await cria([name, '--no-such-flag', '-h']), help)
  }
  assert.equal(await cria(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('wrong usage: exit code 2, one line that names the fault and help, nothing on stdout', async () => {
  const wrong: [args: string[], fault: RegExp][] = [
    [['--foo'], /--foo\b.*cria --help/],
    [['run', '-n', 'many'], /--predict\b.*"many".*cria run --help/],
    [['frobnicate'], /frobnicate.*cria --help/],
    [['run', 'a prompt'], /"a prompt".*-p/],
    [['chat', 'hello'], /-p: "hello"/],
    [['-p', 'a', '-f', 'b'], /--prompt.*--file/],
    [['-p', 'a', '-sys', 'b'], /--system-prompt.*--chat/],
    [['-p', 'a', '--chat-template', 'chatml'], /--chat-template.*--chat/],
    [['--chat', '-p', 'a', '--no-parse-special'], /--no-parse-special.*--chat/],
    [['chat', '--no-parse-special'], /--no-parse-special/],
    [['--chat', '-p', ''], /--chat.*message/],
    [['-m', 'a.gguf', '-hf', 'b/c:d.gguf'], /a\.gguf.*b\/c:d\.gguf/],
    [['-p', '', '--repeat-penalty', '0'], /--repeat-penalty.*"0"/],
    [['-p', '', '--keep', '99999999'], /--keep.* from -1 to 16777216/],
    ...['run', 'inspect', 'serve', 'perplexity'].map((name): [string[], RegExp] => [
      [name, '-c', '99999999'],
      /--ctx-size.* to 16777216/,
    ]),
    [['-hf', 'b', '-p', ''], /--hf-repo.*OWNER\/REPO.*not b/],
    [['--hf-token', 'x', '-m', 'https://example.com/a.gguf', '-p', ''], /--hf-token.*hub/],
    [['inspect', 'a', 'b'], /one FILE/],
    [['tokenize', '-p', 'a', '--stdin'], /--prompt.*--stdin/],
    [['convert', 'a'], /CHECKPOINT\.bin TOKENIZER\.bin OUT\.gguf/],
    [['convert', 'a', 'b', 'c', '--outtype', 'q8_0'], /f32 or f16, not q8_0/],
  ]
  for (const [args, fault] of wrong) {
    const { code, stdout, stderr } = await cria(args)
    assert.equal([code, stdout, lines(stderr)], [2, '', 1], `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, /^cria: /)
    assert.match(stderr, fault)
  }
})

test('what fails: exit code 1, one line with a code, a stack only when asked for', async () => {
  for (const args of [['run', '-p', ''], ['chat'], ['inspect'], ['tokenize', '-p', 'a']]) {
    const { code, stdout, stderr } = await cria([...args, '-m', 'no/such/model.gguf'])
    assert.equal([code, stdout, lines(stderr)], [1, '', 1], stderr)
    assert.match(stderr, /^cria: .*no\/such\/model\.gguf.*\(FILE_NOT_FOUND\)\n$/)
  }
  const prompt = await cria(['-f', 'no/such/prompt.txt'])
  assert.equal([prompt.code, prompt.stdout], [1, ''])
  assert.match(prompt.stderr, /^cria: .*no\/such\/prompt\.txt/)
  const { stderr } = await cria(['-p', '', '-m', 'no/such/model.gguf'], { env: { CRIA_DEBUG: '1' } })
  assert.match(stderr, /\n +at /)
})

sharedTest('npm start tells the exact story', async () => {
  const { text } = JSON.parse(readFileSync(shared('goldens', 'stories260K.greedy.json'), 'utf8'))
  const start: string = JSON.parse(readFileSync('package.json', 'utf8')).scripts.start
  const args = start.split('node dist/cli.js ')[1]!.split(' ')
  assert.equal(await cria(args), { code: 0, stdout: `${text}\n`, stderr: '' })
})

test('a prompt comes from -p, a file or stdin, and is not repeated unless asked for', async () => {
  const args = [...GREEDY, '-n', '12']
  const told = await cria([...args, '-p', 'Tim went'])
  assert.equal([told.code, told.stderr], [0, ''])
  assert.match(told.stdout, /^ \w.*\n$/)
  for (const input of ['Tim went', 'Tim went\n', 'Tim went\r\n']) {
    assert.equal(await cria(args, { input }), told)
    assert.equal(await cria(['run', ...args], { input }), told)
    assert.equal(await cria(['run', ...args, '-f', '-'], { input }), told)
  }
  const shown = await cria(['run', ...args, '--display-prompt'], { input: 'Tim went' })
  assert.is(shown.stdout, `Tim went${told.stdout}`)
  assert.not.equal(await cria([...args, '-p', 'Tom went']), told)
  // -p wins over what is piped in: nobody looks at stdin then.
  assert.equal(await cria([...args, '-p', 'Tim went'], { input: null }), told)
})

test('a pipe that never gives anything does not keep a bare cria waiting', async () => {
  const args = [...GREEDY, '-n', '12']
  const silent = await cria(args, { input: null })
  assert.equal([silent.code, silent.stdout], [0, (await cria([...args, '-p', ''])).stdout])
  assert.match(silent.stderr, /stdin gave nothing/)
})

test('options reach the sampler: seed, bias, stop texts', async () => {
  const prompt = ['-p', 'Once', '-n', '20']
  const seeded = await cria([...prompt, '-s', '7', '--temp', '1.5'])
  assert.is(seeded.code, 0)
  assert.equal(await cria([...prompt, '-s', '7', '--temp', '1.5', '-t', '1', '-b', '1', '--isa', 'simd']), seeded)
  assert.not.equal(await cria([...prompt, '-s', '8', '--temp', '1.5']), seeded)
  assert.equal(await cria([...prompt, '-s', '7', '--temp', '1.5', '-t', '-1', '-c', '0']), seeded)
  assert.is((await cria([...prompt, '-n', '2', '-sp', '-l', '1+1000', '--temp', '0'])).stdout, '<s><s>\n')
  const greedy = await cria([...prompt, ...GREEDY])
  assert.equal(await cria([...prompt, '-s', '7', '--top-k', '1']), greedy)
  const word = greedy.stdout.trim().split(' ')[2]!
  const stopped = await cria([...prompt, ...GREEDY, '-r', word])
  assert.is(stopped.stdout, `${greedy.stdout.slice(0, greedy.stdout.indexOf(word))}\n`)
  const { ids } = JSON.parse((await cria([...prompt, ...GREEDY, '--json'])).stdout)
  const banned = JSON.parse((await cria([...prompt, ...GREEDY, '--json', '-l', `${ids[0]}-inf`])).stdout)
  assert.not.ok(banned.ids.includes(ids[0]))
  const bad = await cria([...prompt, '-l', '512+1'])
  assert.equal([bad.code, bad.stdout], [1, ''])
  assert.match(bad.stderr, /--logit-bias.*511/)
})

test('--json gives one object, --verbose speaks on stderr alone', async () => {
  const args = ['-p', 'Once', '-n', '12', ...GREEDY]
  const plain = await cria(args)
  const result = JSON.parse((await cria([...args, '--json', '-s', '3'])).stdout)
  assert.is(`${result.text}\n`, plain.stdout)
  assert.equal([result.prompt, result.ids.length, result.completionTokens], ['Once', 12, 12])
  assert.equal([result.finishReason, result.seed], ['length', 3])
  const verbose = await cria([...args, '-v', '-s', '3'])
  assert.is(verbose.stdout, plain.stdout)
  for (const told of ['stories260K', '512 tokens', 'seed: 3', 'generation: 12 tokens']) {
    assert.ok(verbose.stderr.includes(told), told)
  }
})

test('--no-parse-special makes plain text of special tokens', async () => {
  const told = async (...args: string[]) =>
    JSON.parse((await cria(['-p', '</s>', '-n', '1', '--json', ...args])).stdout)
  assert.equal([(await told()).promptTokens, (await told('--no-parse-special')).promptTokens], [2, 6])
})

test('--chat applies the template', async () => {
  const args = ['-p', 'Hello', '--chat', '-sys', 'Be kind.', '-n', '5', ...GREEDY]
  const echo = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + ' ' }}{% endfor %}"
  const { code, stdout, stderr } = await cria([...args, '--chat-template', echo])
  assert.equal([code, stderr], [0, ''])
  assert.is(stdout, (await cria(['-p', 'system: Be kind. user: Hello ', '-n', '5', ...GREEDY])).stdout)
  assert.match((await cria([...args, '--chat-template', 'nonsense'])).stderr, /nonsense.*INVALID_TEMPLATE/)
})

test('a conversation has llama.cpp’s variables of the template, and those of --chat-template-kwargs', async () => {
  const template = "{{ raise_exception('%s|%s' % (date_string | length, preserve_thinking)) }}"
  const kwargs = ['--chat-template-kwargs', '{"preserve_reasoning": false, "date_string": "x"}']
  for (const [command, input] of [
    [['-p', 'Hello', '--chat'], ''],
    [['chat'], 'Hello\n'],
  ] as const) {
    const args = [...command, '-n', '1', ...GREEDY, '--chat-template', template]
    assert.match((await cria(args, { input })).stderr, '11|True')
    assert.match((await cria([...args, ...kwargs], { input })).stderr, 'messages: 1|False')
  }
})

test('Ctrl-C ends the line and the process, with exit code 130', async () => {
  let signalled = false
  const { code, stdout, stderr } = await cria(['-p', 'Once', ...ENDLESS, ...GREEDY], {
    onOutput: (child, stdout) => {
      if (!signalled && stdout.length > 20) signalled = child.kill('SIGINT')
    },
  })
  assert.is(code, 130)
  assert.match(stdout, /^ upon a time.*\n$/s)
  assert.not.match(stderr, /cria: (?!warning)/)
})

test('Ctrl-C ends waiting for stdin', async () => {
  for (const name of ['run', 'chat']) {
    const { code, stdout, stderr } = await cria([name], { input: null, onStart: interruptSoon })
    assert.equal([code, stdout, stderr], [130, '', ''], name)
  }
})

test('Ctrl-C ends a chat that is not at a terminal', async () => {
  const { code } = await cria(['chat', '-p', 'Hello', ...ENDLESS], {
    input: null,
    onOutput: (child) => child.kill('SIGINT'),
  })
  assert.is(code, 130)
})

test('a reader that leaves ends it quietly', async () => {
  const { code, stderr } = await cria(['-p', 'Once', ...ENDLESS], {
    onOutput: (child) => child.stdout?.destroy(),
  })
  assert.is(code, 0)
  assert.not.match(stderr, /EPIPE|Error/)
})

test('chat answers one message a line where it is not at a terminal, and remembers', async () => {
  const echo = "{% for m in messages %}{{ m['role'][0] + m['content'] + '.' }}{% endfor %}"
  const args = ['chat', '-n', '6', ...GREEDY, '--chat-template', echo]
  const { code, stdout, stderr } = await cria([...args, '-sys', 'S'], { input: 'One\n\nTwo' })
  assert.equal([code, stderr], [0, ''])
  const [first, ...rest] = stdout.split('\n')
  assert.is(first, (await cria(['-p', 'sS.uOne.', '-n', '6', ...GREEDY])).stdout.replace(/\n$/, ''))
  const second = await cria(['-p', `sS.uOne.a${first}.uTwo.`, '-n', '6', ...GREEDY])
  assert.is(rest.join('\n'), second.stdout)
  assert.equal(await cria([...args, '-sys', 'S', '-p', 'One'], { input: 'Two\n' }), { code, stdout, stderr })
})

/** util-linux's, which gives a command a terminal. */
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false
const terminalTest = hasScript ? test : test.skip

terminalTest('chat at a terminal: Ctrl-C stops the answer, Ctrl-D leaves', async () => {
  const talk = [process.execPath, CLI, 'chat', ...ENDLESS, '--chat-template', "'{{ messages[0].content }}'"].join(' ')
  const keys = ['Hello\r', '\x03', '/reset\r', '\x04']
  let seen = 0
  const { code, stdout } = await command('script', ['-qec', talk, '/dev/null'], {
    input: null,
    onOutput: (child, stdout) => {
      // Each key when what it answers to has come: the prompt, or some text of the answer.
      const due = keys[0] === '\x03' ? stdout.length > seen + 200 : stdout.length > seen && stdout.endsWith('> \x1b[3G')
      if (!due) return
      seen = stdout.length
      child.stdin?.write(keys.shift()!)
    },
  })
  assert.equal([code, keys], [0, []])
  assert.match(stdout, /Hello\r+\n.{100,}\r\n.*> .*\/reset/s)
})

test.run()
