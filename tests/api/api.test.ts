/** `generate` and the other calls of a loaded model, as the built package has them. */
import { readFileSync } from 'node:fs'
import * as cria from 'cria'
import { AbortError, ClosedError, type GenerateOptions, load, type Model } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as errors from '../../js/errors.ts'
import { bits, collect, fails, STORIES } from '../api-helpers.ts'
import { readSafetensors, shared, sharedTest } from '../shared.ts'

const GREEDY: GenerateOptions = { temperature: 0 }
const model = await load(STORIES, { threads: 2, kv: 'f32' })
test.after(() => model.close())

const golden = (): { prompt_tokens: number[]; ids: number[]; text: string } =>
  JSON.parse(readFileSync(shared('goldens', 'stories260K.greedy.json'), 'utf8'))

sharedTest('the greedy story is the reference’s, from a text and from ids', async () => {
  const { prompt_tokens, ids, text } = golden()
  const fromText = await model.generate('', { ...GREEDY, maxTokens: ids.length }).result()
  assert.equal(fromText.ids, ids)
  assert.is(fromText.text, text)
  const fromIds = await model.generate(prompt_tokens, { ...GREEDY, maxTokens: ids.length }).result()
  assert.equal(fromIds.ids, ids)
  assert.is(fromIds.text, text)
})

test('the result tells what happened; pieces, onToken and onPrompt tell the same', async () => {
  await model.reset()
  const tokens: { id: number; text: string }[] = []
  const prompt: { done: number; total: number }[] = []
  const generation = model.generate('Lily and Ben', {
    ...GREEDY,
    maxTokens: 12,
    onToken: (token) => tokens.push(token),
    onPrompt: (progress) => prompt.push(progress),
  })
  const pieces = await collect(generation)
  const result = await generation.result()
  const promptIds = model.tokenize('Lily and Ben')
  assert.is(pieces.join(''), result.text)
  assert.is(result.promptTokens, promptIds.length)
  assert.is(result.cachedTokens, 0)
  assert.is(result.completionTokens, 12)
  assert.is(result.ids.length, 12)
  assert.is(result.finishReason, 'length')
  assert.is(result.stop, undefined)
  assert.equal(
    tokens.map(({ id }) => id),
    result.ids,
  )
  assert.equal(prompt[0], { done: 0, total: promptIds.length })
  assert.is(prompt.at(-1)!.done, promptIds.length)
  assert.is(prompt.at(-1)!.total, promptIds.length)
  const { prompt: promptTime, generate, promptPerSecond, tokensPerSecond } = result.timings
  assert.ok(promptTime > 0 && generate > 0)
  assert.ok(Math.abs(promptPerSecond - (1000 * promptIds.length) / promptTime) < 1e-6)
  assert.ok(Math.abs(tokensPerSecond - (1000 * 12) / generate) < 1e-6)
  assert.is(model.detokenize([...promptIds, ...result.ids]), `Lily and Ben${result.text}`)
})

test('loops over one generation, in turn and at once, each have all its text', async () => {
  const generation = model.generate('The dog', { ...GREEDY, maxTokens: 10 })
  const [a, b] = await Promise.all([collect(generation), collect(generation)])
  const { text } = await generation.result()
  assert.is(a.join(''), text)
  assert.is(b.join(''), text)
  assert.is((await collect(generation)).join(''), text)
})

test('a generation that nobody asks for does not run', async () => {
  let ran = false
  model.generate('The dog', { onToken: () => (ran = true) })
  await model.generate('A cat', { maxTokens: 1 }).result()
  assert.is(ran, false)
})

test('leaving the loop early stops the work and leaves the model usable', async () => {
  let tokens = 0
  const generation = model.generate('Once', { ...GREEDY, onToken: () => tokens++ })
  for await (const piece of generation) {
    assert.type(piece, 'string')
    break
  }
  const after = tokens
  assert.ok(after < 400, `${after} tokens`)
  await fails(generation.result(), AbortError, 'ABORTED')
  const next = await model.generate('Once', { ...GREEDY, maxTokens: 5 }).result()
  assert.is(next.completionTokens, 5)
  assert.is(tokens, after)
})

test('maxTokens 0 reads the prompt only; 1 gives one token', async () => {
  const none = await model.generate('A big dog', { maxTokens: 0 }).result()
  assert.equal([none.text, none.ids.length, none.finishReason], ['', 0, 'length'])
  const one = await model.generate('A big dog', { ...GREEDY, maxTokens: 1 }).result()
  assert.is(one.completionTokens, 1)
  assert.is(one.cachedTokens, one.promptTokens - 1)
})

test('stop texts end generation wherever tokens cut them, and are not part of the text', async () => {
  const { text } = await model.generate('', { ...GREEDY, maxTokens: 60 }).result()
  for (const [from, to] of [
    [10, 12],
    [21, 35],
    [40, 41],
    [30, 50],
  ] as const) {
    const stop = text.slice(from, to)
    const generation = model.generate('', { ...GREEDY, maxTokens: 60, stop: [stop, 'never'] })
    const pieces = (await collect(generation)).join('')
    const result = await generation.result()
    assert.is(result.text, text.slice(0, text.indexOf(stop)))
    assert.is(pieces, result.text)
    assert.equal([result.stop, result.finishReason], [stop, 'stop'])
  }
  const unmet = await model.generate('', { ...GREEDY, maxTokens: 20, stop: 'xyzzy' }).result()
  assert.equal([unmet.stop, unmet.finishReason], [undefined, 'length'])
  assert.is(unmet.text, text.slice(0, unmet.text.length))
})

test('one seed gives one text, on 1, 2 and 4 threads and in process; other seeds give others', async () => {
  const options = { seed: 42, temperature: 1, maxTokens: 40 }
  const { text } = await model.generate('One day', options).result()
  assert.is((await model.generate('One day', options).result()).text, text)
  const { seed, text: drawn } = await model.generate('One day', { ...options, seed: undefined }).result()
  assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 4294967296)
  assert.equal((await model.generate('One day', { ...options, seed }).result()).text, drawn)
  const others = await Promise.all([1, 2, 3].map((seed) => model.generate('One day', { ...options, seed }).result()))
  assert.ok(others.some((other) => other.text !== text))
  for (const how of [{ threads: 1 }, { threads: 4 }, { inProcess: true }]) {
    const other = await load(STORIES, { kv: 'f32', ...how })
    assert.is((await other.generate('One day', options).result()).text, text, JSON.stringify(how))
    await other.close()
  }
})

test('the end of the context ends generation', async () => {
  const small = await load(STORIES, { context: 32, threads: 1 })
  const result = await small.generate('Once', { ...GREEDY, ignoreEos: true }).result()
  assert.is(result.finishReason, 'length')
  // The last token sampled needs no place.
  assert.is(result.promptTokens + result.completionTokens, 33)
  const full = await small.generate(Array(32).fill(5), { ...GREEDY, ignoreEos: true }).result()
  assert.equal([full.completionTokens, full.finishReason], [1, 'length'])
  await small.close()
})

test('an end-of-generation token ends generation, unless it is banned', async () => {
  const eos = 2
  const bias = { logitBias: { [eos]: 1000 }, ...GREEDY, maxTokens: 5 }
  const result = await model.generate('Once', bias).result()
  assert.equal([result.finishReason, result.ids, result.text], ['stop', [eos], ''])
  const ignored = await model.generate('Once', { ...bias, ignoreEos: true }).result()
  assert.equal([ignored.finishReason, ignored.ids.length], ['length', 5])
  // As llama.cpp: banned, whatever its bias, in every way to choose; the others are as without it.
  assert.equal(ignored.ids, (await model.generate('Once', { ...GREEDY, maxTokens: 5 }).result()).ids)
  for (const more of [{}, { temperature: 1.5, topK: 3 }, { repeatPenalty: 1.5 }, { logitBias: { [eos]: 5 } }]) {
    const { ids } = await model.generate('', { ...bias, maxTokens: 300, ...more, ignoreEos: true }).result()
    assert.equal([ids.length, ids.includes(eos)], [300, false])
  }
})

test('special tokens are written if asked for, but for the one that ends the text', async () => {
  const [bos, eos] = [1, 2]
  const bias = { logitBias: { [bos]: 1000 }, ...GREEDY, maxTokens: 2 }
  assert.is((await model.generate('Once', bias).result()).text, '')
  assert.is((await model.generate('Once', { ...bias, showSpecial: true }).result()).text, '<s><s>')
  const end = { ...bias, logitBias: { [eos]: 1000 }, showSpecial: true }
  assert.is((await model.generate('Once', end).result()).text, '')
  assert.not.match((await model.generate('Once', { ...end, ignoreEos: true }).result()).text, '</s>')
})

test('the longest cached prefix is reused and changes nothing; reset drops it', async () => {
  await model.reset()
  const prompt = model.tokenize('Once upon a time there was a big red ball')
  const fresh = await model.generate(prompt, { ...GREEDY, maxTokens: 10 }).result()
  assert.is(fresh.cachedTokens, 0)
  const again = await model.generate(prompt, { ...GREEDY, maxTokens: 10 }).result()
  assert.is(again.cachedTokens, prompt.length - 1)
  assert.equal(again.ids, fresh.ids)
  const longer = await model.generate([...prompt, ...fresh.ids], { ...GREEDY, maxTokens: 10 }).result()
  assert.is(longer.cachedTokens, prompt.length + 9)
  const other = await model.generate([...prompt.slice(0, 4), 300, 301], { ...GREEDY, maxTokens: 3 }).result()
  assert.is(other.cachedTokens, 4)
  await model.reset()
  const reset = await model.generate([...prompt, ...fresh.ids], { ...GREEDY, maxTokens: 10 }).result()
  assert.is(reset.cachedTokens, 0)
  assert.equal(reset.ids, longer.ids)
})

test('tokenize and detokenize; BOS and special tokens as asked', async () => {
  const text = 'One day, Tom saw a dog.'
  const ids = model.tokenize(text)
  assert.is(ids[0], 1)
  assert.is(model.detokenize(ids), text)
  assert.equal(model.tokenize(text, { bos: false }), ids.slice(1))
  assert.equal(model.tokenize('<s>', { bos: false }), [1])
  assert.not.equal(model.tokenize('<s>', { bos: false, special: false }), [1])
  assert.is(model.detokenize([1], { special: true }), '<s>')
  assert.is((await model.generate(text, { bos: false, maxTokens: 0 }).result()).promptTokens, ids.length - 1)
})

sharedTest('logits are the reference’s within what rounding to F16 makes, and the same bits every time', async () => {
  const reference = readSafetensors(shared('goldens', 'stories260K.safetensors'))
  const tokens = [...(reference.get('tokens')!.data as Int32Array)]
  const want = reference.get('logits')!.data as Float32Array
  const { data, shape } = await model.logits(tokens)
  assert.equal(shape, [tokens.length, model.info.vocabularySize])
  assert.is(data.length, want.length)
  // The reference has F32 weights, the built-in model F16: 11 bits, over five layers.
  const difference = data.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i]!)), 0)
  assert.ok(difference < 2e-2, `largest difference ${difference}`)
  const same = bits(data)
  assert.is(bits((await model.logits(Int32Array.from(tokens) as unknown as number[])).data), same)
  for (const how of [{ threads: 1 }, { threads: 3 }, { threads: 4, batch: 7 }, { inProcess: true }]) {
    const other = await load(STORIES, { kv: 'f32', ...how })
    assert.is(bits((await other.logits(tokens)).data), same, JSON.stringify(how))
    await other.close()
  }
})

test('several segments give the bits of one, with one thread and with two, and in process', async () => {
  const tokens = model.tokenize('Once upon a time there was a big red ball. It was very sad.')
  const same = bits((await model.logits(tokens)).data)
  const one = await load(STORIES, { kv: 'f32', context: 128, threads: 1 })
  for (const how of [{ threads: 1 }, { threads: 2 }, { inProcess: true }]) {
    const options = { kv: 'f32' as const, context: 128, ...how }
    const small = await load(STORIES, { ...options, maxSegmentBytes: 700_000 })
    assert.ok(small.info.memoryBytes > 1.5 * one.info.memoryBytes, 'each segment has buffers of its own')
    assert.is(bits((await small.logits(tokens)).data), same, JSON.stringify(how))
    const { ids } = await small.generate('Tom', { ...GREEDY, maxTokens: 20 }).result()
    assert.equal(ids, (await one.generate('Tom', { ...GREEDY, maxTokens: 20 }).result()).ids)
    await small.close()
  }
  await one.close()
})

test('what is asked at once gives what it gives alone', async () => {
  const prompts = ['One', 'Two', 'Three']
  const run = async (prompt: string): Promise<string> =>
    (await model.generate(prompt, { ...GREEDY, maxTokens: 8 }).result()).text
  const alone: string[] = []
  for (const prompt of prompts) alone.push(await run(prompt))
  const logits = model.logits([1, 403])
  assert.equal(await Promise.all(prompts.map(run)), alone)
  assert.is((await logits).data.length, 2 * model.info.vocabularySize)
})

test('an abort reaches a call that waits and one that runs; those behind go on', async () => {
  const running = new AbortController()
  const waiting = new AbortController()
  let tokens = 0
  let begun!: () => void
  const started = new Promise<void>((resolve) => {
    begun = resolve
  })
  const first = fails(
    model
      .generate('Once', {
        ...GREEDY,
        ignoreEos: true,
        signal: running.signal,
        onToken: () => {
          tokens++
          begun()
        },
      })
      .result(),
    AbortError,
    'ABORTED',
  )
  const second = model.generate('Two', { signal: waiting.signal }).result()
  const third = model.generate('Three', { ...GREEDY, maxTokens: 3 }).result()
  await started
  waiting.abort(new Error('waited enough'))
  const late = await fails(second, AbortError, 'ABORTED')
  assert.is((late.cause as Error).message, 'waited enough')
  assert.ok(tokens < 500, 'the first still runs')
  running.abort()
  await first
  assert.is((await third).completionTokens, 3)
  await fails(model.generate('Once', { signal: AbortSignal.abort() }).result(), AbortError)
  await fails(model.logits([1], { signal: AbortSignal.abort() }), AbortError)
})

test('what a callback throws ends the generation and is its error', async () => {
  const boom = new Error('boom')
  const throws = (): never => {
    throw boom
  }
  for (const options of [{ onToken: throws }, { onPrompt: throws }]) {
    const error = await model
      .generate('Once', { ...GREEDY, ...options })
      .result()
      .catch((error: unknown) => error)
    assert.is(error, boom)
  }
  assert.is((await model.generate('Once', { ...GREEDY, maxTokens: 2 }).result()).completionTokens, 2)
})

test('two models at once do not touch each other', async () => {
  const other = await load(STORIES, { threads: 2, kv: 'f16' })
  const run = (of: Model, prompt: string): Promise<string> =>
    of
      .generate(prompt, { ...GREEDY, maxTokens: 30 })
      .result()
      .then(({ text }) => text)
  const alone = [await run(model, 'Tom'), await run(other, 'Sue')]
  assert.equal(await Promise.all([run(model, 'Tom'), run(other, 'Sue')]), alone)
  await other.close()
  assert.is(await run(model, 'Tom'), alone[0])
})

test('close ends what is pending, may be called twice, and ends all use', async () => {
  for (const how of [{ threads: 2 }, { inProcess: true }]) {
    const closing = await load(STORIES, how)
    const running = closing.generate('Once', { ...GREEDY, ignoreEos: true }).result()
    const waiting = closing.generate('Two').result()
    const logits = closing.logits([1, 2])
    const ended = Promise.all([running, waiting, logits].map((call) => fails(call, ClosedError, 'CLOSED')))
    await closing.close()
    await ended
    await closing.close()
    await fails(closing.generate('x').result(), ClosedError, 'CLOSED')
    await fails(closing.logits([1]), ClosedError)
    await fails(closing.reset(), ClosedError)
    await fails(() => closing.tokenize('x'), ClosedError)
    await fails(() => closing.detokenize([1]), ClosedError)
    await fails(() => closing.applyTemplate([{ role: 'user', content: 'x' }]), ClosedError)
    await fails(closing.chat([{ role: 'user', content: 'x' }]).result(), ClosedError)
    await fails(closing.createChat().send('x').result(), ClosedError)
  }
})

test('the module exports its functions and every error class, and nothing else', () => {
  const classes = Object.entries(errors).filter(([name]) => name.endsWith('Error') && /^[A-Z]/.test(name))
  assert.ok(classes.length > 0)
  const calls = ['capabilities', 'convertLlama2c', 'inspect', 'load', 'loadTokenizer', 'quantize', 'readGguf']
  const names = [...classes.map(([name]) => name), ...calls]
  assert.equal(Object.keys(cria).sort(), names.sort())
})

test('a model is disposed of by closing it', async () => {
  const disposed = await load(STORIES, { threads: 1 })
  await disposed[Symbol.asyncDispose]()
  await fails(disposed.generate('x').result(), ClosedError)
})

test('info says what was loaded', async () => {
  const { info } = model
  assert.equal(
    [info.architecture, info.type, info.layers, info.embeddingLength, info.vocabularySize, info.threads, info.kv],
    ['llama', 'F16', 5, 64, 512, 2, 'f32'],
  )
  assert.equal([info.context, info.trainedContext, info.shared], [512, 512, true])
  assert.is(info.fileBytes, readFileSync(STORIES).length)
  assert.is(info.kvBytes, 5 * 512 * 2 * 32 * 4)
  assert.is(info.memoryBytes % 65536, 0)
})

test.run()
