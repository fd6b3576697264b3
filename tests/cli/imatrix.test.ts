/** `cria imatrix`: one file, whole or not at all, which quantize takes. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readImatrix } from '../../js/imatrix/reader.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { cria, signalWhileWriting, withFolder } from '../cli-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const STORY =
  'Once upon a time there was a little girl named Lily. She loved to play with her toys in the park. '.repeat(12)
const BUILT_IN = ['imatrix', '-c', '32', '-t', '1']

/** A folder with the text in it. */
function withText(run: (folder: string, file: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const file = join(folder, 'story.txt')
    writeFileSync(file, `${STORY}\n`)
    await run(folder, file)
  })
}

sharedTest('the file is the one of the façade, in both formats, and quantize takes it', () =>
  withText(async (folder, file) => {
    const model = shared('goldens', 'types', 'F32.gguf')
    const args = ['imatrix', '-m', model, '-f', file, '-c', '64', '-t', '2']
    const [gguf, dat] = [join(folder, 'imatrix.gguf'), join(folder, 'imatrix.dat')]
    const done = await cria([...args, '-o', gguf, '--process-output'])
    assert.equal([done.code, done.stdout], [0, ''], done.stderr)
    assert.match(done.stderr, /imatrix\.gguf: [\d.]+ KiB\n$/)
    assert.is((await cria([...args, '--output-file', dat, '--output-format', 'dat', '--chunks', '2'])).code, 0)
    assert.equal(readdirSync(folder).sort(), ['imatrix.dat', 'imatrix.gguf', 'story.txt'])
    const [a, b] = await Promise.all([gguf, dat].map((path) => readImatrix(bytesSource(readFileSync(path), path))))
    assert.equal([a!.dataset, b!.dataset, b!.chunks], [file, file, 2])
    assert.ok(a!.chunks > 2)
    assert.equal([a!.entries.has('output.weight'), b!.entries.has('output.weight')], [true, false])
    const out = join(folder, 'out.gguf')
    for (const imatrix of [gguf, dat]) {
      const made = await cria(['quantize', model, out, 'Q2_K_S', '--imatrix', imatrix, '--force', '-t', '1'])
      assert.is(made.code, 0, made.stderr)
      const { stdout } = await cria(['inspect', out])
      assert.match(stdout, /quantize\.imatrix\.chunks_count/)
    }
  }),
)

test('no file is replaced but with --force, and none is left of what fails', () =>
  withText(async (folder, file) => {
    const [out, short] = [join(folder, 'out.gguf'), join(folder, 'short.txt')]
    writeFileSync(out, 'mine')
    writeFileSync(short, 'Once')
    const refused = await cria([...BUILT_IN, '-f', file, '-o', out])
    assert.equal([refused.code, readFileSync(out, 'utf8')], [1, 'mine'])
    assert.match(refused.stderr, /out\.gguf exists.*--force.*\(FILE_EXISTS\)\n$/)
    const fresh = join(folder, 'fresh.gguf')
    const cases: [args: string[], code: number, message: RegExp][] = [
      [['-f', short, '-o', fresh], 1, /\(TEXT_SHORT\)\n$/],
      [['-f', join(folder, 'none'), '-o', fresh], 1, /ENOENT/],
      [['-f', file, '-o', join(folder, 'no', 'out.gguf')], 1, /\(FILE_WRITE\)\n$/],
      [['-f', file, '-m', short, '-o', fresh], 1, /\(GGUF_[A-Z_]+\)\n$/],
      [['-f', file, '--output-format', 'json'], 2, /gguf or dat/],
      [['-f', file, '--chunks', '0'], 2, /--chunks/],
      [['-f', file, 'model.gguf'], 2, /after -m, not model\.gguf/],
      [[], 2, /needs a text: -f FILE/],
    ]
    for (const [args, code, message] of cases) {
      const failed = await cria([...BUILT_IN, ...args])
      assert.equal([failed.code, failed.stdout], [code, ''], failed.stderr)
      assert.match(failed.stderr, message)
      assert.equal(readdirSync(folder).sort(), ['out.gguf', 'short.txt', 'story.txt'])
    }
    const forced = await cria([...BUILT_IN, '-f', '-', '-o', out, '--force'], { input: STORY })
    assert.is(forced.code, 0, forced.stderr)
    assert.is(readFileSync(out).toString('latin1', 0, 4), 'GGUF')
  }))

test('Ctrl-C ends it, and leaves no file', () =>
  withFolder(async (folder) => {
    const [file, out] = [join(folder, 'long.txt'), join(folder, 'out.gguf')]
    writeFileSync(file, STORY.repeat(400))
    const onStart = signalWhileWriting(folder, 'SIGINT')
    const stopped = await cria(['imatrix', '-f', file, '-o', out], { onStart })
    assert.is(stopped.code, 130, stopped.stderr)
    assert.not.ok(existsSync(out))
    assert.equal(readdirSync(folder), ['long.txt'])
  }))

test('help names it', async () => {
  const { code, stdout } = await cria(['imatrix', '--help'])
  assert.is(code, 0)
  for (const flag of ['--process-output', '--output-format', '-o, --output', '--chunks', '-f, --file']) {
    assert.ok(stdout.includes(flag), flag)
  }
  assert.match((await cria(['--help'])).stdout, /imatrix +importance matrix/)
})

test.run()
