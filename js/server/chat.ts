/** `/v1/chat/completions`, and what else conversations are asked for. */
import type { ChatDelta, ChatOptions, FinishReason, GenerateResult, Model, ToolCall } from '../api/types.ts'
import { Chunks, chunked } from './chunks.ts'
import { badRequest } from './errors.ts'
import { nativeResult, promptText } from './native-result.ts'
import { choiceOptions, type Defaults, generateOptions } from './options.ts'
import { type Piece, textLogprobs } from './run.ts'
import type { ChatBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { promptIds, templateOptions } from './template.ts'
import { chatLogprobs, newId, now } from './usage.ts'

/** A conversation to go on with, on behalf of any endpoint. */
export interface ChatRequest {
  body: ChatBody
  model: Model
  /** The name that answers give the model. */
  name: string
  defaults: Defaults
}

/** From a request to the options of `chat`. @throws ApiError for what only the model can tell to be wrong */
export function chatOptions(body: ChatBody, model: Model, defaults: Defaults): ChatOptions {
  const { top_logprobs, n_probs: probs = 0, reasoning_format: reasoningFormat = defaults.reasoningFormat } = body
  return {
    ...generateOptions(body, model, defaults),
    ...templateOptions(body, model, defaults),
    ...toolOptions(body),
    ...(reasoningFormat && { reasoningFormat }),
    ...(wantsLogprobs(body) && { logprobs: true, topLogprobs: top_logprobs ?? probs }),
  }
}

const wantsLogprobs = ({ n_probs: probs = 0, logprobs = probs > 0 }: ChatBody): boolean => logprobs

/** What to run for it. */
export function chatChoices(
  { body, model, defaults }: ChatRequest,
  options: ChatOptions,
): Pick<Served, 'parallel' | 'choices'> {
  return {
    parallel: model.info.parallel,
    choices: Array.from({ length: body.n ?? 1 }, (_, i) => ({
      start: (all) => model.chat(body.messages, all),
      promptIds: () => promptIds(body, model, defaults),
      options: choiceOptions(options, i),
      isEnd: (id) => model.tokenizer.isEndOfGeneration(id),
    })),
  }
}

/** What an answer has beside, where that is asked for. */
export function verboseOf({ body, model, name, defaults }: ChatRequest, options: ChatOptions, result: GenerateResult) {
  if (!(body.verbose ?? defaults.verbose)) return {}
  const prompt = promptText(promptIds(body, model, defaults), model)
  return { __verbose: nativeResult(result, { prompt, options, body, model, name }) }
}

export function serveChat(body: ChatBody, name: string, model: Model, defaults: Defaults): Served {
  const { n = 1 } = body
  const logprobs = wantsLogprobs(body)
  const request = { body, name, model, defaults }
  const options = chatOptions(body, model, defaults)
  const head = { id: newId('chatcmpl'), object: 'chat.completion.chunk', created: now(), model: name }
  const chunks = new Chunks(head, body, n)
  // OpenAI's first API has one call a message.
  const isFirst = body.functions !== undefined
  const reasonOf = (reason: FinishReason): string => (isFirst && reason === 'tool_calls' ? 'function_call' : reason)
  const chunk = (index: number, content: object, tokens: Piece['logprobs'], reason: string | null): object => ({
    index,
    delta: content,
    logprobs: tokens.length > 0 ? chatLogprobs(tokens) : null,
    finish_reason: reason,
  })
  const choice = (result: GenerateResult, index: number): object => ({
    index,
    message: { role: 'assistant', ...messageOf(result, isFirst) },
    logprobs: logprobs ? chatLogprobs(textLogprobs(result)) : null,
    finish_reason: reasonOf(result.finishReason),
  })
  return {
    ...chatChoices(request, options),
    opening: (index) => [chunks.chunk([chunk(index, { role: 'assistant', content: null }, [], null)])],
    piece: ({ index, delta, logprobs: tokens, progress, result }) => {
      const timings = chunks.timings(progress, result)
      if (!result) return [chunks.chunk([chunk(index, deltaOf(delta ?? {}, isFirst), tokens, null)], timings)]
      return [
        ...(tokens.length > 0 ? [chunks.chunk([chunk(index, { content: '' }, tokens, null)])] : []),
        chunks.chunk([chunk(index, {}, [], reasonOf(result.finishReason))], timings),
      ]
    },
    ...chunked(chunks, body.return_progress ?? false, (index) => chunk(index, {}, [], null)),
    whole: (results) =>
      chunks.whole('chat.completion', results.map(choice), results, verboseOf(request, options, results[0]!)),
  }
}

/** Which tools may be called, and how many. */
function toolOptions(body: ChatBody): Pick<ChatOptions, 'toolChoice' | 'parallelToolCalls'> {
  const { tools, functions, function_call: call, tool_choice: choice, parallel_tool_calls: parallel } = body
  if (functions) {
    if (choice !== undefined) throw badRequest('tool_choice', 'functions have function_call in its place.', choice)
    return {
      parallelToolCalls: false,
      ...(call !== undefined && { toolChoice: chosen(call, functions, 'function_call') }),
    }
  }
  const described = (tools ?? []) as { function: { name: string } }[]
  return {
    ...(parallel !== undefined && { parallelToolCalls: parallel }),
    ...(choice !== undefined && {
      toolChoice: chosen(
        choice,
        described.map((tool) => tool.function),
        'tool_choice',
      ),
    }),
  }
}

/** @throws ApiError for a tool that is not there */
function chosen(
  choice: NonNullable<ChatBody['tool_choice'] | ChatBody['function_call']>,
  tools: readonly Record<string, unknown>[],
  field: string,
): NonNullable<ChatOptions['toolChoice']> {
  if (choice === 'none' || choice === 'auto') return choice
  const name = typeof choice === 'string' ? undefined : 'function' in choice ? choice.function.name : choice.name
  if (tools.length === 0) throw badRequest(field, `${field} asks for a call, and there are no tools.`, choice)
  if (name === undefined) return 'required'
  if (tools.some((tool) => tool.name === name)) return { name }
  throw badRequest(field, `${field} names ${JSON.stringify(name)}, which is none of the tools.`, choice)
}

/** The message of an answer, beside its role. */
function messageOf({ text, reasoning, toolCalls }: GenerateResult, isFirst: boolean): object {
  const calls = toolCalls?.map((call) => ({ id: call.id, type: 'function', function: calledOf(call) }))
  return {
    content: toolCalls && text === '' ? null : text,
    refusal: null,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(calls && (isFirst ? { function_call: calls[0]!.function } : { tool_calls: calls })),
  }
}

const calledOf = ({ name, arguments: args }: Partial<ToolCall>) => ({
  ...(name !== undefined && { name }),
  arguments: args ?? '',
})

/** What a chunk tells of a part. */
function deltaOf({ content, reasoning, toolCall }: ChatDelta, isFirst: boolean): object {
  if (reasoning !== undefined) return { reasoning_content: reasoning }
  if (!toolCall) return { content: content ?? '' }
  if (isFirst) return { function_call: calledOf(toolCall) }
  const { index, id } = toolCall
  return { tool_calls: [{ index, ...(id !== undefined && { id, type: 'function' }), function: calledOf(toolCall) }] }
}
