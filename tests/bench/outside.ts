/**
 * Where the time of generated tokens goes, by V8's sampling profiler: in the kernels, in the arithmetic between them, in
 * JavaScript; and what the barriers of a pass cost when all threads come at once.
 *
 *     node --import tsx tests/bench/outside.ts [--isa relaxed] [-n 64] [-d 0] [--runs 5] [FILE…]
 *
 * One thread, in process, on a build of the wasm that has its functions' names and else is the same. Kernels are all that
 * runs over weights or the cache: matrix–vector, attention, the lookup of a row.
 */
import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import asc from 'assemblyscript/asc'
import { CONTROL_BYTES, PIECE } from '../../assembly/layout.ts'
import type { Model } from '../../js/api/types.ts'
import { hasRelaxedSimd } from '../kernel-harness.ts'
import { shared } from '../shared.ts'

process.chdir(fileURLToPath(new URL('../../', import.meta.url)))
const { load } = (await import(
  new URL('../../dist/index.js', import.meta.url).href
)) as typeof import('../../js/index.ts')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    isa: { type: 'string', default: hasRelaxedSimd() ? 'relaxed' : 'simd' },
    generate: { type: 'string', short: 'n', default: '64' },
    depth: { type: 'string', short: 'd', default: '0' },
    runs: { type: 'string', default: '5' },
  },
})
const FILES = positionals.length > 0 ? positionals : [shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf')]
const GENERATE = Number(values.generate)
const DEPTH = Number(values.depth)
/** Microseconds between samples. */
const INTERVAL = 100
const BARRIERS = 200_000

/** Where a function belongs: the first part whose pattern its name has. */
const PARTS: readonly (readonly [part: string, name: RegExp])[] = [
  ['kernels', /^assembly\/(kernels\/(?!arrange)|quant\/|repack\/)/],
  ['norms, rotation, softmax, quantization and other arithmetic', /^assembly\/|^~lib\//],
  ['JavaScript, the sampler among it', /^(?!\(idle\)|\(program\))./],
  ['the engine itself', /./],
]

/** The wasm with its functions' names, and with the section in which the packed files name their build. */
async function namedModule(isa: string): Promise<WebAssembly.Module> {
  const path = `build/${isa}-named.wasm`
  const { error, stderr } = await asc.main(['assembly/index.ts', '--target', isa, '--debug', '--outFile', path])
  if (error) throw new Error(`asc: ${stderr.toString()}`)
  const section = Buffer.from(`\0\0\u0004cria${isa}`)
  section[1] = section.length - 2
  return new WebAssembly.Module(Buffer.concat([readFileSync(path), section]))
}

async function profile(file: string, wasm: WebAssembly.Module): Promise<void> {
  const model = await load(file, { wasm, inProcess: true, context: DEPTH + GENERATE + 2 })
  const { vocabularySize } = model.info
  const deep = Array.from({ length: DEPTH }, (_, i) => (i * 7919 + 13) % vocabularySize)
  await generate(model, deep, 0)
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL })
  await session.post('Profiler.start')
  let milliseconds = 0
  for (let run = 1; run <= Number(values.runs); run++) milliseconds += await generate(model, deep, run)
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  await model.close()
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(nameless)']))
  const times = new Map(PARTS.map(([part]) => [part, 0]))
  let total = 0
  for (const [i, id] of profile.samples!.entries()) {
    if (names.get(id) === 'post') continue // The profiler itself, as it starts and stops.
    const [part] = PARTS.find(([, name]) => name.test(names.get(id)!))!
    times.set(part, times.get(part)! + profile.timeDeltas![i]!)
    total += profile.timeDeltas![i]!
  }
  const token = (1000 * milliseconds) / (Number(values.runs) * GENERATE)
  console.log(`\n${file}, ${values.isa}, depth ${DEPTH}: ${token.toFixed(0)} µs a token\n`)
  console.log('| part | µs a token | share |\n|---|---:|---:|')
  for (const [part, time] of times) {
    console.log(`| ${part} | ${((token * time) / total).toFixed(0)} | ${((100 * time) / total).toFixed(1)} % |`)
  }
  // In a dense layer after the projections, the pieces of attention and their merging, the output, gate and up, down; and
  // one before all layers, one after the output head.
  const { layers } = model.info
  const each = DEPTH + GENERATE < PIECE ? 5 : 6
  console.log(`\n${layers} layers: ${each * layers + 2} barriers a token`)
}

/** Milliseconds of the tokens generated after `deep`. The first token differs from run to run: only the depth is cached. */
async function generate(model: Model, deep: number[], run: number): Promise<number> {
  const options = { maxTokens: run === 0 ? 0 : GENERATE, temperature: 0, ignoreEos: true }
  const { timings } = await model.generate([...deep, run], options).result()
  return timings.generate
}

/** Microseconds of a barrier at which `threads` threads do nothing else. */
async function barrierTime(threads: number): Promise<number> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const module = new WebAssembly.Module(readFileSync(`build/wasm/${values.isa}-threads.wasm`))
  const start = `const { workerData: { module, memory, threads, count }, parentPort } = require('node:worker_threads')
    const { barrier } = new WebAssembly.Instance(module, { env: { memory } }).exports
    barrier(64, threads)
    const start = performance.now()
    for (let i = 0; i < count; i++) barrier(64, threads)
    parentPort.postMessage(performance.now() - start)`
  const workerData = { module, memory, threads, count: BARRIERS }
  const times = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(start, { eval: true, workerData })
      return new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
    }),
  )
  return (1000 * Math.max(...times)) / BARRIERS
}

if (64 + CONTROL_BYTES > 65536) throw new Error('The control words do not fit a page.')
const wasm = await namedModule(values.isa)
for (const file of FILES) await profile(file, wasm)
console.log('\n| threads | µs a barrier |\n|---:|---:|')
for (let threads = 2; threads <= availableParallelism(); threads *= 2) {
  console.log(`| ${threads} | ${(await barrierTime(threads)).toFixed(2)} |`)
}
