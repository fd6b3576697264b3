/** Pages in Chromium that use the package otherwise than from its folder: bundled, inlined, under a strict policy, in a service worker. */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { copyExample, installPackage, run, tool } from '../package-home.ts'
import { openChromium, openWithExtension, type Page, withChromium } from './chromium.ts'
import { inBrowser, MODEL, onPage, script, story, toldOn } from './pages.ts'
import { start } from './process.ts'

const installed = installPackage()
/** Scripts and workers of the page's own site alone: no blob, no eval, nothing inline. */
const STRICT =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:"

/** A folder to serve, with a page that runs app.js. */
function site(name: string): string {
  const folder = join(installed.folder, name)
  mkdirSync(folder)
  const page =
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="app.js"></script>'
  writeFileSync(join(folder, 'index.html'), page)
  return folder
}

/** What the example for Vite says, and tells. */
async function exampleOn(page: Page): Promise<string[]> {
  await page.waitForFunction("/Done|Failed/.test(document.querySelector('#status').textContent)")
  return page.evaluate<string[]>("['#status', '#text'].map((id) => document.querySelector(id).textContent)")
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
    const told = await onPage(server, '', toldOn)
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

/** A program that bundles app.js into dist/. */
function webpack(folder: string): string {
  const options = {
    mode: 'production',
    context: folder,
    entry: './app.js',
    output: { path: join(folder, 'dist'), filename: 'app.js' },
  }
  return `import webpack from ${JSON.stringify(tool('webpack/lib/index.js'))}
webpack(${JSON.stringify(options)}, (error, stats) => {
  if (!error && !stats.hasErrors() && !stats.hasWarnings()) return
  console.error(error ?? stats.toString())
  process.exitCode = 1
})`
}

/** The policy is the strictest that runs WebAssembly; the other two are what threads need. */
function manifest(isolated: boolean): object {
  return {
    manifest_version: 3,
    name: 'cria',
    version: '1',
    content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
    ...(isolated && {
      cross_origin_embedder_policy: { value: 'require-corp' },
      cross_origin_opener_policy: { value: 'same-origin' },
    }),
  }
}

/** Of an unpacked extension without a key: the hash of its path, in the letters a to p. */
function extensionId(folder: string): string {
  const digits = createHash('sha256').update(folder).digest('hex').slice(0, 32)
  return digits.replace(/./g, (digit) => 'abcdefghijklmnop'[Number.parseInt(digit, 16)]!)
}

function pages(): void {
  const vite = copyExample(installed, 'vite')

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
    // The page may be asked only after it has failed.
    const handled = '\ntold.catch(() => {})\n'
    writeFileSync(join(folder, 'app.js'), script('/cria/web/index.js', {}) + handled)
    const args = ['--root', folder, ...MODEL, '--csp', "script-src 'self'"]
    const error = await onPage(args, '', (page) => page.evaluate<string>('told.catch((error) => error.message)'))
    assert.match(error, /WebAssembly|SIMD/)
  })

  test('Vite: the example, served while it is developed', async () => {
    mkdirSync(join(vite, 'public'))
    cpSync(STORIES, join(vite, 'public/model.gguf'))
    const server = start(process.execPath, [tool('vite/bin/vite.js'), vite, '--host', '127.0.0.1'], { NO_COLOR: '1' })
    try {
      const [url] = await server.said(/http:\/\/127\.0\.0\.1:\d+\//)
      const [status, text] = await inBrowser(await openChromium(), url, exampleOn)
      assert.match(status!, /^Done, on [1-9]/)
      assert.is(text, story)
    } finally {
      await server.end()
      rmSync(join(vite, 'public'), { recursive: true })
    }
  })

  test('Vite: the example, built', async () => {
    const folder = vite
    run(process.execPath, [tool('vite/bin/vite.js'), 'build', '--logLevel', 'warn'], folder)
    for (const flags of [[], ['--no-isolation']]) {
      const args = ['--root', join(folder, 'dist'), ...MODEL, ...flags]
      const [status, text] = await onPage(args, '', exampleOn)
      assert.match(status!, flags.length ? /^Done, on 1 threads.*one thread, as this page/ : /^Done, on [1-9]/)
      assert.is(text, story)
    }
  })

  test('webpack: nothing but an entry', async () => {
    const folder = join(installed.home, 'webpack')
    mkdirSync(folder)
    writeFileSync(join(folder, 'app.js'), script('cria', {}))
    run(process.execPath, ['--input-type=module', '-e', webpack(folder)], folder)
    const root = site('webpacked')
    cpSync(join(folder, 'dist'), root, { recursive: true })
    await tellsOn(root, ['--csp', STRICT])
  })

  test('an extension’s page, isolated and not', async () => {
    for (const isolated of [true, false]) {
      const folder = site(`extension-${isolated}`)
      copyDist(folder)
      cpSync(STORIES, join(folder, 'model.gguf'))
      writeFileSync(join(folder, 'app.js'), script('/cria/web/index.js', {}))
      writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest(isolated)))
      const browser = await openWithExtension(folder, join(installed.folder, `profile-${isolated}`))
      const told = await inBrowser(browser, `chrome-extension://${extensionId(folder)}/index.html`, toldOn)
      const threads = isolated ? Math.min(16, availableParallelism()) : 1
      assert.equal(told, { text: story, threads, isaReason: 'untried', violations: [] })
    }
  })

  test('a service worker: the example', async () => {
    const [status, text] = await onPage([], 'examples/service-worker/', exampleOn)
    assert.match(status!, /one thread, as this runtime has no workers\. Done\.$/)
    assert.is(text, story)
  })
}

withChromium(pages)

test.run()
