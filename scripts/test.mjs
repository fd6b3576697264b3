/**
 * Runs the checks (types, formatter and linter) and every `.test.ts` file under tests/, each in a process of its own, and
 * ends with one line of totals: `N passed, N failed[, N skipped]`. A file that crashes, hangs or runs no test counts as a
 * failure.
 *
 *     node scripts/test.mjs [PATTERN]     only those whose name matches the regular expression
 *
 * Where this engine has no relaxed SIMD, files that import hasRelaxedSimd run a second time on the Node 24 of
 * tests/runtimes. Where that is absent their relaxed half counts as skipped, and under CI=true as failed.
 *
 * TEST_JOBS: processes at once (default 2). TEST_TIMEOUT: seconds for one file (default 900). TEST_FOLDER: default tests.
 * TEST_NODE24: the other Node.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const jobs = Number(process.env.TEST_JOBS ?? 2)
const timeout = Number(process.env.TEST_TIMEOUT ?? 900)
const folder = process.env.TEST_FOLDER ?? 'tests'
const node24 = process.env.TEST_NODE24 ?? 'tests/runtimes/node_modules/node24/bin/node'
const pattern = new RegExp(process.argv[2] ?? '')
/** Folders under tests/ without tests of this suite. */
const SKIPPED_FOLDERS = /(^|\/)(bench|node_modules)\//

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const CHECKS = {
  types: ['node_modules/typescript/bin/tsc', '--noEmit'],
  'format and lint': ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  'format of assembly': ['scripts/format-assembly.mjs', '--check'],
}
const files = readdirSync(folder, { recursive: true })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.test.ts') && !SKIPPED_FOLDERS.test(path))
  .map((path) => `${folder}/${path}`)
  .sort()
const cases = [
  ...Object.entries(CHECKS).map(([name, args]) => ({ name, args, count: countCheck })),
  ...files.map((name) => ({ name, args: ['--import', 'tsx', name], count: countTests })),
  ...relaxedFiles().map((file) => ({
    name: `${file} on Node 24`,
    file,
    args: ['--import', 'tsx', file],
    count: countTests,
    node: node24,
  })),
].filter(({ name, file = name }) => pattern.test(file))

const totals = { passed: 0, failed: 0, skipped: 0 }
const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) kill(child)
    process.exit(1)
  })
}
if (cases.length === 0) console.log(`nothing matches ${pattern}`)
await Promise.all(Array.from({ length: jobs }, runFrom))
const { passed, failed, skipped } = totals
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

/** Takes cases off the list until it is empty. */
async function runFrom() {
  for (let next = cases.shift(); next !== undefined; next = cases.shift()) {
    const start = performance.now()
    const end = await run(next)
    const counts = next.count(end)
    for (const key of Object.keys(totals)) totals[key] += counts[key]
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    if (counts.failed > 0) console.log(`\n✘ ${next.name}\n${end.output}\n${end.reason ?? ''}`)
    const skips = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    console.log(
      `${counts.failed > 0 ? '✘' : '✓'} ${next.name}: ${counts.passed} passed, ${counts.failed} failed${skips} (${seconds} s)`,
    )
  }
}

/** Files with a half that needs relaxed SIMD, where only the other Node has it. */
function relaxedFiles() {
  if (Number.parseInt(process.versions.node, 10) >= 22 || !(existsSync(node24) || process.env.CI)) return []
  return files.filter((file) => /^import [^'"]*\bhasRelaxedSimd\b/m.test(readFileSync(file, 'utf8')))
}

/** One process: what it printed, and why it ended, where that was not of its own accord with code 0. */
function run({ args, node = process.execPath }) {
  if (!existsSync(node)) return { output: '', reason: `${node} is absent: npm ci --prefix tests/runtimes` }
  return new Promise((resolve) => {
    // A group of its own, so that the time limit also ends whatever the test has started.
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
    const child = spawn(node, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
    running.add(child)
    let output = ''
    let late = false
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text))
    const timer = setTimeout(() => {
      late = true
      kill(child)
    }, timeout * 1000)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      const reason = late
        ? `took more than ${timeout} s`
        : signal
          ? `ended by ${signal}`
          : code
            ? `exit code ${code}`
            : undefined
      resolve({ output, reason })
    })
  })
}

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

function countCheck({ reason }) {
  return { passed: reason ? 0 : 1, failed: reason ? 1 : 0, skipped: 0 }
}

/** The totals that uvu prints. Passed tests don't make up for a process that ended badly, nor for one that ran none. */
function countTests(end) {
  const [, total = 0, passed = 0, skipped = 0] = (
    /\n {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)/.exec(end.output) ?? []
  ).map(Number)
  const ran = total + skipped > 0
  if (!ran) end.reason ??= 'no test ran: is test.run() missing?'
  return { passed, failed: Math.max(total - passed, end.reason ? 1 : 0), skipped }
}
