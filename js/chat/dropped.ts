/** What a template leaves out of its text without a word. */
import type { TemplateCaps } from './caps.ts'
import { type Message, textOf } from './messages.ts'

/** Shorter texts may stand in the prompt by chance. */
const SHORT = 8
/** Digits stay as they are in capitals, in JSON and in HTML. */
const tagOf = (i: number) => String(8_250_193_000 + i)

/**
 * Names of messages, and of parts of them, that a text does not show. What is not found as it is written is given a tag and
 * rendered again, for templates may change texts.
 */
export function droppedFrom(
  text: string,
  messages: readonly Message[],
  tools: readonly unknown[] | undefined,
  caps: TemplateCaps,
  render: (messages: Message[]) => string,
): string[] {
  let from = 0
  const doubtful = new Set<Message>()
  for (const message of messages) {
    const said = textOf(message.content).trim()
    if (said === '') continue
    const at = text.indexOf(said, from)
    const speaks = message.role === 'user' || message.role === 'assistant'
    // Other roles may stand elsewhere, the system's at the beginning or before the last question.
    if ((at < 0 && !text.includes(said)) || (!speaks && said.length < SHORT)) doubtful.add(message)
    if (at >= 0 && speaks) from = at + said.length
  }
  const names = doubtful.size > 0 ? untagged(messages, doubtful, render) : []
  const calls = messages.findIndex((message) => message.tool_calls)
  if (calls >= 0 && !caps.calls) names.push(`messages[${calls}].tool_calls`)
  if (tools && tools.length > 0 && !caps.tools) names.push('tools')
  return names
}

function untagged(
  messages: readonly Message[],
  doubtful: ReadonlySet<Message>,
  render: (messages: Message[]) => string,
): string[] {
  const tagged = messages.map((message, i) => {
    if (!doubtful.has(message)) return message
    const { content } = message
    if (typeof content === 'string') return { ...message, content: content + tagOf(i) }
    return { ...message, content: [...content, { type: 'text' as const, text: tagOf(i) }] }
  })
  let text: string
  try {
    text = render(tagged)
  } catch {
    return []
  }
  return messages.flatMap((message, i) =>
    doubtful.has(message) && !text.includes(tagOf(i)) ? [`messages[${i}].content (${message.role})`] : [],
  )
}
