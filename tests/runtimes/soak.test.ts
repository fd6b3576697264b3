/** A few loads and generations in each browser, beside a process that computes: tests/soak/loads.ts does hundreds. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { runtimeTest } from '../conformance/suite.ts'
import { GROUPS } from './all.ts'
import { startServer } from './driver.ts'
import { start } from './process.ts'

const COUNT = 4
const TIMEOUT = 120_000

const server = await startServer()
const beside = start(process.execPath, ['-e', 'for (;;);'])
test.after(async () => {
  server.close()
  await beside.end()
})

for (const driver of [...GROUPS.browsers, ...GROUPS.webkit]) {
  runtimeTest(driver, `${COUNT} loads give one answer`, async () => {
    const runtime = await driver.start({ url: server.url, timeout: TIMEOUT })
    try {
      const configurations = (['simd', 'auto'] as const).map((isa) => ({ isa, threads: 4, context: 256 }))
      const argument = { model: server.url + STORIES, configurations, tokens: 30, count: COUNT }
      const { answers, warnings } = await runtime.run<{ answers: string[]; warnings: object[] }>('loads', argument)
      assert.is(answers.length, 1)
      // A worker that an engine lost is no failure here: what it was at was computed again.
      if (warnings.length > 0) console.log(`  ${driver.name}: ${JSON.stringify(warnings)}`)
    } finally {
      await runtime.close()
    }
  })
}
test.run()
