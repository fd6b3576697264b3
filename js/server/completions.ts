/** `/v1/completions`. */
import type { GenerateResult, Model, SampledLogprobs } from '../api/types.ts'
import { Chunks, chunked } from './chunks.ts'
import { nativeResult, promptText } from './native-result.ts'
import { Offsets } from './offsets.ts'
import { choiceOptions, type Defaults, generateOptions } from './options.ts'
import { type PromptToken, promptLogprobs } from './prompt-logprobs.ts'
import { promptsOf } from './prompts.ts'
import { textLogprobs } from './run.ts'
import type { CompletionBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { completionLogprobs, newId, now } from './usage.ts'

export function serveCompletions(body: CompletionBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1, echo = false, logprobs = body.n_probs || undefined } = body
  const options = {
    ...generateOptions(body, model, defaults),
    ...(logprobs !== undefined && { logprobs: true, topLogprobs: logprobs }),
  }
  const prompts = promptsOf(body.prompt, model, 'prompt')
  const head = { id: newId('cmpl'), object: 'text_completion', created: now(), model: name }
  const chunks = new Chunks(head, body, n)
  const promptOf = (index: number) => prompts[Math.floor(index / n)]!
  const idsOf = (index: number): readonly number[] => {
    const prompt = promptOf(index)
    return typeof prompt === 'string' ? model.tokenize(prompt) : prompt
  }
  const echoed = (index: number): string => {
    const prompt = promptOf(index)
    return typeof prompt === 'string' ? prompt : model.detokenize(prompt)
  }
  /** Of each prompt, where they were asked for. */
  const promptTokens: PromptToken[][] = []
  const prepare = async (signal: AbortSignal): Promise<void> => {
    for (const i of prompts.keys()) {
      promptTokens.push(await promptLogprobs(model, idsOf(i * n), logprobs ?? 0, signal))
    }
  }
  const offsets = Array.from({ length: prompts.length * n }, (_, index) => new Offsets(model, echoed(index) !== ''))
  const choiceOf = (
    index: number,
    text: string,
    tokens: readonly SampledLogprobs[],
    reason: string | null,
  ): object => ({
    text,
    index,
    logprobs: tokens.length > 0 ? completionLogprobs(tokens, offsets[index]!.next(tokens)) : null,
    finish_reason: reason,
  })
  const opening = (index: number): object => {
    const text = echoed(index)
    const tokens = promptTokens[Math.floor(index / n)]
    const logprobs = tokens ? completionLogprobs(tokens, offsets[index]!.prompt(tokens, text.length)) : null
    return { text, index, logprobs, finish_reason: null }
  }
  const choice = (result: GenerateResult, index: number): object => {
    const before = echo ? echoed(index) : ''
    const tokens = textLogprobs(result)
    const prompt = promptTokens[Math.floor(index / n)] ?? []
    const places = [...(echo ? offsets[index]!.prompt(prompt, before.length) : []), ...offsets[index]!.next(tokens)]
    return {
      text: before + result.text,
      index,
      logprobs: logprobs === undefined ? null : completionLogprobs([...prompt, ...tokens], places),
      finish_reason: result.finishReason,
    }
  }
  const verbose = (result: GenerateResult): object => ({
    __verbose: nativeResult(result, { prompt: promptText(idsOf(0), model), options, body, model, name }),
  })
  return {
    parallel: model.info.parallel,
    choices: prompts.flatMap((prompt, p) =>
      Array.from({ length: n }, (_, i) => ({
        start: (all: object) => model.generate(prompt, all),
        promptIds: () => idsOf(p * n),
        isEnd: (id: number) => model.tokenizer.isEndOfGeneration(id),
        options: choiceOptions(options, i),
      })),
    ),
    ...(echo && logprobs !== undefined && { prepare }),
    opening: (index) => (echo ? [chunks.chunk([opening(index)])] : []),
    piece: ({ index, text, logprobs: tokens, progress, result }) => [
      chunks.chunk([choiceOf(index, text, tokens, result?.finishReason ?? null)], chunks.timings(progress, result)),
    ],
    ...chunked(chunks, body.return_progress ?? false, (index) => choiceOf(index, '', [], null)),
    whole: (results) =>
      chunks.whole(
        'text_completion',
        results.map(choice),
        results,
        (body.verbose ?? defaults.verbose) ? verbose(results[0]!) : {},
      ),
  }
}
