/**
 * Runs the cases in every runtime of this machine and prints a table in Markdown.
 *
 *     npm run conformance                  every runtime that is there
 *     npm run conformance -- Node          those whose name matches
 *     npm run conformance -- --write       writes docs/CONFORMANCE.md and README's table too
 *     npm run conformance -- --update      takes this Node's hashes as those of all: js/conformance/hashes.ts
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { all } from '../runtimes/all.ts'
import { nodes } from '../runtimes/node.ts'
import { hasShared } from '../shared.ts'
import { conform } from './run-all.ts'
import { line } from './suite.ts'
import { page, readmeWith, row, table } from './table.ts'

const HASHES = 'js/conformance/hashes.ts'
const options = { write: { type: 'boolean', default: false }, update: { type: 'boolean', default: false } } as const
const { values, positionals } = parseArgs({ options, allowPositionals: true })

if (values.update) await update()
else await compare(new RegExp(positionals[0] ?? ''))

/** Only a Node that has both builds, with all threads, computes in every configuration. */
async function update(): Promise<void> {
  if (!hasShared) throw new Error('The folder of references is absent: set CRIA_SHARED.')
  const driver = nodes.findLast((driver) => driver.missing() === undefined)!
  const { cases } = await conform(driver)
  // A case that differs from itself has no hash to take.
  const unsure = cases.filter(({ problem }) => problem && !/^(No hash is known|The hash should be)/.test(problem))
  if (unsure.length > 0) throw new Error(JSON.stringify(unsure, null, 2))
  const lines = cases.flatMap(({ name, hash }) => (hash ? [`  '${name}': '${hash}',`] : []))
  const code = `/** By case, the hash that every runtime gives. Written by \`npm run conformance -- --update\`. */
export const HASHES: Readonly<Record<string, string>> = {
${lines.sort().join('\n')}
}
`
  writeFileSync(HASHES, code)
  execFileSync(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'format', '--write', HASHES])
  console.log(`${HASHES}: ${lines.length} hashes of ${driver.name}`)
}

async function compare(pattern: RegExp): Promise<void> {
  const outcomes = []
  const absent: [name: string, why: string][] = []
  for (const driver of all.filter(({ name }) => pattern.test(name))) {
    const missing = driver.missing()
    if (missing !== undefined) {
      absent.push([driver.name, missing])
      continue
    }
    const outcome = await conform(driver)
    outcomes.push(outcome)
    console.error(line(outcome))
    for (const { name, problem } of outcome.cases) if (problem !== undefined) console.error(`  ✘ ${name}: ${problem}`)
  }
  console.log(table(outcomes, absent))
  if (values.write) {
    writeFileSync('docs/CONFORMANCE.md', page(outcomes, absent))
    writeFileSync('README.md', readmeWith(readFileSync('README.md', 'utf8'), outcomes.map(row)))
  }
  process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1
}
