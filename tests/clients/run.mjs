/**
 * Clients that are heavy to install, unmodified and with their default settings, against `cria serve`: LangChain.js and
 * LlamaIndex.TS (npm, LangChain.js in process too), OpenAI's, Anthropic's, instructor, LiteLLM and lm-eval (PyPI, with transformers and gguf), with tools and
 * answers of a schema. tests/server/openai.test.ts has OpenAI's and Anthropic's of npm and the AI SDK.
 *
 *     npm run build && npm install --prefix tests/clients
 *     pip install 'openai<3' anthropic 'instructor>=1.13' litellm 'lm-eval[api]' transformers gguf
 *     node tests/clients/run.mjs MODEL.gguf [PYTHON]     # a chat model with a byte-level vocabulary; PYTHON: python3
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const [model, python = 'python3'] = process.argv.slice(2)
if (model === undefined) throw new Error('MODEL.gguf is missing')
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const server = spawn(process.execPath, [cli, 'serve', '-m', model, '--port', '0', '-c', '2048'], {
  stdio: ['ignore', 'pipe', 'ignore'],
})
const [line] = await once(server.stdout.setEncoding('utf8'), 'data')
const env = { ...process.env, CRIA_URL: /at (http:\S+\/v1)/.exec(line)[1], CRIA_MODEL: model }
try {
  for (const [program, script] of [
    [process.execPath, 'javascript.mjs'],
    [process.execPath, 'in-process.mjs'],
    [python, 'python.py'],
  ]) {
    const [code] = await once(spawn(program, [here(script)], { env, stdio: 'inherit' }), 'exit')
    if (code !== 0) process.exitCode = 1
  }
} finally {
  server.kill('SIGTERM')
}
