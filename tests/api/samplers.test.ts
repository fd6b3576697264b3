/** DRY, XTC, Mirostat and adaptive-p in generations. */
import { type GenerateOptions, load, UnsupportedError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { edited } from '../metadata-variants.ts'

const WAYS: GenerateOptions[] = [
  { dryMultiplier: 2, dryAllowedLength: 1 },
  { xtcProbability: 0.5, xtcThreshold: 0.05 },
  { mirostat: 1, mirostatTau: 3 },
  { mirostat: 2, mirostatTau: 3 },
  { adaptiveTarget: 0.25 },
]
const PEOPLE = { type: 'array', items: { enum: ['Tom', 'Tim', 'Lily'] }, minItems: 9, maxItems: 9 }

test('alone, in a batch and constrained they give the same ids each time, and what a schema allows', async () => {
  const model = await load(STORIES, { inProcess: true, parallel: 8 })
  for (const more of [{}, { schema: PEOPLE, compact: true }, { schema: PEOPLE, compact: true, logprobs: true }]) {
    const generate = async (one: GenerateOptions, seed: number) => {
      const options = { temperature: 1, maxTokens: 120, seed, ...more, ...one }
      const { ids, json } = await model.generate('Once', options).result()
      if ('schema' in more) assert.is((json as string[]).length, 9)
      return ids
    }
    const together = await Promise.all(WAYS.map(generate))
    for (const [i, one] of WAYS.entries()) assert.equal(await generate(one, i), together[i])
    assert.is(new Set(together.map(String)).size, WAYS.length)
  }
  await model.close()
})

test('DRY does not say twice what it said, but for what breakers part', async () => {
  const model = await load(STORIES, { inProcess: true })
  const ids = model.tokenize('The cat sat on the mat. The cat sat on the mat')
  const last = ids.pop()!
  const greedy = async (options: GenerateOptions): Promise<number> =>
    (await model.generate(ids, { temperature: 0, maxTokens: 1, logitBias: { [last]: 20 }, ...options }).result())
      .ids[0]!
  assert.is(await greedy({}), last)
  assert.is.not(await greedy({ dryMultiplier: 100 }), last)
  assert.is(await greedy({ dryMultiplier: 100, drySequenceBreakers: ['m'] }), last)
  assert.is(await greedy({ dryMultiplier: 100, dryPenaltyLastN: 4 }), last)
  assert.is(await greedy({ dryMultiplier: 100, samplers: ['penalties'] }), last)
  await model.close()
})

test('without a vocabulary there are no breakers, and none can be given', async () => {
  const model = await load(await edited(['tokenizer.ggml.model']), { inProcess: true, onWarning: () => {} })
  const ids = [1, 5, 6, 7, 5, 6]
  const options = { dryMultiplier: 1, maxTokens: 3 }
  assert.is((await model.generate(ids, options).result()).completionTokens, 3)
  assert.is((await model.generate(ids, { ...options, drySequenceBreakers: [] }).result()).completionTokens, 3)
  const given = model.generate(ids, { ...options, drySequenceBreakers: ['x'] })
  assert.match((await fails(given.result(), UnsupportedError, 'NO_TOKENIZER')).message, /drySequenceBreakers/)
  await model.close()
})

test.run()
