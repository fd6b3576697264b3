/** Pages in Chromium that use the package otherwise than from its folder: bundled, inlined, under a strict policy, in a service worker. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { load } from '../js/index.ts'
import { STORIES } from './api-helpers.ts'
import { copyExample, installPackage, run, tool } from './package-home.ts'
import { chromium, openChromium, type Page } from './runtimes/chromium.ts'
import { startServer } from './runtimes/driver.ts'

const installed = installPackage()
const PROMPT = 'Once upon a time'
const GREEDY = { maxTokens: 60, temperature: 0 }
const reference = await load(STORIES, { threads: 1, inProcess: true })
const { text: story } = await reference.generate(PROMPT, GREEDY).result()
await reference.close()

/** Scripts and workers of the page's own site alone: no blob, no eval, nothing inline. */
const STRICT =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:"
/** Beside the package nothing is to be had from these servers but the page and the model. */
const MODEL = ['--file', `/model.gguf=${STORIES}`]

interface Told {
  text: string
  threads: number
  isaReason: string
  violations: string[]
}

/** A page's script: what `load` makes of the model with `options`, as the global `told`. */
function script(from: string, options: object): string {
  return `import { load } from '${from}'
const violations = []
addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective))
async function tell() {
  const model = await load(new URL('/model.gguf', location.href), ${JSON.stringify(options)})
  const { text } = await model.generate('${PROMPT}', ${JSON.stringify(GREEDY)}).result()
  const { threads, isaReason } = model.info
  await model.close()
  return { text, threads, isaReason, violations }
}
globalThis.told = tell()`
}

/** A folder to serve, with a page that runs app.js. */
function site(name: string): string {
  const folder = join(installed.folder, name)
  mkdirSync(folder)
  const page =
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="app.js"></script>'
  writeFileSync(join(folder, 'index.html'), page)
  return folder
}

async function onPage<T>(args: string[], path: string, use: (page: Page) => Promise<T>): Promise<T> {
  const server = await startServer(args)
  const browser = await openChromium()
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(server.url + path)
    const result = await use(page)
    assert.equal(errors, [])
    return result
  } finally {
    await browser.close()
    server.close()
  }
}

/**
 * A thread for each core on an isolated page, one on one that is not; the same story, and nothing that a policy forbids.
 * No second build is downloaded for a model this small: builds are tried only where they are at hand.
 */
async function tellsOn(folder: string, args: string[] = [], isaReason = 'untried'): Promise<void> {
  for (const [flags, threads] of [
    [[], Math.min(16, availableParallelism())],
    [['--no-isolation'], 1],
  ] as const) {
    const server = ['--root', folder, ...MODEL, ...args, ...flags]
    const told = await onPage(server, '', async (page) => {
      await page.waitForFunction('globalThis.told')
      return page.evaluate<Told>('told')
    })
    assert.equal(told, { text: story, threads, isaReason, violations: [] })
  }
}

async function bundle(from: string, options: object, folder: string): Promise<void> {
  await build({
    stdin: { contents: script(from, options), resolveDir: installed.home },
    bundle: true,
    minify: true,
    format: 'esm',
    conditions: ['browser'],
    outfile: join(folder, 'app.js'),
    logLevel: 'error',
  })
}

function copyDist(folder: string): void {
  cpSync(join(installed.home, 'node_modules/cria/dist'), join(folder, 'cria'), { recursive: true })
}

function pages(): void {
  test('esbuild: the code in a bundle, workers and wasm in a folder', async () => {
    const folder = site('esbuild')
    copyDist(folder)
    await bundle('cria', { workerUrl: '/cria/web/' }, folder)
    await tellsOn(folder)
  })

  test('esbuild: all in one file, cria/inline', async () => {
    const folder = site('inline')
    await bundle('cria/inline', {}, folder)
    await tellsOn(folder, [], 'measured')
  })

  test('a strict policy: files of the page’s own site alone', async () => {
    const folder = site('strict')
    copyDist(folder)
    writeFileSync(join(folder, 'app.js'), script('/cria/web/index.js', {}))
    await tellsOn(folder, ['--csp', STRICT])
    await bundle('cria', { workerUrl: '/cria/web/' }, folder)
    await tellsOn(folder, ['--csp', STRICT])
  })

  test('a policy that forbids WebAssembly is told of', async () => {
    const folder = site('forbidden')
    copyDist(folder)
    writeFileSync(join(folder, 'app.js'), script('/cria/web/index.js', {}))
    const args = ['--root', folder, ...MODEL, '--csp', "script-src 'self'"]
    const error = await onPage(args, '', (page) => page.evaluate<string>('told.catch((error) => error.message)'))
    assert.match(error, /WebAssembly|SIMD/)
  })

  test('Vite: the example, built', async () => {
    const folder = copyExample(installed, 'vite')
    run(process.execPath, [tool('vite/bin/vite.js'), 'build', '--logLevel', 'warn'], folder)
    for (const flags of [[], ['--no-isolation']]) {
      const args = ['--root', join(folder, 'dist'), ...MODEL, ...flags]
      const [status, text] = await onPage(args, '', async (page) => {
        await page.waitForFunction("/Done|Failed/.test(document.querySelector('#status').textContent)")
        return page.evaluate<string[]>("['#status', '#text'].map((id) => document.querySelector(id).textContent)")
      })
      assert.match(status!, flags.length ? /^Done, on 1 threads.*one thread, as this page/ : /^Done, on [1-9]/)
      assert.is(text, story)
    }
  })

  test('a service worker: the example', async () => {
    const [status, text] = await onPage([], 'examples/service-worker/', async (page) => {
      await page.waitForFunction("/Done|Failed/.test(document.querySelector('#status').textContent)")
      return page.evaluate<string[]>("['#status', '#text'].map((id) => document.querySelector(id).textContent)")
    })
    assert.match(status!, /one thread, as this runtime has no workers\. Done\.$/)
    assert.is(text, story)
  })
}

const missing = chromium.missing()
if (missing === undefined) pages()
else if (process.env.CI) {
  test('Chromium is there', () => {
    throw new Error(missing)
  })
} else test.skip(`Chromium: ${missing}`)

test.run()
