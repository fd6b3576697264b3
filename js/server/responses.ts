/**
 * `/v1/responses`, OpenAI's Responses API: a chat in items, whose turns the server keeps.
 * https://platform.openai.com/docs/api-reference/responses
 */
import type { ChatOptions, GenerateResult, Model } from '../api/types.ts'
import { type ChatRequest, chatChoices, chatOptions, verboseOf } from './chat.ts'
import { type ApiError, badRequest } from './errors.ts'
import type { Defaults } from './options.ts'
import { type AnswerPart, AnswerParts } from './parts.ts'
import { type ChatItem, chatTools, formatOf, messagesOf } from './response-rules.ts'
import type { ResponseStore } from './response-store.ts'
import type { Piece } from './run.ts'
import type { ChatBody, ResponseBody } from './schemas.ts'
import type { Served } from './serve.ts'
import { defaultSettings } from './settings.ts'
import { type Measured, measuredOf, promptProgress, timingsOf } from './timings.ts'
import { chatLogprobs, newId, now } from './usage.ts'

/** Fields of chats, and what they are called here. */
export const RESPONSE_NAMES = { messages: 'input', response_format: 'text.format' }

export interface ResponseRequest {
  body: ResponseBody
  chat: ChatBody
  /** The turns before it and its own input. */
  input: readonly ChatItem[]
}

/**
 * As a chat.
 * @throws ApiError for an answer or an item that is not there any more, and for fields that contradict each other
 */
export function asChat(body: ResponseBody, store: ResponseStore): ResponseRequest {
  const {
    input: given,
    instructions,
    text,
    reasoning,
    tools,
    tool_choice: choice,
    max_output_tokens: most,
    include,
    metadata: _,
    store: __,
    previous_response_id: previous,
    ...rest
  } = body
  const format = formatOf(text?.format)
  const other = (['response_format', 'json_schema', 'grammar'] as const).find((name) => rest[name] !== undefined)
  if (format && other) {
    throw badRequest(other, `${other} and text.format exclude each other: each says what the text has to be.`)
  }
  const items: readonly ChatItem[] = typeof given === 'string' ? [{ role: 'user', content: given }] : given
  const input = [...before(previous, store), ...items.map((item, i) => known(item, i, store))]
  const opening = instructions === undefined ? [] : [{ role: 'system', content: instructions }]
  const logprobs = include?.includes('message.output_text.logprobs') || rest.top_logprobs !== undefined
  const chat: ChatBody = {
    ...rest,
    messages: [...opening, ...messagesOf(input)],
    ...chatTools(tools ?? [], choice),
    ...(logprobs && { logprobs }),
    ...(format && { response_format: format }),
    ...(most !== undefined && { max_completion_tokens: most }),
    ...(reasoning?.effort !== undefined && { reasoning_effort: reasoning.effort }),
  }
  return { body, chat, input }
}

/** The conversation up to an answer, and with it. */
function before(id: string | undefined, store: ResponseStore): readonly ChatItem[] {
  if (id === undefined) return []
  const stored = store.get(id)
  if (stored) return [...stored.input, ...stored.response.output]
  const message = `previous_response_id: there is no response ${id} here; the server keeps the latest ones, send the whole conversation as input.`
  throw badRequest('previous_response_id', message, id, 'previous_response_not_found')
}

/** An item of the input with an id, in the form that the server lists it in; a reference is what it stands for. */
function known(item: ChatItem, i: number, store: ResponseStore): ChatItem {
  if (item.type === 'item_reference') {
    const found = store.item(item.id)
    if (found) return found
    throw badRequest(`input[${i}].id`, `input[${i}].id: there is no item ${item.id} here; send it as it is.`, item.id)
  }
  const { id = newId(PREFIXES[item.type ?? 'message'], '_') } = item
  if (item.type !== 'message' && item.type !== undefined) return { ...item, id }
  const { role, content } = item
  const type = role === 'assistant' ? 'output_text' : 'input_text'
  const parts = (typeof content === 'string' ? [{ text: content }] : content).map(({ text }) => ({ type, text }))
  return { type: 'message', id, role, content: parts, ...{ status: 'completed' } }
}

const PREFIXES = { message: 'msg', reasoning: 'rs', function_call: 'fc', function_call_output: 'fco' }

type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

/** A part of the answer as an item; one that has just begun is empty. */
function itemOf({ kind, text, logprobs, id: callId, name }: AnswerPart, id: string, status: ItemStatus): ChatItem {
  const begun = status === 'in_progress'
  switch (kind) {
    case 'reasoning': {
      const content = begun ? [] : [{ type: 'reasoning_text', text }]
      return { type: 'reasoning', id, ...{ summary: [], content, status } }
    }
    case 'call':
      return { type: 'function_call', id, ...{ call_id: callId, name, arguments: begun ? '' : text, status } }
    default:
      return {
        type: 'message',
        id,
        ...{ role: 'assistant', content: begun ? [] : [textPart(text, logprobs)], status },
      }
  }
}

function textPart(text: string, logprobs: AnswerPart['logprobs']) {
  return { type: 'output_text', text, annotations: [], logprobs: logprobsOf(logprobs) }
}

function logprobsOf(tokens: AnswerPart['logprobs']): unknown[] {
  return (chatLogprobs(tokens) as { content: unknown[] }).content
}

const newItemId = ({ kind }: AnswerPart): string => newId({ reasoning: 'rs', text: 'msg', call: 'fc' }[kind], '_')

export function serveResponse(
  { body, chat, input }: ResponseRequest,
  name: string,
  model: Model,
  { defaults, store }: { defaults: Defaults; store: ResponseStore },
): Served {
  const request: ChatRequest = { body: chat, name, model, defaults }
  const options = chatOptions(chat, model, defaults)
  const head = headOf(body, options, model, name)
  let sequence = 0
  const event = (type: string, fields: object): object => ({
    type: `response.${type}`,
    sequence_number: sequence++,
    ...fields,
  })
  const ended = (result: GenerateResult) => {
    const response = { ...head, ...endOf(result, reasoningTokens), output }
    if (body.store ?? true) store.put({ response, input })
    return response
  }
  const state = { ...head, status: 'in_progress', output: [], usage: null }
  /** Once. */
  const begin = (): object[] =>
    sequence > 0 ? [] : [event('created', { response: state }), event('in_progress', { response: state })]
  const timings = (measured: Measured): object => (chat.timings_per_token ? { timings: timingsOf(measured) } : {})
  /** Those of the parts so far. */
  const ids: string[] = []
  const output: ChatItem[] = []
  let reasoningTokens = 0
  const parts = new AnswerParts({
    open: (part, output_index) => {
      const id = newItemId(part)
      ids.push(id)
      const added = event('output_item.added', { output_index, item: itemOf(part, id, 'in_progress') })
      if (part.kind === 'call') return [added]
      const empty = part.kind === 'text' ? textPart('', []) : { type: 'reasoning_text', text: '' }
      return [added, event('content_part.added', { item_id: id, output_index, content_index: 0, part: empty })]
    },
    delta: ({ kind }, output_index, delta, logprobs) => {
      const at = { item_id: ids[output_index], output_index }
      if (kind === 'call') return [event('function_call_arguments.delta', { ...at, delta })]
      if (kind === 'reasoning') return [event('reasoning_text.delta', { ...at, content_index: 0, delta })]
      return [event('output_text.delta', { ...at, content_index: 0, delta, logprobs: logprobsOf(logprobs) })]
    },
    close: (part, output_index, isCut) => {
      const { kind, text } = part
      const id = ids[output_index]!
      const at = { item_id: id, output_index }
      const item = itemOf(part, id, isCut ? 'incomplete' : 'completed')
      output.push(item)
      const done = (): object => event('output_item.done', { output_index, item })
      if (kind === 'call') {
        return [event('function_call_arguments.done', { ...at, name: part.name, arguments: text }), done()]
      }
      const [content] = (item as { content: object[] }).content
      const more = kind === 'text' ? { logprobs: logprobsOf(part.logprobs) } : {}
      const type = kind === 'text' ? 'output_text.done' : 'reasoning_text.done'
      return [
        event(type, { ...at, content_index: 0, text, ...more }),
        event('content_part.done', { ...at, content_index: 0, part: content }),
        done(),
      ]
    },
  })
  const hear = (piece: Piece): object[] => {
    if (piece.delta?.reasoning) reasoningTokens += piece.ids.length
    return parts.add(piece)
  }
  return {
    ...chatChoices(request, options),
    opening: begin,
    progress: (_, measured) => [
      ...begin(),
      ...(chat.return_progress
        ? [event('in_progress', { response: state, prompt_progress: promptProgress(measured), ...timings(measured) })]
        : []),
    ],
    piece: (piece) => {
      const events = hear(piece)
      if (!piece.result && events.length > 0) events.push({ ...events.pop(), ...timings(piece.progress) })
      return events
    },
    ending: ([result]) => {
      const response = ended(result!)
      return [event(response.status, { response, timings: timingsOf(measuredOf(result!)) })]
    },
    hear,
    whole: ([result]) => ({
      ...ended(result!),
      timings: timingsOf(measuredOf(result!)),
      ...verboseOf(request, options, result!),
    }),
    format: {
      named: true,
      failed: (error) => [
        ...begin(),
        event('failed', { response: { ...state, status: 'failed', error: failureOf(error) } }),
      ],
    },
  }
}

/** What an answer says of its request, whatever becomes of it. */
function headOf(body: ResponseBody, options: ChatOptions, model: Model, name: string) {
  const { temperature, top_p } = defaultSettings({ ...model.info.sampling, ...options }) as Record<string, number>
  return {
    id: newId('resp', '_'),
    object: 'response',
    created_at: now(),
    background: false,
    error: null as object | null,
    incomplete_details: null as object | null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: name,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: body.store ?? true,
    temperature,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p,
    truncation: 'disabled',
  }
}

function endOf(result: GenerateResult, reasoningTokens: number) {
  const { promptTokens, cachedTokens, completionTokens } = result
  const complete = result.finishReason !== 'length'
  return {
    status: complete ? 'completed' : 'incomplete',
    ...(complete ? { completed_at: now() } : { incomplete_details: { reason: 'max_output_tokens' } }),
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    },
  }
}

/** OpenAI's codes where they differ. */
function failureOf({ status, code, message }: ApiError): object {
  if (status === 429) return { code: 'rate_limit_exceeded', message }
  return { code: status >= 500 ? 'server_error' : code, message }
}
