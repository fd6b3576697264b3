/** `-hf`: a repository of the hub, whose file is chosen as llama.cpp chooses it; here a hub of our own. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bestFile, readRepository } from '../../js/store/hub.ts'
import { cria, withFolder } from '../cli-helpers.ts'

const MODEL = readFileSync('models/stories260K.gguf')
const TELL = ['-p', 'Once', '-n', '5', '--temp', '0']

interface Hub {
  env: Record<string, string>
  requests: IncomingMessage[]
}

/** A hub with one repository, `o/r`, all of whose GGUF files are the built-in model; it lists two files a page. */
async function withHub(files: readonly string[], run: (hub: Hub) => Promise<void>): Promise<void> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    const { pathname, searchParams } = new URL(request.url!, 'http://hub')
    const path = decodeURIComponent(pathname)
    const page = Number(searchParams.get('page') ?? 0)
    if (path === '/api/models/o/r/tree/main') {
      const next = `<http://${request.headers.host}${path}?recursive=true&page=${page + 1}>; rel="next"`
      if (2 * page + 2 < files.length) response.setHeader('link', next)
      response.end(JSON.stringify(files.slice(2 * page, 2 * page + 2).map((path) => ({ type: 'file', path }))))
    } else if (files.some((file) => path === `/o/r/resolve/main/${file}`)) {
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const range = `bytes ${start}-${MODEL.length - 1}/${MODEL.length}`
      response.writeHead(206, { 'content-length': MODEL.length - start, 'content-range': range })
      response.end(MODEL.subarray(start))
    } else response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    await run({ env: { HF_ENDPOINT: `http://127.0.0.1:${port}/`, MODEL_ENDPOINT: '' }, requests })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('the file is the one that llama.cpp takes', () => {
  const cases = JSON.parse(readFileSync('tests/fixtures/llama-hub.json', 'utf8')) as {
    files: string[]
    picks: Record<string, string | null>
  }[]
  for (const { files, picks } of cases) {
    for (const [tag, expected] of Object.entries(picks)) {
      assert.is(bestFile(files, tag || undefined) ?? null, expected, `${files.join(' ')}: ${tag}`)
    }
  }
})

test('a repository has a revision and a tag', () => {
  assert.equal(readRepository('a/b'), { id: 'a/b', revision: 'main', tag: undefined })
  assert.equal(readRepository('a/b:Q8_0'), { id: 'a/b', revision: 'main', tag: 'Q8_0' })
  assert.equal(readRepository('a/b@v1:dir/x.gguf'), { id: 'a/b', revision: 'v1', tag: 'dir/x.gguf' })
  for (const wrong of ['a', 'a/', '/b', 'a/b/c', 'a/b@', '']) assert.is(readRepository(wrong), undefined, wrong)
})

test('a model of the hub: by tag, by file, by the variable', async () => {
  const told = await cria(TELL)
  await withHub(['README.md', 'm-F16.gguf', 'm-Q4_K_M.gguf', 'sub/m-Q8_0.gguf'], async ({ env, requests }) => {
    const asks: [args: string[], env: Record<string, string>, file: string][] = [
      [['-hf', 'o/r'], {}, 'm-Q4_K_M.gguf'],
      [['-hf', 'o/r:q8_0'], {}, 'sub/m-Q8_0.gguf'],
      [['-hf', 'o/r:m-F16.gguf'], {}, 'm-F16.gguf'],
      [['-hf', 'o/r', '-hff', 'sub/m-Q8_0.gguf'], {}, 'sub/m-Q8_0.gguf'],
      [['-m', 'hf:o/r/m-F16.gguf'], {}, 'm-F16.gguf'],
      [['-mu', `${env.HF_ENDPOINT}o/r/resolve/main/m-F16.gguf`], {}, 'm-F16.gguf'],
      [[], { LLAMA_ARG_HF_REPO: 'o/r:F16' }, 'm-F16.gguf'],
    ]
    for (const [args, more, file] of asks) {
      requests.length = 0
      const outcome = await cria([...TELL, ...args], { env: { ...env, ...more, HF_TOKEN: 'hf_secret' } })
      assert.equal(outcome, told, args.join(' '))
      const paths = requests.map(({ url }) => decodeURIComponent(url!)).filter((url) => url.includes('/resolve/'))
      assert.equal([...new Set(paths)], [`/o/r/resolve/main/${file}`])
      for (const { headers } of requests) assert.is(headers.authorization, 'Bearer hf_secret')
    }
  })
})

test('errors of the hub say what to do', async () => {
  await withHub(['m-F16.gguf', 'notes.txt'], async ({ env }) => {
    const wrong: [args: string[], code: number, message: RegExp][] = [
      [['-hf', 'o/r:Q2_K'], 1, /o\/r has no model with Q2_K in its name; there is m-F16\.gguf\. \(HUB_FILE\)/],
      [['-hf', 'o/other'], 1, /HTTP status 404: check the name; a private .* needs --hf-token/],
      [['-hf', 'o'], 2, /--hf-repo takes OWNER\/REPO\[:QUANT\], not o\./],
      [['-hf', 'o/r', '-m', 'x.gguf'], 2, /Give one model/],
      [['-hff', 'x.gguf'], 2, /--hf-file needs --hf-repo/],
      [['-m', 'hf:o/r/m-F16.gguf', '--offline'], 2, /--offline forbids/],
    ]
    for (const [args, code, message] of wrong) {
      const outcome = await cria([...TELL, ...args], { env })
      assert.equal([outcome.code, outcome.stdout], [code, ''], args.join(' '))
      assert.match(outcome.stderr, message)
    }
  })
  const gone = await cria([...TELL, '-hf', 'o/r'], { env: { HF_ENDPOINT: 'http://127.0.0.1:9', MODEL_ENDPOINT: '' } })
  assert.match(gone.stderr, /cannot be reached .*--offline.*\(HUB_UNREACHABLE\)/)
})

test('--offline reads what was downloaded before', () =>
  withFolder(async (folder) => {
    const home = join(folder, 'models--o--r')
    const snapshot = join(home, 'snapshots', 'abc', 'sub')
    mkdirSync(snapshot, { recursive: true })
    mkdirSync(join(home, 'refs'))
    writeFileSync(join(home, 'refs', 'main'), 'abc')
    cpSync('models/stories260K.gguf', join(snapshot, 'm-Q4_K_M.gguf'))
    const env = { HF_HUB_CACHE: folder, LLAMA_CACHE: '', HF_ENDPOINT: 'http://127.0.0.1:9' }
    const told = await cria(TELL)
    assert.equal(await cria([...TELL, '-hf', 'o/r', '--offline'], { env }), told)
    assert.equal(
      await cria([...TELL, '-hf', 'o/r', '-hff', 'sub/m-Q4_K_M.gguf'], { env: { ...env, LLAMA_ARG_OFFLINE: '1' } }),
      told,
    )
    const { stderr } = await cria([...TELL, '-hf', 'o/other', '--offline'], { env })
    assert.match(stderr, /has no files of o\/other.*\(HUB_CACHE\)/)
  }))

test.run()
