/** `cria quantize`: llama.cpp's file, and never half a file, nor one replaced. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FILE_TYPES } from '../../js/quantize/file-types.ts'
import { CLI, command, cria, signalWhileWriting, withFolder } from '../cli-helpers.ts'
import { makeModel } from '../quantize-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

sharedTest("quantize gives llama.cpp's file", async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out.gguf')
    const done = await cria(['quantize', shared('goldens', 'types', 'F32.gguf'), out, 'q4_k_m', '-t', '2'])
    assert.equal([done.code, done.stdout], [0, ''], done.stderr)
    assert.match(done.stderr, /out\.gguf: Q4_K_M, [\d.]+ KiB of [\d.]+ MiB\n$/)
    assert.ok(readFileSync(out).equals(readFileSync(shared('goldens', 'types', 'Q4_K_M.gguf'))))
    assert.equal(readdirSync(folder), ['out.gguf'])
  })
})

test('no file is replaced but with --force, and never the one that is read', async () => {
  await withFolder(async (folder) => {
    const [model, out] = [join(folder, 'model.gguf'), join(folder, 'out.gguf')]
    writeFileSync(model, await makeModel())
    writeFileSync(out, 'mine')
    const refused = await cria(['quantize', model, out, 'Q8_0'])
    assert.equal([refused.code, readFileSync(out, 'utf8')], [1, 'mine'])
    assert.match(refused.stderr, /out\.gguf exists.*--force.*\(FILE_EXISTS\)\n$/)
    const bytes = readFileSync(model)
    const same = await cria(['quantize', model, model, 'Q8_0', '--force'])
    assert.is(same.code, 1)
    assert.match(same.stderr, /\(SAME_FILE\)\n$/)
    assert.ok(readFileSync(model).equals(bytes))
    const forced = await cria(['quantize', model, out, 'Q8_0', '--force'])
    assert.is(forced.code, 0, forced.stderr)
    assert.is(readFileSync(out).toString('latin1', 0, 4), 'GGUF')
    const again = await cria(['quantize', out, join(folder, 'again.gguf'), 'Q4_0', '--allow-requantize'])
    assert.is(again.code, 0, again.stderr)
    assert.equal(readdirSync(folder).sort(), ['again.gguf', 'model.gguf', 'out.gguf'])
  })
})

test('options reach the types', async () => {
  await withFolder(async (folder) => {
    const [model, out] = [join(folder, 'model.gguf'), join(folder, 'out.gguf')]
    writeFileSync(model, await makeModel())
    const typesOf = async (...options: string[]): Promise<string[]> => {
      const done = await cria(['quantize', model, out, 'Q4_K_M', '--force', ...options])
      assert.is(done.code, 0, done.stderr)
      const { stdout } = await cria(['inspect', out, '--json'])
      const types = new Map<string, string>(
        JSON.parse(stdout).tensors.map(({ name, type }: { name: string; type: string }) => [name, type]),
      )
      return ['output.weight', 'token_embd.weight', 'blk.0.attn_v.weight'].map((name) => types.get(name)!)
    }
    assert.equal(await typesOf('--pure'), ['Q4_K', 'Q4_K', 'Q4_K'])
    assert.equal(await typesOf('--output-tensor-type', 'q8_0', '--token-embedding-type', 'BF16'), [
      'Q8_0',
      'BF16',
      'Q6_K',
    ])
    assert.equal(await typesOf('--tensor-type', 'attn_v=q5_0', '--tensor-type', '^token=q8_0'), [
      'Q6_K',
      'Q8_0',
      'Q5_0',
    ])
    assert.equal(await typesOf('--leave-output-tensor'), ['F32', 'Q4_K', 'Q6_K'])
  })
})

test('what fails leaves no file, and says why', async () => {
  await withFolder(async (folder) => {
    const [model, nan, out] = ['model', 'nan', 'out'].map((name) => join(folder, `${name}.gguf`)) as [
      string,
      string,
      string,
    ]
    writeFileSync(model, await makeModel())
    // The last tensor: all before it is written by then.
    const last = 'blk.0.ffn_up.weight'
    writeFileSync(nan, await makeModel({ edit: (name, values) => name === last && values.fill(Number.NaN) }))
    const cases: [args: string[], code: number, message: RegExp][] = [
      [[nan, out, 'Q4_0'], 1, /blk\.0\.ffn_up\.weight.*NaN.*\(TENSOR_NOT_FINITE\)\n$/],
      [[model, out, 'Q4_7'], 1, /Q4_K_M, .*Q4_7\. \(FILE_TYPE\)\n$/],
      [[model, out, 'Q4_0', '--output-tensor-type', 'x'], 1, /\(QUANTIZE_TYPE\)\n$/],
      [[model, out, 'Q4_0', '--imatrix', join(folder, 'none')], 1, /There is no file .*none.*\(FILE_NOT_FOUND\)\n$/],
      [[join(folder, 'none.gguf'), out, 'Q4_0'], 1, /\(FILE_NOT_FOUND\)\n$/],
      [[model, join(folder, 'no', 'out.gguf'), 'Q4_0'], 1, /ENOENT.*\(FILE_WRITE\)\n$/],
      // A folder cannot be replaced.
      [[model, folder, 'Q4_0', '--force'], 1, /cannot be written.*\(FILE_WRITE\)\n$/],
      [[model, out], 2, /IN\.gguf OUT\.gguf TYPE/],
      [[model, out, 'Q4_0', '4', '5'], 2, /not 5 arguments/],
      [[model, out, 'Q4_0', '-t', 'x'], 2, /--threads/],
    ]
    for (const [args, code, message] of cases) {
      const failed = await cria(['quantize', ...args])
      assert.equal([failed.code, failed.stdout], [code, ''], failed.stderr)
      assert.match(failed.stderr, message)
      assert.equal(readdirSync(folder).sort(), ['model.gguf', 'nan.gguf'])
    }
  })
})

/** A model that takes a while. */
async function writeLarge(path: string): Promise<void> {
  writeFileSync(path, await makeModel({ vocabulary: 20_000 }))
}

test('a disk that is full leaves no file', async () => {
  await withFolder(async (folder) => {
    const [model, out] = [join(folder, 'model.gguf'), join(folder, 'out.gguf')]
    await writeLarge(model)
    // The shell's limit on the size of a file stands for the disk's: writing fails half-way.
    const line = 'ulimit -f 2000 && exec "$0" "$@"'
    const args = ['-c', line, process.execPath, CLI, 'quantize', model, out, 'F16', '-t', '1']
    const failed = await command('sh', args)
    assert.not.equal(failed.code, 0)
    assert.match(failed.stderr, /out\.gguf cannot be written: EFBIG.*\(FILE_WRITE\)\n$/)
    assert.equal(readdirSync(folder), ['model.gguf'])
  })
})

test('Ctrl-C ends it, and leaves no file', async () => {
  for (const threads of ['1', '2']) {
    await withFolder(async (folder) => {
      const [model, out] = [join(folder, 'model.gguf'), join(folder, 'out.gguf')]
      await writeLarge(model)
      const onStart = signalWhileWriting(folder, 'SIGINT')
      const stopped = await cria(['quantize', model, out, 'IQ4_XS', '-t', threads], { onStart })
      assert.is(stopped.code, 130, stopped.stderr)
      assert.equal(readdirSync(folder), ['model.gguf'])
    })
  }
})

test('so does what ends a process from outside', async () => {
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    await withFolder(async (folder) => {
      const [model, out] = [join(folder, 'model.gguf'), join(folder, 'out.gguf')]
      await writeLarge(model)
      const stopped = await cria(['quantize', model, out, 'IQ4_XS'], { onStart: signalWhileWriting(folder, signal) })
      assert.is(stopped.code, null, stopped.stderr)
      assert.equal(readdirSync(folder), ['model.gguf'])
    })
  }
})

test('help lists the types', async () => {
  const { code, stdout } = await cria(['quantize', '--help'])
  assert.is(code, 0)
  for (const { name } of FILE_TYPES) assert.ok(stdout.includes(name), name)
  assert.match((await cria(['--help'])).stdout, /quantize +a model's weights in fewer bits/)
})

test.run()
