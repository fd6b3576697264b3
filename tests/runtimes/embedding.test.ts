/**
 * cria in the pages that there are: of opaque origins, from files, under policies, with caches before the network, on
 * networks that are lost.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { load } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'
import { chromium } from './chromium.ts'
import type { Driver, Runtime } from './driver.ts'
import { firefox } from './firefox.ts'
import { startSite } from './site.ts'
import { webkit } from './webkit.ts'

const reference = await load(STORIES, { threads: 1, inProcess: true })
const { text: story } = await reference.generate('Once upon a time', { temperature: 0, maxTokens: 30 }).result()
await reference.close()

const folder = mkdtempSync(join(tmpdir(), 'cria-embedding-'))
const site = await startSite()
process.once('exit', () => rmSync(folder, { recursive: true }))

interface Outcome {
  text?: string
  threads?: number
  code?: string
  message?: string
  value?: unknown
  warnings: { code: string; message: string }[]
  violations: string[]
}

interface Page {
  /** Below dist/web/; default `index.js`. */
  entry?: string
  /** As the page says it; default the built-in model's address. */
  model?: string
  options?: object
  headers?: Record<string, string>
  sandbox?: string
  cache?: boolean
  handle?: boolean
  offline?: boolean
  times?: number
  lost?: string
}

const policy = (text: string): Record<string, string> => ({ 'content-security-policy': text })
const WASM = "script-src 'self' 'wasm-unsafe-eval'"

function run(driver: Driver): void {
  const it = suite(driver.name)
  let runtime: Runtime
  it.before(async () => {
    runtime = await driver.start({ url: site.url, page: 'tests/runtimes/frames/host.html' })
    console.log(`  ${driver.name} ${runtime.version}`)
  })
  it.after(() => runtime?.close())

  /** What a page in a frame tells. */
  function framed({ entry = 'index.js', model = `${site.url}${STORIES}`, headers, sandbox, ...rest }: Page) {
    const home = headers ? `${site.url}with/${encodeURIComponent(JSON.stringify(headers))}/` : site.url
    const hash = encodeURIComponent(JSON.stringify({ ...rest, entry: `${home}dist/web/${entry}`, model }))
    const src = `${home}tests/runtimes/frames/frame.html#${hash}`
    return runtime.run<Outcome>('framed', { src, ...(sandbox !== undefined && { sandbox }) })
  }
  const tells = (outcome: Outcome, codes: string[] = []): void => {
    assert.is(outcome.text, story, JSON.stringify(outcome))
    assert.equal([outcome.warnings.map(({ code }) => code), outcome.violations], [codes, []])
  }

  it('a sandboxed frame, with a module of its own and with another site’s', async () => {
    for (const entry of ['inline.js', 'index.js']) tells(await framed({ entry, sandbox: 'allow-scripts' }))
    tells(await framed({ entry: 'inline.js', headers: policy('sandbox allow-scripts') }))
  })

  it('a page from a data: URL', async () => {
    for (const entry of ['inline.js', 'index.js']) {
      const code = readFileSync('tests/runtimes/frames/frame.mjs', 'utf8')
      const page = `<!doctype html><meta charset="utf-8"><script type="module">${code}</script>`
      const hash = JSON.stringify({ entry: `${site.url}dist/web/${entry}`, model: site.url + STORIES })
      const src = `data:text/html,${encodeURIComponent(page)}#${encodeURIComponent(hash)}`
      tells(await runtime.run<Outcome>('framed', { src }))
    }
  })

  it('a page from a file: URL', async () => {
    const model = readFileSync(STORIES).toString('base64')
    const contents = `import { load } from 'cria/inline'
      const run = async () => {
        const bytes = Uint8Array.from(atob(model), (character) => character.charCodeAt(0))
        const loaded = await load(new File([bytes], 'model.gguf'))
        const { text } = await loaded.generate('Once upon a time', { temperature: 0, maxTokens: 30 }).result()
        return text
      }
      globalThis.cases = Promise.resolve({ run })`
    await build({
      stdin: { contents, resolveDir: '.' },
      bundle: true,
      format: 'iife',
      outfile: join(folder, 'app.js'),
      logLevel: 'error',
    })
    const page = `<!doctype html><meta charset="utf-8"><script>const model = '${model}'</script><script src="app.js"></script>`
    writeFileSync(join(folder, 'index.html'), page)
    const disk = await driver.start({ url: pathToFileURL(`${folder}/`).href, page: 'index.html' })
    try {
      assert.is(await disk.run<string>('run', null), story)
    } finally {
      await disk.close()
    }
  })

  it('where a policy forbids workers, the model runs in the calling thread', async () => {
    const headers = policy(`${WASM}; worker-src 'none'`)
    for (const entry of ['index.js', 'inline.js']) {
      const outcome = await framed({ entry, headers })
      assert.equal([outcome.text, outcome.threads, outcome.violations], [story, 1, ['worker-src']])
      assert.equal(
        outcome.warnings.map(({ code }) => code),
        ['NO_WORKERS'],
      )
      assert.match(outcome.warnings[0]!.message, /Content-Security-Policy .*\(worker-src\).* calling thread/)
      tells(await framed({ entry, headers, options: { inProcess: true } }))
      const refused = await framed({ entry, headers, options: { inProcess: false } })
      assert.equal([refused.code, refused.value], ['NO_WORKERS', 'worker-src'])
    }
  })

  it('a page that requires Trusted Types', async () => {
    const required = "require-trusted-types-for 'script'"
    for (const entry of ['index.js', 'inline.js']) {
      tells(await framed({ entry, headers: policy(required) }))
      tells(await framed({ entry, headers: policy(`${required}; trusted-types cria`) }))
      tells(await framed({ entry, headers: policy(`${required}; trusted-types cria`), sandbox: 'allow-scripts' }))
      const refused = await framed({ entry, headers: policy(`${required}; trusted-types app`) })
      assert.is(refused.code, 'TRUSTED_TYPES')
      assert.match(refused.message!, /trusted-types cria/)
    }
  })

  it('where a policy forbids the model’s address or WebAssembly, the error names the directive', async () => {
    const elsewhere = site.url.replace('127.0.0.1', 'localhost') + STORIES
    const connect = await framed({ headers: policy(`${WASM}; connect-src 'self'`), model: elsewhere })
    // WebKit's workers hear of no policy.
    assert.is(connect.code, driver === webkit ? 'HTTP_NETWORK' : 'HTTP_BLOCKED')
    assert.match(connect.message!, 'connect-src')
    const files = await framed({
      headers: policy(`${WASM}; connect-src ${new URL(elsewhere).origin}`),
      model: elsewhere,
    })
    assert.match(`${files.code} ${files.message}`, /^WASM_UNREACHABLE .*connect-src/)
    for (const options of [{}, { inProcess: true }]) {
      const wasm = await framed({ headers: policy("script-src 'self'"), options })
      // WebKit does not mind on pages.
      if (wasm.text === undefined) assert.equal([wasm.code, wasm.value], ['WASM_FORBIDDEN', 'script-src'])
      else assert.is(driver, webkit)
    }
  })

  it('where a server does not allow the page’s site, the error says so', async () => {
    const model = `${site.url.replace('127.0.0.1', 'localhost')}without/cors/${STORIES}`
    for (const options of [{}, { inProcess: true }]) {
      const outcome = await framed({ model, options })
      assert.equal([outcome.code, outcome.value], ['HTTP_BLOCKED', 'Access-Control-Allow-Origin'])
    }
  })

  it('models by addresses relative to the page, and by handles of files', async () => {
    for (const model of [`../../../${STORIES}`, `/${STORIES}`]) {
      for (const options of [{}, { inProcess: true }]) tells(await framed({ model, options }))
    }
    tells(await framed({ handle: true }))
    const absent = await framed({ model: 'none.gguf' })
    assert.equal([absent.code, absent.value], ['HTTP_STATUS', 404])
    assert.match(absent.message!, 'frames/none.gguf')
  })

  it('a network that is lost comes back', async () => {
    site.asked.length = 0
    site.leave = 300_000
    // With the wasm within, no other file is lost.
    tells(await framed({ entry: 'inline.js', lost: site.back }), ['CONNECTION_LOST'])
    assert.match(site.asked.at(-1)!.range ?? '', /^bytes=[1-9]/)
  })

  // The last: its service worker stays.
  it('caches that come before the network store the model, and serve it', async () => {
    for (const how of [{ cache: true }, { offline: true }]) {
      site.asked.length = 0
      tells(await framed({ ...how, times: 2 }))
      assert.equal(
        site.asked.map(({ range }) => range),
        [undefined],
        JSON.stringify(how),
      )
    }
  })

  it.run()
}

for (const driver of [chromium, firefox, webkit]) {
  const missing = driver.missing()
  if (missing === undefined) run(driver)
  else if (process.env.CI) {
    test(`${driver.name} is there`, () => {
      throw new Error(missing)
    })
  } else test.skip(`${driver.name}: ${missing}`)
}

// uvu runs its suites in turn; the server goes with the last.
test('the server closes', () => site.close())
test.run()
