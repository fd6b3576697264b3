/** Logprobs: what the model holds of each token, beside the logits themselves. */
import { load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { logprobsOf } from '../../js/sampler/logprobs.ts'
import { STORIES } from '../api-helpers.ts'
import { applyChain } from '../unit/apply-chain.ts'

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

test('those of the draw are of what the chain left', async () => {
  const options = { maxTokens: 12, seed: 3, temperature: 1.5, topK: 3, topP: 1, minP: 0, repeatPenalty: 1.3 }
  const probabilities = { logprobs: true, topLogprobs: 5, postSamplingProbs: true }
  const result = await model.generate('Once', { ...options, ...probabilities }).result()
  const ids = model.tokenize('Once')
  const { data, shape } = await model.logits([...ids, ...result.ids])
  result.logprobs!.forEach(({ id, logprob, top }, i) => {
    const row = data.slice((ids.length - 1 + i) * shape[1], (ids.length + i) * shape[1])
    const seen = [...ids, ...result.ids.slice(0, i)]
    const steps = [
      { type: 'penalties', last_n: 64, repeat: 1.3, frequency: 0, presence: 0 },
      { type: 'top_k', k: 3 },
      { type: 'temperature', t: 1.5 },
    ] as const
    const left = applyChain(row, seen, steps)
    assert.equal(
      top.map((one) => one.id),
      left.ids,
    )
    top.forEach((one, k) => {
      assert.ok(Math.abs(Math.exp(one.logprob) - left.probs[k]!) < 1e-6)
    })
    assert.is(logprob, top.find((one) => one.id === id)!.logprob)
  })
  const plain = await model.generate('Once', options).result()
  assert.equal(plain.ids, result.ids)
  const greedy = await model.generate('Once', { ...options, ...probabilities, temperature: 0 }).result()
  for (const { id, logprob, top } of greedy.logprobs!) {
    assert.equal([logprob, top.length, top[0]!.id, top[0]!.logprob], [0, 1, id, 0])
  }
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
