/**
 * Stands for llama-server: starts `cria serve` with the flags that it has, and with the file of a model that is here in place
 * of one on the hub. Flags that `cria serve --help` does not name are left out, and told.
 */
import { execFileSync, spawn } from 'node:child_process'

const { CRIA_CLI, CRIA_MODEL, CRIA_INFILL_MODEL } = process.env
const MODELS = {
  'ggml-org/test-model-stories260K': CRIA_MODEL,
  'ggml-org/test-model-stories260K-infill': CRIA_INFILL_MODEL,
}
const SOURCE = ['--hf-repo', '--hf-file', '--offline']

const help = execFileSync(process.execPath, [CRIA_CLI, 'serve', '--help'], { encoding: 'utf8' })
const known = new Set(help.match(/(?<=^|[\s,])--?[a-z][a-z-]*/gm))
const args = process.argv.slice(2)
const out = []
const dropped = []
let repository
for (let i = 0; i < args.length; i++) {
  const name = args[i]
  const value = i + 1 < args.length && !/^--?[a-z]/i.test(args[i + 1]) ? args[++i] : undefined
  const both = value === undefined ? [name] : [name, value]
  if (name === '--hf-repo') repository = value
  if (SOURCE.includes(name)) continue
  ;(known.has(name) ? out : dropped).push(...both)
}
if (dropped.length > 0) console.error(`without ${dropped.join(' ')}`)
const file = MODELS[repository]
if (file === undefined) {
  console.error(`The model ${repository} is not here.`)
  process.exit(1)
}
const child = spawn(process.execPath, [CRIA_CLI, 'serve', '-m', file, ...out], { stdio: 'inherit' })
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal))
child.once('close', (code) => process.exit(code ?? 1))
