/** A model that is closed leaves nothing behind: memory, workers, threads, handles, listeners; and the process ends. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { runtimeTest } from '../conformance/suite.ts'
import { GROUPS } from './all.ts'
import { type Driver, type Session, startServer } from './driver.ts'

/** After the first and after the last round; what the runtime does not tell is absent. */
interface Left {
  memory?: number
  threads?: number
  handles?: string[]
  workers: number
  listeners: number
}

const ROUNDS = 50
const TIMEOUT = 120_000
/** Milliseconds that an engine may take to collect garbage of its own accord. */
const PATIENCE = 20_000
/** Bytes that memory returns to, from those after the first round. */
const limitOf = (first: number): number => first * 1.1 + 20e6
/** Threads of its own that an engine starts later than in the first round. */
const HELPERS: Record<string, number> = { Bun: 1 }
/** So that what is garbage can be seen to be. */
const FLAGS: Record<string, readonly string[]> = { Node: ['--expose-gc'], Deno: ['--v8-flags=--expose-gc'] }
/** WebKitGTK 2.50 shares memory only where told to, and then keeps each one that a worker made, whoever made the worker. */
const WITHOUT_SHARED_MEMORY = ['WebKit']

const [isolating, plain] = await Promise.all([startServer(), startServer(['--no-isolation'])])
test.after(() => {
  for (const server of [isolating, plain]) server.close()
})

for (const driver of [...GROUPS.node, ...GROUPS.servers, ...GROUPS.browsers, ...GROUPS.webkit]) {
  runtimeTest(driver, `${ROUNDS} rounds of load, generate and close leave nothing`, async () => {
    const [first, last] = await left(driver)
    console.log(`  ${driver.name}: ${JSON.stringify(first)} → ${JSON.stringify(last)}`)
    assert.ok(first.memory! > 0 && last.memory! > 0)
    assert.ok(last.memory! <= limitOf(first.memory!), `${last.memory} bytes after ${first.memory}`)
    assert.equal([last.workers, last.listeners], [0, 0])
    const threads = (first.threads ?? 0) + (HELPERS[driver.name] ?? 0)
    assert.ok((last.threads ?? 0) <= threads, `${last.threads} threads after ${first.threads}`)
    assert.equal(last.handles, first.handles)
  })
}

/** What is left after the first round and after the last. */
async function left(driver: Driver): Promise<[Left, Left]> {
  const { url } = WITHOUT_SHARED_MEMORY.includes(driver.name) ? plain : isolating
  const args = FLAGS[driver.name.split(' ')[0]!] ?? []
  const runtime = await driver.start({ url, timeout: TIMEOUT, args })
  const model = driver.files ? STORIES : url + STORIES
  const run = (session: Session, count: number) => session.run<Left[]>('rounds', { model, options: {}, count })
  try {
    const { memory, collect } = runtime
    if (!memory || !runtime.open) {
      const ends = await run(runtime, ROUNDS)
      return [ends.at(0)!, ends.at(-1)!]
    }
    const page = await runtime.open()
    const [once] = await run(page, 1)
    await collect?.()
    const first = { ...once!, memory: memory() }
    const rest = await run(page, ROUNDS - 1)
    await collect?.()
    const last = { ...rest.at(-1)!, memory: await settled(memory, limitOf(first.memory)) }
    await page.close()
    return [first, last]
  } finally {
    await runtime.close()
  }
}

/** Bytes of memory once they are few enough, or in the end. */
async function settled(memory: () => number, limit: number): Promise<number> {
  const end = performance.now() + PATIENCE
  while (memory() > limit && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 500))
  return memory()
}

test.run()
