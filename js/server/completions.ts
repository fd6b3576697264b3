/** `/v1/completions`. */
import type { GenerateResult, Model, SampledLogprobs } from '../api.ts'
import type { Defaults } from './chat.ts'
import { badRequest } from './errors.ts'
import { choiceOptions, generateOptions, promptsOf } from './options.ts'
import { textLogprobs } from './run.ts'
import type { CompletionBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { completionLogprobs, newId, now, usageOf } from './usage.ts'

export function serveCompletions(body: CompletionBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1, echo = false, logprobs } = body
  if (echo && logprobs !== undefined) {
    throw badRequest(
      'logprobs',
      'logprobs with echo is not supported: they are told of generated tokens only.',
      logprobs,
    )
  }
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
  const choice = (result: GenerateResult, index: number): object => {
    const text = echo ? echoed(index) + result.text : result.text
    return told(index, text, textLogprobs(result), result.finishReason)
  }
  return {
    choices: prompts.flatMap((prompt) =>
      Array.from({ length: n }, (_, i) => ({
        start: (all: object) => model.generate(prompt, all),
        options: choiceOptions(options, i),
      })),
    ),
    opening: (index) => (echo ? [told(index, echoed(index), [], null)] : []),
    piece: ({ index, text, logprobs: tokens, result }) => [told(index, text, tokens, result?.finishReason ?? null)],
    chunk: (choices, rest = {}) => ({ ...head, choices, ...rest }),
    whole: (results) => ({ ...head, choices: results.map(choice), usage: usageOf(results, n) }),
    usage: (results) => usageOf(results, n),
  }
}
