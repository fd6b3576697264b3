/** Messages and tools as callers write them, checked, and in the shape in which llama.cpp hands them to templates. */
import { ArgumentError } from '../errors.ts'

export interface TextPart {
  type: 'text'
  text: string
}

/** A message that has been checked. */
export interface Message {
  role: string
  content: string | TextPart[]
  reasoning_content?: unknown
  tool_calls?: unknown[]
  [key: string]: unknown
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const wrong = (message: string, value: unknown) => new ArgumentError('INVALID_MESSAGES', message, value)

/**
 * Checks messages. Content that is null becomes an empty text, fields without content go, the known ones come in
 * llama.cpp's order, since some templates write whole messages. Only a message with tool calls may do without content.
 */
export function checkMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages)) throw wrong('messages must be an array of {role, content}.', messages)
  return messages.map((message: unknown, i) => {
    if (!isObject(message)) throw wrong(`messages[${i}] must be an object {role, content}.`, message)
    const { role, content, reasoning_content, name, tool_call_id, tool_calls, ...others } = message
    if (typeof role !== 'string' || role === '') {
      throw wrong(`messages[${i}].role must be a text: "system", "user", "assistant" …`, role)
    }
    const calls = Array.isArray(tool_calls) ? tool_calls.map(callOf) : []
    const known = Object.entries({ reasoning_content, name, tool_call_id, tool_calls: calls })
    return {
      role,
      content: contentOf(content === null || (content === undefined && calls.length > 0) ? '' : content, i),
      ...Object.fromEntries(known.filter(([, value]) => (value as string | null | undefined)?.length)),
      ...others,
    }
  })
}

function contentOf(content: unknown, i: number): string | TextPart[] {
  const name = `messages[${i}].content`
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) {
    throw wrong(`${name} must be a text or an array of parts {type: "text", text}.`, content)
  }
  const parts = content.map((part: unknown, k): TextPart => {
    const { type, text } = (part ?? {}) as Record<string, unknown>
    if (type === 'text' && typeof text === 'string') return { type, text }
    throw wrong(`${name}[${k}] must be a part {type: "text", text}: other kinds are not supported.`, part)
  })
  return parts.length > 0 ? parts : ''
}

/** A call in OpenAI's form; another one stays as it is. */
function callOf(call: unknown): unknown {
  if (!isObject(call) || !isObject(call.function)) return call
  const { id, type = 'function' } = call
  const { name, arguments: args = {} } = call.function
  return { type, function: { name, arguments: args }, ...(Boolean(id) && { id }) }
}

/** Tools in OpenAI's form, with what llama.cpp shows templates of them; others stay as they are. */
export function checkTools(tools: unknown): unknown[] | undefined {
  if (tools === undefined || tools === null) return undefined
  if (!Array.isArray(tools))
    throw new ArgumentError('INVALID_TOOLS', 'tools must be an array of tool descriptions.', tools)
  return tools.map((tool: unknown) => {
    if (!isObject(tool) || tool.type !== 'function' || !isObject(tool.function)) return tool
    const { name, description, parameters } = tool.function
    return { type: 'function', function: { name, description: description ?? '', parameters: parameters ?? {} } }
  })
}

/** The text of content, with a line break between parts. */
export function textOf(content: Message['content'], between = '\n'): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join(between)
}

/** A message with its content as the template takes it: a text, or parts. */
export function contentFor(message: Message, { text, parts }: { text: boolean; parts: boolean }): Message {
  const { content } = message
  if (text && !parts && Array.isArray(content)) return { ...message, content: textOf(content) }
  if (parts && !text && typeof content === 'string') return { ...message, content: [{ type: 'text', text: content }] }
  return message
}
