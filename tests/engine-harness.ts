/** An engine without workers on any of the builds, the scalar one too, straight from the sources. */
import { readFileSync } from 'node:fs'
import { Engine, type EngineOptions } from '../js/engine/engine.ts'
import { MAX_SEGMENT_BYTES } from '../js/engine/plan.ts'
import { readGguf } from '../js/gguf/reader.ts'
import type { Gguf } from '../js/gguf/types.ts'
import { Scheduler } from '../js/scheduler/scheduler.ts'
import { LogitsTask } from '../js/scheduler/tasks.ts'
import { bytesSource } from '../js/source/memory.ts'

export class TestEngine extends Engine {
  readonly scheduler: Scheduler

  constructor(gguf: Gguf, options: EngineOptions) {
    super(gguf, options)
    this.scheduler = new Scheduler(this, { batch: options.batch, parallel: 16 }, async () => {})
  }

  /** Logits after each token, [n, vocabulary]. */
  async allLogits(ids: readonly number[]): Promise<Float32Array> {
    const work = new LogitsTask(ids, 0, this.config.vocabSize)
    await this.scheduler.run(work)
    return work.logits
  }
}

/** @param model a GGUF file's path, or its bytes */
export async function openEngine(
  model: string | Uint8Array,
  build = 'simd',
  options: Partial<EngineOptions> = {},
): Promise<TestEngine> {
  const source = typeof model === 'string' ? bytesSource(readFileSync(model), model) : bytesSource(model)
  const gguf = await readGguf(source)
  const engine = new TestEngine(gguf, {
    context: 1024,
    kv: 'f32',
    batch: 64,
    threads: 1,
    shared: false,
    maxSegmentBytes: MAX_SEGMENT_BYTES,
    ...options,
  })
  engine.allocate(new WebAssembly.Module(readFileSync(`build/wasm/${build}.wasm`)))
  await engine.load(source, () => {})
  return engine
}
