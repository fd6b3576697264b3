/** `/v1/chat/completions`. */
import type { ChatOptions, GenerateResult, Model } from '../api/types.ts'
import type { ChatMessage } from '../chat/types.ts'
import type { Defaults } from './defaults.ts'
import { badRequest } from './errors.ts'
import { choiceOptions, generateOptions } from './options.ts'
import { type Piece, textLogprobs } from './run.ts'
import type { ApiMessage, ChatBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { chatLogprobs, newId, now, usageOf } from './usage.ts'

/** Messages as templates take them. OpenAI's `developer` is the newer word for `system`. */
export function messagesOf(messages: readonly ApiMessage[]): ChatMessage[] {
  return messages.map((message) => (message.role === 'developer' ? { ...message, role: 'system' } : message))
}

export function templateOptions(
  { chat_template_kwargs: variables }: Pick<ChatBody, 'chat_template_kwargs'>,
  { template, templateVariables }: Defaults,
): ChatOptions {
  const all = variables || templateVariables ? { ...templateVariables, ...variables } : undefined
  return { ...(all && { templateVariables: all }), ...(template !== undefined && { template }) }
}

export function serveChat(body: ChatBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1, logprobs = false, top_logprobs: topLogprobs } = body
  if (topLogprobs && !logprobs) {
    throw badRequest('top_logprobs', 'top_logprobs needs logprobs: set it to true.', topLogprobs)
  }
  const options: ChatOptions = {
    ...generateOptions({ ...body, max_tokens: body.max_completion_tokens ?? body.max_tokens }, model, defaults),
    ...templateOptions(body, defaults),
    ...(logprobs && { logprobs, topLogprobs: topLogprobs ?? 0 }),
  }
  const messages = messagesOf(body.messages)
  const head = { id: newId('chatcmpl'), created: now(), model: name }
  const chunk = (choices: object[], rest: object = {}): object => ({
    ...head,
    object: 'chat.completion.chunk',
    choices,
    ...rest,
  })
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
  return {
    parallel: model.info.parallel,
    choices: Array.from({ length: n }, (_, i) => ({
      start: (all) => model.chat(messages, all),
      options: choiceOptions(options, i),
    })),
    opening: (index) => [delta(index, { role: 'assistant', content: '' }, [], null)],
    piece: ({ index, text, logprobs: tokens, result }) =>
      result
        ? [
            ...(tokens.length > 0 ? [delta(index, { content: '' }, tokens, null)] : []),
            delta(index, {}, [], result.finishReason),
          ]
        : [delta(index, { content: text }, tokens, null)],
    chunk,
    whole: (results) => ({
      ...head,
      object: 'chat.completion',
      choices: results.map(choice),
      usage: usageOf(results, n),
    }),
    usage: (results) => usageOf(results, n),
  }
}
