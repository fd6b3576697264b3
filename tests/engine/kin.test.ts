/** LLaMA's kin: the same bits however a text is cut, stored and accompanied, in every build of the kernels. */
import { inspect } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineOptions } from '../../js/engine/engine.ts'
import { MemoryError } from '../../js/errors.ts'
import { LogitsTask } from '../../js/scheduler/tasks.ts'
import { openEngine, type TestEngine } from '../engine-harness.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { kinFiles } from '../kin-files.ts'
import { readSafetensors, sharedTest } from '../shared.ts'

/** A megabyte, or what a single layer takes. */
const SEGMENT = 1024 * 1024

async function segmentBytes(path: string): Promise<number> {
  try {
    await openEngine(path, 'simd', { context: 128, batch: 16, maxSegmentBytes: SEGMENT }).then((engine) =>
      engine.close(),
    )
    return SEGMENT
  } catch (error) {
    if (!(error instanceof MemoryError)) throw error
    return error.value as number
  }
}

const BUILDS = ['scalar', ...(hasRelaxedSimd() ? ['relaxed'] : [])]
if (!hasRelaxedSimd()) test.skip('the relaxed build (this engine has no relaxed SIMD)')
const files = kinFiles()

sharedTest('kin: there are models', () => assert.ok(files.length > 0))

function same(got: Float32Array, want: Float32Array, what: string): void {
  const at = got.findIndex((value, i) => !Object.is(value, want[i]))
  assert.is(at, -1, `${what}: logit ${at} is ${got[at]}, not ${want[at]}`)
  assert.is(got.length, want.length)
}

async function logitsOf(path: string, ids: readonly number[], build: string, options: Partial<EngineOptions>) {
  const engine = await openEngine(path, build, { context: 128, ...options })
  const logits = await engine.allLogits(ids)
  engine.close()
  return logits
}

/** Texts that begin alike, each as long as its number says, computed side by side; and then one of them once more. */
async function together(engine: TestEngine, ids: readonly number[], want: Float32Array): Promise<void> {
  const vocabulary = engine.config.vocabSize
  const lengths = [ids.length, 5, Math.floor(ids.length / 2), ids.length - 1]
  const tasks = lengths.map((length, i) => new LogitsTask(ids.slice(0, length), i, vocabulary))
  await Promise.all(tasks.map((task) => engine.scheduler.run(task)))
  for (const [i, { logits }] of tasks.entries()) {
    same(logits, want.subarray(i * vocabulary, lengths[i]! * vocabulary), `text ${i} among others`)
  }
  const last = new LogitsTask(ids, ids.length - 1, vocabulary)
  await engine.scheduler.run(last)
  same(last.logits, want.subarray((ids.length - 1) * vocabulary), 'after a cached prefix')
}

for (const { name, gguf, safetensors } of files) {
  test(`kin/${name}: any cut, segments, other texts, every build`, async () => {
    const ids = [...(readSafetensors(safetensors).get('tokens')!.data as Int32Array)]
    const { config } = await inspect(gguf)
    // A quantized cache takes whole blocks.
    const types = (['f32', 'f16', 'q8_0'] as const).filter((kv) => kv !== 'q8_0' || config!.headDim % 32 === 0)
    for (const kv of types) {
      const want = await logitsOf(gguf, ids, 'simd', { kv })
      for (const batch of [1, 7, 64, ids.length]) {
        same(await logitsOf(gguf, ids, 'simd', { kv, batch }), want, `${kv}, pieces of ${batch}`)
      }
      for (const build of BUILDS) same(await logitsOf(gguf, ids, build, { kv }), want, `${kv}, ${build}`)
      const maxSegmentBytes = await segmentBytes(gguf)
      const logits = await logitsOf(gguf, ids, 'simd', { kv, batch: 16, maxSegmentBytes })
      same(logits, want, `${kv}, in segments`)
      const engine = await openEngine(gguf, 'simd', { kv, context: 128, batch: 24 })
      await together(engine, ids, want)
      engine.close()
    }
  })
}

test.run()
