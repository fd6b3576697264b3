/**
 * Checks the runtime and machine it runs on: the bits that cria gives everywhere, and what its users rely on beside them.
 *
 *     import * as cria from 'cria'
 *     import { conformance } from 'cria/conformance'
 *
 *     const report = await conformance(cria, { stories: '/models/stories260K.gguf' })
 */
import type { Model } from '../api.ts'
import { abortCase, closeCase, errorsCase } from './behaviour.ts'
import { chatCase, logitsCase, samplerCase, templateCase, tokenizerCase } from './bits.ts'
import { hashOfCases } from './hash.ts'
import { HASHES } from './hashes.ts'
import type { CaseResult, ConformanceOptions, Cria, Report, Variants } from './types.ts'
import { allWays, findVariants, someWays, TOKENS } from './ways.ts'

export type { CaseResult, ConformanceOptions, Cria, Report, TemplateCase, Way } from './types.ts'

const MODEL_TOKENS = 48
const SPEED_ROUNDS = 3

/**
 * Runs every case that the runtime can run, one after the other, and compares with the hashes that all runtimes give.
 * @throws what is no result but a failure to get one: SourceError where a model cannot be had, AbortError
 */
export async function conformance(cria: Cria, options: ConformanceOptions): Promise<Report> {
  const { stories, onCase, signal } = options
  const variants = await findVariants(cria, stories)
  const cases: CaseResult[] = []
  for (const run of runs(cria, options, variants)) {
    signal?.throwIfAborted()
    const result = compared(await run())
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

type Run = () => Promise<CaseResult>

function runs(cria: Cria, options: ConformanceOptions, variants: Variants): Run[] {
  const { stories, models = {}, vocabularies = {}, templates = {}, ways = allWays(variants) } = options
  const some = someWays(variants)
  const withModel = (run: (model: Model) => Promise<CaseResult>) => async () => {
    const model = await cria.load(stories, { context: 512 })
    try {
      return await run(model)
    } finally {
      await model.close()
    }
  }
  return [
    () => logitsCase(cria, 'stories260K f16', { model: stories, tokens: TOKENS, kv: 'f16', ways }),
    () => logitsCase(cria, 'stories260K f32', { model: stories, tokens: TOKENS, kv: 'f32', ways: some }),
    () => tokenizerCase(cria, 'tokenizer stories260K', stories),
    withModel(samplerCase),
    withModel(chatCase),
    () => errorsCase(cria, stories),
    () => abortCase(cria, stories),
    () => closeCase(cria, stories),
    ...Object.entries(models).map(
      ([name, { input, kv = 'f16' }]) =>
        () =>
          logitsCase(cria, name, { model: input, tokens: MODEL_TOKENS, kv, ways: some }),
    ),
    ...Object.entries(vocabularies).map(
      ([name, { input, texts }]) =>
        () =>
          tokenizerCase(cria, `tokenizer ${name}`, input, texts),
    ),
    ...Object.entries(templates).map(([name, template]) =>
      withModel(async (model) => templateCase(model, `template ${name}`, template)),
    ),
  ]
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
