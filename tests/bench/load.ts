/**
 * Loading: where its time goes. For each file the whole of `load`, its parts alone, the first touch of as much wasm memory
 * in the same run, and llama.cpp's load where a llama-bench is given. The least of several runs counts: whatever else the
 * machine does only adds.
 *
 *     node --import tsx tests/bench/load.ts [--runs 5] [--threads 1,2] [--native llama-bench] FILE…
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readGguf } from '../../js/gguf/reader.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { Build, FORMATS, fileRows, repack, repackAt, type TypeFormat } from '../kernel-harness.ts'
import { shared } from '../shared.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1,2' },
    native: { type: 'string' },
  },
})
const RUNS = Number(values.runs)
const THREADS = values.threads.split(',').map(Number)
const FILES = positionals.length > 0 ? positionals : [shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf')]
const WINDOW = 1024 * 1024
const PAGE = 65536
/** Rows and columns of the matrix that is repacked alone: its groups have the length of a real model's. */
const ROWS = 512
const COLUMNS = 2048
/** Matrices repacked in one measurement. */
const REPEATS = 40

/** The least milliseconds of several runs. */
async function least(run: () => number | Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) best = Math.min(best, await run())
  return best
}

async function time(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Writes one word into every 4 KiB of a new memory. */
function firstTouch(bytes: number): Promise<number> {
  const pages = Math.ceil(bytes / PAGE)
  return time(() => {
    const words = new Int32Array(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer)
    for (let i = 0; i < words.length; i += 1024) words[i] = 1
  })
}

/** All bytes of a file through one window: by positional reads of this thread, or as the loader reads. */
function readHere(path: string, bytes: number): Promise<number> {
  const window = new Uint8Array(new SharedArrayBuffer(WINDOW))
  return time(() => {
    const fd = openSync(path, 'r')
    for (let at = 0; at < bytes; at += WINDOW) readSync(fd, window, 0, WINDOW, at)
    closeSync(fd)
  })
}

async function readSource(path: string): Promise<number> {
  const source = await openFile(path)
  const window = new Uint8Array(new SharedArrayBuffer(WINDOW))
  const milliseconds = await time(async () => {
    for (let at = 0; at < source.size; at += WINDOW) {
      await source.read(window.subarray(0, Math.min(WINDOW, source.size - at)), at)
    }
  })
  await source.close()
  return milliseconds
}

/** Bytes of the file a nanosecond. */
async function repackRate(build: Build, format: TypeFormat): Promise<number> {
  build.reset()
  const file = fileRows(format, ROWS, COLUMNS, 1)
  const packed = repack(build, format, file, ROWS, COLUMNS)
  const src = build.put(file)
  const milliseconds = await least(() =>
    time(() => {
      for (let i = 0; i < REPEATS; i++) repackAt(build, format, src, ROWS, packed.at, packed)
    }),
  )
  return (file.length * REPEATS) / milliseconds / 1e6
}

/** In a process of its own: giving back the memory of an earlier model would count. */
function loadOnce(path: string, threads: number): { whole: number; weights: number } {
  const code = `
    import { load } from 'cria'
    let first = 0
    let last = 0
    const start = performance.now()
    const onProgress = ({ phase, done }) => {
      if (phase !== 'weights') return
      last = performance.now()
      if (done === 0) first = last
    }
    await load(${JSON.stringify(path)}, { threads: ${threads}, onProgress })
    const result = { whole: performance.now() - start, weights: last - first }
    process.stdout.write(JSON.stringify(result), () => process.exit())`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** llama-bench's time, less what its single token took; without a warm-up. */
async function nativeLoad(path: string, threads: number): Promise<number> {
  let token = 0
  const whole = await time(() => {
    const args = ['-m', path, '-p', '0', '-n', '1', '-r', '1', '-t', String(threads), '--no-warmup', '-o', 'json']
    const { status, stdout, stderr } = spawnSync(values.native!, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    token = (JSON.parse(stdout) as [{ avg_ns: number }])[0].avg_ns / 1e6
  })
  return whole - token
}

const ms = (milliseconds: number): string => milliseconds.toFixed(0)

console.log(`Node ${process.versions.node}, ${process.platform}-${process.arch}; the least of ${RUNS} runs\n`)
console.log(`Repacking ${ROWS}×${COLUMNS}, one thread, GB/s of file bytes:\n`)
console.log(`| build | ${FORMATS.map(({ name }) => name).join(' | ')} |`)
console.log(`|---|${FORMATS.map(() => '---:|').join('')}`)
for (const name of ['scalar', 'simd']) {
  const build = new Build(name)
  const rates: string[] = []
  for (const format of FORMATS) rates.push((await repackRate(build, format)).toFixed(2))
  console.log(`| ${name} | ${rates.join(' | ')} |`)
}

for (const path of FILES) {
  const source = await openFile(path)
  const { size } = source
  await readGguf(source)
  const header = await time(() => readGguf(source))
  await source.close()
  console.log(`\n${path.split('/').at(-1)}, ${(size / 1e6).toFixed(0)} MB; in milliseconds:\n`)
  console.log('| what | threads | ms |')
  console.log('|---|---:|---:|')
  const row = (what: string, threads: number, milliseconds: number): void =>
    console.log(`| ${what} | ${threads} | ${ms(milliseconds)} |`)
  row('first touch of as much wasm memory', 1, await least(() => firstTouch(size)))
  row('read into one window, this thread', 1, await least(() => readHere(path, size)))
  row('read into one window, as the loader reads', 1, await least(() => readSource(path)))
  row('header', 1, header)
  for (const threads of THREADS) {
    let weights = Number.POSITIVE_INFINITY
    const whole = await least(() => {
      const run = loadOnce(path, threads)
      weights = Math.min(weights, run.weights)
      return run.whole
    })
    row('load', threads, whole)
    row('of it weights', threads, weights)
    if (values.native) row('llama.cpp', threads, await least(() => nativeLoad(path, threads)))
  }
}
