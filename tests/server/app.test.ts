/** The page of `cria serve`, and `cria app`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria } from '../cli-helpers.ts'
import { serve } from './helpers.ts'

const { policy, files } = JSON.parse(readFileSync('dist/app/files.json', 'utf8')) as {
  policy: string
  files: Record<string, string>
}

test('cria serve has the app at /, with the headers that threads need', async () => {
  const { url, child, ended, stderr } = await serve()
  const page = await fetch(`${url}/`)
  assert.is(page.status, 200)
  assert.is(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.is(page.headers.get('content-security-policy'), `${policy}; frame-ancestors 'none'`)
  const html = await page.text()
  assert.match(html, '<meta name="cria-server" content="text">')
  assert.match(html, policy)
  assert.not.match(html, /<script(?![^>]* src=)|<style|\son\w+=/)
  for (const address of ['', 'index.html', ...Object.keys(files)]) {
    const { status, headers } = await fetch(`${url}/${address}`, { method: 'HEAD' })
    assert.is(status, 200, address)
    assert.is(headers.get('cross-origin-opener-policy'), 'same-origin', address)
    assert.is(headers.get('cross-origin-embedder-policy'), 'require-corp', address)
    assert.is(headers.get('cross-origin-resource-policy'), 'same-origin', address)
    assert.is(headers.get('x-content-type-options'), 'nosniff', address)
    const again = await fetch(`${url}/${address}`, { headers: { 'if-none-match': headers.get('etag')! } })
    assert.is(again.status, 304, address)
  }
  assert.equal(
    new Uint8Array(await (await fetch(`${url}/simd.wasm`)).arrayBuffer()),
    new Uint8Array(readFileSync('dist/simd.wasm')),
  )
  for (const path of ['app.js', 'app/app.js', 'cli.js', '..%2fcli.js', 'web/../cli.js', 'files.json', 'constructor']) {
    const { status } = await fetch(`${url}/${path}`)
    assert.is(status, path === 'app.js' ? 200 : 404, path)
  }
  assert.is((await fetch(`${url}/`, { method: 'POST', body: '{}' })).status, 404)
  assert.is((await fetch(`${url}/models`)).status, 200, 'an address of the API')
  child.kill()
  assert.is(await ended, 0)
  assert.not.match(stderr(), /GET \/app\.js/, 'its files are not logged')
})

test('the page needs no key; it goes with --no-webui; behind a prefix it is there too', async () => {
  const template = '{% for m in messages %}{{ m.content }}{% endfor %}'
  const keyed = await serve('--api-key', 'secret', '--chat-template', template, '--api-prefix', '/llm')
  const html = await (await fetch(`${keyed.url}/`)).text()
  assert.match(html, '<meta name="cria-server" content="chat">')
  assert.is((await fetch(`${keyed.url}/app.js`)).status, 200)
  assert.is((await fetch(`${keyed.url}/v1/models`)).status, 401)
  keyed.child.kill()
  for (const flag of ['--no-webui', '--no-ui']) {
    const bare = await serve(flag)
    assert.is((await fetch(`${bare.url}/`)).status, 404)
    assert.is((await fetch(`${bare.url}/health`)).status, 200)
    bare.child.kill()
  }
})

test('cria app writes a whole site, and its service worker knows all of it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-app-'))
  try {
    const out = join(folder, 'public')
    const { code, stderr } = await cria(['app', '--out', out])
    assert.is(code, 0, stderr)
    const written = readdirSync(out, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(out, path)).isFile())
      .map((path) => path.replaceAll('\\', '/'))
    assert.equal(written.sort(), Object.keys(files).sort())
    const worker = readFileSync(join(out, 'service-worker.js'), 'utf8')
    for (const path of written.filter((path) => !/^(index\.html|licenses\.txt|service-worker\.js)$/.test(path))) {
      assert.match(worker, JSON.stringify(path))
    }
    for (const module of written.filter((path) => path.endsWith('.js') && path.includes('/'))) {
      for (const [, from] of readFileSync(join(out, module), 'utf8').matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)) {
        assert.ok(statSync(join(out, module, '..', from!)).isFile(), `${module} imports ${from}`)
      }
    }
    const licenses = readFileSync(join(out, 'licenses.txt'), 'utf8')
    for (const name of ['preact', 'marked', 'dompurify']) assert.match(licenses, new RegExp(`^${name} \\d`, 'm'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('cria app says what it needs', async () => {
  for (const [args, says] of [
    [[], /needs --out DIR/],
    [['x'], /takes no argument: "x"/],
  ] as const) {
    const { code, stderr } = await cria(['app', ...args])
    assert.is(code, 2)
    assert.match(stderr, says)
  }
})

test.run()
