/** An engine without workers on any of the builds, the scalar one too, straight from the sources. */
import { readFileSync } from 'node:fs'
import { Engine, type EngineOptions } from '../js/engine/engine.ts'
import { MAX_SEGMENT_BYTES } from '../js/engine/plan.ts'
import { readGguf } from '../js/gguf/reader.ts'
import { bytesSource } from '../js/source/memory.ts'

export async function openEngine(path: string, build = 'simd', options: Partial<EngineOptions> = {}): Promise<Engine> {
  const source = bytesSource(readFileSync(path), path)
  const gguf = await readGguf(source)
  const engine = new Engine(gguf, {
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
