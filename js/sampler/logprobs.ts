/** How probable the tokens at a place were, as the model has it. */
import { exp, log } from '../util/math.ts'
import { Candidates } from './candidates.ts'

/**
 * The logprob of a token, then those of the `count` most probable ones, the best first, lower ids first among equals:
 * logit − max − log Σ exp(logit − max), in float64, summed in the order of ids.
 * @param logits [vocabulary], all finite, as the model gave them
 */
export function logprobsOf(logits: Float32Array, chosen: number, count: number): [id: number, logprob: number][] {
  let max = logits[0]!
  for (const logit of logits) if (logit > max) max = logit
  let sum = 0
  for (const logit of logits) sum += exp(logit - max)
  const normalizer = max + log(sum)
  const ids = [chosen, ...bestIds(logits, count)]
  return ids.map((id) => [id, logits[id]! - normalizer])
}

/** As {@link logprobsOf}, of a token beside which no other was left to draw from. */
export function certainLogprobs(id: number, count: number): [id: number, logprob: number][] {
  return count > 0
    ? [
        [id, 0],
        [id, 0],
      ]
    : [[id, 0]]
}

function bestIds(logits: Float32Array, count: number): number[] {
  const k = Math.min(count, logits.length)
  if (k === 0) return []
  const candidates = new Candidates(logits.length)
  candidates.load(logits)
  candidates.keep(candidates.keysOfBest(k), k)
  return [...candidates.ids.subarray(0, k)]
}
