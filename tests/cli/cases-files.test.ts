/** Files as people have them, from the folder of references: each case's own command, and what is expected of it. */
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CLI, command, cria, type Outcome, withFolder } from '../cli-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

/** Runs the command of a case in a copy of its folder, beside which is `shared`. */
async function run(name: string, more: (folder: string) => Promise<void> = async () => {}): Promise<Outcome> {
  let outcome!: Outcome
  await withFolder(async (parent) => {
    symlinkSync(shared(), join(parent, 'shared'))
    const folder = join(parent, name)
    cpSync(shared('cases', name), folder, { recursive: true })
    chmodSync(folder, 0o755)
    const bin = join(parent, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'cria'), `#!/bin/sh\nexec '${process.execPath}' '${resolve(CLI)}' "$@"\n`, { mode: 0o755 })
    const script = `cd '${folder}' && PATH='${bin}':$PATH\n${readFileSync(join(folder, 'cmd'), 'utf8')}`
    outcome = await command('bash', ['-c', script])
    await more(folder)
  })
  return outcome
}

sharedTest('core-30: special ids beyond the vocabulary, each with a warning', async () => {
  const { code, stdout, stderr } = await run('core-30-special-id-out-of-range')
  assert.is(code, 0)
  assert.is(stdout, ', there was a little\n'.repeat(5))
  for (const part of ['eos', 'bos', 'unknown', 'eot', 'eom']) {
    assert.match(stderr, new RegExp(`warning: .*tokenizer\\.ggml\\.${part}_token_id is 4294967295`))
  }
})

sharedTest('core-33: what the file says of sampling, and where it is shown', async () => {
  const { stdout } = await run('core-33-sampling-metadata', async (folder) => {
    const file = join(folder, 'samp.gguf')
    const verbose = await cria(['-m', file, '-n', '1', '-v'])
    assert.match(verbose.stderr, /^sampling, as the file has it: temperature 0, topK 1$/m)
    assert.match((await cria(['inspect', file])).stdout, /^ {2}sampling +temperature 0, topK 1$/m)
    assert.equal(JSON.parse((await cria(['inspect', file, '--json'])).stdout).sampling, { temperature: 0, topK: 1 })
  })
  const lines = stdout.trimEnd().split('\n')
  assert.is(lines.length, 3)
  assert.is(new Set(lines).size, 1)
})

sharedTest('core-34: the pre-tokenizer that is absent is told of in load and inspect', async () => {
  const { stdout, stderr } = await run('core-34-no-pretokenizer-warning', async (folder) => {
    const file = join(folder, 'nopre.gguf')
    for (const args of [
      ['tokenize', '-m', file, '-p', 'a'],
      ['chat', '-m', file, '-n', '1'],
    ]) {
      const { code, stderr } = await cria(args, { input: '' })
      assert.is(code, 0, stderr)
      assert.match(stderr, /warning: .*tokenizer\.ggml\.pre/)
    }
  })
  assert.match(stderr, /warning: .*tokenizer\.ggml\.pre/)
  assert.match(stdout, /^warning: .*tokenizer\.ggml\.pre/m)
})

sharedTest('core-36: generation_config.json becomes general.sampling', async () => {
  const { stdout } = await run('core-36-convert-generation-config')
  const rows = Array.from(stdout.matchAll(/general\.sampling\.(\w+) +(\S+)/g), ([, key, value]) => `${key} ${value}`)
  assert.equal(rows, ['top_k 20', 'top_p 0.9', 'temp 0.6'])
})

sharedTest('core-37: a LoRA adapter is called one, and inspect exits with 1', async () => {
  const { stdout, stderr } = await run('core-37-lora-adapter-message', async (folder) => {
    const { code } = await cria(['inspect', join(folder, 'lora.gguf')])
    assert.is(code, 1)
  })
  for (const text of [stdout, stderr]) assert.match(text, /LoRA adapter \(general\.type is adapter\), not a model/)
})

sharedTest('core-40: a scale of attention that llama.cpp does not read changes nothing, with a warning', async () => {
  const { code, stdout, stderr } = await run('core-40-attention-scale')
  assert.is(code, 0, stderr)
  const expected = Number(
    /PPL (\d+\.\d+)/.exec(readFileSync(shared('cases', 'core-40-attention-scale', 'expected'), 'utf8'))![1],
  )
  const found = Number(/(\d+\.\d+) \+\/-/.exec(stdout)![1])
  assert.ok(Math.abs(found - expected) < 0.05, `${found} where llama.cpp has ${expected}`)
  assert.match(stderr, /warning: .*llama\.attention\.scale/)
})

sharedTest('core-43: --ignore-eos bans tokens that end generation', async () => {
  const { code, stdout, stderr } = await run('core-43-ignore-eos')
  assert.is(code, 0, stderr)
  assert.ok(stdout.startsWith('Yes, I can. I can.\n\nIn this context, '), stdout)
  assert.not.match(stdout, /<\|im_(start|end)\|>|<\|endoftext\|>/)
})

test.run()
