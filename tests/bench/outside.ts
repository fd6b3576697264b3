/**
 * How much of a token is spent outside the matrix–vector kernels: norms, attention over a short context, the output's
 * scan for numbers that are not finite, picking the best token, JavaScript. One thread, one run:
 *
 *     node --import tsx tests/bench/outside.ts MODEL.gguf [TOKENS]
 */
import { fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { ALTERNATE } from '../../assembly/layout.ts'
import { Engine } from '../../js/engine/engine.ts'
import { MAX_SEGMENT_BYTES } from '../../js/engine/plan.ts'
import { allTensors } from '../../js/engine/tensors.ts'
import type { Segment } from '../../js/engine/wasm.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import { Sampler } from '../../js/sampler/sampler.ts'
import type { Source } from '../../js/source/source.ts'

const [path, tokens = '32'] = process.argv.slice(2)
if (!path) throw new Error('usage: outside.ts MODEL.gguf [TOKENS]')
const build = WebAssembly.validate(readFileSync('build/wasm/relaxed.wasm')) ? 'relaxed' : 'simd'
const fd = openSync(path, 'r')
const source: Source = {
  name: path,
  size: fstatSync(fd).size,
  async read(target, offset) {
    readSync(fd, target, 0, target.length, offset)
  },
  async close() {},
}
const module = new WebAssembly.Module(readFileSync(`build/wasm/${build}.wasm`))
const engine = new Engine(await readGguf(source), {
  context: 256,
  kv: 'f16',
  batch: 64,
  threads: 1,
  shared: false,
  relaxed: build === 'relaxed',
  maxSegmentBytes: MAX_SEGMENT_BYTES,
})
engine.allocate(module)
await engine.load(source, () => {})

const segments = Reflect.get(engine, 'segments') as Segment[]
const sampler = new Sampler({ temperature: 0 }, engine.config.vocabulary)

/** Milliseconds of one token, sampling included. */
async function token(): Promise<number> {
  engine.reset()
  engine.begin([1])
  const start = performance.now()
  let id = 1
  for (let i = 0; i < Number(tokens); i++) {
    await engine.feed([id])
    id = sampler.sample(engine.logits(0, 1))
  }
  return (performance.now() - start) / Number(tokens)
}

interface Raw {
  matvec(type: number, group: number, columns: number, acts: number, out: number): void
  arrangedBytes(columns: number, n: number): number
}

/** Milliseconds of all matrix–vector products of one token, called from here group by group, less the calls. */
function kernels(): number {
  let total = 0
  for (const [i, plan] of engine.plan.segments.entries()) {
    const instance = new WebAssembly.Instance(module, { env: { memory: segments[i]!.memory } })
    const { matvec, arrangedBytes } = instance.exports as unknown as Raw
    let calls = 0
    const start = performance.now()
    for (const { matrix } of allTensors(engine.tensors)) {
      if (!matrix || (matrix === engine.tensors.embedding && matrix !== engine.tensors.output)) continue
      const at = plan.addresses.get(matrix.info.name)
      if (at === undefined) continue
      const type = matrix.type.id | (segments[i]!.alternates.includes(matrix.type.id) ? ALTERNATE : 0)
      for (let group = 0; group < matrix.packedBytes; group += matrix.groupBytes) {
        matvec(type, at + group, matrix.columns, plan.buffers.acts, plan.buffers.scratch)
        calls++
      }
    }
    const end = performance.now()
    for (let call = 0; call < calls; call++) arrangedBytes(32, 1)
    total += end - start - (performance.now() - end)
  }
  return total
}

const samples: { token: number; kernels: number }[] = []
for (let round = 0; round < 6; round++) samples.push({ token: await token(), kernels: kernels() })
const best = (key: 'token' | 'kernels'): number => Math.min(...samples.slice(1).map((sample) => sample[key]))
const outside = best('token') - best('kernels')
console.log(`${engine.config.name}, ${build}, Node ${process.version}, 1 thread, best of 5`)
console.log(`a token: ${best('token').toFixed(2)} ms; its matrix–vector kernels: ${best('kernels').toFixed(2)} ms`)
console.log(`outside: ${(1000 * outside).toFixed(0)} µs, ${((100 * outside) / best('token')).toFixed(1)} %`)
