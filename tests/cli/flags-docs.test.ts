/** docs/FLAGS.md says what the command line reads. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

test('the tables are up to date', () => {
  const args = ['--import', 'tsx', 'scripts/flags-docs.mjs', '--check']
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
})

test.run()
