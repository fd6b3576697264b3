/**
 * Checks the runtime and machine it runs on: the bits that cria gives everywhere, and what its users rely on beside them.
 *
 *     import * as cria from 'cria'
 *     import { conformance } from 'cria/conformance'
 *
 *     const report = await conformance(cria, { stories: '/models/stories260K.gguf' })
 */
import { casesOf } from './cases.ts'
import { findVariants } from './configurations.ts'
import { hashOfCases } from './hash.ts'
import { HASHES } from './hashes.ts'
import type { CaseResult, ConformanceOptions, Cria, Report } from './types.ts'

export type { CaseResult, Configuration, ConformanceOptions, Cria, Report, TemplateCase } from './types.ts'

const SPEED_ROUNDS = 3

/**
 * Runs every case that the runtime can run, one after the other, and compares with the hashes that all runtimes give.
 * @throws what is no result but a failure to get one: SourceError where a model cannot be read, AbortError
 */
export async function conformance(cria: Cria, options: ConformanceOptions): Promise<Report> {
  const { stories, onCase, signal } = options
  const variants = await findVariants(cria, stories)
  const cases: CaseResult[] = []
  for (const { run } of casesOf(options, variants)) {
    signal?.throwIfAborted()
    const result = compared(await run(cria))
    cases.push(result)
    onCase?.(result)
  }
  return {
    ok: cases.every(({ problem }) => problem === undefined),
    hash: hashOfCases(cases),
    cases,
    ...variants,
    tokensPerSecond: await speed(cria, options),
  }
}

/** With the problem that its hash is not the one that all runtimes give, where that is so. */
function compared(result: CaseResult): CaseResult {
  const { name, hash, problem } = result
  if (hash === undefined || problem !== undefined || hash === HASHES[name]) return result
  const wanted = HASHES[name]
  return { ...result, problem: wanted ? `The hash should be ${wanted}.` : 'No hash is known for it.' }
}

/** Tokens a second of the fastest of a few stories. */
async function speed(cria: Cria, { stories, signal }: ConformanceOptions): Promise<number> {
  const model = await cria.load(stories, signal ? { signal } : {})
  try {
    let most = 0
    for (let round = 0; round < SPEED_ROUNDS; round++) {
      const { timings } = await model.generate('', { temperature: 0, maxTokens: 200, ignoreEos: true }).result()
      most = Math.max(most, timings.tokensPerSecond)
    }
    return most
  } finally {
    await model.close()
  }
}
