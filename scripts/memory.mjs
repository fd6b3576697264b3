/**
 * Peak memory of loading a model and generating, beside what it should take: file + KV cache + 80 MB over an idle Node.
 * Prints a table in Markdown.
 *
 *     node scripts/memory.mjs [model.gguf]     default: ../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf
 */

import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const ALLOWED = 80e6
const CONTEXT = 2048
const PROMPT = 1990
const TOKENS = 50

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const path = process.argv[2] ?? '../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf'

/** Runs a module's text in a process of its own; it prints JSON, to which its peak resident bytes are added. */
function measure(code) {
  const report = `\nconst peak = process.resourceUsage().maxRSS * 1024
    process.stdout.write(JSON.stringify({ ...result, peak }), () => process.exit())`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code + report], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

const MB = (bytes) => (bytes / 1e6).toFixed(0)
const idle = measure('const result = {}').peak
const file = statSync(path).size
console.log(
  `Node ${process.versions.node}, ${process.platform}-${process.arch}; ${path.split('/').at(-1)}, ${MB(file)} MB;`,
)
console.log(`context ${CONTEXT}, a prompt of ${PROMPT} tokens, ${TOKENS} tokens generated. In MB (10^6 bytes):\n`)
console.log('| threads | KV type | KV cache | wasm memory | peak | peak − idle | allowed |')
console.log('|---:|---|---:|---:|---:|---:|---:|')
const processors = availableParallelism()
for (const how of ['threads: 1', 'threads: 2', 'threads: 4', 'inProcess: true']) {
  for (const kv of ['f32', 'f16']) {
    const { memory, cache, peak } = measure(`
      import { load } from 'cria'
      const model = await load(${JSON.stringify(path)}, { context: ${CONTEXT}, kv: '${kv}', ${how} })
      const ids = Array.from({ length: ${PROMPT} }, (_, i) => (i * 7919) % model.info.vocabularySize)
      await model.generate(ids, { maxTokens: ${TOKENS}, ignoreEos: true }).result()
      const result = { memory: model.info.memoryBytes, cache: model.info.kvBytes }`)
    const allowed = file + cache + ALLOWED
    const name = how.startsWith('threads') ? how.slice('threads: '.length) : 'in process'
    const cells = [name, kv, MB(cache), MB(memory), MB(peak), MB(peak - idle), MB(allowed)]
    console.log(`| ${cells.join(' | ')} |`)
    // More threads than processors are nobody's choice: shown, but not held to the limit.
    if (peak - idle > allowed && !(Number(name) > processors)) process.exitCode = 1
  }
}
console.log(`\nAn idle Node: ${MB(idle)} MB. Allowed over it: the file, the KV cache and ${MB(ALLOWED)} MB.`)
