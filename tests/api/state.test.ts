/** Saved states, contexts that shift, and several answers at once. */
import { sha256 } from '@noble/hashes/sha2.js'
import { AbortError, ArgumentError, ContextError, FormatError, load, UnsupportedError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PAGE } from '../../assembly/layout.ts'
import { digestOf } from '../../js/scheduler/state.ts'
import { CacheTask } from '../../js/scheduler/tasks.ts'
import { fails, SMOLLM, STORIES } from '../api-helpers.ts'
import { openEngine, type TestEngine } from '../engine-harness.ts'
import { shared, sharedTest } from '../shared.ts'

const GREEDY = { temperature: 0, ignoreEos: true, logprobs: true, maxTokens: 12 }
const TEXT = 'Once upon a time, there was a little girl named Lily. She liked to play. '.repeat(9)

test('the checksum of a large state leaves turns to others', async () => {
  const bytes = Uint8Array.from({ length: 5_000_000 }, (_, i) => i * i)
  let turns = 0
  const digest = await digestOf(bytes, async () => {
    turns++
  })
  assert.equal(digest, sha256(bytes))
  assert.ok(turns >= 4)
})

for (const kv of ['f16', 'f32'] as const) {
  test(`a state goes on where it was saved, in another instance, with the same bits: ${kv}`, async () => {
    const first = await load(STORIES, { threads: 2, kv })
    const wanted = await first.generate(TEXT, GREEDY).result()
    const state = await first.saveState(TEXT)
    assert.equal(await first.saveState(first.tokenize(TEXT)), state, 'the same text gives the same bytes')
    await first.close()
    for (const how of [
      { threads: 1 },
      { inProcess: true, isa: 'simd', batch: 7 },
      { maxSegmentBytes: 3_000_000 },
    ] as const) {
      const second = await load(STORIES, { kv, ...how })
      await second.generate('Something else', { maxTokens: 3 }).result()
      const { tokens, ids } = await second.loadState(state.slice())
      assert.equal([tokens, ids.length], [wanted.promptTokens, wanted.promptTokens])
      const again = await second.generate(TEXT, GREEDY).result()
      assert.is(again.cachedTokens, wanted.promptTokens - 1)
      assert.equal([again.ids, again.logprobs], [wanted.ids, wanted.logprobs])
      assert.equal(await second.saveState(TEXT), state, JSON.stringify(how))
      const { kvPages } = await second.status()
      assert.is(kvPages.used, 0)
      await second.close()
    }
  })
}

sharedTest('states of a q8_0 cache and of short texts', async () => {
  const model = await load(SMOLLM, { threads: 2, kv: 'q8_0', context: 512 })
  for (const text of ['The capital of France', TEXT]) {
    const wanted = await model.generate(text, GREEDY).result()
    const state = await model.saveState(text)
    await model.reset()
    assert.is((await model.loadState(state)).tokens, wanted.promptTokens)
    const again = await model.generate(text, GREEDY).result()
    assert.is(again.cachedTokens, wanted.promptTokens - 1)
    assert.equal(again.logprobs, wanted.logprobs)
  }
  await model.close()
})

test('a reset forgets one text, or all', async () => {
  const model = await load(STORIES, { threads: 1 })
  const cached = async (text: string) => (await model.generate(text, { ...GREEDY, maxTokens: 1 }).result()).cachedTokens
  // BOS is in common.
  assert.equal([await cached('One day'), await cached('The cat')], [0, 1])
  await model.reset('One day')
  assert.ok((await cached('The cat')) > 1)
  assert.is(await cached('One day'), 1)
  await model.reset(model.tokenize('One day'))
  assert.is(await cached('One day'), 1)
  await model.reset()
  assert.is(await cached('The cat'), 0)
  await fails(model.reset(5 as never), ArgumentError, 'INVALID_TOKENS')
  await model.close()
})

test('a state that is damaged, of another version, model or cache is refused, and the model goes on', async () => {
  const model = await load(STORIES, { threads: 2, kv: 'f16' })
  const state = await model.saveState(TEXT)
  const changed = (at: number): Uint8Array => {
    const copy = state.slice()
    copy[at]! ^= 1
    return copy
  }
  for (const bytes of [
    new Uint8Array(),
    state.subarray(0, 60),
    state.subarray(0, -1),
    changed(0),
    changed(12),
    changed(17),
  ]) {
    await fails(model.loadState(bytes), FormatError, 'STATE_DAMAGED')
  }
  for (const at of [60, 5000, state.length - 40, state.length - 1]) {
    await fails(model.loadState(changed(at)), FormatError, 'STATE_DAMAGED')
  }
  await fails(model.loadState(changed(8)), UnsupportedError, 'STATE_VERSION')
  await fails(model.loadState(changed(30)), ArgumentError, 'STATE_MODEL')
  await fails(model.loadState('state' as never), ArgumentError, 'INVALID_OPTION')
  const other = await load(STORIES, { threads: 1, kv: 'f32' })
  await fails(other.loadState(state), ArgumentError, 'STATE_MODEL')
  await other.close()
  const small = await load(STORIES, { threads: 1, context: 64 })
  await fails(small.loadState(state), ContextError, 'CONTEXT_EXCEEDED')
  await small.close()
  assert.is((await model.generate('Once', GREEDY).result()).completionTokens, 12)
  await model.close()
})

test('a state that was made up, its checksum right, is refused for what is in it', async () => {
  const model = await load(STORIES, { threads: 1, context: 128 })
  const state = await model.saveState([1, 2, 3])
  const made = (change: (view: DataView) => void, bytes = state.slice()): Uint8Array => {
    change(new DataView(bytes.buffer))
    bytes.set(sha256(bytes.subarray(0, -32)), bytes.length - 32)
    return bytes
  }
  for (const [at, value] of [
    [12, 0],
    [12, 0xffffffff],
    [12, 64],
    [16, 1],
    [16, 0xffffffff],
    [20, 0],
    [20, 0xffffffff],
  ] as const) {
    const bytes = made((view) => view.setUint32(at, value, true))
    await fails(model.loadState(bytes), FormatError, 'STATE_DAMAGED')
  }
  for (const id of [-1, 512, 0x7fffffff]) {
    const bytes = made((view) => view.setInt32(60, id, true))
    await fails(model.loadState(bytes), ArgumentError, 'INVALID_TOKEN')
  }
  const empty = made((view) => view.setUint32(12, 0, true), state.slice(0, 88))
  await fails(model.loadState(empty), ArgumentError, 'EMPTY_PROMPT')
  assert.is((await model.status()).kvPages.used, 0)
  await model.close()
})

sharedTest('a state of one model is refused by another of the same shape', async () => {
  const paths = ['Q4_0', 'Q4_1'].map((type) => shared('goldens', 'types', `${type}.gguf`))
  const [a, b] = await Promise.all(paths.map((path) => load(path, { threads: 1, context: 128 })))
  const state = await a!.saveState([1, 2, 3])
  await fails(b!.loadState(state), ArgumentError, 'STATE_MODEL')
  await a!.close()
  await b!.close()
})

test('a full context ends a generation, or shifts', async () => {
  for (const kv of ['f32', 'f16'] as const) {
    const model = await load(STORIES, { threads: 2, kv, context: 256 })
    const options = { temperature: 0, ignoreEos: true, maxTokens: 600 }
    const ended = await model.generate('Once upon a time', options).result()
    assert.is(ended.promptTokens + ended.completionTokens, 257)
    const result = await model.generate('Once upon a time', { ...options, contextShift: true }).result()
    assert.equal([result.completionTokens, result.finishReason], [600, 'length'])
    assert.equal(result.ids.slice(0, ended.ids.length), ended.ids)
    const beside = await Promise.all(
      [1, 2, 3].map(() =>
        model.generate('Once upon a time', { ...options, contextShift: true, maxTokens: 300 }).result(),
      ),
    )
    for (const one of beside) assert.is(one.completionTokens, 300)
    const after = await model.generate('Once upon a time', options).result()
    assert.equal(after.ids, ended.ids, 'nobody else finds what was shifted')
    assert.is((await model.status()).kvPages.used, 0)
    const long = { contextShift: true, keep: -1 }
    assert.is(
      (await model.generate('Once', { ...options, contextShift: true, keep: 999, maxTokens: 9 }).result()).ids.length,
      9,
    )
    await fails(model.generate(Array(200).fill(5), long).result(), ContextError, 'CONTEXT_EXCEEDED')
    await model.close()
  }
})

/** Keys of layer 0, [positions, kvHeads · headDim], from the bytes of a page; drawn in assembly/model/cache.ts. */
function firstKeys({ config }: TestEngine, bytes: Uint8Array, kv: 'f32' | 'f16' | 'q8_0'): number[] {
  const { headCountKv: kvHeads, headDim } = config
  const view = new DataView(bytes.buffer)
  const half = (at: number): number => {
    const bits = view.getUint16(at, true)
    const exponent = (bits >> 10) & 31
    const fraction = (bits & 1023) / 1024
    const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15)
    return bits & 0x8000 ? -size : size
  }
  const keys: number[] = []
  for (let p = 0; p < PAGE; p++) {
    for (let head = 0; head < kvHeads; head++) {
      for (let d = 0; d < headDim; d++) {
        const index = head * headDim * PAGE + ((p >> 3) * headDim + d) * 8 + (p & 7)
        if (kv === 'f32') keys.push(view.getFloat32(index * 4, true))
        else if (kv === 'f16') keys.push(half(index * 2))
        else {
          const block = head * (headDim / 32) * 8 * 288 + ((p >> 3) * (headDim / 32) + (d >> 5)) * 288
          const scale = view.getFloat32(block + 256 + (p & 7) * 4, true)
          keys.push(scale * view.getInt8(block + ((d & 31) >> 2) * 32 + (p & 7) * 4 + (d & 3)))
        }
      }
    }
  }
  return keys
}

sharedTest('keys that were moved are those that their new places give', async () => {
  for (const [kv, limit] of [
    ['f32', 1e-5],
    ['f16', 2e-3],
    ['q8_0', 2e-2],
  ] as const) {
    const ids = Array.from({ length: 256 }, (_, i) => (i * 7919 + 13) % 500)
    const [engine, other] = await Promise.all([0, 1].map(() => openEngine(SMOLLM, 'simd', { kv, context: 256 })))
    // The first layer's keys depend on nothing but tokens and their places; pages are given out in order.
    await engine!.scheduler.run(new CacheTask(ids))
    await other!.scheduler.run(new CacheTask(ids.slice(128)))
    engine!.shiftPage(3, 128)
    const [moved, wanted] = [engine!, other!].map((one, i) => {
      const bytes = new Uint8Array(one.pageBytes)
      one.readPage(i === 0 ? 3 : 1, bytes)
      return firstKeys(one, bytes, kv)
    })
    const largest = Math.max(...wanted!.map(Math.abs))
    const error = Math.max(...wanted!.map((key, i) => Math.abs(key - moved![i]!)))
    assert.ok(error < limit * largest, `${kv}: ${error} of ${largest}`)
    engine!.close()
    other!.close()
  }
})

test('echo puts the prompt first; n gives several answers from one prompt', async () => {
  const model = await load(STORIES, { threads: 2 })
  const options = { temperature: 1, seed: 7, maxTokens: 10 }
  const single = await model.generate('One day', options).result()
  let streamed = ''
  const generation = model.generate('One day', { ...options, echo: true, n: 3 })
  for await (const text of generation) streamed += text
  const result = await generation.result()
  assert.is(result.text, `One day${single.text}`)
  assert.is(streamed, result.text)
  assert.is(result.choices!.length, 3)
  const seeds = [7, 8, 9]
  for (const [i, choice] of result.choices!.entries()) {
    const alone = await model.generate('One day', { ...options, seed: seeds[i]! }).result()
    assert.equal([choice.seed, choice.ids], [seeds[i], alone.ids])
  }
  const ids = model.tokenize('One day')
  assert.is((await model.generate(ids, { ...options, echo: true }).result()).text, `<s>One day${single.text}`)
  // More than Node takes to listen to one signal; and what ends them ends all.
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  const { signal } = new AbortController()
  assert.is((await model.generate('One day', { ...options, n: 40, signal }).result()).choices!.length, 40)
  const leaving = new AbortController()
  const many = model.generate('One day', { n: 40, maxTokens: 100_000, ignoreEos: true, signal: leaving.signal })
  setTimeout(() => leaving.abort('enough'), 30)
  const error = (await fails(() => many.result(), AbortError)) as AbortError
  assert.is(error.cause, 'enough')
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warned)
  assert.equal(warnings, [])
  const { running, waiting } = await model.status()
  assert.equal([running, waiting], [0, 0])
  await model.close()
})

test.run()
