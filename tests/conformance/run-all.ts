/** Runs the cases in a runtime, and ends a worker of a model there. */
import type { Report } from '../../js/conformance/types.ts'
import { type Driver, startServer } from '../runtimes/driver.ts'
import { brief, FEW_CONFIGURATIONS, full, servedFiles } from './material.ts'

/** Milliseconds after which a runtime is taken to hang: emulated ones take minutes. */
const TIMEOUT = 840_000

/** See tests/conformance/workers.mjs. */
export interface Killed {
  differences: readonly unknown[]
  codes: readonly string[]
  workers: number
}

export interface Outcome extends Report {
  name: string
  version: string
  capabilities: {
    runtime: { name: string; version: string }
    simd: boolean
    relaxed: boolean
    sharedMemory: boolean
    workers: boolean
    threads: number
    isa: string
  }
  /** What the death of a worker changes; undefined where there are no workers. */
  death?: Killed
}

export async function conform(driver: Driver): Promise<Outcome> {
  const server = await startServer(servedFiles())
  try {
    const base = driver.files ? undefined : server.url
    const runtime = await driver.start({ url: server.url, timeout: TIMEOUT })
    try {
      const material = driver.brief ? brief(base, driver.emulated ? FEW_CONFIGURATIONS : undefined) : await full(base)
      const report = await runtime.run<Outcome>('conform', material)
      const threads = report.threads.at(-1)! > 1 ? 2 : 1
      const argument = {
        model: material.stories,
        options: { context: 256, kvTokens: 8192, threads },
        streams: driver.emulated ? 1 : 4,
        tokens: 20,
        runs: [[{ at: 30, delay: 0, which: threads - 1 }]],
      }
      const death = report.capabilities.workers ? await runtime.run<Killed>('killed', argument) : undefined
      return { ...report, name: driver.name, version: runtime.version, ...(death && { death }) }
    } finally {
      await runtime.close()
    }
  } finally {
    server.close()
  }
}
