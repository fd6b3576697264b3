/** llama-server's own form of an answer. */
import type { GenerateOptions, GenerateResult, Model, SampledLogprobs, TokenLogprob } from '../api/types.ts'
import { exp } from '../util/math.ts'
import type { GenerationBody } from './generation-fields.ts'
import { generationSettings } from './settings.ts'
import { measuredOf, timingsOf } from './timings.ts'
import { utf8 } from './usage.ts'

export interface Asked {
  /** As it was read, special tokens written out. */
  prompt: string
  options: GenerateOptions
  body: GenerationBody
  model: Model
  /** The model's. */
  name: string
  /** Of the result among several. */
  index?: number
  slot?: number
}

/** The text of a prompt's ids, special ones written out. */
export function promptText(ids: readonly number[], model: Model): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const pieces = ids.map((id) => decoder.decode(model.tokenBytes(id, { special: true }), { stream: true }))
  return pieces.join('') + decoder.decode()
}

/** Whole. */
export function nativeResult(
  result: GenerateResult,
  { prompt, options, body, model, name, index = 0, slot = 0 }: Asked,
): object {
  const { text, promptTokens, completionTokens, stop, finishReason, seed } = result
  const all = promptTokens + completionTokens
  return {
    index,
    content: text,
    tokens: [],
    id_slot: slot,
    stop: true,
    model: name,
    tokens_predicted: completionTokens,
    tokens_evaluated: promptTokens,
    generation_settings: generationSettings({ ...options, seed }, body, model),
    prompt,
    has_new_line: text.includes('\n'),
    truncated: all >= model.info.context,
    stop_type: finishReason === 'length' ? 'limit' : stop === undefined ? 'eos' : 'word',
    stopping_word: stop ?? '',
    // The last token is not in the cache.
    tokens_cached: Math.max(promptTokens, all - 1),
    timings: timingsOf(measuredOf(result)),
  }
}

/** `completion_probabilities`. `drawn`: they are of the draw, which llama-server tells of as probabilities. */
export function probabilities(tokens: readonly SampledLogprobs[], drawn: boolean): object[] {
  const entry = ({ id, bytes, logprob }: TokenLogprob): object => ({
    id,
    token: utf8(bytes) ?? '',
    bytes: Array.from(bytes),
    ...(drawn ? { prob: exp(logprob) } : { logprob }),
  })
  return tokens.map((token) => ({
    ...entry(token),
    [drawn ? 'top_probs' : 'top_logprobs']: token.top.map(entry),
  }))
}
