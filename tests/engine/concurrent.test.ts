/**
 * Many generations at once: each has the tokens and the logits that it has alone, whatever runs beside it, whatever prefix
 * was reused, and however often it had to step back.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AbortError, type GenerateOptions, type GenerateResult, load, type Model } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONTROL_OVERFLOW } from '../../assembly/layout.ts'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import { AbortError as Aborted } from '../../js/errors.ts'
import { LogitsTask } from '../../js/scheduler/tasks.ts'
import { fails, SMOLLM, STORIES } from '../api-helpers.ts'
import { openEngine } from '../engine-harness.ts'
import { concat } from '../gguf-helpers.ts'
import { sharedTest } from '../shared.ts'

const folder = mkdtempSync(join(tmpdir(), 'cria-concurrent-'))
test.after(() => rmSync(folder, { recursive: true }))

function numbers(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * n)
  }
}

/** Prompts of random ids; some of them begin alike. */
function prompts(random: (n: number) => number, count: number, longest: number): number[][] {
  const ids = (length: number): number[] => Array.from({ length }, () => 3 + random(400))
  const common = ids(longest)
  return Array.from({ length: count }, (_, i) => {
    const kept = i % 3 === 0 ? 0 : random(longest)
    return [...common.slice(0, kept), ...ids(1 + random(longest - kept))]
  })
}

/** What must not differ: the ids, and the logprobs of the best ten at each place, to the last bit. */
const essence = ({ ids, logprobs }: GenerateResult): string =>
  JSON.stringify([ids, logprobs!.map(({ logprob, top }) => [logprob, ...top.map((one) => [one.id, one.logprob])])])

const OPTIONS: GenerateOptions = { ignoreEos: true, temperature: 0.8, logprobs: true, topLogprobs: 10 }

async function alone(model: Model, prompt: number[], options: GenerateOptions): Promise<string> {
  await model.reset()
  return essence(await model.generate(prompt, options).result())
}

async function noPageLost(model: Model): Promise<void> {
  const { running, waiting, kvPages } = await model.status()
  assert.equal([running, waiting, kvPages.used], [0, 0, 0])
  assert.is(kvPages.total, kvPages.free + kvPages.cached)
}

/** Starts all at random moments, lets some go again, and compares the rest. */
async function together(model: Model, list: number[][], wanted: string[], random: (n: number) => number) {
  const results = list.map(async (prompt, i) => {
    await new Promise((resolve) => setTimeout(resolve, random(4) * random(30)))
    const controller = new AbortController()
    const leaves = random(4) === 0
    let tokens = 0
    const onToken = (): void => {
      if (leaves && ++tokens === 5) controller.abort()
    }
    const options = { ...OPTIONS, seed: i, maxTokens: 10 + i, priority: i % 2, onToken, signal: controller.signal }
    const result = await model
      .generate(prompt, options)
      .result()
      .catch((error: { code?: string }) => {
        assert.equal([error.code, leaves], ['ABORTED', true], String(error))
      })
    if (result) assert.is(essence(result), wanted[i], `sequence ${i}`)
    return result ? 1 : 0
  })
  const done = (await Promise.all(results)).reduce((a: number, b) => a + b, 0)
  assert.ok(done > list.length / 2, `${done} of ${list.length} came to their end`)
  await noPageLost(model)
}

for (const how of [
  { threads: 2, context: 512 },
  { threads: 2, context: 256, batch: 5, parallel: 3 },
  { threads: 1, context: 256, kvTokens: 1024, kv: 'q8_0', batch: 1 },
  { inProcess: true, context: 256, kv: 'f32' },
] as const) {
  test(`sixteen at once are what they are alone: ${JSON.stringify(how)}`, async () => {
    const random = numbers(7)
    // Its heads are too small for a q8_0 cache.
    const model = await load(STORIES, {
      ...how,
      kv: 'kv' in how && how.kv === 'f32' ? 'f32' : 'f16',
      onWarning: () => {},
    })
    const list = prompts(random, 16, 150)
    const wanted = []
    for (const [i, prompt] of list.entries()) {
      wanted.push(await alone(model, prompt, { ...OPTIONS, seed: i, maxTokens: 10 + i }))
    }
    await model.reset()
    for (let round = 0; round < 2; round++) await together(model, list, wanted, random)
    await model.close()
  })
}

sharedTest('sixteen of SmolLM2 are what they are alone', async () => {
  const random = numbers(11)
  for (const how of [{ kv: 'f16' }, { kv: 'q8_0', kvTokens: 2048, batch: 48 }] as const) {
    const model = await load(SMOLLM, { threads: 2, context: 512, ...how })
    const list = prompts(random, 16, 150)
    const wanted = []
    for (const [i, prompt] of list.entries()) {
      wanted.push(await alone(model, prompt, { ...OPTIONS, seed: i, maxTokens: 10 + i }))
    }
    await model.reset()
    await together(model, list, wanted, random)
    await model.close()
  }
})

test('logits of several texts at once are those of each alone, in the scalar build too', async () => {
  const random = numbers(3)
  for (const build of ['scalar', 'simd']) {
    const engine = await openEngine(STORIES, build, { kv: 'f16', context: 512, batch: 40 })
    const list = prompts(random, 6, 120)
    const works = list.map(
      (ids, i) => new LogitsTask(ids, i % 2 ? Math.floor(ids.length / 2) : 0, engine.config.vocabSize),
    )
    await Promise.all(works.map((work) => engine.scheduler.run(work)))
    for (const [i, work] of works.entries()) {
      engine.scheduler.reset()
      const all = await engine.allLogits(list[i]!)
      const part = all.subarray(work.first * engine.config.vocabSize)
      assert.ok(Buffer.from(part.slice().buffer).equals(Buffer.from(work.logits.buffer)), `${build} ${i}`)
    }
    assert.is(engine.scheduler.status.kvPages.used, 0)
    engine.close()
  }
})

test('one prompt many times at once is computed once', async () => {
  const model = await load(STORIES, { threads: 2, context: 512 })
  const prompt = prompts(numbers(5), 1, 300)[0]!.concat(Array(200).fill(9))
  const all = await Promise.all(
    Array.from({ length: 8 }, (_, seed) => model.generate(prompt, { ...OPTIONS, seed, maxTokens: 20 }).result()),
  )
  const computed = all.reduce((sum, { promptTokens, cachedTokens }) => sum + promptTokens - cachedTokens, 0)
  assert.is(computed, prompt.length + 7)
  assert.ok(new Set(all.map(({ text }) => text)).size > 1, 'each has a sampler of its own')
  await noPageLost(model)
  await model.close()
})

test('a generation that ends in an error leaves those beside it alone', async () => {
  const model = await load(STORIES, { threads: 2, context: 128 })
  const good = model.generate('Once', { ...OPTIONS, seed: 1, maxTokens: 60 }).result()
  const failed = await model
    .generate('Once upon a time. '.repeat(100))
    .result()
    .catch((error: { code: string }) => error.code)
  const thrown = model.generate('Two', {
    onToken: () => {
      throw new Error('mine')
    },
  })
  assert.match(String(await thrown.result().catch(String)), /mine/)
  assert.is(failed, 'CONTEXT_EXCEEDED')
  assert.is((await good).completionTokens, 60)
  await noPageLost(model)
  await model.close()
})

test('those of higher priority get a place first', async () => {
  const model = await load(STORIES, { threads: 1, context: 256, parallel: 1 })
  const ends: string[] = []
  const run = (name: string, priority: number) =>
    model
      .generate('Once', { temperature: 0, maxTokens: 20, priority })
      .result()
      .then(() => ends.push(name))
  await Promise.all([run('first', 0), run('low', -1), run('normal', 0), run('high', 5)])
  assert.equal(ends.slice(-1), ['low'])
  assert.ok(ends.indexOf('high') < ends.indexOf('normal'), ends.join())
  await model.close()
})

for (const how of [{ threads: 2 }, { inProcess: true }]) {
  test(`nothing is told after an abort, and of several answers the first error is told: ${JSON.stringify(how)}`, async () => {
    const model = await load(STORIES, { ...how, context: 256 })
    const controller = new AbortController()
    let tokens = 0
    const aborted = model.generate('Once upon a time', {
      signal: controller.signal,
      onPrompt: ({ done, total }) => {
        if (done === total) controller.abort()
      },
      onToken: () => tokens++,
    })
    await fails(aborted.result(), AbortError, 'ABORTED')
    await model.generate('Once', { maxTokens: 3 }).result()
    assert.is(tokens, 0)
    const thrown = model.generate('Once', {
      n: 4,
      onToken: () => {
        throw new Error('mine')
      },
    })
    assert.match(String(await thrown.result().catch(String)), /mine/)
    await noPageLost(model)
    await model.close()
  })
}

test('no call leaves a listener on its signal, however it ends', async () => {
  const model = await load(STORIES, { threads: 2, context: 128 })
  const { signal } = new AbortController()
  const listening = new Set<unknown>()
  let added = 0
  const { addEventListener, removeEventListener } = EventTarget.prototype
  signal.addEventListener = (type: string, listener: EventListener) => {
    added++
    listening.add(listener)
    addEventListener.call(signal, type, listener)
  }
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listening.delete(listener)
    removeEventListener.call(signal, type, listener)
  }
  const state = await model.saveState('Once', { signal })
  await model.loadState(state, { signal })
  await model.logits([1, 2], { signal })
  await model.embed(['One', 'Two'], { signal })
  await model.generate('Once', { n: 2, maxTokens: 3, signal }).result()
  for (const call of [model.generate(Array(200).fill(5), { signal }).result(), model.logits([-1], { signal })]) {
    assert.ok((await call.catch((error: { code: string }) => error.code)) !== undefined)
  }
  assert.ok(added > 6, `${added} were added`)
  assert.is(listening.size, 0)
  await model.close()
})

test('the first of several answers is the first to have a place', async () => {
  const model = await load(STORIES, { threads: 1, context: 256, parallel: 1 })
  let waiting: Promise<number> | undefined
  const onToken = (): void => {
    waiting ??= model.status().then((status) => status.waiting)
  }
  await model.generate('Once', { ...OPTIONS, n: 3, maxTokens: 200, onToken }).result()
  assert.is(await waiting, 2)
  await model.close()
})

test('a model with experts, in several segments, with batches of all sizes', async () => {
  const path = join(folder, 'experts.gguf')
  writeFileSync(path, await concat(new SyntheticModel({ shape: 'toy-experts', type: 'q4_k' }).file()))
  const whole = await openEngine(path, 'simd', { kv: 'f16', context: 200 })
  const list = prompts(numbers(9), 7, 90)
  const wanted = []
  for (const ids of list) {
    whole.scheduler.reset()
    wanted.push(Buffer.from((await whole.allLogits(ids)).buffer))
  }
  for (const [batch, share] of [
    [1, 1],
    [7, 0.7],
    [64, 0.7],
  ] as const) {
    const maxSegmentBytes = Math.ceil(whole.plan.segments[0]!.bytes * share)
    const engine = await openEngine(path, 'simd', { kv: 'f16', context: 200, batch, maxSegmentBytes })
    assert.ok(engine.plan.segments.length > 1 || share === 1, 'it is cut')
    const works = list.map((ids) => new LogitsTask(ids, 0, engine.config.vocabSize))
    await Promise.all(works.map((work) => engine.scheduler.run(work)))
    for (const [i, { logits }] of works.entries()) {
      assert.ok(wanted[i]!.equals(Buffer.from(logits.buffer)), `batch ${batch}, text ${i}`)
    }
    engine.close()
  }
  whole.close()
})

test('what overflowed in a pass that was aborted is not held against the next', async () => {
  const engine = await openEngine(STORIES, 'simd', { kv: 'f16', context: 64 })
  const [{ memory }] = (engine as unknown as { segments: [{ memory: WebAssembly.Memory }] }).segments
  const run = { ids: [1, 2, 3], position: 0, pages: [{ index: 0 }] }
  Atomics.store(new Int32Array(memory.buffer), (engine.plan.segments[0]!.control + CONTROL_OVERFLOW) >> 2, 1)
  engine.setAbort(1)
  assert.throws(
    () => engine.forward([run]),
    (error: unknown) => error instanceof Aborted,
  )
  engine.forward([run])
  engine.close()
})

test.run()
