/** The perplexity of a text. Source of the protocol: llama.cpp's tools/perplexity. */

import { checkSignal } from '../source/check.ts'
import { checkOptions, checkTypes, type OptionNames } from '../util/check.ts'
import { exp } from '../util/math.ts'
import { type LogitsModel, planChunks, runChunks } from './chunks.ts'
import { negativeLogLikelihood, softmax } from './softmax.ts'
import type { PerplexityOptions, PerplexityResult } from './types.ts'

const OPTIONS: OptionNames<PerplexityOptions> = { context: true, chunks: true, onChunk: true, signal: true }

/** Sums of negative log-likelihoods. */
export class Likelihood {
  private sum = 0
  private squares = 0
  count = 0

  add(nll: number): void {
    this.sum += nll
    this.squares += nll * nll
    this.count++
  }

  get perplexity(): number {
    return exp(this.sum / this.count)
  }

  /** Standard error of the perplexity. */
  get uncertainty(): number {
    const mean = this.sum / this.count
    const variance = this.squares / this.count - mean * mean
    return variance > 0 ? Math.sqrt(variance / (this.count - 1)) * this.perplexity : 0
  }
}

/**
 * @throws ArgumentError for options out of range and a text of less than two chunks; UnsupportedError where the vocabulary
 *   puts a token after each text; what `logits` throws
 */
export async function measurePerplexity(
  model: LogitsModel,
  text: string | readonly number[],
  options: PerplexityOptions,
): Promise<PerplexityResult> {
  checkOptions(options, OPTIONS)
  const { signal, onChunk } = options
  checkSignal(signal)
  checkTypes(options, 'function', ['onChunk'])
  const plan = planChunks(model, text, options)
  const likelihood = new Likelihood()
  const estimates: number[] = []
  for await (const chunk of runChunks(model, plan, signal)) {
    for await (const { logits, target } of chunk.rows()) {
      likelihood.add(negativeLogLikelihood(softmax(logits), logits, target))
    }
    estimates.push(likelihood.perplexity)
    onChunk?.({ index: chunk.index, total: plan.chunks, perplexity: likelihood.perplexity })
  }
  const { perplexity, uncertainty, count } = likelihood
  return { perplexity, uncertainty, tokens: count, estimates }
}
