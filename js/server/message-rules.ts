/** Messages of a conversation as clients send them. */
import type { ChatMessage } from '../chat/types.ts'
import {
  anything,
  either,
  type Faults,
  type FieldRule,
  fields,
  idle,
  integer,
  list,
  object,
  only,
  orNone,
  text,
  unsupported,
} from './rules.ts'

export interface ApiMessage {
  role: string
  content: string | { type: 'text'; text: string }[]
  [name: string]: unknown
}

/** One of some values; others that OpenAI's API has are told to be unsupported. `known`: what those are. */
function oneOf(values: readonly string[], others: readonly string[], known: string): FieldRule<string> {
  const one = only(...values)
  const read = (value: unknown, path: string, faults: Faults): string | undefined =>
    others.includes(value as string)
      ? faults.add('unsupported', path, `must be ${one.words}: ${known} are not supported`, value)
      : one.read(value, path, faults)
  return { ...one, read }
}

const PARTS = ['image_url', 'input_audio', 'input_image', 'input_video', 'video_url', 'file', 'refusal']

const textPart = fields<{ type: 'text'; text: string }>(
  'a part { type: "text", text }',
  {
    type: oneOf(['text'], PARTS, 'other parts'),
    text: text(),
    id: idle(text()),
    cache_control: idle(object),
    annotations: unsupported(),
  },
  ['type', 'text'],
)

const message = fields<ApiMessage>(
  'a message { role, content }',
  {
    role: oneOf(['system', 'developer', 'user', 'assistant'], ['tool', 'function'], 'tools'),
    content: either((x) => Array.isArray(x), list(textPart, 1, 1000), text()),
    name: orNone('', text(64)),
    reasoning_content: text(),
    id: idle(text()),
    cache_control: idle(object),
    created: idle(integer(0, Number.MAX_SAFE_INTEGER)),
    created_at: idle(anything),
    timestamp: idle(anything),
    metadata: idle(object),
    refusal: unsupported(''),
    reasoning: unsupported(''),
    reasoning_details: unsupported(),
    thinking_blocks: unsupported(),
    annotations: unsupported(),
    audio: unsupported(),
    images: unsupported(),
    tool_calls: unsupported(),
    tool_call_id: unsupported(''),
    function_call: unsupported(),
    prefix: unsupported(false),
    partial: unsupported(false),
    provider_specific_fields: unsupported(),
  },
  ['role', 'content'],
)

export const MESSAGES = list(message, 1, 4096)

/** Messages as templates take them. OpenAI's `developer` is the newer word for `system`. */
export function messagesOf(messages: readonly ApiMessage[]): ChatMessage[] {
  return messages.map((message) => (message.role === 'developer' ? { ...message, role: 'system' } : message))
}
