/** Logprobs: what the model holds of each token, beside the logits themselves. */
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { logprobsOf } from '../../js/sampler/logprobs.ts'
import { STORIES } from '../api-helpers.ts'

const model = await load(STORIES, { threads: 2 })
test.after(() => model.close())

/** log softmax by the engine's own Math, which may differ in the last bits. */
function reference(logits: Float32Array): number[] {
  const max = Math.max(...logits)
  const normalizer = max + Math.log([...logits].reduce((sum, logit) => sum + Math.exp(logit - max), 0))
  return [...logits].map((logit) => logit - normalizer)
}

test('they are the log softmax of the logits, the best first, lower ids first among equals', () => {
  const logits = Float32Array.of(1, 3, -80, 3, 2, -900)
  const expected = reference(logits)
  const [chosen, ...top] = logprobsOf(logits, 2, 4)
  assert.is(chosen![0], 2)
  assert.equal(
    top.map(([id]) => id),
    [1, 3, 4, 0],
  )
  for (const [id, logprob] of [chosen!, ...top]) assert.ok(Math.abs(logprob - expected[id]!) < 1e-12)
  assert.is(logprobsOf(logits, 0, 0).length, 1)
  assert.is(logprobsOf(logits, 0, 20).length, 1 + logits.length)
})

test('a generation tells them for each token, whatever the sampler does to its logits', async () => {
  const options = { maxTokens: 12, seed: 3, temperature: 1.5, logitBias: { 5: -100 }, repeatPenalty: 1.3 }
  const heard: unknown[] = []
  const result = await model
    .generate('Once', {
      ...options,
      logprobs: true,
      topLogprobs: 3,
      onToken: ({ id, logprobs }) => {
        assert.is(id, logprobs?.id)
        heard.push(logprobs)
      },
    })
    .result()
  assert.equal(result.logprobs, heard)
  assert.equal(
    result.logprobs?.map(({ id }) => id),
    result.ids,
  )
  const prompt = model.tokenize('Once')
  const { data, shape } = await model.logits([...prompt, ...result.ids])
  result.logprobs!.forEach(({ id, text, bytes, logprob, top }, i) => {
    const row = (prompt.length - 1 + i) * shape[1]
    const expected = reference(data.subarray(row, row + shape[1]))
    assert.ok(Math.abs(logprob - expected[id]!) < 1e-9, `${i}: ${logprob}, not ${expected[id]}`)
    assert.is(top[0]!.logprob, Math.max(...top.map((token) => token.logprob)))
    assert.is(top.length, 3)
    assert.is(new TextDecoder().decode(bytes), text)
  })
  // Asking changes nothing else.
  const plain = await model.generate('Once', options).result()
  assert.equal([plain.ids, plain.logprobs], [result.ids, undefined])
})

test.run()
