/** What the package weighs: scripts/size.mjs holds the limits. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

function size(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['scripts/size.mjs', ...args], { encoding: 'utf8' })
}

test('the package is within its limits', () => {
  const { status, stdout, stderr } = size()
  assert.is(status, 0, `${stdout}\n${stderr}`)
  console.log(stdout)
})

test('a file that is too large is told of', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-size-'))
  try {
    cpSync('dist', folder, { recursive: true })
    appendFileSync(join(folder, 'web/thread.js'), `//${randomBytes(80_000).toString('hex')}`)
    const { status, stderr } = size(folder)
    assert.is(status, 1)
    assert.match(stderr, /too large: a page with workers/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
