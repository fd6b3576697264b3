/** llama-server's own `/completion`, and `/infill`, which is one with another prompt. */
import type { GenerateOptions, GenerateResult, Model } from '../api/types.ts'
import { infillPrompt } from './infill.ts'
import { nativeResult, probabilities, promptText } from './native-result.ts'
import { choiceOptions, type Defaults, generateOptions } from './options.ts'
import { nativePromptsOf } from './prompts.ts'
import type { InfillBody, NativeBody } from './schemas.ts'
import type { Served } from './serve.ts'
import type { RequestSlots } from './slots.ts'
import { type Measured, promptProgress, timingsOf } from './timings.ts'

type AnyNativeBody = Omit<NativeBody, 'prompt'>

/** What a request of this kind is answered from. */
export interface NativeContext {
  name: string
  model: Model
  slots: RequestSlots
  defaults: Defaults
}

export function serveNative(body: NativeBody, context: NativeContext): Served {
  return serveIds(body, context, () => nativePromptsOf(body.prompt, context.model, 'prompt'))
}

export function serveInfill(body: InfillBody, context: NativeContext): Served {
  return serveIds(body, context, ({ maxTokens }) => [infillPrompt(body, context.model, maxTokens)])
}

/** @param promptsOf the token ids of each prompt */
function serveIds(
  body: AnyNativeBody,
  { name, model, slots, defaults }: NativeContext,
  promptsOf: (options: GenerateOptions) => number[][],
): Served {
  const { n_probs: probs = 0, post_sampling_probs: drawn = false, response_fields: fields = [] } = body
  const n = body.n_cmpl ?? body.n ?? 1
  const options = {
    ...generateOptions(body, model, defaults),
    ...(probs > 0 && { logprobs: true, topLogprobs: probs, postSamplingProbs: drawn }),
  }
  const prompts = promptsOf(options)
  const promptOf = (index: number): number[] => prompts[Math.floor(index / n)]!
  const whole = (result: GenerateResult, index: number, content: object): object => {
    const slot = slots.of(index)
    const prompt = promptText(promptOf(index), model)
    return { ...nativeResult(result, { prompt, options, body, model, name, index, slot }), ...content }
  }
  const one = (result: GenerateResult, index: number): object => {
    const answer = whole(result, index, {
      tokens: body.return_tokens ? result.ids : [],
      ...(probs > 0 && { completion_probabilities: probabilities(result.logprobs ?? [], drawn) }),
    })
    return fields.length > 0 ? pick(answer, fields) : answer
  }
  const part = (index: number, content: string, tokens: number[], measured: Measured): object => ({
    index,
    content,
    tokens,
    stop: false,
    id_slot: slots.of(index),
    tokens_predicted: measured.completionTokens,
    tokens_evaluated: measured.promptTokens,
    ...(body.timings_per_token && { timings: timingsOf(measured) }),
  })
  return {
    parallel: model.info.parallel,
    choices: prompts.flatMap((ids) =>
      Array.from({ length: n }, (_, i) => ({
        start: (all: object) => model.generate(ids, all),
        promptIds: () => ids,
        isEnd: (id: number) => model.tokenizer.isEndOfGeneration(id),
        options: choiceOptions(withinContext(options, ids, model), i),
      })),
    ),
    opening: () => [],
    piece: ({ index, text, ids, logprobs, progress, result }) => {
      const more = logprobs.length > 0 ? { completion_probabilities: probabilities(logprobs, drawn) } : {}
      const last = result ? [whole(result, index, { content: '' })] : []
      return text !== '' || ids.length > 0 ? [{ ...part(index, text, ids, progress), ...more }, ...last] : last
    },
    ...(body.return_progress && {
      progress: (index: number, measured: Measured) => [
        { ...part(index, '', [], measured), prompt_progress: promptProgress(measured) },
      ],
    }),
    ending: () => [],
    whole: (results) => (results.length === 1 ? one(results[0]!, 0) : results.map(one)),
  }
}

/** As llama-server counts: prompt and answer together fill the context. */
function withinContext<T extends { maxTokens?: number; contextShift?: boolean }>(
  options: T,
  ids: number[],
  model: Model,
): T {
  const room = Math.max(0, model.info.context - ids.length)
  return options.contextShift ? options : { ...options, maxTokens: Math.min(options.maxTokens ?? room, room) }
}

/** Some fields; a slash leads into an object, and is kept in the name. */
function pick(answer: object, names: readonly string[]): object {
  const found = names.map((name) => {
    const value = name
      .split('/')
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], answer)
    return [name, value] as const
  })
  return Object.fromEntries(found.filter(([, value]) => value !== undefined))
}
