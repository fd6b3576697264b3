/** A generation that goes on after tokens that were sampled before: the same from any of them on. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runtimeSupport } from '../../js/api/capabilities.ts'
import { resolveLoad } from '../../js/api/options.ts'
import type { GenerateRequest } from '../../js/scheduler/generate.ts'
import { LeaderModel } from '../../workers/leader-model.ts'
import type { CallEvent, LeaderEvent } from '../../workers/protocol.ts'
import { STORIES } from '../api-helpers.ts'

let events: LeaderEvent[] = []
const leader = new LeaderModel((some) => events.push(...some))
const { open } = resolveLoad({ inProcess: true, context: 256 }, runtimeSupport())
await leader.open({ locations: [{ location: STORIES, url: false }], options: {} }, open)
await leader.load()
test.after(() => leader.close())

/** What is told of a generation, but for its prompt, and its result; after a reset. */
async function generated(request: GenerateRequest) {
  leader.reset()
  events = []
  const { result, history } = await leader.generate(0, request)
  const texts = (events as CallEvent[]).filter((event) => event.event === 'token')
  return { texts, result, history }
}

const REQUESTS: Record<string, GenerateRequest> = {
  greedy: { prompt: 'Lily and Ben', sampler: { temperature: 0, seed: 1 }, maxTokens: 40 },
  sampled: { prompt: [1, 400, 401], sampler: { temperature: 1, topK: 0, seed: 5 }, maxTokens: 40, echo: true },
  penalized: {
    prompt: 'One day',
    sampler: { seed: 3, repeatPenalty: 1.4, repeatLastN: 8, presencePenalty: 0.5, logitBias: { 300: 3 } },
    maxTokens: 40,
  },
  stopped: { prompt: 'Once', sampler: { seed: 9 }, stop: ['. She', ' was', 'zebra'] },
  'held until the end': {
    prompt: 'Once',
    sampler: { temperature: 0, seed: 1 },
    maxTokens: 12,
    stop: ' named Lilac',
  },
  ended: { prompt: 'Once', sampler: { seed: 8, temperature: 1.5, topK: 0, topP: 1, minP: 0, logitBias: { 2: 20 } } },
  shifted: { prompt: 'Once', sampler: { seed: 2 }, maxTokens: 400, ignoreEos: true, contextShift: true, keep: 3 },
  none: { prompt: 'Once', sampler: { seed: 2 }, maxTokens: 0 },
  turn: { prompt: ' there', history: [1, 400], sampler: { seed: 4 }, maxTokens: 20 },
}

/** What those end by that end before their most tokens. */
const ENDS: Record<string, unknown> = { stopped: ['stop', ' was'], ended: ['stop', undefined] }

for (const [name, request] of Object.entries(REQUESTS)) {
  test(`${name}: the same events and the same result after any number of tokens`, async () => {
    const whole = await generated(request)
    const { ids, text, finishReason, stop, promptTokens, completionTokens, seed } = whole.result
    assert.equal([finishReason, stop], ENDS[name] ?? ['length', undefined])
    const step = ids.length > 50 ? 23 : 1
    for (let count = 0; count <= ids.length; count += step) {
      const again = await generated({ ...request, sampled: ids.slice(0, count) })
      assert.equal(again.texts, whole.texts, `after ${count}`)
      assert.equal(again.history, whole.history)
      const { timings: _, cachedTokens, ...rest } = again.result
      const expected = { text, ids, finishReason, promptTokens, completionTokens, seed }
      assert.equal(rest, stop === undefined ? expected : { ...expected, stop })
      assert.ok(cachedTokens <= promptTokens)
    }
  })
}

test('text that a stop sequence held back comes at the end, once', async () => {
  const { texts } = await generated(REQUESTS['held until the end']!)
  assert.equal(texts.at(-1), { call: 0, event: 'token', id: -1, text: ' named' })
})

test('logprobs of the tokens that are sampled are those of the whole', async () => {
  const request = { prompt: 'Tom', sampler: { seed: 6 }, maxTokens: 20, logprobs: true, topLogprobs: 2 }
  const { result } = await generated(request)
  for (const count of [0, 1, 7, 20]) {
    const again = await generated({ ...request, sampled: result.ids.slice(0, count) })
    // The last of those before is sampled again.
    assert.equal(again.result.logprobs, result.logprobs!.slice(Math.max(0, count - 1)))
  }
})

test('what was sampled before is computed as a prompt is, and its time is no time of generation', async () => {
  const request = { prompt: 'Tom', sampler: { temperature: 0 }, maxTokens: 200, ignoreEos: true }
  const { result } = await generated(request)
  const { scheduler } = leader as unknown as { scheduler: { steps: number } }
  const before = scheduler.steps
  const again = await generated({ ...request, sampled: result.ids.slice(0, 190) })
  assert.ok(scheduler.steps - before <= 20, `${scheduler.steps - before} passes`)
  const { generate, tokensPerSecond } = again.result.timings
  assert.ok(Math.abs(tokensPerSecond - (1000 * 11) / generate) < 1e-6)
})

test.run()
