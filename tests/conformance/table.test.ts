/**
 * docs/CONFORMANCE.md and README's table are what `npm run conformance -- --write` would write again, but for what only runs
 * give: versions, which builds and threads a runtime has, tokens a second.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { casesOf } from '../../js/conformance/cases.ts'
import { hashOfCases } from '../../js/conformance/hash.ts'
import { HASHES } from '../../js/conformance/hashes.ts'
import type { Variants } from '../../js/conformance/types.ts'
import { all } from '../runtimes/all.ts'
import { sharedTest } from '../shared.ts'
import { brief, FEW_CONFIGURATIONS, full } from './material.ts'
import type { Outcome } from './run-all.ts'
import { page, readmeWith } from './table.ts'

const DOCUMENT = readFileSync('docs/CONFORMANCE.md', 'utf8')
const README = readFileSync('README.md', 'utf8')
/** The cells of each row below the head. */
const rows = DOCUMENT.split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '))
  .slice(2)

/** `simd (no relaxed simd)`, `1–4`: what a runtime has, and why it lacks the rest. */
function variantsOf(builds: string, threads: string): Variants {
  const why = (cell: string): string | undefined => /\((.*)\)/.exec(cell)?.[1]
  const most = Number(/\d+(?=\D*$)/.exec(threads.replace(/ \(.*/, ''))![0])
  return {
    isas: builds.replace(/ \(.*/, '').split(', ') as Variants['isas'],
    threads: Array.from({ length: most }, (_, i) => i + 1),
    missing: {
      ...(why(builds) && { relaxed: why(builds)! }),
      ...(why(threads) && { threads: why(threads)! }),
    },
  }
}

sharedTest(
  'the table has a row for each runtime, with the cases, configurations and hash that it must have',
  async () => {
    assert.equal(
      rows.map(([name]) => name),
      all.map(({ name }) => name),
    )
    const material = await full(undefined)
    const outcomes = rows.map(([name, version, builds, threads, , , , , speed], i) => {
      const variants = variantsOf(builds!, threads!)
      const few = all[i]!.emulated ? FEW_CONFIGURATIONS : undefined
      const cases = casesOf(all[i]!.brief ? brief(undefined, few) : material, variants).map(
        ({ name, configurations }) => {
          const hash = HASHES[name]
          return { name, ...(configurations !== undefined && { configurations }), ...(hash !== undefined && { hash }) }
        },
      )
      return { name, version, ...variants, cases, hash: hashOfCases(cases), ok: true, tokensPerSecond: Number(speed) }
    })
    assert.is(page(outcomes as unknown as Outcome[], []), DOCUMENT, 'npm run conformance -- --write')
  },
)

test('README has the same rows', () => {
  assert.is(readmeWith(README, rows), README, 'npm run conformance -- --write')
})

sharedTest('every committed hash is of a case', async () => {
  const variants: Variants = { isas: ['simd'], threads: [1], missing: {} }
  const names = casesOf(await full(undefined), variants).map(({ name }) => name)
  assert.equal(
    Object.keys(HASHES).filter((name) => !names.includes(name)),
    [],
  )
})

test.run()
