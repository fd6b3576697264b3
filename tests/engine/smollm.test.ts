/** A real model against its reference: ../shared/models/SmolLM2 and the goldens of that name. */
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openEngine } from '../engine-harness.ts'
import { hasShared, readSafetensors, shared, sharedTest } from '../shared.ts'

const MODEL = 'SmolLM2-135M-Instruct.Q4_1.gguf'

interface Real {
  SmolLM2: Record<string, { tokens: number; llama_cpp_kl_mean: number }>
}

/** KL over the reference's best tokens and one bucket for all the rest, in nats; and whether the best is ours too. */
function comparePosition(
  logits: Float32Array,
  ids: Int32Array,
  logprobs: Float32Array,
): { kl: number; best: number; margin: number } {
  let most = Number.NEGATIVE_INFINITY
  let best = 0
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > most) {
      most = logits[i]!
      best = i
    }
  }
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - most)
  const total = most + Math.log(sum)
  let kl = 0
  let p = 0
  let q = 0
  for (let i = 0; i < ids.length; i++) {
    const ours = logits[ids[i]!]! - total
    const theirs = logprobs[i]!
    kl += Math.exp(theirs) * (theirs - ours)
    p += Math.exp(theirs)
    q += Math.exp(ours)
  }
  const restP = Math.max(1 - p, 1e-12)
  const restQ = Math.max(1 - q, 1e-12)
  kl += restP * (Math.log(restP) - Math.log(restQ))
  return { kl, best, margin: logprobs[0]! - logprobs[1]! }
}

if (!hasShared || !existsSync(shared('models', MODEL))) sharedTest('SmolLM2', () => {})
else {
  const golden = readSafetensors(shared('goldens', 'SmolLM2.safetensors'))
  const real = (JSON.parse(readFileSync(shared('goldens', 'real.json'), 'utf8')) as Real).SmolLM2
  const names = [...golden.keys()]
    .filter((key) => key.endsWith('.tokens'))
    .map((key) => key.slice(0, -'.tokens'.length))
  const engine = await openEngine(shared('models', MODEL))
  let klSum = 0
  let nativeSum = 0
  let positions = 0

  for (const name of names) {
    test(`${name}: KL at most 1.5 times native’s, and the best token wherever the margin exceeds 0.5`, async () => {
      const tokens = [...(golden.get(`${name}.tokens`)!.data as Int32Array)]
      const ids = golden.get(`${name}.top_ids`)!
      const logprobs = golden.get(`${name}.top_logprobs`)!.data as Float32Array
      const width = ids.shape[1]!
      const logits = await engine.allLogits(tokens)
      const vocabulary = logits.length / tokens.length
      let sum = 0
      for (let t = 0; t < tokens.length; t++) {
        const topIds = (ids.data as Int32Array).subarray(t * width, (t + 1) * width)
        const top = logprobs.subarray(t * width, (t + 1) * width)
        const row = logits.subarray(t * vocabulary, (t + 1) * vocabulary)
        const { kl, best, margin } = comparePosition(row, topIds, top)
        sum += kl
        if (margin > 0.5) assert.is(best, topIds[0], `position ${t}, margin ${margin}`)
      }
      const native = real[name]!.llama_cpp_kl_mean
      klSum += sum
      nativeSum += native * tokens.length
      positions += tokens.length
      console.log(`  ${name}: KL ${(sum / tokens.length).toExponential(3)}, native ${native.toExponential(3)}`)
      assert.ok(sum / tokens.length <= 1.5 * native, `KL ${sum / tokens.length}, native ${native}`)
    })
  }

  test('all positions: mean KL at most 1.1 times native’s', () => {
    assert.ok(positions > 0)
    console.log(`  all: KL ${(klSum / positions).toExponential(3)}, native ${(nativeSum / positions).toExponential(3)}`)
    assert.ok(klSum <= 1.1 * nativeSum, `KL ${klSum / positions}, native ${nativeSum / positions}`)
  })
}

test.run()
