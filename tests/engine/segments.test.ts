/** A model in several memories gives the same bits as in one, wherever it is cut. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SyntheticModel } from '../../js/bench/synthetic.ts'
import type { EngineOptions } from '../../js/engine/engine.ts'
import type { KvType } from '../../js/engine/kv.ts'
import { type PlanOptions, planMemory } from '../../js/engine/plan.ts'
import { MemoryError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { findTensors, readConfig } from '../../js/models/index.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { SMOLLM, STORIES } from '../api-helpers.ts'
import { openEngine } from '../engine-harness.ts'
import { concat, sharedGgufFiles } from '../gguf-helpers.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { sharedTest } from '../shared.ts'

const BUILDS = ['scalar', 'simd', ...(hasRelaxedSimd() ? ['relaxed'] : [])]
if (!hasRelaxedSimd()) test.skip('the relaxed build (this engine has no relaxed SIMD)')
const KV: readonly KvType[] = ['f32', 'f16', 'q8_0']

const folder = mkdtempSync(join(tmpdir(), 'cria-segments-'))
test.after(() => rmSync(folder, { recursive: true }))

const tokens = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 7919 + 13) % 500)

/** Logits, and how many segments gave them. */
async function run(path: string, ids: number[], build: string, options: Partial<EngineOptions>) {
  const engine = await openEngine(path, build, { context: ids.length, batch: 32, ...options })
  const data = Buffer.from((await engine.allLogits(ids)).buffer)
  const { segments } = engine.plan
  engine.close()
  return { data, layers: segments.map(({ layers }) => layers) }
}

/** The least maxSegmentBytes that a model can be cut by: a layer in each segment. */
async function least(path: string, options: Pick<PlanOptions, 'context' | 'kv'> & Partial<PlanOptions>) {
  const gguf = await readGguf(bytesSource(readFileSync(path)))
  const config = readConfig(gguf)
  const tensors = findTensors(gguf, config)
  for (let maxSegmentBytes = 65536; ; ) {
    try {
      planMemory(config, tensors, { batch: 32, threads: 1, ...options, maxSegmentBytes })
      return maxSegmentBytes
    } catch (error) {
      assert.instance(error, MemoryError)
      assert.is((error as MemoryError).code, 'SEGMENT_TOO_SMALL')
      assert.ok(((error as MemoryError).value as number) > maxSegmentBytes)
      maxSegmentBytes = (error as MemoryError).value as number
    }
  }
}

async function checkCuts(path: string, ids: number[], kv: KvType, builds: readonly string[]): Promise<void> {
  const context = ids.length
  const whole = await run(path, ids, 'simd', { kv })
  assert.is(whole.layers.length, 1)
  const smallest = await least(path, { kv, context })
  const seen = new Set<string>()
  for (const build of builds) {
    for (const factor of [1, 1.2, 1.6]) {
      const cut = await run(path, ids, build, { kv, maxSegmentBytes: Math.ceil(smallest * factor) })
      assert.ok(cut.data.equals(whole.data), `${path} ${build} ${kv}: layers ${cut.layers}`)
      assert.is(
        cut.layers.reduce((a, b) => a + b),
        whole.layers[0],
      )
      seen.add(cut.layers.join())
    }
  }
  assert.ok(
    [...seen].some((layers) => layers.includes(',')),
    'no cut made several segments',
  )
}

for (const kv of KV) {
  test(`stories260K, KV ${kv}: several cuts, every build`, async () => {
    // Its heads have 8 dimensions.
    if (kv !== 'q8_0') await checkCuts(STORIES, tokens(90), kv, BUILDS)
    else {
      const path = join(folder, 'toy.gguf')
      writeFileSync(path, await concat(new SyntheticModel({ shape: 'toy', type: 'q4_0' }).file()))
      await checkCuts(path, tokens(90), kv, BUILDS)
    }
  })
}

test('a model with experts: several cuts, every build', async () => {
  const path = join(folder, 'experts.gguf')
  writeFileSync(path, await concat(new SyntheticModel({ shape: 'toy-experts', type: 'q4_k' }).file()))
  await checkCuts(path, tokens(40), 'f16', BUILDS)
})

sharedTest('every variant of the architecture, a layer in each segment', async () => {
  for (const path of sharedGgufFiles('goldens/tiny')) await checkCuts(path, tokens(40), 'f32', ['simd'])
})

sharedTest('SmolLM2 in segments of 8 MB, on any number of threads, with every KV type', async () => {
  const ids = tokens(70)
  for (const kv of KV) {
    const { data, layers } = await run(SMOLLM, ids, 'simd', { kv, maxSegmentBytes: 8_000_000 })
    assert.is(layers[0], 0, 'the embedding alone is larger')
    assert.ok(layers.length > 5, layers.join())
    const whole = await run(SMOLLM, ids, 'simd', { kv })
    assert.ok(data.equals(whole.data), kv)
    for (const threads of kv === 'f16' ? [1, 2, 3] : [2]) {
      const model = await load(SMOLLM, { context: ids.length, kv, threads, maxSegmentBytes: 8_000_000, batch: 16 })
      const logits = await model.logits(ids)
      assert.ok(data.equals(Buffer.from(logits.data.buffer)), `${kv}, ${threads} threads`)
      await model.close()
    }
  }
})

test('text is the same, and a prefix is found in the cache of every segment', async () => {
  const options = { threads: 2, context: 128 }
  const texts: string[] = []
  for (const maxSegmentBytes of [undefined, await least(STORIES, { context: 128, kv: 'f16', batch: 64, threads: 2 })]) {
    const model = await load(STORIES, { ...options, ...(maxSegmentBytes && { maxSegmentBytes }) })
    const first = await model.generate('Once upon a time', { maxTokens: 40, seed: 1 }).result()
    const again = await model.generate('Once upon a time', { maxTokens: 40, seed: 1 }).result()
    assert.is(again.text, first.text)
    assert.ok(again.cachedTokens > 0)
    texts.push(first.text)
    await model.close()
  }
  assert.is(texts[1], texts[0])
})

test.run()
