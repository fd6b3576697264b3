/** Log-probabilities of one row of logits. */
import { exp, log } from '../util/math.ts'

/** The largest logit, where it first stands, and the logarithm of the sum of exp(logit − largest). */
export interface Softmax {
  max: number
  best: number
  logSum: number
}

/** What is so far below the largest does not change the sum. */
const NEGLIGIBLE = -50

export function softmax(logits: Float32Array): Softmax {
  let max = logits[0]!
  let best = 0
  for (let i = 1; i < logits.length; i++) {
    if (logits[i]! > max) {
      max = logits[i]!
      best = i
    }
  }
  let sum = 0
  for (let i = 0; i < logits.length; i++) {
    const below = logits[i]! - max
    if (below > NEGLIGIBLE) sum += exp(below)
  }
  return { max, best, logSum: log(sum) }
}

/** −log p of a token. */
export function negativeLogLikelihood({ max, logSum }: Softmax, logits: Float32Array, token: number): number {
  return max + logSum - logits[token]!
}
