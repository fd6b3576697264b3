/** `load` with `cache`, and cria/store: models that stay, in a home of their own. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AbortError, ArgumentError, type LoadOptions, load, type Progress, SourceError } from 'cria'
import { type GetOptions, models } from 'cria/store'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { COMMIT, type FileServer, MODEL, MODEL_SHA256, OTHER, withFileServer, withHub } from '../store-helpers.ts'

const home = mkdtempSync(join(tmpdir(), 'cria-home-'))
for (const name of [
  'LLAMA_CACHE',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'MODEL_ENDPOINT',
  'HF_ENDPOINT',
  'HF_TOKEN',
]) {
  delete process.env[name]
}
test.before.each(() => {
  process.env.HF_HOME = home
  rmSync(home, { recursive: true, force: true })
})
test.after(() => rmSync(home, { recursive: true, force: true }))

const KEPT: LoadOptions = { cache: true, threads: 1, retryDelay: 1 }

/** What the model says, and what was heard while it loaded. */
async function say(
  input: string | URL,
  options: LoadOptions = {},
): Promise<{ text: string; phases: string[]; warned: string[] }> {
  const phases = new Set<string>()
  const warned: string[] = []
  const onProgress = ({ phase, done, total }: Progress): void => {
    assert.ok(done <= total)
    phases.add(phase)
  }
  const onWarning = ({ code }: { code: string }): void => void warned.push(code)
  const model = await load(input, { ...KEPT, onProgress, onWarning, ...options })
  try {
    const { text } = await model.generate('Once', { maxTokens: 8, temperature: 0 }).result()
    return { text, phases: [...phases], warned }
  } finally {
    await model.close()
  }
}

const TOLD = (await say(STORIES)).text

/** Loads, and stops where so many bytes have landed. */
async function stopAt(bytes: number, server: FileServer): Promise<void> {
  const controller = new AbortController()
  server.behaviour = { hangAfter: bytes }
  const onProgress = ({ phase, done }: Progress): void => {
    if (phase === 'download' && done >= bytes) controller.abort()
  }
  await fails(load(server.url, { ...KEPT, onProgress, signal: controller.signal }), AbortError)
  server.behaviour = {}
  server.requests.length = server.sent = 0
}

test('the first load downloads, the next takes no request and needs no server', async () => {
  let url = ''
  await withFileServer(async (server) => {
    url = server.url
    assert.equal(await say(url), { text: TOLD, phases: ['download', 'header', 'weights', 'ready'], warned: [] })
    assert.is(server.requests.length, 1)
    const again = { text: TOLD, phases: ['header', 'weights', 'ready'], warned: [] }
    assert.equal(await say(new URL(url)), again)
    assert.is(server.requests.length, 1)
  })
  assert.is((await say(url)).text, TOLD)
  assert.is((await say(url, { sha256: MODEL_SHA256 })).text, TOLD)
})

test('nothing is kept unless it is asked for, nor of a file', () =>
  withFileServer(async ({ url }) => {
    assert.is((await say(url, { cache: false })).text, TOLD)
    assert.is((await say(STORIES)).text, TOLD)
    assert.not.ok(existsSync(home))
  }))

test('a load that was stopped goes on', () =>
  withFileServer(async (server) => {
    const landed = Math.floor(0.37 * MODEL.length)
    await stopAt(landed, server)
    assert.is((await say(server.url)).text, TOLD)
    assert.is(server.sent, MODEL.length - landed)
  }))

test('a file that was damaged heals, one that is as it was promised is not fetched again', () =>
  withFileServer(async (server) => {
    await say(server.url)
    const { path } = (await models.list())[0]!
    for (const damaged of [Buffer.from('GGUF').fill(1), Buffer.alloc(MODEL.length, 1)]) {
      writeFileSync(path, damaged)
      assert.is((await say(server.url)).text, TOLD)
      assert.ok(readFileSync(path).equals(MODEL))
    }
    // Damage that shows in the checksum alone.
    writeFileSync(path, OTHER)
    assert.is((await say(server.url, { sha256: MODEL_SHA256 })).text, TOLD)
    server.requests.length = 0
    await fails(load(server.url, { ...KEPT, sha256: '0'.repeat(64) }), SourceError, 'SHA256_MISMATCH')
    assert.is(server.requests.length, 0)
  }))

test('where nothing can be written the model is streamed', () =>
  withFileServer(async (server) => {
    process.env.HF_HOME = join(STORIES, 'home')
    assert.equal(await say(server.url), {
      text: TOLD,
      phases: ['header', 'weights', 'ready'],
      warned: ['STORE_UNUSABLE'],
    })
    await fails(models.get(server.url), SourceError, 'STORE_UNUSABLE')
  }))

test('a model of the hub is chosen, and read with its token', () =>
  withHub({ 'm-F16.gguf': OTHER, 'm-Q4_K_M.gguf': MODEL }, async (hub) => {
    process.env.HF_ENDPOINT = hub.endpoint
    hub.token = process.env.HF_TOKEN = 'hf_secret'
    try {
      assert.is((await say('hf:o/r')).text, TOLD)
      assert.equal(readdirSync(join(home, 'hub', 'models--o--r', 'snapshots', COMMIT)), ['m-Q4_K_M.gguf'])
      hub.requests.length = 0
      for (const input of ['hf:o/r', 'hf:o/r:q4_k_m', 'hf:o/r/m-Q4_K_M.gguf']) assert.is((await say(input)).text, TOLD)
      assert.is(hub.requests.length, 0)
    } finally {
      delete process.env.HF_ENDPOINT
      delete process.env.HF_TOKEN
    }
  }))

test('the caller’s own fetch downloads', () =>
  withFileServer(async (server) => {
    const asked: string[] = []
    const own: typeof fetch = (url, init) => {
      asked.push(String(url))
      return fetch(server.url, init)
    }
    assert.is((await say('https://elsewhere.example/m.gguf', { fetch: own })).text, TOLD)
    assert.equal(asked, ['https://elsewhere.example/m.gguf'])
  }))

test('models: get, list, verify, export, delete, prune', () =>
  withFileServer(async (server) => {
    const { input, files } = await models.get(server.url)
    assert.equal(await models.list(), files)
    assert.equal(await models.verify(), [{ input: server.url, ok: true }])
    const chunks: Uint8Array[] = []
    for await (const chunk of await models.export(server.url)) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(MODEL))
    const model = await load(input as string, { threads: 1 })
    await model.close()
    assert.is(await models.prune(), 0)
    assert.is(await models.delete(server.url), MODEL.length)
    assert.equal(await models.list(), [])
    await fails(models.export(server.url), SourceError, 'STORE_ABSENT')
    await fails(models.verify(server.url), SourceError, 'STORE_ABSENT')
  }))

test('what cannot be meant is refused', async () => {
  const wrong: [input: unknown, options: unknown, code: string][] = [
    ['m.gguf', {}, 'INPUT_STORE'],
    [new Uint8Array(4), {}, 'INPUT_STORE'],
    ['hf:o', {}, 'INPUT_HF'],
    ['https://x.example/m.gguf', { refesh: true }, 'INVALID_OPTION'],
    ['https://x.example/m.gguf', { refresh: 1 }, 'INVALID_OPTION'],
    ['https://x.example/m.gguf', { onProgress: 1 }, 'INVALID_OPTION'],
    ['https://x.example/m.gguf', { token: 3 }, 'INVALID_OPTION'],
    ['https://x.example/m.gguf', { sha256: 'x' }, 'SHA256'],
  ]
  for (const [input, options, code] of wrong) {
    await fails(models.get(input as string, options as GetOptions), ArgumentError, code)
  }
  await fails(load(STORIES, { cache: 'yes' as never }), ArgumentError, 'INVALID_OPTION')
  await fails(models.verify(undefined, { signals: 1 } as never), ArgumentError, 'INVALID_OPTION')
  assert.not.ok(existsSync(home))
})

test.run()
