/** Pages from bundlers as they come: `import { load } from 'cria'`, and no setting of the bundler's. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { installPackage, run, tool, webpack } from '../package-home.ts'
import { openChromium, withChromium } from './chromium.ts'
import { inBrowser, MODEL, onPage, script, story, type Told, toldOn } from './pages.ts'
import { start } from './process.ts'

const installed = installPackage()
const THREADS = Math.min(16, availableParallelism())

/** A project of a page with a script, a model beside it, and other files. */
function project(name: string, files: Record<string, string> = {}, options: object = {}): string {
  const folder = join(installed.folder, name)
  mkdirSync(join(folder, 'public'), { recursive: true })
  cpSync(join(installed.home, 'node_modules'), join(folder, 'node_modules'), { recursive: true })
  cpSync(STORIES, join(folder, 'public/model.gguf'))
  const page =
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="./app.js"></script>'
  const all = { 'package.json': '{ "private": true }', 'index.html': page, 'app.js': script('cria', options), ...files }
  for (const [path, text] of Object.entries(all)) writeFileSync(join(folder, path), text)
  return folder
}

/** What was built tells the story: with a thread for each core where the page is isolated, with one where it is not. */
async function tells(folder: string, isaReason = 'untried'): Promise<void> {
  for (const [flags, threads] of [
    [[], THREADS],
    [['--no-isolation'], 1],
  ] as const) {
    const told = await onPage(['--root', folder, ...MODEL, ...flags], '', toldOn)
    assert.equal(told, { text: story, threads, isaReason, violations: [] })
  }
}

/** What a development server's page tells. */
async function served(folder: string, args: string[], check: (told: Told) => void): Promise<void> {
  const server = start(process.execPath, args, { NO_COLOR: '1' }, folder)
  try {
    const [url] = await server.said(/http:\/\/(127\.0\.0\.1|localhost):\d+/)
    check(await inBrowser(await openChromium(), url, toldOn))
  } finally {
    await server.end()
  }
}

async function tellsFrom(folder: string, args: string[], threads: number, isaReason = 'untried'): Promise<void> {
  await served(folder, args, (told) => assert.equal(told, { text: story, threads, isaReason, violations: [] }))
}

function pages(): void {
  for (const [name, vite] of [
    ['Vite 7', tool('vite7/bin/vite.js')],
    ['Vite 8', tool('vite/bin/vite.js')],
  ] as const) {
    test(`${name}, built`, async () => {
      const folder = project(name)
      run(process.execPath, [vite, 'build', folder, '--logLevel', 'warn'])
      await tells(join(folder, 'dist'))
    })

    // Its server has no option for headers but in a file.
    const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    const isolated = { 'vite.config.js': `module.exports = { server: { headers: ${JSON.stringify(headers)} } }` }
    for (const [how, files, options, threads] of [
      ['', {}, {}, 1],
      [', isolated', isolated, {}, THREADS],
      [', in process', isolated, { inProcess: true }, 1],
    ] as const) {
      test(`${name}, served while it is developed${how}`, () =>
        tellsFrom(project(`${name}, dev${how}`, files, options), [vite, '--host', '127.0.0.1'], threads))
    }
  }

  for (const exclude of [[], ['cria']]) {
    test(`Vite 7, with the package above the project: optimizeDeps.exclude ${JSON.stringify(exclude)}`, async () => {
      const workspaces = { 'package.json': '{ "private": true, "workspaces": ["app"] }' }
      const workspace = project(`workspace ${exclude.length}`, workspaces)
      const folder = join(workspace, 'app')
      mkdirSync(join(folder, 'node_modules'), { recursive: true })
      for (const path of ['index.html', 'public']) {
        cpSync(join(workspace, path), join(folder, path), { recursive: true })
      }
      const failing = `${script('cria', {})}.catch(({ message }) => ({ text: message }))`
      writeFileSync(join(folder, 'app.js'), exclude.length ? script('cria', {}) : failing)
      writeFileSync(join(folder, 'package.json'), '{ "private": true }')
      const config = JSON.stringify({ optimizeDeps: { exclude } })
      writeFileSync(join(folder, 'vite.config.js'), `module.exports = ${config}`)
      const args = [tool('vite7/bin/vite.js'), '--host', '127.0.0.1']
      if (exclude.length) return tellsFrom(folder, args, 1)
      return served(folder, args, ({ text }) => {
        assert.match(text, /could not be loaded \(it is text\/html\): set optimizeDeps: \{ exclude: \['cria'\] \}/)
      })
    })
  }

  test('GitHub Pages, as docs/FRAMEWORKS.md has it: threads without headers of the host’s', async () => {
    const folder = project('pages')
    for (const path of ['index.html', 'main.js', 'public']) {
      cpSync(join('tests/embedding/github-pages', path), join(folder, path), { recursive: true })
    }
    cpSync(STORIES, join(folder, 'public/story.gguf'))
    run(process.execPath, [tool('vite/bin/vite.js'), 'build', folder, '--base', './', '--logLevel', 'warn'])
    await onPage(['--root', join(folder, 'dist'), '--no-isolation'], '', async (page) => {
      await page.waitForFunction("document.querySelector('output')?.textContent.endsWith(' a big, red ball.')")
      assert.is(await page.evaluate<string>('document.title'), `A story, on ${THREADS} threads`)
      assert.ok(story.startsWith(await page.evaluate<string>("document.querySelector('output').textContent")))
    })
  })

  const parcel = tool('parcel/lib/bin.js')
  for (const [how, setting] of [
    ['', {}],
    [', which reads the field exports', { '@parcel/resolver-default': { packageExports: true } }],
  ] as const) {
    test(`Parcel${how}`, async () => {
      const folder = project(`Parcel${how}`, { 'package.json': JSON.stringify({ private: true, ...setting }) })
      run(process.execPath, [parcel, 'build', 'index.html', '--no-cache'], folder)
      // Its entry is cria/inline, which has both builds at hand.
      await tells(join(folder, 'dist'), 'measured')
    })
  }

  test('Parcel, served while it is developed', async () => {
    const folder = project('Parcel, dev')
    await tellsFrom(folder, [parcel, 'serve', 'index.html', '--no-cache', '--dist-dir', 'public'], 1, 'measured')
  })

  for (const [name, path] of [
    ['webpack', 'webpack/lib/index.js'],
    ['Rspack', '@rspack/core/dist/index.js'],
  ] as const) {
    test(name, async () => {
      const folder = project(name)
      const output = { path: join(folder, 'dist'), filename: 'app.js' }
      const options = { mode: 'production', context: folder, entry: './app.js', output }
      webpack(path, options, folder)
      cpSync(join(folder, 'index.html'), join(folder, 'dist/index.html'))
      await tells(join(folder, 'dist'))
    })
  }
}

withChromium(pages)

test.run()
