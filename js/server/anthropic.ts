/** `/v1/messages`, Anthropic's Messages API: https://docs.anthropic.com/en/api/messages */
import type { GenerateResult, Model } from '../api/types.ts'
import { type AnthropicToolChoice, chatMessages } from './anthropic-rules.ts'
import { type ChatRequest, chatChoices, chatOptions } from './chat.ts'
import { anthropicError } from './errors.ts'
import type { Defaults } from './options.ts'
import { type AnswerPart, AnswerParts } from './parts.ts'
import type { AnthropicBody, AnthropicPrompt, ChatBody } from './schemas.ts'
import type { Served } from './serve.ts'
import type { Measured } from './timings.ts'
import { newId } from './usage.ts'

/** Fields of chats, and what they are called here. */
export const ANTHROPIC_NAMES = { response_format: 'output_config.format', stop: 'stop_sequences' }

export function anthropicChat({ stop_sequences: stop, max_tokens: most, ...body }: AnthropicBody): ChatBody {
  const {
    system: _,
    messages: __,
    tools: ___,
    tool_choice: ____,
    thinking: _____,
    output_config: config,
    ...rest
  } = body
  const format = config?.format
  return {
    ...rest,
    ...anthropicPrompt(body),
    ...(stop !== undefined && { stop }),
    ...(most !== undefined && { max_tokens: most }),
    ...(format && { response_format: { schema: format.schema } }),
  }
}

/** What the model reads. */
export function anthropicPrompt(body: AnthropicPrompt): ChatBody {
  const { system, messages, tools = [], thinking, output_config: config, model, chat_template_kwargs: given } = body
  const effort = thinking?.type === 'disabled' ? 'none' : config?.effort
  const variables = thinking && thinking.type !== 'disabled' ? { enable_thinking: true, ...given } : given
  return {
    ...(model !== undefined && { model }),
    messages: chatMessages(system, messages),
    ...(tools.length > 0 && {
      tools: tools.map(({ type: _, input_schema: parameters, ...tool }) => ({
        type: 'function',
        function: { ...tool, parameters },
      })),
    }),
    ...toolChoice(body.tool_choice),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(variables && { chat_template_kwargs: variables }),
  }
}

function toolChoice(choice: AnthropicToolChoice | undefined): object {
  if (!choice) return {}
  const { type, name, disable_parallel_tool_use: single } = choice
  const tool_choice = type === 'any' ? 'required' : type === 'tool' ? { type: 'function', function: { name } } : type
  return { tool_choice, ...(single !== undefined && { parallel_tool_calls: !single }) }
}

export function serveAnthropic(
  body: AnthropicBody,
  chat: ChatBody,
  { name, model, defaults }: { name: string; model: Model; defaults: Defaults },
): Served {
  const request: ChatRequest = { body: chat, name, model, defaults }
  const options = chatOptions(chat, model, defaults)
  const stops = body.stop_sequences ?? []
  const head = { id: newId('msg', '_'), type: 'message', role: 'assistant', model: name }
  const begun = { stop_reason: null, stop_sequence: null }
  let started = false
  const begin = (_: number, measured: Measured): object[] => {
    if (started) return []
    started = true
    const usage = usageOf({ ...measured, completionTokens: 0 })
    return [{ type: 'message_start', message: { ...head, content: [], ...begun, usage } }]
  }
  const isShown = ({ kind }: AnswerPart): boolean => kind !== 'reasoning' || body.thinking?.display !== 'omitted'
  /** Of blocks that are shown. */
  let blocks = 0
  const parts = new AnswerParts({
    open: (part) =>
      isShown(part) ? [{ type: 'content_block_start', index: blocks, content_block: blockOf(part, true) }] : [],
    delta: (part, _, text) =>
      isShown(part) ? [{ type: 'content_block_delta', index: blocks, delta: deltaOf(part, text) }] : [],
    close: (part) => {
      if (!isShown(part)) return []
      const index = blocks++
      const signature = { type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: '' } }
      return [...(part.kind === 'reasoning' ? [signature] : []), { type: 'content_block_stop', index }]
    },
  })
  return {
    ...chatChoices(request, options),
    opening: begin,
    progress: begin,
    piece: (piece) => parts.add(piece),
    hear: (piece) => void parts.add(piece),
    ending: ([result]) => [
      { type: 'message_delta', delta: stopOf(result!, stops), usage: usageOf(result!) },
      { type: 'message_stop' },
    ],
    whole: ([result]) => ({
      ...head,
      content: parts.all.filter(isShown).map((part) => blockOf(part)),
      ...stopOf(result!, stops),
      usage: usageOf(result!),
    }),
    format: { named: true, ping: { type: 'ping' }, failed: (error) => [anthropicError(error)] },
  }
}

/** A part of the answer; one that has just begun is empty. */
function blockOf({ kind, text, id, name }: AnswerPart, begun = false): object {
  switch (kind) {
    case 'reasoning':
      return { type: 'thinking', thinking: begun ? '' : text, signature: '' }
    case 'call':
      return { type: 'tool_use', id, name, input: begun ? {} : inputOf(text) }
    default:
      return { type: 'text', text: begun ? '' : text }
  }
}

/** Of an answer that ended within a call, as much as can be told: nothing. */
function inputOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function deltaOf({ kind }: AnswerPart, text: string): object {
  switch (kind) {
    case 'reasoning':
      return { type: 'thinking_delta', thinking: text }
    case 'call':
      return { type: 'input_json_delta', partial_json: text }
    default:
      return { type: 'text_delta', text }
  }
}

function stopOf({ finishReason, stop }: GenerateResult, stops: readonly string[]): object {
  const sequence = stop !== undefined && stops.includes(stop) ? stop : null
  const reasons: Readonly<Record<string, string>> = { length: 'max_tokens', tool_calls: 'tool_use' }
  return {
    stop_reason: reasons[finishReason] ?? (sequence === null ? 'end_turn' : 'stop_sequence'),
    stop_sequence: sequence,
  }
}

function usageOf({
  promptTokens,
  cachedTokens,
  completionTokens,
}: Pick<Measured, 'promptTokens' | 'cachedTokens' | 'completionTokens'>): object {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  }
}
