/** One chain over logits, as llama.cpp's goldens hold it. */
import { ArgumentError } from '../../js/errors.ts'
import { Candidates } from '../../js/sampler/candidates.ts'
import { runChain, weights } from '../../js/sampler/chain.ts'
import { resolveBias } from '../../js/sampler/options.ts'
import type { ChainStep } from '../../js/sampler/types.ts'

/**
 * Runs logits through a chain.
 * @param logits [vocabulary]; NumericError unless all are finite
 * @param lastTokens the tokens so far, the oldest first
 * @param steps ArgumentError where a parameter is not a number
 * @returns what is left, probability above 0 (float32), most probable first, lower id first among equals
 */
export function applyChain(
  logits: ArrayLike<number>,
  lastTokens: ArrayLike<number>,
  steps: readonly ChainStep[],
): { ids: number[]; probs: number[] } {
  const candidates = new Candidates(logits.length)
  candidates.load(Float32Array.from(logits))
  for (const step of steps) checkParameters(step)
  const settled = steps.map((step) =>
    step.type === 'logit_bias' ? { ...step, bias: resolveBias(step.bias, logits.length) } : step,
  )
  const tokens = Array.from(lastTokens)
  const counts = (n: number): Map<number, number> => {
    const found = new Map<number, number>()
    for (const id of tokens.slice(n < 0 ? 0 : -n)) found.set(id, (found.get(id) ?? 0) + 1)
    return found
  }
  runChain(candidates, settled, { counts, tokens, breakers: new Map(), chance: 0 })
  // Dividing may have made equals of neighbours.
  candidates.sorted = false
  candidates.sort()
  const { weights: w, sum } = weights(candidates)
  const ids: number[] = []
  const probs: number[] = []
  w.forEach((weight, i) => {
    const probability = Math.fround(weight / sum)
    if (probability === 0) return
    ids.push(candidates.ids[i]!)
    probs.push(probability)
  })
  return { ids, probs }
}

function checkParameters(step: ChainStep): void {
  for (const [name, value] of Object.entries(step)) {
    if (name === 'type' || name === 'bias' || (typeof value === 'number' && !Number.isNaN(value))) continue
    throw new ArgumentError('INVALID_OPTION', `${step.type}: ${name} must be a number, not ${value}.`, value)
  }
}
