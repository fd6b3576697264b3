/** docs/SERVER.md says what the schemas check. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ENDPOINTS } from '../../js/server/schemas.ts'

test('the tables are up to date', () => {
  const args = ['--import', 'tsx', 'scripts/server-docs.mjs', '--check']
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
})

test('every endpoint and field is there', () => {
  const text = readFileSync('docs/SERVER.md', 'utf8')
  for (const { path, takes, idle, refused } of Object.values(ENDPOINTS)) {
    assert.match(text, `### POST ${path}`)
    for (const name of Object.keys({ ...takes, ...idle, ...refused })) assert.match(text, `\`${name}\``)
  }
})

test.run()
