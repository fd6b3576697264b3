/** What `/v1/responses` takes in place of messages, and the messages that are made of it. */
import { badRequest } from './errors.ts'
import type { ResponseFormat } from './generation-fields.ts'
import { jsonSchema } from './generation-fields.ts'
import {
  anything,
  boolean,
  byType,
  either,
  type FieldRule,
  fields,
  idle,
  isObject,
  list,
  object,
  only,
  text,
  unsupported,
} from './rules.ts'
import type { ApiMessage } from './template.ts'

type TextParts = string | { text: string }[]

/** A part of a conversation. */
export type ChatItem = { id?: string } & (
  | { type?: 'message'; role: string; content: TextParts }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }
  | { type: 'function_call_output'; call_id: string; output: TextParts }
  | { type: 'reasoning'; summary?: { text: string }[]; content?: { text: string }[] }
  | { type: 'item_reference'; id: string }
)

const PART = {
  text: text(),
  annotations: unsupported(),
  logprobs: idle(),
  parsed: idle(),
  prompt_cache_breakpoint: idle(),
}
const parts = (...types: string[]): FieldRule<{ text: string }[]> => {
  const kinds = Object.fromEntries(types.map((type) => [type, [PART, 'text'] as const]))
  return list(byType<{ text: string }>('a part { type, text }', kinds), 0, 1000)
}
const content = either((x) => Array.isArray(x), parts('input_text', 'output_text', 'text'), text())
const common = { id: text(), status: idle(text()) }
const name = text(undefined, 1)

const item = byType<ChatItem>(
  'an item: a message { role, content }, a call, its result or reasoning',
  {
    message: [
      { ...common, role: only('user', 'assistant', 'system', 'developer'), content, phase: idle(text()) },
      'role content',
    ],
    function_call: [
      { ...common, call_id: text(), name, arguments: text(), parsed_arguments: idle(), caller: idle() },
      'call_id name arguments',
    ],
    function_call_output: [{ ...common, call_id: text(), output: content, caller: idle() }, 'call_id output'],
    reasoning: [
      {
        ...common,
        summary: parts('summary_text'),
        content: parts('reasoning_text'),
        encrypted_content: idle(text()),
      },
    ],
    item_reference: [{ id: text() }, 'id'],
  },
  'message',
)

export const ITEMS = either((x) => Array.isArray(x), list(item, 1, 4096), text()) as FieldRule<string | ChatItem[]>

/** `text.format`. */
export type TextFormat = { type: 'text' | 'json_object' | 'json_schema'; schema?: boolean | Record<string, unknown> }

export const TEXT = fields<{ format?: TextFormat }>('an object with format', {
  format: byType<TextFormat>('an object with type', {
    text: [{}],
    json_object: [{}],
    json_schema: [{ name: text(), description: text(), schema: jsonSchema, strict: boolean }, 'schema'],
  }),
  verbosity: unsupported('medium'),
})

/** As chats have it. */
export function formatOf(format: TextFormat | undefined): ResponseFormat | undefined {
  if (!format || format.type === 'text') return undefined
  return { schema: format.schema ?? { type: 'object' } }
}

export const REASONING = fields<{ effort?: string }>('an object with effort', {
  effort: text(64),
  summary: idle(text()),
  generate_summary: idle(text()),
  context: unsupported('auto'),
  mode: unsupported('standard'),
})

const INCLUDES = [
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
]
export const INCLUDE = list(only(...INCLUDES), 0, 100)

/** A tool of this API: what chats have in `function`, beside its type. */
export interface FlatTool {
  type: 'function'
  name: string
  description?: string
  parameters?: Record<string, unknown>
  strict?: boolean
}

export const FLAT_TOOLS = list(
  byType<FlatTool>('a tool { type: "function", name, description, parameters }', {
    function: [
      {
        name,
        description: text(),
        parameters: object,
        strict: boolean,
        output_schema: idle(object),
        allowed_callers: idle(anything),
        defer_loading: unsupported(false),
      },
      'name',
    ],
  }),
  0,
  1000,
)

type NamedTool = { type: 'function'; name: string }
type ToolMode = 'auto' | 'none' | 'required'
export type FlatToolChoice =
  | ToolMode
  | NamedTool
  | { type: 'allowed_tools'; mode: 'auto' | 'required'; tools: NamedTool[] }

const named = byType<NamedTool>('a tool { type: "function", name }', { function: [{ name }, 'name'] })
export const FLAT_TOOL_CHOICE: FieldRule<FlatToolChoice> = either(
  isObject,
  byType<Exclude<FlatToolChoice, ToolMode>>('{ type: "function", name } or { type: "allowed_tools", mode, tools }', {
    function: [{ name }, 'name'],
    allowed_tools: [{ mode: only('auto', 'required'), tools: list(named, 0, 1000) }, 'mode tools'],
  }),
  only('auto', 'none', 'required'),
)

/** Items that follow one another in a turn of the assistant are one message. */
export function messagesOf(items: readonly ChatItem[]): ApiMessage[] {
  const messages: ApiMessage[] = []
  const assistant = (): ApiMessage => {
    if (messages.at(-1)?.role !== 'assistant') messages.push({ role: 'assistant', content: '' })
    return messages.at(-1)!
  }
  for (const item of items) {
    if (item.type === 'reasoning') {
      const reasoning = textOf((item.content?.length ? item.content : item.summary) ?? [])
      if (reasoning) assistant().reasoning_content = `${assistant().reasoning_content ?? ''}${reasoning}`
    } else if (item.type === 'function_call') {
      const { call_id: id, name, arguments: given } = item
      const calls = (assistant().tool_calls ?? []) as object[]
      assistant().tool_calls = [...calls, { id, type: 'function', function: { name, arguments: given } }]
    } else if (item.type === 'function_call_output') {
      messages.push({ role: 'tool', tool_call_id: item.call_id, content: textOf(item.output) })
    } else if (item.type !== 'item_reference') {
      if (item.role === 'assistant') assistant().content = `${assistant().content}${textOf(item.content)}`
      else messages.push({ role: item.role, content: chatContent(item.content) })
    }
  }
  return messages
}

function textOf(parts: TextParts): string {
  return typeof parts === 'string' ? parts : parts.map(({ text }) => text).join('')
}

function chatContent(parts: TextParts): ApiMessage['content'] {
  return typeof parts === 'string' ? parts : parts.map(({ text }) => ({ type: 'text', text }))
}

/** Tools and choice as chats have them. @throws ApiError for a tool that is not there */
export function chatTools(
  tools: readonly FlatTool[],
  choice: FlatToolChoice | undefined,
): { tools?: object[]; tool_choice?: ToolMode | { type: 'function'; function: { name: string } } } {
  const nested = ({ type, ...tool }: FlatTool): object => ({ type, function: tool })
  if (typeof choice !== 'object' || choice.type === 'function') {
    const tool_choice = typeof choice === 'object' ? { type: choice.type, function: { name: choice.name } } : choice
    return { ...(tools.length > 0 && { tools: tools.map(nested) }), ...(tool_choice && { tool_choice }) }
  }
  const allowed = choice.tools.map(({ name }) => {
    const tool = tools.find((one) => one.name === name)
    if (!tool) throw badRequest('tool_choice', `tool_choice: there is no tool ${name}.`, name)
    return nested(tool)
  })
  return { tools: allowed, tool_choice: choice.mode }
}
