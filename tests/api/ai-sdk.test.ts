/** The Vercel AI SDK with models of cria/ai, in process: in Node, Deno, Bun, workerd and a page. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { load } from 'cria'
import { createCria } from 'cria/ai'
import { type BuildOptions, build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { tool, toolTest } from '../package-home.ts'
import { withChromium } from '../runtimes/chromium.ts'
import { CASE_TIMEOUT, withinTime } from '../runtimes/driver.ts'
import { MODEL, onPage } from '../runtimes/pages.ts'
import { run } from '../runtimes/process.ts'
import { LISTENS, startWorker } from '../runtimes/workerd.ts'

const FOLDER = 'build/ai-sdk'
const OPTIONS = { context: 2048, overrides: { 'llama.context_length': 2048 } }
const loading = (options: object) => JSON.stringify({ ...OPTIONS, ...options })

interface Step {
  finishReason: string
  text: string
  calls: [name: string, input: unknown][]
  results: unknown[]
}

interface Told {
  loads: number
  text: string
  finishReason: string
  usage: [number, number]
  warnings: object[]
  streamed: string
  object: unknown
  output: unknown
  calls: Step[]
  streamedCalls: Step[]
  kinds: string[]
  told: unknown[]
  embeddings: number[][]
  aborted: string[]
  interface: string[]
}

/** Bundles a program with the SDK. `dist`: where the package is, which stays apart; in it, where there is none. */
async function bundle(name: string, contents: string, dist: string | undefined, options: BuildOptions): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  await build({
    stdin: { contents, resolveDir: 'tests/api' },
    bundle: true,
    format: 'esm',
    outfile: `${FOLDER}/${name}`,
    logLevel: 'error',
    ...options,
    ...(dist !== undefined && {
      plugins: [
        {
          name: 'cria',
          setup: ({ onResolve }) =>
            onResolve({ filter: /^cria(\/|$)/ }, ({ path }) => ({
              path:
                path === 'cria' ? `${dist}/index.js` : `${dist.replace(/\/web$/, '')}/${path.slice('cria/'.length)}.js`,
              external: true,
            })),
        },
      ],
    }),
  })
}

const program = (input: string, options: object, write: string) => `import { load } from 'cria'
import { createCria } from 'cria/ai'
import { tellAiSdk } from './ai-program.mjs'
const told = (async () => {
  const model = load(${input}, ${loading(options)})
  const told = await tellAiSdk(() => model)
  await (await model).close()
  return told
})()
${write}`

/** What is said in a program of its own. */
async function inProgram(path: string, args: readonly string[]): Promise<Told> {
  const write = 'console.log(JSON.stringify(await told))'
  await bundle('program.mjs', program(JSON.stringify(STORIES), { threads: 2 }, write), '../../dist', {
    platform: 'node',
    // Of CommonJS modules in the SDK.
    banner: { js: `import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)` },
  })
  return JSON.parse(await run(path, { args: [...args, `${FOLDER}/program.mjs`], timeout: 2 * CASE_TIMEOUT }))
}

async function inPage(): Promise<Told> {
  const source = program(`new URL('/model.gguf', location.href)`, { grammars: true }, 'globalThis.told = told')
  await bundle('page.js', source, '/dist/web', { conditions: ['browser'], platform: 'browser' })
  const html =
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>'
  writeFileSync(`${FOLDER}/index.html`, html)
  return onPage(MODEL, `${FOLDER}/index.html`, async (page) => {
    await page.waitForFunction('globalThis.told')
    return withinTime(2 * CASE_TIMEOUT, page.evaluate<Told>('told'), 'the SDK')
  })
}

async function inWorkerd(): Promise<Told> {
  const source = `import { load } from 'cria'
import { createCria } from 'cria/ai'
import wasm from 'cria/relaxed.wasm'
import { tellAiSdk } from './ai-program.mjs'
export default {
  async fetch(request, env) {
    return Response.json(await tellAiSdk(() => load(env.MODEL, { ...${loading({})}, wasm })))
  },
}`
  await bundle('worker.js', source, undefined, { conditions: ['workerd'], external: ['cria/*.wasm', 'node:*'] })
  const workerd = startWorker(FOLDER, ['nodejs_compat'])
  try {
    const [, port] = await workerd.said(LISTENS)
    const response = await fetch(`http://127.0.0.1:${port}/`)
    assert.is(response.status, 200)
    return (await response.json()) as Told
  } finally {
    await workerd.end()
  }
}

const reference = await load(STORIES, { ...OPTIONS, threads: 2, onWarning: () => {} })
const { embeddings } = await reference.embed(['A llama', 'a song'])
await reference.close()

function check(told: Told): void {
  assert.is(told.loads, 1)
  assert.ok(told.text.length > 10)
  assert.is(told.streamed, told.text)
  assert.equal(told.interface, [told.text])
  assert.ok(['length', 'stop'].includes(told.finishReason))
  assert.ok(told.usage.every((count) => count > 0))
  assert.equal(told.warnings, [{ type: 'unsupported', feature: 'headers', details: 'No request is sent: x-trace.' }])
  assert.equal(Object.keys(told.object as object), ['name', 'wool'])
  assert.equal(told.output, told.object)
  assert.equal(told.streamedCalls, told.calls)
  assert.equal(
    told.calls.map(({ finishReason }) => finishReason === 'tool-calls'),
    [true, false],
  )
  const [{ calls, results }] = told.calls as [Step]
  assert.equal(
    calls.map(([name]) => name),
    ['weather'],
  )
  assert.equal(results, [{ sky: 'clear' }])
  const [, input] = calls[0]!
  assert.equal(told.told, [input, input])
  for (const kind of ['tool-input-start', 'tool-input-delta', 'tool-input-end', 'tool-call', 'tool-result', 'finish']) {
    assert.ok(told.kinds.includes(kind), kind)
  }
  assert.equal(
    told.embeddings,
    embeddings.map((embedding) => Array.from(embedding)),
  )
  assert.is(told.aborted.at(-1), 'abort')
}

const DENO = ['run', '--quiet', '--allow-all', '--no-lock', '--no-config', '--cached-only']
/** What all say is the same, as the models' bits are. */
let first: Told | undefined
const alike = (told: Told): void => {
  check(told)
  first ??= told
  assert.equal({ ...told, kinds: [], aborted: [] }, { ...first, kinds: [], aborted: [] })
}
const RUNTIMES: [name: string, path: string, tell: (path: string) => Promise<Told>][] = [
  ['Node 22', 'node22/bin/node', (path) => inProgram(path, [])],
  ['Node 26', 'node26/bin/node', (path) => inProgram(path, [])],
  ['Deno', 'deno/deno', (path) => inProgram(path, DENO)],
  ['Bun', 'bun/bin/bun', (path) => inProgram(path, ['--no-install'])],
  ['workerd', 'workerd/bin/workerd', inWorkerd],
]
for (const [name, path, tell] of RUNTIMES) {
  toolTest(`${name}: texts, streams, objects, tools, embeddings`, path, async () => alike(await tell(tool(path))))
}
test('the route of docs/AI-SDK.md answers the hooks', async () => {
  const blocks = readFileSync('docs/AI-SDK.md', 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm)
  const [, route] = Array.from(blocks).find(([, code]) => code!.includes('POST'))!
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${FOLDER}/route.mjs`, `${route}\nlet cria\nexport const use = (provider) => (cria = provider)\n`)
  const { use, POST } = await import(pathToFileURL(`${FOLDER}/route.mjs`).href)
  const model = await load(STORIES, { ...OPTIONS, onWarning: () => {} })
  try {
    use(createCria(model))
    const messages = [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'Once' }] }]
    const response = await POST(new Request('http://x', { method: 'POST', body: JSON.stringify({ messages }) }))
    const events = await response.text()
    for (const type of ['start', 'text-delta', 'finish']) assert.match(events, `"type":"${type}"`)
    assert.not.match(events, '"type":"error"')
  } finally {
    await model.close()
  }
})

withChromium(() => {
  test('Chromium: texts, streams, objects, tools, embeddings', async () => alike(await inPage()))
})

test.run()
