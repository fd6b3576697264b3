/** `/v1/chat/completions`, and what else conversations are asked for. */
import type { ChatOptions, GenerateResult, Model } from '../api/types.ts'
import { Chunks, chunked } from './chunks.ts'
import { nativeResult, promptText } from './native-result.ts'
import { choiceOptions, type Defaults, generateOptions } from './options.ts'
import { type Piece, textLogprobs } from './run.ts'
import type { ChatBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { promptIds, templateOptions } from './template.ts'
import { chatLogprobs, newId, now } from './usage.ts'

export function serveChat(body: ChatBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1, logprobs = false, top_logprobs: topLogprobs } = body
  const options: ChatOptions = {
    ...generateOptions(body, model, defaults),
    ...templateOptions(body, model, defaults),
    ...(logprobs && { logprobs, topLogprobs: topLogprobs ?? 0 }),
  }
  const { messages } = body
  const head = { id: newId('chatcmpl'), object: 'chat.completion.chunk', created: now(), model: name }
  const chunks = new Chunks(head, body, n)
  const delta = (index: number, content: object, tokens: Piece['logprobs'], reason: string | null): object => ({
    index,
    delta: content,
    logprobs: tokens.length > 0 ? chatLogprobs(tokens) : null,
    finish_reason: reason,
  })
  const choice = (result: GenerateResult, index: number): object => ({
    index,
    message: { role: 'assistant', content: result.text, refusal: null },
    logprobs: logprobs ? chatLogprobs(textLogprobs(result)) : null,
    finish_reason: result.finishReason,
  })
  const verbose = (result: GenerateResult): object => ({
    __verbose: nativeResult(result, {
      prompt: promptText(promptIds(body, model, defaults), model),
      options,
      body,
      model,
      name,
    }),
  })
  return {
    parallel: model.info.parallel,
    choices: Array.from({ length: n }, (_, i) => ({
      start: (all) => model.chat(messages, all),
      promptIds: () => promptIds(body, model, defaults),
      options: choiceOptions(options, i),
    })),
    opening: (index) => [chunks.chunk([delta(index, { role: 'assistant', content: null }, [], null)])],
    piece: ({ index, text, logprobs: tokens, progress, result }) => {
      const timings = chunks.timings(progress, result)
      if (!result) return [chunks.chunk([delta(index, { content: text }, tokens, null)], timings)]
      return [
        ...(tokens.length > 0 ? [chunks.chunk([delta(index, { content: '' }, tokens, null)])] : []),
        chunks.chunk([delta(index, {}, [], result.finishReason)], timings),
      ]
    },
    ...chunked(chunks, body.return_progress ?? false, (index) => delta(index, {}, [], null)),
    whole: (results) =>
      chunks.whole(
        'chat.completion',
        results.map(choice),
        results,
        (body.verbose ?? defaults.verbose) ? verbose(results[0]!) : {},
      ),
  }
}
