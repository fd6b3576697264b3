/** The examples, each as its reader would run it: with the package installed, in its runtime. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inspect, load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'
import { copyExample, installPackage, run, tool, toolTest } from '../package-home.ts'
import { hasShared, shared, sharedTest } from '../shared.ts'
import { startServer } from './driver.ts'
import { residentBytes, start } from './process.ts'

const installed = installPackage()
const PROMPT = 'Once upon a time'
/** What Cloudflare gives an isolate. */
const ISOLATE_BYTES = 128e6
const reference = await load(STORIES, { threads: 1, inProcess: true })
const { text: story } = await reference.generate(PROMPT, { maxTokens: 60, temperature: 0 }).result()
await reference.close()

function tells(file: string, args: readonly string[], folder: string): void {
  const { stdout, stderr } = run(file, args, folder)
  assert.is(stdout, `${PROMPT}${story}\n`)
  assert.match(stderr, /The (simd|relaxed) build runs, .* threads?/)
}

test('Node', () => tells(process.execPath, ['story.mjs'], copyExample(installed, 'node')))

toolTest('Bun', 'bun/bin/bun', () => tells(tool('bun/bin/bun'), ['story.ts'], copyExample(installed, 'bun')))

toolTest('Deno, with an installed folder and with an import map', 'deno/deno', () => {
  const folder = copyExample(installed, 'deno')
  tells(tool('deno/deno'), ['run', '--allow-read', 'story.ts'], folder)
  // Nothing but the map tells where the package is.
  rmSync(join(folder, 'package.json'))
  const map = ['--no-config', '--import-map=import_map.json']
  tells(tool('deno/deno'), ['run', '--allow-read', ...map, 'story.ts'], folder)
})

/** The text of a response of server-sent events, and how many events it came in. */
async function events(url: string): Promise<{ text: string; count: number }> {
  const response = await fetch(url)
  const body = await response.text()
  assert.is(response.status, 200, body)
  assert.is(response.headers.get('content-type'), 'text/event-stream')
  const data = body
    .split('\n\n')
    .filter(Boolean)
    .map((event) => event.replace(/^data: /, ''))
  assert.is(data.pop(), '[DONE]')
  return { text: data.map((json) => JSON.parse(json).text).join(''), count: data.length }
}

/** examples/workerd, built; its config with the model at a URL in place of the binding, and any port. */
function buildWorker(): { folder: string; config: string; byUrl(url: string): string } {
  const folder = copyExample(installed, 'workerd')
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: { build: string } }
  const [program, ...args] = scripts.build.split(' ')
  assert.is(program, 'esbuild')
  run(join(process.cwd(), 'node_modules/.bin/esbuild'), [...args, '--log-level=warning'], folder)
  const config = readFileSync(join(folder, 'config.capnp'), 'utf8').replace('127.0.0.1:8080', '127.0.0.1:0')
  const byUrl = (url: string): string =>
    config
      .replace(/bindings = .*/, `bindings = [(name = "MODEL_URL", text = "${url}")],`)
      .replace('worker = .cria)', 'worker = .cria), (name = "internet", network = (allow = ["local"]))')
  return { folder, config, byUrl }
}

let built: ReturnType<typeof buildWorker> | undefined

async function onWorker(
  folder: string,
  config: string,
  use: (url: string, worker: { pid: number }) => Promise<void>,
): Promise<void> {
  writeFileSync(join(folder, 'test.capnp'), config)
  const worker = start(tool('workerd/bin/workerd'), ['serve', join(folder, 'test.capnp'), '--control-fd=1'])
  try {
    const [, port] = await worker.said(/"event":"listen".*?"port":(\d+)/)
    await use(`http://127.0.0.1:${port}/`, worker)
  } finally {
    await worker.end()
  }
}

toolTest(
  'workerd: a model from a binding and from a URL, streamed as server-sent events',
  'workerd/bin/workerd',
  async () => {
    built ??= buildWorker()
    const { folder, config, byUrl } = built
    const server = await startServer()
    try {
      for (const text of [config, byUrl(server.url + STORIES)]) {
        await onWorker(folder, text, async (url) => {
          const told = await (await fetch(`${url}capabilities`)).json()
          assert.equal([told.runtime.name, told.threads, told.workers, told.isa], ['workerd', 1, false, 'relaxed'])
          assert.match(told.why, 'one thread, as this runtime has no workers')
          const answers = await Promise.all([events(url), events(url)])
          for (const { text, count } of answers) {
            assert.is(text, story)
            assert.ok(count > 10, `${count} events`)
          }
          // A client that leaves does not keep the worker from the next one.
          const leaving = new AbortController()
          const left = await fetch(`${url}?max_tokens=400`, { signal: leaving.signal })
          await left.body!.getReader().read()
          leaving.abort()
          assert.is((await events(url)).text, story)
          assert.is((await fetch(`${url}nowhere`)).status, 404)
        })
      }
    } finally {
      server.close()
    }
  },
)

/** Of the quantized models in the folder of references that are small, the smallest and the largest. */
async function quantizedModels(): Promise<string[]> {
  const small: [path: string, bytes: number][] = []
  for (const name of readdirSync(shared('goldens/types')).filter((name) => /Q\d.*\.gguf$/.test(name))) {
    const path = shared('goldens/types', name)
    const { memory } = await inspect(path, { context: 512 })
    small.push([path, memory!.total])
  }
  small.sort(([, a], [, b]) => a - b)
  return [small.at(0)![0], small.at(-1)![0]]
}

async function quantizedInWorkerd(): Promise<void> {
  built ??= buildWorker()
  const { folder, byUrl } = built
  for (const path of await quantizedModels()) {
    const model = await load(path, { threads: 2, context: 512 })
    const { text: wanted } = await model.generate(PROMPT, { maxTokens: 24, temperature: 0 }).result()
    await model.close()
    const server = await startServer(['--file', `/model.gguf=${path}`])
    try {
      await onWorker(folder, byUrl(`${server.url}model.gguf`), async (url, { pid }) => {
        await (await fetch(`${url}capabilities`)).json()
        const before = residentBytes(pid)
        assert.is((await events(`${url}?max_tokens=24`)).text, wanted)
        const taken = residentBytes(pid) - before
        console.log(`  ${basename(path)}: ${(taken / 1e6).toFixed(0)} MB`)
        assert.ok(taken < ISOLATE_BYTES, `${path}: ${taken} bytes`)
      })
    } finally {
      server.close()
    }
  }
}

const QUANTIZED = 'workerd: quantized models within an isolate’s 128 MB'
if (hasShared) toolTest(QUANTIZED, 'workerd/bin/workerd', quantizedInWorkerd)
else sharedTest(QUANTIZED, quantizedInWorkerd)

test.run()
