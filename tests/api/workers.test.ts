/** Workers that die: calls under way go on. Work that is given up ends at once. Nothing is left hanging. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  AbortError,
  ClosedError,
  type CriaError,
  type CriaWarning,
  type GenerateOptions,
  type GenerateResult,
  type LoadOptions,
  load,
  type Model,
  type ModelInput,
  readGguf,
  SourceError,
  WorkerError,
} from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MODEL_LAYER_TABLE } from '../../assembly/layout.ts'
import type { SegmentHandle } from '../../js/engine/wasm.ts'
import { bits, fails, fileHandler, runModule, SMOLLM, STORIES, serve } from '../api-helpers.ts'
import { sharedTest } from '../shared.ts'

/** Workers in the order they were started (each is unref'd then), the leader of a model first; segments sent to threads. */
const workers = new Set<Worker>()
const segments: SegmentHandle[] = []
const { unref, postMessage } = Worker.prototype
Worker.prototype.unref = function (this: Worker) {
  // Node's own worker for module hooks is of another class.
  if (this.constructor === Worker) workers.add(this)
  return unref.call(this)
}
Worker.prototype.postMessage = function (this: Worker, message: { segments?: SegmentHandle[] }, ...rest: []) {
  if (message.segments) segments.push(...message.segments)
  return postMessage.call(this, message, ...rest)
}

async function loadWatched(path: ModelInput, options: LoadOptions): Promise<{ model: Model; team: Worker[] }> {
  workers.clear()
  segments.length = 0
  const model = await load(path, options)
  return { model, team: [...workers] }
}

const ENDLESS = { temperature: 0, ignoreEos: true }
const LONG = { ...ENDLESS, maxTokens: 500 }

/** A long generation, once its first token is there. */
async function running(model: Model): Promise<{ result: Promise<GenerateResult> }> {
  let result!: Promise<GenerateResult>
  await new Promise<void>((resolve, reject) => {
    result = model.generate('Once', { ...LONG, onToken: () => resolve() }).result()
    result.catch(reject)
  })
  return { result }
}

const undisturbed = await load(STORIES, { threads: 1 })
const { ids: LONG_IDS } = await undisturbed.generate('Once', LONG).result()
await undisturbed.close()

/** A generation whose model has lost a worker gives what it would have given. */
async function goesOn({ result }: { result: Promise<GenerateResult> }): Promise<void> {
  assert.equal((await result).ids, LONG_IDS)
}

async function usable(path = STORIES): Promise<void> {
  const model = await load(path, { threads: 2 })
  assert.is((await model.generate('Once', { temperature: 0, maxTokens: 3 }).result()).completionTokens, 3)
  await model.close()
}

/** Milliseconds: what is at once, on a machine that does other things too; and of an abort, the best time of three. */
const SOON = 2000
const ABORT = 200

/** The error that the promise fails with, soon. */
async function failsSoon(promise: Promise<unknown>, Class: new (...args: never[]) => CriaError): Promise<CriaError> {
  const start = performance.now()
  const error = await fails(promise, Class)
  const milliseconds = performance.now() - start
  assert.ok(milliseconds < SOON, `${milliseconds} ms`)
  return error
}

/** After a death, a model that came as bytes. */
async function checkDead(model: Model): Promise<void> {
  await failsSoon(model.generate('x').result(), WorkerError)
  await failsSoon(model.logits([1]), WorkerError)
  await failsSoon(model.reset(), WorkerError)
  assert.equal(model.tokenize('Once', { bos: false }).length > 0, true)
  await model.close()
}

/** After a death, a model that can be loaded again: calls that come together wait for one loading, and give what they gave. */
async function checkBack(model: Model, team: readonly Worker[]): Promise<void> {
  const ids = model.tokenize('Once')
  const expected = await load(STORIES, { threads: 1 })
  const { text } = await expected.generate('Once', { temperature: 0, maxTokens: 20 }).result()
  const { data } = await expected.logits(ids)
  await expected.close()
  workers.clear()
  const [generated, logits, { kvPages }, state] = await Promise.all([
    model.generate('Once', { temperature: 0, maxTokens: 20 }).result(),
    model.logits(ids),
    model.status(),
    model.saveState(ids),
  ])
  assert.is((await model.loadState(state)).tokens, ids.length)
  assert.is(generated.text, text)
  assert.is(bits(logits.data), bits(data))
  assert.ok(kvPages.total > 0)
  assert.is(workers.size, team.length)
  assert.is(team.filter((worker) => workers.has(worker)).length, 0)
}

for (const [who, index] of [
  ['the leader', 0],
  ['a thread', 1],
  ['the last thread', 2],
] as const) {
  test(`${who} dies in the middle of a token`, async () => {
    const warnings: CriaWarning[] = []
    const onWarning = (warning: CriaWarning) => warnings.push(warning)
    const { model, team } = await loadWatched(STORIES, { threads: 3, onWarning })
    assert.is(team.length, 3)
    const first = await running(model)
    const beside = model.generate('Once', LONG)
    const waiting = goesOn({ result: beside.result() })
    void team[index]!.terminate()
    await goesOn(first)
    await waiting
    const second = [...workers].slice(3)
    assert.is(second.length, 3)
    // And once more.
    const again = await running(model)
    void second[index]!.terminate()
    await goesOn(again)
    assert.is(workers.size, 9)
    assert.equal(
      warnings.map(({ code }) => code),
      ['WORKER_RESTARTED', 'WORKER_RESTARTED'],
    )
    const kind = index === 0 ? 'leader' : 'thread'
    const said = `^Worker ${index} \\(${kind}\\) of this model died \\(.*\\)\\. The model is loaded again, and calls under way go on\\.$`
    assert.match(warnings[0]!.message, new RegExp(said))
    await model.close()
  })
}

test('samplers that learn from what they drew go on, too', async () => {
  const { model, team } = await loadWatched(STORIES, { threads: 2, onWarning: () => {} })
  const options: GenerateOptions[] = [
    { mirostat: 1, mirostatTau: 3 },
    { mirostat: 2, mirostatTau: 3, json: true },
    { adaptiveTarget: 0.3 },
    { xtcProbability: 0.5, dryMultiplier: 1, dryAllowedLength: 1 },
  ]
  const all = (onToken: () => void = () => {}): Promise<GenerateResult['ids'][]> =>
    Promise.all(
      options.map(async (one, i) => {
        const common = { temperature: 1, ignoreEos: true, seed: i, maxTokens: 100, onToken }
        return (await model.generate('Once', { ...common, ...one }).result()).ids
      }),
    )
  const expected = await all()
  let heard = 0
  const found = await all(() => {
    if (++heard === 120) void team[0]!.terminate()
  })
  assert.equal(found, expected)
  assert.is(workers.size, 4)
  await model.close()
})

test('a model that came as bytes stays dead', async () => {
  for (const input of [readFileSync(STORIES), [readFileSync(STORIES).buffer as ArrayBuffer]]) {
    const { model, team } = await loadWatched(input, { threads: 2 })
    const { result } = await running(model)
    void team[1]!.terminate()
    const error = await failsSoon(result, WorkerError)
    assert.equal([error.code, error.value], ['WORKER_DIED', 1])
    assert.match(error.message, /Close the model and load it again: its bytes were not kept\.$/)
    await checkDead(model)
  }
})

/** Ends each worker that is started from now on, until the function that it returns is called. */
function endNewWorkers(): () => void {
  const add = workers.add.bind(workers)
  workers.add = (worker) => {
    if (!workers.has(worker)) void worker.terminate()
    return add(worker)
  }
  return () => {
    workers.add = add
  }
}

test('a death that happens again at once fails the calls under way; the next one loads the model again', async () => {
  const { model, team } = await loadWatched(STORIES, { threads: 2, onWarning: () => {} })
  const { result } = await running(model)
  const stop = endNewWorkers()
  void team[0]!.terminate()
  const error = await failsSoon(result, WorkerError)
  assert.equal([error.code, error.value], ['WORKER_DIED', 0])
  stop()
  await checkBack(model, team)
  await model.close()
})

sharedTest('a chat goes on after a death, on the ids of its turns', async () => {
  const talk = async (model: Model, between: () => unknown): Promise<unknown> => {
    const chat = model.createChat({ seed: 4, temperature: 1.2, maxTokens: 12 })
    const ids: unknown[] = []
    for (const message of ['Name a colour.', 'Another!', 'Why?']) {
      const { ids: answer, promptTokens } = await chat.send(message, { onToken: () => between() }).result()
      ids.push([promptTokens, answer])
    }
    return ids
  }
  const { model, team } = await loadWatched(SMOLLM, { threads: 2, context: 1024, onWarning: () => {} })
  const expected = await talk(model, () => {})
  let tokens = 0
  const killing = () => ++tokens === 17 && team[1]!.terminate()
  assert.equal(await talk(model, killing), expected)
  assert.is(workers.size, 4)
  await model.close()
})

test('a model that comes from a Blob, or by a fetch of one’s own, is loaded again too', async () => {
  const bytes = readFileSync(STORIES)
  let requests = 0
  const fetch = async (_: unknown, init: RequestInit = {}): Promise<Response> => {
    requests++
    const from = Number(/bytes=(\d+)-/.exec(new Headers(init.headers).get('range') ?? '')?.[1] ?? 0)
    const headers = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    return new Response(bytes.subarray(from), { status: 206, headers })
  }
  for (const [input, options] of [
    [new Blob([bytes]), {}],
    ['http://models.example/stories.gguf', { fetch: fetch as never }],
  ] as const) {
    const once = new AbortController()
    const progress: string[] = []
    const onProgress = ({ phase }: { phase: string }) => progress.push(phase)
    const watched = { threads: 2, onProgress, signal: once.signal, onWarning: () => {}, ...options }
    const { model, team } = await loadWatched(input, watched)
    const told = progress.length
    // Signal and progress were of the first loading alone.
    once.abort()
    const asked = requests
    const generation = await running(model)
    void team[0]!.terminate()
    await goesOn(generation)
    assert.is(workers.size, 4)
    assert.is(progress.length, told)
    assert.ok(options.fetch === undefined || requests > asked)
    await model.close()
  }
})

test('what cannot be loaded again is told, and tried again by the next call', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-'))
  const path = join(folder, 'model.gguf')
  const bytes = readFileSync(STORIES)
  const { offset } = [...(await readGguf(STORIES)).tensors.values()].at(-1)!
  try {
    writeFileSync(path, bytes)
    const { model, team } = await loadWatched(path, { threads: 2, onWarning: () => {} })
    const { result } = await running(model)
    rmSync(path)
    await team[1]!.terminate()
    const failures = [result, model.generate('x').result(), model.logits([1]), model.status()]
    for (const failure of failures) await fails(failure, SourceError)
    // Longer; another vocabulary; other weights.
    const vocabulary = Buffer.from(bytes)
    vocabulary.write('Lily', vocabulary.indexOf('Once'))
    const weights = Buffer.from(bytes)
    weights[offset]! ^= 1
    for (const changed of [Buffer.concat([bytes, Buffer.alloc(64)]), vocabulary, weights]) {
      writeFileSync(path, changed)
      await fails(model.status(), SourceError, 'SOURCE_CHANGED')
    }
    writeFileSync(path, bytes)
    await checkBack(model, team)
    await model.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('close, and an abort, end a loading that goes on', async () => {
  let release!: () => void
  const stalled = new Promise<void>((resolve) => (release = resolve))
  let slow = false
  const server = await serve(async (request, response) => {
    if (slow) await stalled
    fileHandler(readFileSync(STORIES))(request, response)
  })
  try {
    const { model, team } = await loadWatched(server.url, { threads: 2, onWarning: () => {} })
    const leaving = new AbortController()
    const { signal } = leaving
    const underWay = model.generate('Once', { ...LONG, signal })
    const pieces = underWay[Symbol.asyncIterator]()
    const beside = await running(model)
    await pieces.next()
    slow = true
    await team[0]!.terminate()
    const aborted = [underWay.result(), model.generate('x', { signal }).result()]
    const waiting = [beside.result, model.generate('x').result()]
    for (const call of [...aborted, ...waiting]) call.catch(() => {})
    setTimeout(() => leaving.abort(), 100)
    for (const call of aborted) await failsSoon(call, AbortError)
    const closing = model.close()
    for (const call of waiting) await failsSoon(call, ClosedError)
    await closing
    await failsSoon(model.status(), ClosedError)
  } finally {
    release()
    server.close()
  }
})

test('a worker dies while nothing runs, and while the model loads', async () => {
  const { model, team } = await loadWatched(STORIES, { threads: 2, onWarning: () => {} })
  await team[1]!.terminate()
  await checkBack(model, team)
  await model.close()
  for (const index of [0, 1]) {
    workers.clear()
    let killed = false
    const onProgress = (): void => {
      const worker = [...workers][index]
      if (!worker || killed) return
      killed = true
      void worker.terminate()
    }
    // A small model may be there before the death of a thread is heard of.
    const codes: string[] = []
    const loading = load(STORIES, { threads: 2, onProgress, onWarning: ({ code }) => codes.push(code) })
    const late = await loading.catch((error: unknown) => {
      assert.ok(error instanceof WorkerError)
    })
    if (!late) continue
    await goesOn({ result: late.generate('Once', LONG).result() })
    assert.equal(codes, ['WORKER_RESTARTED'])
    await late.close()
  }
  await usable()
})

/** Has each pass of a model trap from now on. */
function damage({ memory, model: at }: SegmentHandle): void {
  new DataView(memory.buffer).setUint32(at + MODEL_LAYER_TABLE, 0xffffff00, true)
}

test('a trap in wasm costs time, too; one that comes again is a clear error', async () => {
  const warnings: string[] = []
  const onWarning = ({ message }: CriaWarning) => warnings.push(message)
  const { model, team } = await loadWatched(STORIES, { threads: 2, onWarning })
  damage(segments[0]!)
  await goesOn({ result: model.generate('Once', LONG).result() })
  assert.match(warnings[0]!, /out of bounds/)
  const { push } = segments
  segments.push = (...added) => {
    for (const one of added) damage(one)
    return push.apply(segments, added)
  }
  damage(segments.at(-1)!)
  const error = await failsSoon(model.generate('Once').result(), WorkerError)
  segments.push = push
  assert.ok(['WORKER_DIED', 'WORKER_TRAPPED'].includes(error.code))
  assert.match(error.message, /out of bounds.* The next call loads the model again\.$/)
  await checkBack(model, team)
  await model.close()
})

test('in process a trap is no more than a warning, too', async () => {
  const codes: string[] = []
  const model = await load(STORIES, { inProcess: true, onWarning: ({ code }) => codes.push(code) })
  const { subarray } = Float32Array.prototype
  let tokens = 0
  const onToken = (): void => {
    if (++tokens !== 20) return
    // What is no error of cria's is taken for a trap.
    Float32Array.prototype.subarray = () => {
      Float32Array.prototype.subarray = subarray
      throw new WebAssembly.RuntimeError('unreachable')
    }
  }
  const { ids } = await model.generate('Once', { ...LONG, onToken }).result()
  assert.equal(ids, LONG_IDS)
  assert.is(tokens, LONG_IDS.length)
  assert.equal(codes, ['WORKER_RESTARTED'])
  await model.close()
})

test('a process whose model lost a worker goes on with it, and ends by itself', async () => {
  for (const index of [0, 1]) {
    const { code, stdout, stderr } = await runModule(`
      import { Worker } from 'node:worker_threads'
      import { load } from 'cria'
      const workers = new Set()
      const { unref } = Worker.prototype
      Worker.prototype.unref = function () { workers.add(this); return unref.call(this) }
      const model = await load('${STORIES}', { threads: 2, onWarning: ({ code }) => process.stdout.write(code) })
      const onToken = () => [...workers][${index}].terminate()
      const { completionTokens } = await model.generate('Once', { maxTokens: 50, ignoreEos: true, onToken }).result()
      process.stdout.write(' ' + completionTokens)`)
    assert.equal([code, stdout, stderr], [0, 'WORKER_RESTARTED 50', ''])
  }
})

test('a process that closes a model at work goes on after', async () => {
  const { code, stdout, stderr } = await runModule(`
    import { load } from 'cria'
    const model = await load('${STORIES}', { threads: 2, context: 8192, onWarning: () => {} })
    model.generate('Once', { ignoreEos: true }).result().catch(({ code }) => process.stdout.write(code))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await model.close()
    process.stdout.write(' then this')`)
  assert.equal([code, stdout, stderr], [0, 'CLOSED then this', ''])
})

/** Aborts after some milliseconds and checks that the promise fails soon after. */
async function abortedAfter(delay: number, start: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && best > ABORT; run++) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const promise = start(controller.signal)
    promise.catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, delay))
    controller.abort(reason)
    const aborted = performance.now()
    const error = await failsSoon(promise, AbortError)
    assert.equal([error.code, error.cause], ['ABORTED', reason])
    best = Math.min(best, performance.now() - aborted)
  }
  assert.ok(best <= ABORT, `${best} ms`)
}

test('abort while the header, and while the weights, come from a server that stalls', async () => {
  const data = readFileSync(STORIES)
  const silent = await serve(() => {})
  const stalling = await serve((request, response) => {
    response.writeHead(200, { 'content-length': data.length })
    response.write(data.subarray(0, request.url === '/header' ? 5000 : 300_000))
  })
  try {
    for (const how of [{ threads: 2 }, { inProcess: true }, { fetch }]) {
      for (const url of [silent.url, new URL('/header', stalling.url), stalling.url]) {
        await abortedAfter(300, (signal) => load(url, { ...how, signal }))
      }
      await fails(load(STORIES, { ...how, signal: AbortSignal.abort() }), AbortError, 'ABORTED')
    }
  } finally {
    silent.close()
    stalling.close()
  }
  await usable()
})

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    // The one that the list was read through.
    return undefined
  }
}

sharedTest('abort at any time while a real model loads; its file is closed', async () => {
  const file = realpathSync(SMOLLM)
  // Of this file alone: Node does not close the modules that a worker which ends early was reading.
  const open = (): string[] => readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`) === file)
  let seen = 0
  for (const how of [{ threads: 2 }, { inProcess: true }]) {
    const begin = performance.now()
    await (await load(SMOLLM, how)).close()
    const whole = performance.now() - begin
    const waits: number[] = []
    let aborted = 0
    for (const delay of [0, 1, 20, 40, 60, 80, 120, 160]) {
      const controller = new AbortController()
      const promise = load(SMOLLM, { ...how, signal: controller.signal })
      promise.catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, delay))
      seen += open().length
      controller.abort()
      const start = performance.now()
      const model = await promise.catch((error: unknown) => {
        assert.instance(error, AbortError)
        aborted++
      })
      waits.push(performance.now() - start)
      await model?.close()
    }
    assert.ok(aborted >= 4)
    // Most are far from what is left of the load.
    waits.sort((a, b) => a - b)
    assert.ok(waits[4]! < whole / 4, `${waits} of ${whole} ms`)
  }
  for (const end = performance.now() + SOON; open().length > 0 && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok(seen > 0)
  assert.equal(open(), [])
})

for (const how of [{ threads: 2 }, { inProcess: true }]) {
  sharedTest(`abort in a prompt, in generation and in logits: ${JSON.stringify(how)}`, async () => {
    const model = await load(SMOLLM, { context: 2048, ...how })
    const ids = Array.from({ length: 1500 }, (_, i) => 1000 + i)
    const reference = await model.generate('The capital', { temperature: 0, maxTokens: 4 }).result()
    await abortedAfter(250, (signal) => model.generate(ids, { signal }).result())
    const again = await model.generate('The capital', { temperature: 0, maxTokens: 4 }).result()
    assert.is(again.text, reference.text)
    await abortedAfter(250, (signal) => model.generate('Once', { ...ENDLESS, signal }).result())
    await abortedAfter(350, (signal) => model.logits(ids, { signal }))
    const start = performance.now()
    let left = 0
    for await (const piece of model.generate('Once', ENDLESS)) {
      assert.type(piece, 'string')
      left = performance.now()
      break
    }
    assert.ok(left > start && performance.now() - left < SOON)
    const last = await model.generate('The capital', { temperature: 0, maxTokens: 4 }).result()
    assert.equal(last.ids, reference.ids)
    const closing = model.generate(ids).result()
    closing.catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 100))
    const closed = performance.now()
    await model.close()
    assert.ok(performance.now() - closed < SOON, 'close does not wait for the prompt')
  })
}

test('what the workers leave behind: fifty models in turn', async () => {
  workers.clear()
  for (let i = 0; i < 50; i++) {
    const model = await load(STORIES, { threads: 2 })
    await model.generate('Once', { maxTokens: 1 }).result()
    await model.close()
  }
  assert.is(workers.size, 100)
  assert.equal(
    process.getActiveResourcesInfo().filter((name) => /Worker|MessagePort/.test(name)),
    [],
  )
})

test.run()
