/**
 * A model beyond one memory, in Node 24, Deno and Chromium: whether it loads and generates, how long that takes, and the
 * peak of memory beside the file's size and the KV cache.
 *
 *     node --import tsx tests/bench/segments.ts FILE [runtime …]
 *
 * FILE: written before by `cria bench --shape llama-2-13b --type q4_0 --out FILE`. Needs dist/ (npm run build), tests/runtimes
 * and twice the file's size of free memory, so that the system's file cache does not count. Linux only.
 */
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'cria'
import { openChromium } from '../runtimes/chromium.ts'
import { residentBytes, run } from '../runtimes/process.ts'

const RUNTIMES = 'tests/runtimes/node_modules'
const CONTEXT = 512
const TOKENS = 4
const TIMEOUT = 600_000
/** Milliseconds between two looks at a process's memory. */
const INTERVAL = 200

interface Result {
  /** Milliseconds. */
  load: number
  generate: number
  ids: string
}

/** What every runtime runs; `cria` and `input` are there. */
const PROGRAM = `
  const start = performance.now()
  const model = await cria.load(input, { context: ${CONTEXT} })
  const loaded = performance.now()
  const { ids } = await model.generate([1, 300, 400], { maxTokens: ${TOKENS}, temperature: 0, ignoreEos: true }).result()
  if (ids.length !== ${TOKENS}) throw new Error('generated ' + ids.length + ' tokens')
  const result = { load: loaded - start, generate: performance.now() - loaded, ids: ids.join(' ') }
  await model.close()`

/** The largest memory of the processes below this one whose command line matches, while work is under way. */
async function peakOf<T>(which: RegExp, work: Promise<T>): Promise<{ value: T; peak: number }> {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(process.pid, which))
  }, INTERVAL)
  try {
    return { value: await work, peak }
  } finally {
    clearInterval(timer)
  }
}

async function inProcess(path: string, args: string[], file: string): Promise<Result> {
  const program = `import * as cria from 'cria'; const input = ${JSON.stringify(file)};${PROGRAM}; console.log(JSON.stringify(result))`
  return JSON.parse(await run(path, { args: [...args, program], timeout: TIMEOUT })) as Result
}

/** Serves dist/ to an isolated page, and the model so that no browser keeps it. */
async function inChromium(file: string): Promise<Result> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://localhost').pathname
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    response.setHeader('Cache-Control', 'no-store')
    if (path === '/')
      return response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>segments</title>')
    const model = path === '/model.gguf'
    const source = model ? file : join('dist', path)
    const size = statSync(source, { throwIfNoEntry: false })?.size
    if (size === undefined) return response.writeHead(404).end()
    response.setHeader('Content-Type', path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream')
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(206, { 'Content-Range': `bytes ${start}-${size - 1}/${size}` })
    createReadStream(source, { start, highWaterMark: 1 << 20 }).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const browser = await openChromium()
  try {
    const page = await browser.newPage()
    await page.goto(url)
    return await page.evaluate<Result>(
      `(async () => { const cria = await import('/web/index.js'); const input = '${url}model.gguf';${PROGRAM}; return result })()`,
    )
  } finally {
    await browser.close()
    server.closeAllConnections()
    server.close()
  }
}

const WAYS: Record<string, { which: RegExp; run(file: string): Promise<Result> }> = {
  'Node 24': {
    which: /node24/,
    run: (file) => inProcess(`${RUNTIMES}/node24/bin/node`, ['--input-type=module', '-e'], file),
  },
  Deno: {
    which: /deno/,
    run: (file) => inProcess(`${RUNTIMES}/deno/deno`, ['eval', '--node-modules-dir=manual'], file),
  },
  Chromium: { which: /chromium/, run: inChromium },
}

const [file, ...names] = process.argv.slice(2)
if (!file) throw new Error('Which FILE? Make one with: cria bench --shape llama-2-13b --type q4_0 --out FILE')
const { memory, fileBytes } = await inspect(file, { context: CONTEXT })
if (!memory) throw new Error(`${file} is no model that cria runs`)
const allowed = 1.1 * fileBytes + memory.kv
const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2)
console.log(
  `file ${gigabytes(fileBytes)} GB, KV cache ${gigabytes(memory.kv)} GB at ${CONTEXT}, ${memory.segments} memories`,
)
console.log('| runtime | loads in | tokens/s | peak, GB | allowed, GB |\n|---|---:|---:|---:|---:|')
for (const [name, way] of Object.entries(WAYS)) {
  if (names.length > 0 && !names.includes(name)) continue
  const { value, peak } = await peakOf(way.which, way.run(file))
  const rate = (1000 * TOKENS) / value.generate
  console.log(
    `| ${name} | ${(value.load / 1000).toFixed(0)} s | ${rate.toFixed(2)} | ${gigabytes(peak)} | ${gigabytes(allowed)} |`,
  )
  console.error(`${name}: ids ${value.ids}`)
  if (peak > allowed) process.exitCode = 1
}
