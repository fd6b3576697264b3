/** From prompts of the AI SDK to messages of a chat. */
import type { ChatMessage } from '../api/types.ts'
import { UnsupportedError } from '../errors.ts'
import type {
  LanguageModelV4Message,
  LanguageModelV4Part,
  LanguageModelV4ToolResultOutput,
  SharedV4Warning,
} from './specification.ts'

/**
 * @param warnings gets what is left out
 * @throws UnsupportedError UNSUPPORTED_PART for a part that the model cannot read: a file, an approval
 */
export function messagesOf(prompt: readonly LanguageModelV4Message[], warnings: SharedV4Warning[]): ChatMessage[] {
  return prompt.flatMap((message): ChatMessage[] => {
    const { role, content } = message
    const parts = typeof content === 'string' ? [] : content
    for (const { providerOptions } of [message, ...parts]) {
      if (providerOptions?.cria !== undefined) warnings.push(OF_MESSAGES)
    }
    if (typeof content === 'string') return [{ role, content }]
    if (role === 'tool') return content.map(toolMessage)
    if (role === 'assistant') return [assistantMessage(content)]
    const texts = content.map((part) => ({ type: 'text' as const, text: textOf(part) }))
    return [{ role, content: texts.length === 1 ? texts[0]!.text : texts }]
  })
}

const OF_MESSAGES: SharedV4Warning = {
  type: 'unsupported',
  feature: 'providerOptions.cria of messages and their parts',
  details: 'Give them to the call.',
}

function assistantMessage(parts: readonly LanguageModelV4Part[]): ChatMessage {
  const calls = parts.filter(({ type }) => type === 'tool-call')
  const texts = (kind: string): string =>
    parts.flatMap((part) => (part.type === kind ? textOf(part, kind) : [])).join('')
  for (const part of parts) if (!['text', 'reasoning', 'tool-call'].includes(part.type)) throw unsupported(part)
  const reasoning = texts('reasoning')
  return {
    role: 'assistant',
    content: texts('text'),
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ toolCallId: id, toolName: name, input }) => ({
        id,
        type: 'function',
        function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
      })),
    }),
  }
}

function toolMessage(part: LanguageModelV4Part): ChatMessage {
  const { type, toolCallId, toolName, output } = part
  if (type !== 'tool-result' || !output) throw unsupported(part)
  return { role: 'tool', tool_call_id: toolCallId, name: toolName, content: resultOf(output) }
}

/** What the model is shown of a tool's result. */
function resultOf({ type, value, reason }: LanguageModelV4ToolResultOutput): string {
  if (type === 'text' || type === 'error-text') return String(value)
  if (type === 'json' || type === 'error-json') return JSON.stringify(value)
  if (type === 'execution-denied') return reason ?? 'The call of the tool was denied.'
  if (type === 'content') return (value as LanguageModelV4Part[]).map((part) => textOf(part)).join('\n')
  throw unsupported({ type })
}

function textOf(part: LanguageModelV4Part, kind = 'text'): string {
  if (part.type !== kind) throw unsupported(part)
  return part.text ?? ''
}

function unsupported(part: LanguageModelV4Part): UnsupportedError {
  const what = part.mediaType === undefined ? part.type : `${part.type} (${part.mediaType})`
  const message = `The prompt has a part of the type ${what}, which cria cannot read: its models take text, reasoning, calls of tools and their results.`
  return new UnsupportedError('UNSUPPORTED_PART', message, part.type)
}
