/**
 * Perplexity over chunks that overlap: each begins `stride` tokens after the one before, is computed alone, and its last `stride`
 * predictions count. Source: perplexity_v2 of llama.cpp's tools/perplexity.
 */
import * as platform from '#platform'
import { ArgumentError, throwIfAborted } from '../errors.ts'
import { invalid } from '../util/check.ts'
import { type LogitsModel, leadingBos } from './chunks.ts'
import { Likelihood } from './perplexity.ts'
import { negativeLogLikelihood, softmax } from './softmax.ts'

/** llama.cpp rounds a context up to this. */
const CONTEXT_STEP = 256

/** Tokens of a chunk: the context that is asked for and half a stride, in whole steps. */
export function stridedContext(context: number, stride: number): number {
  return Math.ceil((context + Math.floor(stride / 2)) / CONTEXT_STEP) * CONTEXT_STEP
}

export interface StridedOptions {
  /** See stridedContext. */
  context: number
  stride: number
  /** Most chunks; default: all that are whole. */
  chunks?: number
  signal?: AbortSignal
}

/**
 * The perplexity after each chunk. No chunk but the first begins with BOS.
 * @throws ArgumentError for a stride as long as the context and a text of less than two chunks
 */
export async function* stridedPerplexity(
  model: LogitsModel,
  text: string | readonly number[],
  { context, stride, chunks = Infinity, signal }: StridedOptions,
): AsyncGenerator<number> {
  if (stride >= context) throw invalid('stride', `below the chunk's ${context} tokens`, stride)
  leadingBos(model)
  const ids = typeof text === 'string' ? model.tokenize(text, { special: false }) : text
  if (ids.length < 2 * context) {
    const message = `The text has ${ids.length} tokens; with chunks of ${context} it takes ${2 * context}. Give a longer text or a smaller context.`
    throw new ArgumentError('TEXT_SHORT', message, ids.length)
  }
  const likelihood = new Likelihood()
  const count = Math.min(chunks, Math.ceil((ids.length - context) / stride))
  for (let i = 0; i < count; i++) {
    throwIfAborted(signal, 'The perplexity')
    const chunk = ids.slice(i * stride, i * stride + context)
    const from = context - stride - 1
    const { data, shape } = await model.logits(chunk.slice(0, -1), { from, ...(signal && { signal }) })
    for (let row = 0; row < stride; row++) {
      const logits = data.subarray(row * shape[1], (row + 1) * shape[1])
      likelihood.add(negativeLogLikelihood(softmax(logits), logits, chunk[from + row + 1]!))
    }
    await platform.breathe()
    yield likelihood.perplexity
  }
}
