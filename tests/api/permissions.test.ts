/** Where a process may not start workers, read files or use the network: Node's permissions, of which 26 has all. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runModule, STORIES } from '../api-helpers.ts'

const NODE = resolve('tests/runtimes/node_modules/node26/bin/node')
const ALL = resolve('.')

interface Outcome {
  warnings: string[]
  error: string
}

const QUANTIZED = `for await (const _ of quantize(${JSON.stringify(STORIES)}, 'Q8_0', { allowRequantize: true, threads: 2, onWarning })) {}`

/** What comes of loading a model. */
function loaded(input: string, folder: string, options = {}): Promise<Outcome> {
  const settings = `{ ...${JSON.stringify(options)}, onWarning }`
  const code = `
      const model = await load(${JSON.stringify(input)}, ${settings})
      await model.generate('Once', { maxTokens: 3 }).result()
      await model.close()`
  return run(code, folder)
}

/** Runs code in a process with the right to read a folder, and no others. */
async function run(work: string, folder: string): Promise<Outcome> {
  const code = `
    import { load, quantize } from ${JSON.stringify(resolve('dist/index.js'))}
    const warnings = []
    const onWarning = ({ code, message }) => warnings.push(code + ' ' + message)
    let error = ''
    try {
      ${work}
    } catch ({ code, message }) {
      error = code + ' ' + message
    }
    console.log(JSON.stringify({ warnings, error }))`
  const args = ['--permission', `--allow-fs-read=${folder}`]
  const { stdout, stderr } = await runModule(code, { node: NODE, args, limit: 60_000 })
  assert.ok(stdout, stderr)
  return JSON.parse(stdout)
}

async function permissions(): Promise<void> {
  const { warnings, error } = await loaded(STORIES, ALL)
  assert.equal([warnings.length, error], [1, ''])
  assert.match(warnings[0]!, /^NO_WORKERS .*--allow-worker/)
  assert.match((await loaded(STORIES, ALL, { inProcess: false })).error, /^NO_WORKERS .*--allow-worker/)
  const quantized = await run(QUANTIZED, ALL)
  assert.is(quantized.error, '')
  assert.match(quantized.warnings.join(), /NO_WORKERS .*--allow-worker/)
  const file = await loaded(STORIES, resolve('dist'), { inProcess: true })
  assert.match(file.error, /^FILE_PERMISSION .*--allow-fs-read/)
  const network = await loaded('http://127.0.0.1:9999/model.gguf', ALL, { inProcess: true })
  assert.match(network.error, /^HTTP_BLOCKED .*--allow-net/)
}

const name = 'a process without rights is told which it needs'
if (existsSync(NODE)) test(name, permissions)
else if (process.env.CI) test(name, () => assert.unreachable(`${NODE} is absent: npm ci --prefix tests/runtimes`))
else test.skip(`${name} (no ${NODE})`)

test.run()
