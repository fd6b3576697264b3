/** The store in Deno and Bun; tests/api/cache.test.ts has all of it in Node. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runtimeTest } from '../conformance/suite.ts'
import { withTemporary } from '../store-helpers.ts'
import { bun, deno, nodes } from './node.ts'

const FOLDER = 'tests/runtimes/node_modules'
const COMMANDS = [
  [nodes[0]!, [process.execPath]],
  [deno, [`${FOLDER}/deno/deno`, 'run', '--quiet', '--allow-all', '--no-lock', '--no-config']],
  [bun, [`${FOLDER}/bun/bin/bun`, '--no-install']],
] as const

for (const [driver, [file, ...args]] of COMMANDS) {
  runtimeTest(driver, 'a download goes on, and a model that is there takes no request', () =>
    withTemporary(async (home) => {
      const env = { PATH: process.env.PATH, HF_HOME: home, DENO_NO_UPDATE_CHECK: '1' }
      const { stdout, stderr } = spawnSync(file!, [...args, 'tests/runtimes/store-case.mjs'], { env, encoding: 'utf8' })
      const lines = stdout.trim().split('\n')
      assert.is(lines.length, 1, stderr)
      const { texts, ...found } = JSON.parse(lines[0]!)
      assert.is(texts[0], ' upon a time, there was')
      assert.is(texts[1], texts[0])
      assert.equal(found, {
        stopped: 'ABORTED',
        partial: [[200_000, false]],
        ranges: [null, 'bytes=200000-'],
        verified: [true],
        freed: 535_936,
        left: [],
      })
    }),
  )
}
test.run()
