/** cria in a browser: a page with shared memory and threads, one without, files, errors, workers that die. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import type { Killed } from '../conformance/run-all.ts'
import { shared, sharedTest } from '../shared.ts'
import { chromium } from './chromium.ts'
import { type Driver, type Runtime, startServer } from './driver.ts'
import { nodeDriver } from './node.ts'

interface Failure {
  name: string
  code: string
  message: string
  value: unknown
  milliseconds: number
}
interface Told {
  text: string
  threads: number
  shared: boolean
  isa: string
  isolated: boolean
}

const STORY = { kv: 'f32', generate: { maxTokens: 255 } }
/** Milliseconds: what is at once, on a machine that does other things too. */
const SOON = 1000

/** Folders of workers that lack the wasm, and a thread that can be loaded. */
const LAME = [
  ...['lame', 'lamer'].flatMap((folder) =>
    readdirSync('dist/chunks').flatMap((name) => ['--file', `/${folder}/chunks/${name}=dist/chunks/${name}`]),
  ),
  ...['--file', '/lame/web/leader.js=dist/web/leader.js'],
  ...['--file', '/lamer/web/leader.js=dist/web/leader.js', '--file', '/lamer/web/thread.js=LICENSE'],
  ...['simd', 'relaxed'].flatMap((isa) => ['--file', `/lamer/${isa}.wasm=dist/${isa}.wasm`]),
]

/** Two servers of the same files, with and without the headers that threads need. */
const [isolating, plain] = await Promise.all([startServer(LAME), startServer(['--no-isolation'])])
test.after(() => {
  for (const server of [isolating, plain]) server.close()
})

function suite(driver: Driver): void {
  const missing = driver.missing()
  const fail = (): void => {
    throw new Error(missing)
  }
  if (missing === undefined) run(driver)
  else if (process.env.CI) test(`${driver.name} is there`, fail)
  else test.skip(`${driver.name}: ${missing}`)
}

function run(driver: Driver): void {
  let isolated: Runtime
  let bare: Runtime
  test.before(async () => {
    isolated = await driver.start(isolating)
    bare = await driver.start(plain)
    console.log(`  ${driver.name} ${isolated.version}`)
  })
  test.after(async () => {
    await Promise.all([isolated?.close(), bare?.close()])
  })
  const story = (options: object) => ({ model: isolating.url + STORIES, options: { kv: 'f32', ...options } })
  const { generate } = STORY

  sharedTest('an isolated page tells the exact story on two threads and on one', async () => {
    const { text } = JSON.parse(readFileSync(shared('goldens', 'stories260K.greedy.json'), 'utf8'))
    for (const threads of [2, 1]) {
      const told = await isolated.run<Told>('story', { ...story({ threads }), generate })
      assert.is(told.text, text)
      assert.equal([told.isolated, told.shared, told.threads], [true, true, threads])
    }
  })

  sharedTest('a page that is not isolated tells the same with one thread, of its own accord', async () => {
    const { text } = JSON.parse(readFileSync(shared('goldens', 'stories260K.greedy.json'), 'utf8'))
    const told = await bare.run<Told>('story', { ...story({}), model: plain.url + STORIES, generate })
    assert.is(told.text, text)
    assert.equal([told.isolated, told.shared, told.threads], [false, false, 1])
  })

  test('logits have the bits they have in Node', async () => {
    const configurations = [1, 2, 3].flatMap((threads) =>
      ['simd', 'relaxed'].map((isa) => ({ threads, isa, batch: 61 })),
    )
    const argument = { model: isolating.url + STORIES, tokens: 200 }
    const own = [{ isa: 'relaxed' }, { isa: 'simd', inProcess: true }]
    const node = await nodeDriver(process.execPath).start(isolating)
    const [reference] = await node.run<string[]>('logits', {
      ...argument,
      configurations: [{ isa: 'simd', threads: 1 }],
    })
    for (const hash of await isolated.run<string[]>('logits', { ...argument, configurations }))
      assert.is(hash, reference)
    for (const hash of await bare.run<string[]>('logits', { ...argument, configurations: own }))
      assert.is(hash, reference)
  })

  test('a text that a schema constrains is the one that Node writes, where the page asks for grammars', async () => {
    const properties = { name: { type: 'string', maxLength: 9 }, age: { type: 'integer', minimum: 0, maximum: 99 } }
    const person = { type: 'object', properties, required: ['name', 'age'], additionalProperties: false }
    const schema = { type: 'array', items: person, minItems: 3, maxItems: 3 }
    const generate = { schema, temperature: 1.1, seed: 9, maxTokens: 400 }
    const node = await nodeDriver(process.execPath).start(isolating)
    const { text } = await node.run<Told>('story', { ...story({ threads: 1 }), generate })
    await node.close()
    assert.is(JSON.parse(text).length, 3)
    for (const options of [{ threads: 2 }, { threads: 1 }, { inProcess: true, grammars: false }]) {
      const argument = { ...story({ grammars: true, ...options }), generate }
      assert.is((await isolated.run<Told>('story', argument)).text, text)
    }
    const without = { ...story({ threads: 1 }), generate }
    const refused = await isolated.run('story', without).then(String, String)
    assert.match(refused, /grammars: true/)
  })

  test('the code of templates comes with the first chat, that of rare filters with a template that has one', async () => {
    const template = '{{ messages[0].content | urlize }}'
    const { model } = story({})
    const chat = '<|im_start|>user\nOnce<|im_end|>\n<|im_start|>assistant\n'
    const none = 'TEMPLATES_NOT_LOADED'
    const outcomes = await isolated.run<string[]>('rendered', { model, template })
    assert.equal(outcomes, [none, none, chat, none, chat, 'Once'])
  })

  test('a File, a Blob and bytes are read', async () => {
    const generate = { maxTokens: 20 }
    const { text } = await isolated.run<Told>('story', { ...story({ threads: 1 }), generate })
    assert.match(text, /^Once upon a time/)
    for (const [runtime, threads] of [
      [isolated, 2],
      [bare, 1],
    ] as const) {
      const texts = await runtime.run<object>('storyOfFile', { ...story({ threads }), generate })
      assert.equal(texts, { file: text, blob: text, bytes: text })
    }
  })

  test('an abort is felt at once, and the model goes on', async () => {
    for (const [runtime, threads] of [
      [isolated, 2],
      [bare, 1],
    ] as const) {
      const { outcomes, text } = await runtime.run<{ outcomes: Record<string, Failure>; text: string }>(
        'aborted',
        story({ threads, context: 4096 }),
      )
      for (const [name, { code, milliseconds }] of Object.entries(outcomes)) {
        assert.is(code, 'ABORTED', name)
        assert.ok(milliseconds < SOON, `${name}: ${milliseconds} ms`)
      }
      assert.match(text, /^Once/)
    }
  })

  test('what cannot be loaded is a typed error that says why', async () => {
    const failure = (options: object, model = isolating.url + STORIES, runtime = isolated) =>
      runtime.run<Failure>('failedLoad', { model, options: { retries: 0, ...options } })
    const absent = await failure({}, `${isolating.url}models/none.gguf`)
    assert.equal([absent.name, absent.code], ['SourceError', 'HTTP_STATUS'])
    assert.match(absent.message, 'none.gguf')
    const path = await failure({}, STORIES)
    assert.equal([path.name, path.code, path.value], ['SourceError', 'HTTP_STATUS', 404])
    assert.match(path.message, `tests/conformance/${STORIES}`)
    const threads = await failure({ threads: 2 }, plain.url + STORIES, bare)
    assert.equal([threads.name, threads.code, threads.value], ['UnsupportedError', 'NO_SHARED_MEMORY', 2])
    const worker = await failure({ workerUrl: 'nowhere' })
    assert.equal([worker.name, worker.code], ['WorkerError', 'WORKER_DIED'])
    assert.match(worker.message, /could not be loaded \(HTTP status 404\): .* workerUrl, or import cria\/inline\)\.$/)
    const wasm = await failure({ workerUrl: '/lame/web/' })
    assert.equal([wasm.name, wasm.code], ['SourceError', 'WASM_UNREACHABLE'])
    const thread = await failure({ workerUrl: '/lamer/web/', threads: 2 })
    assert.equal([thread.name, thread.code, thread.value], ['WorkerError', 'WORKER_DIED', 1])
    const promise = await isolated.run<Failure>('failedThread', story({ threads: 2 }))
    assert.equal([promise.name, promise.code, promise.value], ['WorkerError', 'WORKER_DIED', 1])
  })

  test('workers start from a folder that is given, of this origin or of another', async () => {
    const generate = { maxTokens: 5 }
    // A folder may lack the last slash; the other server is another origin.
    for (const workerUrl of ['/dist/web', `${plain.url}dist/web/`]) {
      const told = await isolated.run<Told>('story', { ...story({ threads: 2, workerUrl }), generate })
      assert.match(told.text, /^Once/)
      assert.is(told.threads, 2)
    }
  })

  test('close ends what is under way', async () => {
    for (const runtime of [isolated, bare]) {
      const { running, later } = await runtime.run<Record<string, Failure>>('closed', story({ context: 4096 }))
      assert.equal([running!.name, running!.code], ['ClosedError', 'CLOSED'])
      assert.equal([later!.name, later!.code], ['ClosedError', 'CLOSED'])
    }
  })

  test('a worker that dies changes nothing that is under way', async () => {
    const options = { context: 256, kvTokens: 8192 }
    const death = (at: number, which: number) => ({ at, which, delay: 0 })
    const runs = [[death(3, 0)], [death(100, 1)], [death(200, 0)]]
    const killed = await isolated.run<Killed>('killed', { ...story({ ...options, threads: 2 }), tokens: 30, runs })
    assert.equal(killed, { differences: [], codes: Array(3).fill('WORKER_RESTARTED'), workers: 8 })
    const alone = { ...story(options), tokens: 20, runs: [[death(50, 0)]] }
    assert.equal(await bare.run<Killed>('killed', alone), {
      differences: [],
      codes: ['WORKER_RESTARTED'],
      workers: 2,
    })
  })
}

suite(chromium)
test.run()
