/** A test for each of some runtimes: every case gives what it gives everywhere. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOfCases } from '../../js/conformance/hash.ts'
import { HASHES } from '../../js/conformance/hashes.ts'
import type { Driver } from '../runtimes/driver.ts'
import { hasShared } from '../shared.ts'
import { conform, type Outcome } from './run-all.ts'

/** A test on a runtime: skipped by name where it is absent, failed there under CI. */
export function runtimeTest(driver: Driver, what: string, run: () => Promise<void>): void {
  const missing = driver.missing()
  if (missing === undefined) test(`${driver.name}: ${what}`, run)
  else if (process.env.CI) {
    test(`${driver.name}: ${what}`, () => {
      throw new Error(missing)
    })
  } else test.skip(`${driver.name}: ${what} (${missing})`)
}

/** The hash of every case that has one; a run of stories260K alone has fewer of them. */
export const COMMITTED = hashOfCases(Object.entries(HASHES).map(([name, hash]) => ({ name, hash })))

export function conformanceTests(drivers: readonly Driver[]): void {
  for (const driver of drivers) {
    runtimeTest(driver, 'every case gives what it gives everywhere', async () => {
      const outcome = await conform(driver)
      console.log(`  ${line(outcome)}`)
      const problems = outcome.cases.filter(({ problem }) => problem !== undefined)
      assert.equal(problems, [], 'After a change that is meant: npm run conformance -- --update')
      assert.ok(outcome.ok)
      if (hasShared && !driver.brief) assert.is(outcome.hash, COMMITTED)
      if (outcome.death) {
        const { differences, codes } = outcome.death
        assert.equal([differences, codes], [[], ['WORKER_RESTARTED']])
      }
    })
  }
  test.run()
}

/** `Node 24.1.0: 34 configurations, 31 cases, 1234 tokens/s, 0123456789abcdef; relaxed: no relaxed simd` */
export function line({ name, version, isas, threads, missing, cases, tokensPerSecond, hash }: Outcome): string {
  const lacks = Object.entries(missing).map(([what, why]) => `no ${what} (${why})`)
  const has = [...isas, `${threads.at(-1)} ${threads.length > 1 ? 'threads' : 'thread'}`, ...lacks].join(', ')
  return `${name} ${version}: ${has}; ${cases.length} cases, ${tokensPerSecond.toFixed(0)} tokens/s, ${hash}`
}
