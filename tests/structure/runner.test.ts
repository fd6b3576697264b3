/** The test runner counts what it should: it is run over small files that pass, fail, crash, hang and forget to run. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const HEAD = "import { test } from 'uvu'\n"

/** Runs the runner over files (name → code): its last line, all of its output, its exit code. */
function run(files: Record<string, string>, environment: Record<string, string> = {}) {
  // Inside the repository, for the files to find uvu.
  mkdirSync('build', { recursive: true })
  const folder = mkdtempSync('build/runner-')
  try {
    for (const [name, code] of Object.entries(files)) writeFileSync(`${folder}/${name}.test.ts`, HEAD + code)
    const env = { ...process.env, TEST_FOLDER: folder, ...environment }
    const args = ['scripts/test.mjs', '\\.test\\.ts$']
    const { stdout, status } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    return { last: stdout.trimEnd().split('\n').at(-1), output: stdout, status }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('passed, failed and skipped tests are added up over the files', () => {
  const { last, output, status } = run({
    a: "test('x', () => {})\ntest('y', () => {})\ntest.skip('z', () => {})\ntest.run()",
    b: "test('x', () => {})\ntest('y', () => { throw new Error('so it is') })\ntest.run()",
  })
  assert.is(last, '3 passed, 1 failed, 1 skipped')
  assert.match(output, 'so it is')
  assert.is(status, 1)
})

test('all passed: exit code 0, and nothing said of skips', () => {
  const { last, status } = run({ a: "test('x', () => {})\ntest.run()" })
  assert.is(last, '1 passed, 0 failed')
  assert.is(status, 0)
})

const BAD: [what: string, code: string][] = [
  ['crashes while loading', "throw new Error('no')"],
  ['forgets to run', "test('x', () => {})"],
  ['has no test', 'test.run()'],
  ['never settles', "test('x', () => new Promise(() => {}))\ntest.run()"],
  ['hangs', "test('x', () => new Promise(() => setInterval(() => {}, 1000)))\ntest.run()"],
  ['fails in a hook', "test.before(() => { throw new Error('no') })\ntest('x', () => {})\ntest.run()"],
  ['crashes after its tests', "test('x', () => { setTimeout(() => { throw new Error('no') }, 50) })\ntest.run()"],
]

for (const [what, code] of BAD) {
  test(`a file that ${what} is a failure`, () => {
    const { last, status, output } = run({ bad: code }, { TEST_TIMEOUT: '3' })
    assert.match(last!, /^\d+ passed, 1 failed$/, output)
    assert.is(status, 1)
  })
}

const ENDING = "test('x', () => {})\ntest.run()"
const FILES = {
  a: `import {\n  hasRelaxedSimd,\n} from '../../tests/kernel-harness.ts'\nhasRelaxedSimd()\n${ENDING}`,
  b: ENDING,
}
const elsewhere = Number.parseInt(process.versions.node, 10) < 22

test('files with a relaxed half run on the other Node too', () => {
  const { last, output } = run(FILES, { TEST_NODE24: process.execPath })
  assert.is(last, elsewhere ? '3 passed, 0 failed' : '2 passed, 0 failed', output)
})

test('where the other Node is absent, their relaxed half fails under CI=true only', () => {
  const absent = { TEST_NODE24: 'no/such/node' }
  const { last, output, status } = run(FILES, { ...absent, CI: 'true' })
  assert.is(last, elsewhere ? '2 passed, 1 failed' : '2 passed, 0 failed', output)
  assert.is(status, elsewhere ? 1 : 0)
  assert.is(run(FILES, { ...absent, CI: '' }).last, '2 passed, 0 failed')
})

test('finding no test is a failure', () => {
  const { last, status } = run({})
  assert.is(last, '0 passed, 0 failed')
  assert.is(status, 1)
})

test.run()
