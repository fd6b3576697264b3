/** Where a model can come from, what is told on the way, what can be asked before, and how the process ends after. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect, type LoadOptions, load, loadTokenizer, type ModelInput, type Progress, SourceError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, fileHandler, runModule, STORIES, serve } from '../api-helpers.ts'
import { sharedGgufFiles } from '../gguf-helpers.ts'
import { sharedTest } from '../shared.ts'

const BYTES = readFileSync(STORIES)
const SHA256 = createHash('sha256').update(BYTES).digest('hex')

/** What the model says first. */
async function story(input: ModelInput, options: LoadOptions = {}): Promise<string> {
  const model = await load(input, { threads: 1, ...options })
  try {
    return (await model.generate('', { temperature: 0, maxTokens: 20 }).result()).text
  } finally {
    await model.close()
  }
}

const STORY = await story(STORIES)

const copy = (): Uint8Array<ArrayBuffer> => Uint8Array.from(BYTES)
const shifted = new Uint8Array(BYTES.length + 5)
shifted.set(BYTES, 5)
const INPUTS: Record<string, () => ModelInput> = {
  'an absolute path': () => resolve(STORIES),
  'a file: URL as a text': () => pathToFileURL(STORIES).href,
  'a file: URL': () => pathToFileURL(STORIES),
  'a Uint8Array': copy,
  'a view of a larger buffer': () => shifted.subarray(5),
  'an ArrayBuffer': () => copy().buffer,
  'a DataView': () => new DataView(copy().buffer),
  'a Blob': () => new Blob([copy()]),
  'a File': () => new File([copy()], 'stories.gguf'),
}
for (const [name, input] of Object.entries(INPUTS)) {
  for (const inProcess of [false, true]) {
    test(`loads from ${name}${inProcess ? ', in process' : ''}`, async () => {
      assert.is(await story(input(), { inProcess }), STORY)
    })
  }
}

test('the caller’s bytes are neither detached nor changed', async () => {
  const bytes = copy()
  for (const inProcess of [false, true]) {
    const model = await load(bytes.buffer, { inProcess })
    assert.is(bytes.length, BYTES.length)
    assert.ok(BYTES.equals(bytes))
    await model.close()
  }
})

for (const ranges of [true, false]) {
  test(`loads over HTTP ${ranges ? 'with' : 'without'} Range, from a text and a URL`, async () => {
    const server = await serve(fileHandler(BYTES, { ranges }))
    try {
      assert.is(await story(server.url), STORY)
      assert.is(await story(new URL(server.url), { inProcess: true, sha256: SHA256 }), STORY)
    } finally {
      server.close()
    }
  })
}

test('headers and token go with every request', async () => {
  const server = await serve(fileHandler(BYTES))
  try {
    assert.is(await story(server.url, { headers: { 'x-of-mine': 'yes' }, token: 'abc' }), STORY)
    assert.ok(server.requests.length > 0)
    const headers = new Headers({ 'x-of-mine': 'yes' })
    assert.is(await story(server.url, { headers, token: 'abc' }), STORY)
    await inspect(server.url, { headers, token: 'abc' })
    for (const { headers } of server.requests) {
      assert.is(headers['x-of-mine'], 'yes')
      assert.is(headers.authorization, 'Bearer abc')
    }
  } finally {
    server.close()
  }
})

test('a fetch of the caller’s own is what reads, in his thread', async () => {
  const asked: string[] = []
  const own: typeof fetch = async (input) => {
    asked.push(String(input))
    return new Response(copy(), { headers: { 'content-length': String(BYTES.length) } })
  }
  for (const inProcess of [false, true]) {
    assert.is(await story('https://models.example/a.gguf', { fetch: own, sha256: SHA256, inProcess }), STORY)
  }
  assert.equal(new Set(asked), new Set(['https://models.example/a.gguf']))
})

test('a right checksum passes, a wrong one is refused, whatever the source', async () => {
  const wrong = SHA256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  for (const input of [STORIES, copy(), new Blob([copy()])]) {
    assert.is(await story(input, { sha256: SHA256.toUpperCase() }), STORY)
    const error = await fails(load(input, { sha256: wrong }), SourceError, 'SHA256_MISMATCH')
    assert.is(error.value, SHA256)
  }
})

test('progress: the header, then weights from none to all without a step back, then ready', async () => {
  for (const options of [{ threads: 2 }, { inProcess: true }]) {
    const seen: Progress[] = []
    const model = await load(STORIES, { ...options, onProgress: (progress) => seen.push(progress) })
    await model.close()
    const order = { download: 0, header: 0, weights: 1, ready: 2 }
    for (let i = 1; i < seen.length; i++) assert.ok(order[seen[i]!.phase] >= order[seen[i - 1]!.phase])
    assert.is(seen[0]!.phase, 'header')
    assert.equal(seen.at(-1), { phase: 'ready', done: BYTES.length, total: BYTES.length })
    const weights = seen.filter(({ phase }) => phase === 'weights')
    assert.ok(weights.length > 2)
    assert.is(weights[0]!.done, 0)
    assert.is(weights.at(-1)!.done, weights.at(-1)!.total)
    for (let i = 1; i < weights.length; i++) {
      assert.ok(weights[i]!.done >= weights[i - 1]!.done)
      assert.is(weights[i]!.total, weights[0]!.total)
    }
  }
})

test('what onProgress throws ends loading and is its error', async () => {
  for (const inProcess of [false, true]) {
    const boom = new Error('boom')
    const onProgress = (): never => {
      throw boom
    }
    assert.is(await load(STORIES, { onProgress, inProcess }).catch((error: unknown) => error), boom)
  }
})

test('a context beyond the trained one is warned of once, and works', async () => {
  const codes: string[] = []
  const model = await load(STORIES, { context: 600, threads: 1, onWarning: ({ code }) => codes.push(code) })
  assert.equal(codes, ['CONTEXT_BEYOND_TRAINING'])
  assert.is(model.info.context, 600)
  await model.close()
})

test('the context is min(trained, 4096) unless the trained one or another is asked for', async () => {
  const bytes = copy()
  // llama.context_length, u32 512, is made 5000.
  const key = Buffer.from('llama.context_length')
  new DataView(bytes.buffer).setUint32(BYTES.indexOf(key) + key.length + 4, 5000, true)
  for (const [context, tokens] of [
    [undefined, 4096],
    ['trained', 5000],
    [128, 128],
  ] as const) {
    const options = context === undefined ? {} : { context }
    assert.is((await inspect(bytes, options)).memory!.context, tokens)
    const model = await load(bytes, { ...options, threads: 1 })
    assert.equal([model.info.context, model.info.trainedContext], [tokens, 5000])
    await model.close()
  }
})

test('inspect: sizes from the header, the ones that loading then has', async () => {
  const inspection = await inspect(STORIES, { kv: 'f32', threads: 2 })
  const model = await load(STORIES, { kv: 'f32', threads: 2 })
  const { info } = model
  await model.close()
  assert.is(inspection.problem, undefined)
  assert.is(inspection.fileBytes, BYTES.length)
  assert.is(inspection.metadata.get('general.architecture'), 'llama')
  assert.is(inspection.tensors.length, 47)
  assert.is(inspection.config!.blockCount, info.layers)
  const memory = inspection.memory!
  assert.equal([memory.context, memory.kvType, memory.segments], [info.context, 'f32', 1])
  assert.equal([memory.total, memory.kv], [info.memoryBytes, info.kvBytes])
  assert.is(memory.weights + memory.kv + memory.buffers, memory.total)
  const short = await inspect(STORIES, { context: 64, kv: 'f16', threads: 1 })
  assert.is(short.memory!.kv, memory.kv / 16)
  assert.equal(await inspect(STORIES, { threads: 'auto' }), await inspect(STORIES))
})

sharedTest('inspect tells of every file, and why where it cannot be run', async () => {
  for (const path of sharedGgufFiles()) {
    const { problem, config, memory, metadata } = await inspect(path)
    assert.ok(metadata.size > 0, path)
    assert.is(problem === undefined, config !== undefined && memory !== undefined, path)
  }
})

sharedTest('loadTokenizer: of a model, and of a file with nothing but a vocabulary', async () => {
  const tokenizer = await loadTokenizer(copy())
  const model = await load(STORIES, { threads: 1 })
  assert.equal(tokenizer.tokenize('One day'), model.tokenize('One day'))
  await model.close()
  const vocabularies = sharedGgufFiles('vectors')
  assert.ok(vocabularies.length > 0)
  for (const path of vocabularies) {
    const { tokenize, detokenize } = Object.getPrototypeOf(await loadTokenizer(path))
    const other = await loadTokenizer(path)
    assert.is(detokenize.call(other, tokenize.call(other, 'Hello, world')), 'Hello, world')
  }
})

/** A process that loads in some way, tells a story on stdout, and closes or not. */
const using = (input: string, options: string, close: boolean): string => `
  import { readFileSync } from 'node:fs'
  import { load } from 'cria'
  const model = await load(${input}, ${options})
  const { text } = await model.generate('', { temperature: 0, maxTokens: 20 }).result()
  process.stdout.write(text)
  ${close ? 'await model.close()' : ''}`

for (const close of [true, false]) {
  test(`a process ends by itself ${close ? 'after' : 'without'} close, having printed nothing of ours`, async () => {
    const cases = [
      [`'${STORIES}'`, '{ threads: 2 }'],
      [`readFileSync('${STORIES}')`, '{ threads: 2 }'],
      [`new Blob([readFileSync('${STORIES}')])`, '{ threads: 1 }'],
      [`readFileSync('${STORIES}')`, '{ inProcess: true }'],
    ] as const
    const ends = await Promise.all(cases.map(([input, options]) => runModule(using(input, options, close))))
    for (const [i, { code, stdout, stderr }] of ends.entries()) {
      assert.equal([code, stdout, stderr], [0, STORY, ''], cases[i]!.join(', '))
    }
  })
}

test('a process whose load fails ends by itself', async () => {
  const code = `
    import { load } from 'cria'
    await load(new Uint8Array(100)).catch(({ code }) => process.stdout.write(code))`
  assert.equal((({ code, stdout, stderr }) => [code, stdout, stderr])(await runModule(code)), [0, 'GGUF_MAGIC', ''])
})

test.run()
