/**
 * Loads a model and generates, hundreds of times, with other work beside it: workers must live, and every bit be the same.
 *
 *     node --import tsx tests/soak/loads.ts [--count 300] [--tokens 60] [--beside N] [--threads 4] [--isa simd] [RUNTIME …]
 *
 * RUNTIME: as `npm run conformance` names them, the browsers by default. `--beside`: processes that only compute, as many as
 * there are cores by default. Without `--isa` both builds have their turns, where the engine has both. WebKit takes its flags
 * from the environment: `JSC_useOMGJIT=0` keeps it from its last tier. Fails where an answer differs or a worker died.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { STORIES } from '../api-helpers.ts'
import { all } from '../runtimes/all.ts'
import { type Driver, startServer } from '../runtimes/driver.ts'
import { start } from '../runtimes/process.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '300' },
    tokens: { type: 'string', default: '60' },
    beside: { type: 'string', default: String(availableParallelism()) },
    threads: { type: 'string', default: '4' },
    isa: { type: 'string' },
  },
})
const [count, tokens, beside, threads] = [values.count, values.tokens, values.beside, values.threads].map(Number)
/** Loads in one page or process: a fresh one compiles everything again. */
const ROUND = 10
const TIMEOUT = 600_000

interface Loads {
  answers: string[]
  warnings: { code: string; message: string }[]
}

const isas = values.isa === undefined ? ['simd', 'auto'] : [values.isa]
const configurations = isas.flatMap((isa) => [64, 7].map((batch) => ({ isa, batch, threads, context: 256 })))
const names = positionals.length > 0 ? positionals : ['Chromium', 'Firefox', 'WebKit']
const server = await startServer()
const others = Array.from({ length: beside! }, () => start(process.execPath, ['-e', 'for (;;);']))
try {
  for (const driver of all.filter(({ name }) => names.includes(name))) await soak(driver)
} finally {
  server.close()
  for (const other of others) void other.end()
}

async function soak(driver: Driver): Promise<void> {
  const model = driver.files ? STORIES : server.url + STORIES
  const began = performance.now()
  const answers = new Set<string>()
  let deaths = 0
  for (let done = 0; done < count!; done += ROUND) {
    const runtime = await driver.start({ url: server.url, timeout: TIMEOUT })
    try {
      const argument = { model, configurations, tokens, count: Math.min(ROUND, count! - done) }
      const got = await runtime.run<Loads>('loads', argument)
      for (const answer of got.answers) answers.add(answer)
      for (const { code, message } of got.warnings) console.log(`${driver.name}, load ${done}…: ${code}: ${message}`)
      deaths += got.warnings.filter(({ code }) => code === 'WORKER_RESTARTED').length
    } finally {
      await runtime.close()
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${driver.name}: ${count} loads, ${answers.size} answer, ${deaths} deaths (${seconds} s)`)
  if (answers.size > 1 || deaths > 0) process.exitCode = 1
}
