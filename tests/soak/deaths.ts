/**
 * Ends workers at random moments under eight streams, a chat and other calls: every text, id and logprob must be as without.
 *
 *     node --import tsx tests/soak/deaths.ts [--count 100] [--model PATH] [--tokens 40] [--threads 3] [--seed 1] [RUNTIME …]
 *
 * RUNTIME: as `npm run conformance` names them, Node and Chromium by default. Fails at the first difference.
 */
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { STORIES } from '../api-helpers.ts'
import type { Killed } from '../conformance/run-all.ts'
import { all } from '../runtimes/all.ts'
import { type Driver, startServer } from '../runtimes/driver.ts'
import { numbers } from './random.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '100' },
    model: { type: 'string', default: STORIES },
    tokens: { type: 'string', default: '40' },
    threads: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
  },
})
const [count, tokens, threads, seed] = [values.count, values.tokens, values.threads, values.seed].map(Number)
/** Deaths in one page or process. */
const ROUNDS = 10
const TIMEOUT = 600_000
/** Tokens that a run has at least: of eight streams, one of three answers, and a chat of two turns. */
const LEAST_TOKENS = 9 * tokens!

const names = positionals.length > 0 ? positionals : ['Node', 'Chromium']
const random = numbers(seed!)
const server = await startServer(['--file', `/soak.gguf=${values.model}`])
try {
  for (const driver of all.filter(({ name }) => names.includes(name))) await soak(driver)
} finally {
  server.close()
}

async function soak(driver: Driver): Promise<void> {
  const runtime = await driver.start({ url: server.url, timeout: TIMEOUT })
  const model = driver.files ? relative('', values.model) : `${server.url}soak.gguf`
  const start = performance.now()
  let restarts = 0
  try {
    for (let done = 0; done < count!; done += ROUNDS) {
      const runs = Array.from({ length: Math.min(ROUNDS, count! - done) }, () => [
        { at: 1 + random(LEAST_TOKENS), delay: random(2) * random(100), which: random(threads!) },
      ])
      const options = { threads, context: 256, kvTokens: 8192 }
      const { differences, codes } = await runtime.run<Killed>('killed', { model, options, tokens, runs })
      restarts += codes.filter((code) => code === 'WORKER_RESTARTED').length
      if (differences.length > 0) throw new Error(`${driver.name}: ${JSON.stringify({ runs, differences })}`)
    }
  } finally {
    await runtime.close()
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(`${driver.name} ${runtime.version}: ${count} deaths, ${restarts} restarts, no difference (${seconds} s)`)
}
