/** Fits messages to what a template takes. Source: llama.cpp, common/chat.cpp. */
import { ArgumentError } from '../errors.ts'
import type { ChatTemplate } from './compiled.ts'
import { GPT_OSS } from './families.ts'
import { contentFor, isObject, type Message, textOf } from './messages.ts'

/**
 * Messages as the template takes them: content as text or as parts, `developer` as `system`, a first system message joined to
 * the next one where there is no such role, arguments of calls as objects or as texts.
 */
export function fit(messages: readonly Message[], template: ChatTemplate): Message[] {
  const { source, family } = template
  const caps = template.caps()
  const knowsDeveloper = source.includes(GPT_OSS)
  const fitted = messages.map((given, i): Message => {
    const message = contentFor(given, caps)
    const role = message.role === 'developer' && !knowsDeveloper ? 'system' : message.role
    const calls = message.tool_calls?.map((call, k) => callFor(call, caps.objects, `messages[${i}].tool_calls[${k}]`))
    return { ...message, role, ...(calls && { tool_calls: calls }) }
  })
  const joined = caps.system ? fitted : withoutSystem(fitted)
  return family?.fit ? joined.map(family.fit) : joined
}

/** A first system message as the beginning of the next, or as the user's where it is alone. */
function withoutSystem(messages: Message[]): Message[] {
  const [first, second, ...others] = messages
  if (first?.role !== 'system') return messages
  if (!second) return [{ ...first, role: 'user' }]
  const [a, b] = [first.content, second.content]
  const content = Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : `${textOf(a)}\n${textOf(b)}`
  return [{ ...second, content }, ...others]
}

/** A call with the arguments as the template wants them. */
function callFor(call: unknown, asObject: boolean, name: string): unknown {
  if (!isObject(call) || !isObject(call.function)) return call
  const { arguments: args } = call.function
  const isText = typeof args === 'string'
  if (isText !== asObject) return call
  return {
    ...call,
    function: { ...call.function, arguments: isText ? parseArguments(args, name) : JSON.stringify(args) },
  }
}

function parseArguments(text: string, name: string): unknown {
  // Numbers of an id keep all their digits.
  const marked = text.replace(/"(?:\\.|[^"\\])*"|-?\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : `{"$int":"${token}"}`,
  )
  try {
    return JSON.parse(marked, (_, value) => (value?.$int ? BigInt(value.$int) : value))
  } catch {
    throw new ArgumentError('INVALID_MESSAGES', `${name}.function.arguments must be JSON.`, text)
  }
}
