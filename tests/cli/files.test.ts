/** `cria inspect`, `cria tokenize`, `cria convert`. */
import { copyFileSync, cpSync, existsSync, linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria, withFolder } from '../cli-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const MODEL = 'models/stories260K.gguf'
const SIZE = readFileSync(MODEL).length

async function json(...args: string[]) {
  const { code, stdout, stderr } = await cria([...args, '--json'])
  assert.equal([code, stderr], [0, ''], args.join(' '))
  return JSON.parse(stdout)
}

test('inspect --json holds metadata, tensors, types and memory', async () => {
  const told = await json('inspect', MODEL)
  assert.equal([told.file, told.version, told.fileBytes], [MODEL, 3, SIZE])
  assert.is(told.metadata['general.name'], 'stories260K')
  assert.equal(told.metadata['tokenizer.ggml.tokens'].length, 512)
  assert.equal(told.metadata['tokenizer.ggml.tokens'].first.slice(0, 3), ['<unk>', '<s>', '</s>'])
  assert.equal(told.tensors[0].dimensions, [64, 512])
  const sum = (items: { bytes: number }[]) => items.reduce((total, { bytes }) => total + bytes, 0)
  assert.is(sum(told.types), sum(told.tensors))
  const { memory } = told
  assert.is(memory.total, memory.weights + memory.kv + memory.buffers)
  assert.equal([memory.context, memory.kvType], [512, 'f16'])
  const full = await json('inspect', '-m', MODEL, '--full', '-c', '256', '--kv', 'f32')
  assert.is(full.metadata['tokenizer.ggml.tokens'].length, 512)
  assert.is(full.metadata['tokenizer.ggml.tokens'][1], '<s>')
  // Half the positions of twice the size.
  assert.equal([full.memory.context, full.memory.kvType, full.memory.kv], [256, 'f32', memory.kv])
})

test('the memory that inspect foretells is the memory that run takes', async () => {
  for (const options of [[], ['-c', '100', '--kv', 'f32', '-t', '1', '-b', '7']]) {
    const { memory } = await json('inspect', ...options)
    const { stderr } = await cria(['-p', '', '-n', '1', '-v', ...options])
    const [, size, unit] = /, ([\d.]+) ([KM]iB) of memory/.exec(stderr)!
    const bytes = Number(size) * (unit === 'MiB' ? 1048576 : 1024)
    assert.ok(Math.abs(memory.total - bytes) < 0.006 * memory.total, `${memory.total} ${bytes}`)
  }
})

test('inspect prints aligned tables of printable text', async () => {
  const { code, stdout, stderr } = await cria(['inspect', MODEL])
  assert.equal([code, stderr], [0, ''])
  assert.match(stdout, new RegExp(`^${MODEL}: GGUF version 3, ${SIZE} bytes`))
  assert.match(stdout, /\n {2}tokenizer\.ggml\.tokens +string\[512\] +\["<unk>", .* … 507 more\]\n/)
  assert.match(stdout, /layer_norm_rms_epsilon +number +0\.00001\n/)
  for (const part of ['Metadata', 'Tensors', 'Types', 'Memory at a context of 512 tokens'])
    assert.ok(stdout.includes(part))
  const rows = stdout.split('\n').filter((line) => /^ {2}blk\./.test(line))
  assert.ok(rows.length > 40)
  assert.is(new Set(rows.map((row) => row.length)).size, 1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  assert.not.match((await cria(['inspect', MODEL, '--full'])).stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

sharedTest('inspect reads every file there is, also those that cannot run', async () => {
  const folders = ['models', 'vectors/tokenizers', 'goldens/tiny', 'goldens/types', 'goldens/experts']
  const files = folders.flatMap((folder) => readdirSync(shared(folder)).map((file) => shared(folder, file)))
  for (const file of files.filter((path) => path.endsWith('.gguf'))) {
    const { code, stdout, stderr } = await cria(['inspect', file, '--json'])
    const told = JSON.parse(stdout)
    assert.equal([code, stderr], [told.problem ? 1 : 0, ''], file)
    assert.is(told.problem !== undefined, told.memory === undefined, file)
    if (told.problem) assert.match((await cria(['inspect', file])).stdout, new RegExp(`\\(${told.problem.code}\\)\\n$`))
  }
})

test('tokenize prints as llama-tokenize does', async () => {
  const told = await cria(['tokenize', '-m', MODEL, '-p', 'Hé <s>'])
  assert.equal([told.code, told.stderr], [0, ''])
  const rows = told.stdout.split('\n').slice(0, -1)
  assert.is(rows[0], "     1 -> '<s>'")
  for (const row of rows) assert.match(row, /^ *\d+ -> '.*'$/)
  const ids = rows.map((row) => Number(row.split('->')[0]))
  assert.equal(ids.filter((id) => id === 1).length, 2)
  const print = async (...args: string[]) => (await cria(['tokenize', '-m', MODEL, '-p', 'Hé <s>', ...args])).stdout
  assert.is(await print('--ids'), `[${ids.join(', ')}]\n`)
  assert.is(await print('--ids', '--no-bos'), `[${ids.slice(1).join(', ')}]\n`)
  assert.is(await print('--ids', '--show-count'), `[${ids.join(', ')}]\nTotal number of tokens: ${ids.length}\n`)
  const plain = JSON.parse(await print('--ids', '--no-parse-special'))
  assert.is(plain.filter((id: number) => id === 1).length, 1)
  const { ids: same, pieces } = await json('tokenize', '-p', 'Hé <s>')
  assert.equal([same, pieces.join('')], [ids, '<s> Hé <s>'])
})

test('tokenize takes its text byte for byte, escapes only when asked for', async () => {
  await withFolder(async (folder) => {
    const text = '\ufeffa \\n b\r\n\n'
    const file = join(folder, 'text')
    writeFileSync(file, text)
    const given = await cria(['tokenize', '--ids', '-p', text])
    assert.is(given.code, 0)
    assert.equal(await cria(['tokenize', '--ids', '-f', file]), given)
    assert.equal(await cria(['tokenize', '--ids', '--stdin'], { input: text }), given)
    assert.equal(await cria(['tokenize', '--ids'], { input: text }), given)
    const escaped = await cria(['tokenize', '--ids', '-e', '-p', String.raw`a\nb`])
    assert.equal(escaped, await cria(['tokenize', '--ids', '-p', 'a\nb']))
    assert.not.equal(await cria(['tokenize', '--ids', '-p', String.raw`a\nb`]), escaped)
  })
})

sharedTest("tokenize gives llama.cpp's ids", async () => {
  const folder = shared('vectors', 'tokenizers')
  const vectors = readdirSync(folder).filter((file) => file.endsWith('.hard.jsonl'))
  assert.ok(vectors.length > 0)
  for (const file of vectors) {
    const name = file.replace('.hard.jsonl', '')
    const own = join(folder, `${name}.gguf`)
    // A vocabulary without a file of its own is that of the model whose name begins so.
    const models = readdirSync(shared('models')).filter((path) => path.endsWith('.gguf'))
    const model = existsSync(own) ? own : shared('models', models.find((path) => path.toLowerCase().startsWith(name))!)
    const cases = readFileSync(join(folder, file), 'utf8').trim().split('\n')
    // A few of each: every one starts a process. tokenizer-vectors.test.ts has them all.
    for (const line of cases.filter((_, i) => i % 97 === 5)) {
      const { text, ids } = JSON.parse(line)
      const args = ['tokenize', '-m', model, '--ids', '--no-bos', '--no-parse-special']
      assert.equal(JSON.parse((await cria([...args, '--stdin'], { input: text })).stdout), ids, `${name}: ${line}`)
    }
  }
})

sharedTest('convert gives the built-in model byte for byte, and never half a file', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out.gguf')
    const inputs = [shared('models', 'stories260K.bin'), shared('models', 'tok512.bin')]
    const labels = ['--license', 'mit', '--source-url', 'https://huggingface.co/karpathy/tinyllamas']
    const done = await cria(['convert', ...inputs, out, '--outtype', 'f16', ...labels])
    assert.equal([done.code, done.stdout], [0, ''], done.stderr)
    assert.ok(readFileSync(out).equals(readFileSync(MODEL)))

    const refused = await cria(['convert', ...inputs, out])
    assert.equal([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /out\.gguf exists.*--force.*\(FILE_EXISTS\)\n$/)
    assert.ok(readFileSync(out).equals(readFileSync(MODEL)))

    assert.is((await cria(['convert', ...inputs, out, '--force'])).code, 0)
    const { types, metadata } = await json('inspect', out)
    assert.equal(
      types.map(({ type }: { type: string }) => type),
      ['F32'],
    )
    assert.is(metadata['general.name'], 'stories260K')

    const cut = join(folder, 'cut.bin')
    writeFileSync(cut, readFileSync(inputs[0]!).subarray(0, 100_000))
    const failed = await cria(['convert', cut, inputs[1]!, join(folder, 'other.gguf')])
    assert.is(failed.code, 1)
    assert.match(failed.stderr, /cut\.bin.*\(LLAMA2C_TRUNCATED\)/)
    assert.equal(readdirSync(folder).sort(), ['cut.bin', 'out.gguf'])
  })
})

test('no command replaces a file that it reads, even by force', () =>
  withFolder(async (folder) => {
    const at = (name: string) => join(folder, name)
    cpSync('tests/fixtures/huggingface/Tiny-Mistral', at('hf'), { recursive: true })
    copyFileSync(MODEL, at('model.gguf'))
    linkSync(at('model.gguf'), at('other.gguf'))
    writeFileSync(at('text'), 'Once upon a time. '.repeat(40))
    await cria(['gguf', 'split', MODEL, at('part'), '--split-max-tensors', '30'])
    const files = () => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
    const before = files().map((name) => [name, statSync(at(name)).size])
    const [part, last] = [1, 2].map((no) => at(`part-0000${no}-of-00002.gguf`)) as [string, string]
    const base = ['perplexity', '-m', at('model.gguf'), '-f', at('text'), '-c', '32', '--chunks', '1']
    const imatrix = ['imatrix', '-m', at('model.gguf'), '-f', at('text'), '-c', '32', '-o']
    for (const args of [
      ['quantize', at('model.gguf'), at('other.gguf'), 'Q8_0'],
      ['quantize', part, last, 'Q8_0'],
      ['gguf', 'merge', part, last],
      ['gguf', 'split', part, at('part'), '--split-max-tensors', '30'],
      ['convert', at('hf'), at('hf/model-00002-of-00003.safetensors')],
      ...['model.gguf', 'other.gguf', 'text'].map((name) => [...base, '--kl-divergence-base', at(name)]),
      ...['model.gguf', 'text'].map((name) => [...imatrix, at(name)]),
      ['quantize', pathToFileURL(at('model.gguf')).href, at('other.gguf'), 'Q8_0'],
      [...base, '-m', part, '--kl-divergence-base', last],
      [...imatrix, last, '-m', part],
    ]) {
      const refused = await cria([...args, '--force'])
      assert.is(refused.code, 1, args.join(' '))
      assert.match(refused.stderr, /\(SAME_FILE\)\n$/)
    }
    assert.equal(
      files().map((name) => [name, statSync(at(name)).size]),
      before,
    )
  }))

test.run()
