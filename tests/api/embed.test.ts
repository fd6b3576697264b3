/** Embeddings: against the references in the shared folder, alone and together, in process and through the openai client. */
import { existsSync, readdirSync } from 'node:fs'
import { AbortError, ArgumentError, ContextError, load, UnsupportedError } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bits, fails, STORIES } from '../api-helpers.ts'
import { tool } from '../package-home.ts'
import { hasShared, readSafetensors, shared, sharedTest } from '../shared.ts'

const model = await load(STORIES, { threads: 2, onWarning: () => {} })
test.after(() => model.close())

const TEXTS = ['Once upon a time', 'One day, a big dog', 'a']
const POOLINGS = ['mean', 'last'] as const

const length = (floats: Float32Array): number => Math.sqrt(floats.reduce((sum, x) => sum + x * x, 0))

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.is(a.length, b.length)
  return Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)))
}

const references = hasShared
  ? readdirSync(shared('goldens', 'embeddings')).filter((name) => name.endsWith('.gguf'))
  : ['embeddings']
for (const name of references) {
  sharedTest(`${name}: within 1e-3 of the reference`, async () => {
    const golden = await load(shared('goldens', 'embeddings', name), { kv: 'f32', onWarning: () => {} })
    try {
      const tensors = readSafetensors(shared('goldens', 'embeddings', name.replace(/gguf$/, 'safetensors')))
      const ids = Array.from(tensors.get('tokens')!.data)
      for (const pooling of POOLINGS) {
        const { embeddings, tokens } = await golden.embed([ids], { pooling })
        assert.equal([embeddings.length, tokens], [1, [ids.length]])
        assert.ok(distance(embeddings[0]!, tensors.get(pooling)!.data) < 1e-3, pooling)
      }
      const hidden = tensors.get('hidden')!
      const last = await golden.embed([ids], { pooling: 'last', normalize: false })
      assert.ok(distance(last.embeddings[0]!, hidden.data.slice(-hidden.shape[1]!)) < 1e-3)
      if (existsSync(tool('openai/index.mjs'))) await checkClient(golden, ids, tensors.get('mean')!.data)
    } finally {
      await golden.close()
    }
  })
}

test('the file says how texts are pooled', async () => {
  const text = 'Once upon a time'
  const pooled = async (type: number, options = {}): Promise<ArrayLike<number>> => {
    const model = await load(STORIES, { threads: 1, overrides: { 'llama.pooling_type': type } })
    try {
      return (await model.embed(text, options)).embeddings[0]!
    } finally {
      await model.close()
    }
  }
  const [mean] = (await model.embed(text, { pooling: 'mean' })).embeddings
  const [last] = (await model.embed(text, { pooling: 'last' })).embeddings
  for (const type of [0, 1]) assert.equal(await pooled(type), mean)
  assert.equal(await pooled(3), last)
  assert.equal(await pooled(3, { pooling: 'mean' }), mean)
  for (const type of [2, 4]) await fails(pooled(type), UnsupportedError, 'POOLING')
})

/** The client asks for base64 unless told otherwise. */
async function checkClient(golden: typeof model, ids: number[], expected: ArrayLike<number>): Promise<void> {
  const { default: OpenAI } = await import(tool('openai/index.mjs'))
  const handler = createHandler(golden)
  const fetch = (url: string, init: RequestInit) => handler(new Request(url, init))
  const openai = new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'none', maxRetries: 0, fetch })
  for (const format of [{}, { encoding_format: 'float' }, { encoding_format: 'base64' }]) {
    const { data, usage } = await openai.embeddings.create({
      model: golden.info.name || 'model',
      input: ids,
      ...format,
    })
    let { embedding } = data[0]
    if (typeof embedding === 'string') {
      const bytes = Buffer.from(embedding, 'base64')
      embedding = new Float32Array(new Uint8Array(bytes).buffer)
    }
    assert.ok(distance(embedding, expected) < 1e-3)
    assert.equal(usage, { prompt_tokens: ids.length, total_tokens: ids.length })
  }
}

test('each is the same bits alone, together and beside a generation', async () => {
  for (const pooling of POOLINGS) {
    const beside = model.generate('Once', { temperature: 0, maxTokens: 40 }).result()
    const { embeddings, tokens } = await model.embed(TEXTS, { pooling })
    await beside
    assert.equal(
      tokens,
      TEXTS.map((text) => model.tokenize(text).length),
    )
    for (const [i, text] of TEXTS.entries()) {
      const alone = await model.embed(text, { pooling })
      const ids = await model.embed([model.tokenize(text)], { pooling })
      assert.equal([bits(alone.embeddings[0]!), bits(ids.embeddings[0]!)], [bits(embeddings[i]!), bits(embeddings[i]!)])
      assert.ok(Math.abs(length(embeddings[i]!) - 1) < 1e-6)
    }
  }
})

test('not normalized they point the same way', async () => {
  const [text] = TEXTS
  const { embeddings } = await model.embed(text!, { normalize: false })
  const normalized = await model.embed(text!)
  const scale = length(embeddings[0]!)
  assert.ok(Math.abs(scale - 1) > 0.01)
  assert.ok(
    distance(
      embeddings[0]!.map((x) => x / scale),
      normalized.embeddings[0]!,
    ) < 1e-6,
  )
})

test('what cannot be embedded is refused', async () => {
  await fails(model.embed('x', { pooling: 'max' as never }), ArgumentError, 'INVALID_OPTION')
  await fails(model.embed('x', { normalize: 1 as never }), ArgumentError, 'INVALID_OPTION')
  await fails(model.embed([[]]), ArgumentError)
  await fails(model.embed([[model.info.vocabularySize]]), ArgumentError)
  await fails(model.embed([5 as never]), ArgumentError)
  await fails(model.embed(['a', 'a '.repeat(model.info.context)]), ContextError, 'CONTEXT_EXCEEDED')
  await fails(model.embed('x', { signal: AbortSignal.abort() }), AbortError, 'ABORTED')
  assert.is((await model.embed('x')).embeddings.length, 1)
})

test.run()
