/**
 * Projects of frameworks, built with cria's package in them and run from a copy of what was built, as they are deployed: a
 * request for a story, and a page in Chromium that tells one. docs/FRAMEWORKS.md shows their files.
 *
 *     npm run build && npm ci --prefix tests/runtimes
 *     node tests/embedding/run.mjs [NAME …]     # default: all, of which each is installed first (in all 1.5 GB)
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from '../../dist/index.js'
import { PROJECTS } from './projects.mjs'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const MODEL = 'models/stories260K.gguf'
const CHROMIUM = process.env.CRIA_CHROMIUM ?? '/usr/bin/chromium'
/** Frameworks need newer engines than cria. */
const NODE =
  Number.parseInt(process.versions.node, 10) >= 22
    ? process.execPath
    : resolve('tests/runtimes/node_modules/node24/bin/node')
const env = {
  ...process.env,
  PATH: `${dirname(NODE)}:${process.env.PATH}`,
  HOST: '127.0.0.1',
  HOSTNAME: '127.0.0.1',
  NO_COLOR: '1',
  NEXT_TELEMETRY_DISABLED: '1',
  NUXT_TELEMETRY_DISABLED: '1',
  ASTRO_TELEMETRY_DISABLED: '1',
}

const model = await load(MODEL, { inProcess: true })
const { text: story } = await model.generate('Once upon a time', { maxTokens: 40, temperature: 0 }).result()
await model.close()

const folder = mkdtempSync(join(tmpdir(), 'cria-embedding-'))
process.once('exit', () => rmSync(folder, { recursive: true }))
const tarball = join(folder, run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder]).trim())
const { chromium } = await import('../runtimes/node_modules/playwright-core/index.mjs')
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
try {
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROJECTS)) {
    try {
      console.log(`${name}: ${await embed(name, PROJECTS[name])}`)
    } catch (error) {
      console.error(`${name} failed: ${error.stack}`)
      process.exitCode = 1
    }
  }
} finally {
  await browser.close()
}

/** Builds a project and runs what was built, in a folder without the project. */
async function embed(name, { script, files = 'public', carried, serve, route, page }) {
  const source = join('tests/embedding', name)
  if (!existsSync(join(source, 'node_modules'))) run('npm', ['ci', '--ignore-scripts', '--prefix', source])
  const home = join(folder, name)
  run('cp', ['-a', source, home])
  const cria = join(home, 'node_modules/cria')
  mkdirSync(cria)
  run('tar', ['xzf', tarball, '--strip-components=1', '-C', cria])
  for (const to of ['models', files]) {
    mkdirSync(join(home, to), { recursive: true })
    cpSync(MODEL, join(home, to, 'story.gguf'))
  }
  run('npm', ['run', script], home)
  if (!carried) return `npm run ${script}`
  const away = join(folder, `${name}-carried`)
  for (const [from, to] of Object.entries(carried)) {
    mkdirSync(dirname(join(away, to)), { recursive: true })
    run('cp', ['-a', join(home, from), join(away, to)])
  }
  rmSync(home, { recursive: true })
  const port = await freePort()
  const args = serve.map((part) => part.replace('PORT', port))
  const server = spawn(NODE, args, { cwd: away, env: { ...env, PORT: port }, stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    const url = `http://127.0.0.1:${port}`
    await listening(url, server)
    if (route) await gives(url + route)
    if (page) await shows(url + page)
  } finally {
    server.kill()
  }
  return [route, page].filter(Boolean).join(', ')
}

async function gives(url) {
  const response = await fetch(url)
  const text = await response.text()
  if (text !== story) throw new Error(`${url}: status ${response.status}, ${text.slice(0, 500)}`)
}

/** The page is isolated, and shows the story. */
async function shows(url) {
  const page = await browser.newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(error.message))
  try {
    await page.goto(url)
    await page.waitForFunction((text) => document.querySelector('output')?.textContent === text, story)
    if (!(await page.evaluate('crossOriginIsolated'))) throw new Error(`${url} is not isolated`)
  } catch (error) {
    const text = await page.evaluate("document.querySelector('output')?.textContent")
    throw new Error(`${error.message}\n${text}\n${errors.join('\n')}`)
  } finally {
    await page.close()
  }
}

async function listening(url, server) {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the server ended with code ${server.exitCode}`)
    try {
      await fetch(url)
      return
    } catch {
      // Not yet.
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return String(port)
}

function run(file, args, cwd = '.') {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env, encoding: 'utf8' })
  if (status !== 0)
    throw new Error(`${file} ${args.join(' ')}: ${error?.message ?? `code ${status}`}\n${stdout}\n${stderr}`)
  return stdout
}
