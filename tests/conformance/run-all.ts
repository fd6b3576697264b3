/** Runs the cases in a runtime, and what its worker's death does to a model. */
import type { Report } from '../../js/conformance/types.ts'
import { type Driver, startServer } from '../runtimes/driver.ts'
import { brief, FEW_CONFIGURATIONS, full, servedFiles } from './material.ts'

/** Milliseconds for all cases in one runtime: emulated ones take a minute or two. */
const TIMEOUT = 480_000

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
  /** What a generation ends with whose worker has died; undefined where there are no workers. */
  death?: { name: string; code: string; value: unknown }
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
      const options = { context: 4096, threads }
      const argument = { model: material.stories, options, which: threads - 1 }
      const death = report.capabilities.workers
        ? await runtime.run<Outcome['death']>('deadWorker', argument)
        : undefined
      return { ...report, name: driver.name, version: runtime.version, ...(death && { death }) }
    } finally {
      await runtime.close()
    }
  } finally {
    server.close()
  }
}
