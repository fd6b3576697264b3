/**
 * Runs llama.cpp's own tests of its server against `cria serve`. None of their code is here: they come from the sources of
 * llama.cpp (or a source distribution that has them), with a Python that has pytest, requests, wget, filelock and openai.
 *
 *     node tests/server/llama-server/run.mjs LLAMA_CPP [pytest's arguments]
 *
 * PYTHON names the interpreter; default: python3. The tests download models; the only one here is stories260K, so those of
 * another model fail at the start of their server. Files that a text model can pass are the default.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEFAULT =
  'basic chat_completion completion ctx_shift ignore_eos infill metrics security slot_save template tokenize'
/** Ids that make a model for `/infill` of stories260K, which has no tokens for it. */
const FIM = { pre: 300, suf: 301, mid: 302 }

const here = fileURLToPath(new URL('.', import.meta.url))
const root = resolve(here, '../../..')
const [sources, ...given] = process.argv.slice(2)
if (!sources) {
  console.error('Usage: node tests/server/llama-server/run.mjs LLAMA_CPP [pytest arguments]')
  process.exit(2)
}
const folder = join(root, 'build/llama-server')
const model = join(root, 'models/stories260K.gguf')
const infill = join(folder, 'stories260K-infill.gguf')
mkdirSync(folder, { recursive: true })
cpSync(model, infill)
for (const [part, id] of Object.entries(FIM)) {
  const key = `tokenizer.ggml.fim_${part}_token_id`
  cria('gguf', 'set', infill, key, String(id), '--type', 'uint32', '--force')
}
const program = join(folder, 'llama-server')
writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(here, 'translate.mjs')}" "$@"\n`)
chmodSync(program, 0o755)

const files = DEFAULT.split(' ').map((name) => `unit/test_${name}.py`)
const args = ['-m', 'pytest', '--noconftest', '-p', 'cria_plugin', '-p', 'no:cacheprovider', '-q', '-rA', '--tb=line']
const { status } = spawnSync(process.env.PYTHON ?? 'python3', [...args, ...(given.length > 0 ? given : files)], {
  cwd: join(resolve(sources), 'tools/server/tests'),
  stdio: 'inherit',
  env: {
    ...process.env,
    PYTHONPATH: `.:${here}`,
    PYTHONDONTWRITEBYTECODE: '1',
    LLAMA_SERVER_BIN_PATH: program,
    CRIA_CLI: join(root, 'dist/cli.js'),
    CRIA_MODEL: model,
    CRIA_INFILL_MODEL: infill,
  },
})
process.exit(status ?? 1)

function cria(...args) {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli.js'), ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}
