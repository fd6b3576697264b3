/** `/v1/completions`. */
import type { GenerateResult, Model, SampledLogprobs } from '../api.ts'
import type { Defaults } from './chat.ts'
import { choiceOptions, generateOptions, promptsOf } from './options.ts'
import { type PromptToken, promptLogprobs } from './prompt-logprobs.ts'
import { textLogprobs } from './run.ts'
import type { CompletionBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { completionLogprobs, newId, now, usageOf } from './usage.ts'

export function serveCompletions(body: CompletionBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1, echo = false, logprobs } = body
  const options = {
    ...generateOptions(body, model, defaults.maxTokens),
    ...(logprobs !== undefined && { logprobs: true, topLogprobs: logprobs }),
  }
  const prompts = promptsOf(body.prompt, model, 'prompt')
  const head = { id: newId('cmpl'), object: 'text_completion', created: now(), model: name }
  const echoed = (index: number): string => {
    const prompt = prompts[Math.floor(index / n)]!
    return typeof prompt === 'string' ? prompt : model.detokenize(prompt)
  }
  /** Of each prompt, where they are told. */
  const promptTokens: PromptToken[][] = []
  const prepare = async (signal: AbortSignal): Promise<void> => {
    for (const prompt of prompts) {
      const ids = typeof prompt === 'string' ? model.tokenize(prompt) : prompt
      promptTokens.push(await promptLogprobs(model, ids, logprobs ?? 0, signal))
    }
  }
  /** Of each choice, the characters that are out. */
  const lengths = prompts.flatMap(() => Array.from({ length: n }, () => 0))
  const told = (index: number, text: string, tokens: readonly SampledLogprobs[], reason: string | null): object => {
    const offset = lengths[index]!
    lengths[index] = offset + text.length
    return {
      text,
      index,
      logprobs: logprobs !== undefined && tokens.length > 0 ? completionLogprobs(tokens, offset) : null,
      finish_reason: reason,
    }
  }
  const opening = (index: number): object => {
    const text = echoed(index)
    lengths[index] = text.length
    const tokens = promptTokens[Math.floor(index / n)]
    return { text, index, logprobs: tokens ? completionLogprobs([], text.length, tokens) : null, finish_reason: null }
  }
  const choice = (result: GenerateResult, index: number): object => {
    const { text, finishReason } = result
    if (!echo) return told(index, text, textLogprobs(result), finishReason)
    const before = echoed(index)
    const tokens = promptTokens[Math.floor(index / n)]
    return {
      text: before + text,
      index,
      logprobs: tokens ? completionLogprobs(textLogprobs(result), before.length, tokens) : null,
      finish_reason: finishReason,
    }
  }
  return {
    parallel: model.info.parallel,
    choices: prompts.flatMap((prompt) =>
      Array.from({ length: n }, (_, i) => ({
        start: (all: object) => model.generate(prompt, all),
        options: choiceOptions(options, i),
      })),
    ),
    ...(echo && logprobs !== undefined && { prepare }),
    opening: (index) => (echo ? [opening(index)] : []),
    piece: ({ index, text, logprobs: tokens, result }) => [told(index, text, tokens, result?.finishReason ?? null)],
    chunk: (choices, rest = {}) => ({ ...head, choices, ...rest }),
    whole: (results) => ({ ...head, choices: results.map(choice), usage: usageOf(results, n) }),
    usage: (results) => usageOf(results, n),
  }
}
