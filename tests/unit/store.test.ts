/** The store over folders of this machine: by URL, and in the layout of the hub's cache. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AbortError, ArgumentError, SourceError } from '../../js/errors.ts'
import { nodeFolder } from '../../js/platform/store-node.ts'
import type { StorePlace } from '../../js/platform/types.ts'
import { ModelStore } from '../../js/store/store.ts'
import type { GetOptions } from '../../js/store/types.ts'
import { concat, rejects } from '../gguf-helpers.ts'
import {
  COMMIT,
  type FakeHub,
  type FileServer,
  MODEL,
  MODEL_SHA256,
  OTHER,
  sha256Of,
  withFileServer,
  withHub,
  withTemporary,
} from '../store-helpers.ts'

const FILE = 'hf:o/r/m-Q4_K_M.gguf'
const REPOSITORY = 'models--o--r'
const FAST: GetOptions = { retryDelay: 1, retries: 1 }

/** Of hub-cache.json. */
interface HubEntry {
  link?: string
  model?: boolean
  text?: string
}

interface Home {
  path: string
  store: ModelStore
  variables: Record<string, string>
}

function inHome(run: (home: Home) => Promise<void>): Promise<void> {
  return withTemporary((path) => {
    const variables: Record<string, string> = {}
    const place: StorePlace = {
      own: nodeFolder(join(path, 'cria')),
      hub: nodeFolder(join(path, 'hub')),
      variable: (name) => variables[name],
      reserve: async () => {},
    }
    return run({ path, store: new ModelStore(place), variables })
  })
}

const byUrl = (run: (home: Home & { server: FileServer }) => Promise<void>) => () =>
  inHome((home) => withFileServer((server) => run({ ...home, server })))

const byHub = (run: (home: Home & { hub: FakeHub; cache: string }) => Promise<void>) => () =>
  inHome((home) =>
    withHub({ 'm-Q4_K_M.gguf': MODEL, 'm-Q8_0.gguf': OTHER, 'README.md': Buffer.from('#') }, (hub) => {
      home.variables.HF_ENDPOINT = `${hub.endpoint}/`
      return run({ ...home, hub, cache: join(home.path, 'hub', REPOSITORY) })
    }),
  )

const bytesAt = (input: unknown): Buffer => readFileSync(String(input))

/** Starts a download and stops it where so many bytes have landed. */
async function stopAt(
  bytes: number,
  behave: FileServer,
  get: (options: GetOptions) => Promise<unknown>,
): Promise<void> {
  const controller = new AbortController()
  const { behaviour } = behave
  behave.behaviour = { ...behaviour, hangAfter: bytes }
  const onProgress = ({ done }: { done: number }): void => {
    if (done >= bytes) controller.abort()
  }
  await rejects(get({ ...FAST, onProgress, signal: controller.signal }), AbortError, 'ABORTED')
  behave.behaviour = behaviour
  behave.requests.length = behave.sent = 0
}

test(
  'a URL is downloaded once',
  byUrl(async ({ store, server, path }) => {
    const { input, files } = await store.get(server.url)
    assert.ok(bytesAt(input).equals(MODEL))
    const { modified, ...file } = files[0]!
    const about = { size: MODEL.length, landed: MODEL.length, complete: true, sha256: MODEL_SHA256 }
    assert.equal(file, { input: server.url, path: input, ...about })
    assert.ok(Math.abs(modified - Date.now()) < 3_600_000)
    assert.ok(String(input).startsWith(join(path, 'cria')))
    assert.equal((await store.get(new URL(server.url))).input, input)
    assert.is(server.requests.length, 1)
    assert.equal(await store.list(), files)
    await store.get(server.url, { sha256: MODEL_SHA256.toUpperCase() })
    await rejects(store.get(server.url, { sha256: '0'.repeat(64) }), SourceError, 'SHA256_MISMATCH')
    assert.equal(await store.get(`${server.url}?other`).then(({ files }) => files[0]!.input), `${server.url}?other`)
  }),
)

test(
  'several who want one file download it once, and all see how far it is',
  byUrl(async ({ store, server }) => {
    server.behaviour = { hangAfter: 200_000 }
    const controller = new AbortController()
    const first = store.get(server.url, { ...FAST, signal: controller.signal })
    // The second hears of the first one's bytes, and goes on when that is gone.
    const heard: number[] = []
    const second = store.get(server.url, {
      onProgress: ({ done, total }) => {
        heard.push(done)
        if (done !== 200_000 || controller.signal.aborted) return
        assert.is(total, MODEL.length)
        server.behaviour = {}
        controller.abort()
      },
    })
    await rejects(first, AbortError, 'ABORTED')
    assert.ok(bytesAt((await second).input).equals(MODEL))
    assert.ok(heard.includes(200_000))
    assert.equal(
      server.requests.map(({ headers }) => headers.range),
      [undefined, 'bytes=200000-'],
    )
  }),
)

test(
  'an unfinished file is listed, goes on, and is deleted or pruned',
  byUrl(async ({ store, server, path }) => {
    const get = (options: GetOptions): Promise<unknown> => store.get(server.url, options)
    await stopAt(200_000, server, get)
    const [file] = await store.list()
    assert.equal([file!.complete, file!.landed, file!.size], [false, 200_000, MODEL.length])
    assert.is(await store.delete(server.url), 200_000)
    assert.equal(await store.list(), [])
    await stopAt(200_000, server, get)
    assert.is(await store.prune(), 200_000)
    assert.equal(readdirSync(join(path, 'cria')), ['.locks'])
    await stopAt(200_000, server, get)
    await get({})
    assert.is(server.sent, MODEL.length - 200_000)
    assert.is(await store.prune(), 0)
    assert.is((await store.list()).length, 1)
    assert.is(await store.delete(server.url), MODEL.length)
    assert.is(await store.delete(server.url), 0)
  }),
)

test(
  'what is being downloaded is not deleted',
  byUrl(async ({ store, server }) => {
    server.behaviour = { hangAfter: 200_000 }
    const controller = new AbortController()
    let landed!: () => void
    const there = new Promise<void>((resolve) => {
      landed = resolve
    })
    const onProgress = ({ done }: { done: number }): void => {
      if (done === 200_000) landed()
    }
    const getting = store.get(server.url, { ...FAST, signal: controller.signal, onProgress })
    await there
    await rejects(store.delete(server.url), SourceError, 'STORE_BUSY')
    assert.is(await store.prune(), 0)
    controller.abort()
    await rejects(getting, AbortError, 'ABORTED')
    assert.is(await store.delete(server.url), 200_000)
  }),
)

test(
  'refresh asks whether the file has changed',
  byUrl(async ({ store, server }) => {
    await store.get(server.url)
    await store.get(server.url, { refresh: true })
    assert.equal(
      server.requests.map(({ method }) => method),
      ['GET', 'HEAD'],
    )
    server.behaviour = { data: OTHER }
    assert.ok(bytesAt((await store.get(server.url)).input).equals(MODEL))
    assert.ok(bytesAt((await store.get(server.url, { refresh: true })).input).equals(OTHER))
    assert.is((await store.list()).length, 1)
  }),
)

test(
  'damage is found, and heals',
  byUrl(async ({ store, server }) => {
    const { input } = await store.get(server.url)
    assert.equal(await store.verify(), [{ input: server.url, ok: true }])
    const kept = (await store.find([server.url]))!
    assert.is(await store.heal(kept), false)
    writeFileSync(String(input), OTHER)
    assert.equal(await store.verify(server.url), [{ input: server.url, ok: false }])
    assert.is(await store.heal(kept), true)
    await rejects(store.verify(server.url), SourceError, 'STORE_ABSENT')
    await store.get(server.url)
    // One of another length is none.
    writeFileSync(String(input), 'GGUF')
    assert.is(await store.find([server.url]), undefined)
    await store.get(server.url)
    assert.ok(bytesAt(input).equals(MODEL))
  }),
)

test(
  'a file is exported',
  byUrl(async ({ store, server }) => {
    await rejects(store.export(server.url), SourceError, 'STORE_ABSENT')
    await store.get(server.url)
    assert.ok(Buffer.from(await concat(await store.export(server.url))).equals(MODEL))
  }),
)

test(
  'shards are files of their own',
  byUrl(async ({ store, server }) => {
    const first = server.url.replace('model', 'm-00001-of-00002')
    const seen: { done: number; total: number }[] = []
    const { input, files } = await store.get(first, { onProgress: (progress) => seen.push({ ...progress }) })
    assert.equal(Array.isArray(input) && input.length, 2)
    assert.equal(
      files.map((file) => file.input),
      [first, first.replace('-00001-', '-00002-')],
    )
    assert.equal(seen.at(-1), { done: 2 * MODEL.length, total: 2 * MODEL.length })
    await rejects(store.get(first, { sha256: MODEL_SHA256, refresh: true }), ArgumentError, 'SHA256')
    assert.is(await store.delete(first), 2 * MODEL.length)
  }),
)

test(
  'other inputs are refused',
  byUrl(async ({ store }) => {
    for (const input of ['m.gguf', 'file:///m.gguf', '', 3 as never]) {
      await rejects(store.get(input), ArgumentError, 'INPUT_STORE')
    }
  }),
)

test(
  'a file of the hub lies as its own tools have it',
  byHub(async ({ store, hub, cache }) => {
    const { input } = await store.get(FILE)
    const snapshot = join(cache, 'snapshots', COMMIT, 'm-Q4_K_M.gguf')
    assert.is(input, snapshot)
    assert.ok(lstatSync(snapshot).isSymbolicLink())
    assert.is(readlinkSync(snapshot), join('..', '..', 'blobs', MODEL_SHA256))
    assert.equal(readdirSync(join(cache, 'blobs')), [MODEL_SHA256])
    assert.is(readFileSync(join(cache, 'refs', 'main'), 'utf8'), COMMIT)
    const asked = hub.requests.length
    for (const same of [
      FILE,
      `${hub.endpoint}/o/r/resolve/main/m-Q4_K_M.gguf`,
      `hf:o/r@${COMMIT}/m-Q4_K_M.gguf`,
      'hf:o/r',
    ]) {
      assert.is((await store.get(same)).input, snapshot, same)
    }
    assert.is(hub.requests.length, asked)
    assert.equal(
      (await store.list()).map(({ input, sha256 }) => [input, sha256]),
      [[FILE, MODEL_SHA256]],
    )
    assert.equal(await store.verify(), [{ input: FILE, ok: true }])
    assert.is(await store.delete(FILE), MODEL.length)
    assert.ok(!existsSync(cache))
  }),
)

test(
  'a download from the hub goes on, of the bytes that were promised',
  byHub(async ({ store, hub, cache }) => {
    const get = (options: GetOptions): Promise<unknown> => store.get(FILE, options)
    await stopAt(200_000, hub.bytes, get)
    assert.equal(
      (await store.list()).map(({ input, landed, complete }) => [input, landed, complete]),
      [[FILE, 200_000, false]],
    )
    assert.is(await store.prune(), 200_000)
    assert.ok(!existsSync(cache))
    await stopAt(200_000, hub.bytes, get)
    await get({})
    assert.equal(
      hub.bytes.requests.map(({ headers }) => [headers.range, headers['if-range']]),
      [['bytes=200000-', '"of-the-cdn"']],
    )
    // A partial file of another tool has no record of ours.
    await store.delete(FILE)
    mkdirSync(join(cache, 'blobs'), { recursive: true })
    writeFileSync(join(cache, 'blobs', `${MODEL_SHA256}.incomplete`), MODEL.subarray(0, 100_000))
    hub.bytes.sent = 0
    await get({})
    assert.is(hub.bytes.sent, MODEL.length - 100_000)
    assert.equal(readdirSync(join(cache, 'blobs')), [MODEL_SHA256])
  }),
)

test(
  'bytes that are not what the hub promises are refused',
  byHub(async ({ store, hub }) => {
    const asked = store.get(FILE, { ...FAST, fetch: lying(hub, OTHER) })
    await rejects(asked, SourceError, 'SHA256_MISMATCH')
    assert.equal(await store.list(), [])
    await rejects(store.get(FILE, { ...FAST, sha256: sha256Of(OTHER) }), SourceError, 'SHA256_MISMATCH')
    await rejects(store.get('hf:o/r/none.gguf', FAST), SourceError, 'HTTP_STATUS')
  }),
)

/** Bytes of another file than the hub promises. */
function lying(hub: FakeHub, data: Buffer): typeof fetch {
  return (url, init) => {
    if (init?.method === 'HEAD') return fetch(url, init)
    hub.bytes.behaviour = { data }
    return fetch(hub.bytes.url, init)
  }
}

test(
  'another commit with the same bytes takes no download, and a new one leaves the old',
  byHub(async ({ store, hub, cache }) => {
    await store.get(FILE)
    hub.bytes.requests.length = 0
    hub.commit = 'f'.repeat(40)
    await store.get(FILE, { refresh: true })
    assert.is(hub.bytes.requests.length, 0)
    assert.is(readFileSync(join(cache, 'refs', 'main'), 'utf8'), hub.commit)
    hub.files['m-Q4_K_M.gguf'] = OTHER
    hub.commit = 'e'.repeat(40)
    assert.ok(bytesAt((await store.get(FILE, { refresh: true })).input).equals(OTHER))
    assert.equal(
      (await store.list()).map(({ input }) => input),
      [FILE, `hf:o/r@${COMMIT}/m-Q4_K_M.gguf`, `hf:o/r@${'f'.repeat(40)}/m-Q4_K_M.gguf`],
    )
    // Bytes that two snapshots have stay until the last goes.
    await store.delete(`hf:o/r@${COMMIT}/m-Q4_K_M.gguf`)
    assert.equal(readdirSync(join(cache, 'blobs')).length, 2)
    await store.delete(`hf:o/r@${'f'.repeat(40)}/m-Q4_K_M.gguf`)
    assert.equal(readdirSync(join(cache, 'blobs')), [sha256Of(OTHER)])
  }),
)

test(
  'the file is chosen as llama.cpp chooses it, and without the hub where it is there',
  byHub(async ({ store, hub, variables }) => {
    const chosen = async (input: string): Promise<string> => (await store.get(input, FAST)).files[0]!.input
    assert.is(await chosen('hf:o/r:q8_0'), 'hf:o/r/m-Q8_0.gguf')
    // The best of what is there is not the best there is.
    assert.is(await chosen('hf:o/r'), FILE)
    assert.is(await chosen('hf:o/r:m-Q8_0.gguf'), 'hf:o/r/m-Q8_0.gguf')
    await rejects(store.get('hf:o/r:Q2_K'), ArgumentError, 'HUB_FILE')
    hub.requests.length = 0
    variables.HF_ENDPOINT = 'http://127.0.0.1:9'
    for (const input of ['hf:o/r', 'hf:o/r:Q4_K_M', 'hf:o/r:q8_0']) await chosen(input)
    await rejects(store.get('hf:o/r:Q2_K', FAST), SourceError, 'HUB_UNREACHABLE')
    await store.delete(FILE)
    assert.is(await chosen('hf:o/r'), 'hf:o/r/m-Q8_0.gguf')
    assert.is(hub.requests.length, 0)
  }),
)

test(
  'the token goes to the hub, and nowhere else',
  byHub(async ({ store, hub, variables }) => {
    hub.token = 'hf_secret'
    await rejects(store.get(FILE, FAST), SourceError, 'HTTP_STATUS')
    await rejects(store.get('hf:o/r', FAST), SourceError, 'HUB_LIST')
    variables.HF_TOKEN = 'hf_secret'
    await store.get('hf:o/r')
    const direct = hub.bytes.url
    hub.bytes.requests.length = 0
    await store.get(direct)
    assert.equal(
      hub.bytes.requests.map(({ headers }) => headers.authorization),
      [undefined],
    )
    await store.delete(FILE)
    variables.HF_TOKEN = 'another'
    await store.get(FILE, { token: 'hf_secret' })
  }),
)

test(
  'a repository that was renamed, and a server that only looks like the hub',
  byHub(async ({ store, hub, path }) => {
    assert.match(
      String((await store.get('hf:renamed/r/m-Q4_K_M.gguf')).input),
      `models--renamed--r/snapshots/${COMMIT}/`,
    )
    hub.commit = ''
    const { input, files } = await store.get('hf:o/r/m-Q8_0.gguf')
    assert.ok(String(input).startsWith(join(path, 'cria')))
    assert.is(files[0]!.input, 'hf:o/r/m-Q8_0.gguf')
    assert.is((await store.get('hf:o/r/m-Q8_0.gguf')).input, input)
    assert.is((await store.list()).length, 2)
  }),
)

test(
  'names that would leave the folder are not taken for the hub’s',
  byHub(async ({ store, path }) => {
    for (const wrong of [
      'hf:o/r/../../x.gguf',
      'hf:o/r@..%2F..%2Fx/m.gguf',
      'hf:../r/m.gguf',
      'hf:../r',
      'hf:o/r@..%2Fx:Q8_0',
      'hf:o/r/a\\b.gguf',
    ]) {
      await rejects(store.get(wrong, FAST), ArgumentError, 'INPUT_HF')
    }
    assert.equal(readdirSync(path).includes('x.gguf'), false)
    assert.ok(!existsSync(join(path, 'hub')))
  }),
)

test(
  'what huggingface_hub downloaded is found',
  byHub(async ({ store, hub, path }) => {
    const layout = JSON.parse(readFileSync('tests/fixtures/hub-cache.json', 'utf8')) as Record<string, HubEntry>
    for (const [name, entry] of Object.entries(layout)) {
      const file = join(path, 'hub', name)
      mkdirSync(join(file, '..'), { recursive: true })
      if (entry.link !== undefined) symlinkSync(entry.link, file)
      else writeFileSync(file, entry.model ? MODEL : entry.text!)
    }
    hub.requests.length = 0
    assert.ok(bytesAt((await store.get(FILE)).input).equals(MODEL))
    assert.ok(bytesAt((await store.get('hf:o/r@v1/sub/m-Q8_0.gguf')).input).equals(MODEL))
    assert.is(hub.requests.length, 0)
    assert.equal(
      (await store.list()).map(({ input }) => input),
      [FILE, 'hf:o/r/sub/m-Q8_0.gguf'],
    )
  }),
)

test.run()
