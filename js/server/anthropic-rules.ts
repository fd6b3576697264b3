/** What `/v1/messages` takes, and what it is as a chat. */
import { jsonSchema } from './generation-fields.ts'
import {
  boolean,
  byType,
  either,
  fields,
  idle,
  integer,
  isObject,
  list,
  object,
  only,
  refused,
  text,
  unsupported,
} from './rules.ts'
import type { ApiMessage } from './template.ts'

interface TextBlock {
  type: 'text'
  text: string
}

type ContentBlock =
  | TextBlock
  | { type: 'thinking'; thinking: string }
  | { type: 'redacted_thinking' }
  | { type: 'tool_use'; id: string; name: string; input: object }
  | { type: 'tool_result'; tool_use_id: string; content?: string | TextBlock[] }

export interface AnthropicMessage {
  role: string
  content: string | ContentBlock[]
}

const cached = { cache_control: idle(object) }
const TEXT_KIND = [{ text: text(), citations: unsupported(), ...cached }, 'text'] as const
const isList = (x: unknown): boolean => Array.isArray(x)
const name = text(undefined, 1)

/** A text, or blocks of it. */
export const SYSTEM = either(
  isList,
  list(byType<TextBlock>('a block { type: "text", text }', { text: TEXT_KIND }), 0, 1000),
  text(),
)

const block = byType<ContentBlock>('a block of content', {
  text: TEXT_KIND,
  thinking: [{ thinking: text(), signature: idle(text()) }, 'thinking'],
  redacted_thinking: [{ data: idle(text()) }],
  tool_use: [{ id: text(), name, input: object, caller: idle(object), ...cached }, 'id name input'],
  tool_result: [{ tool_use_id: text(), content: SYSTEM, is_error: idle(boolean), ...cached }, 'tool_use_id'],
})

export const ANTHROPIC_MESSAGES = list(
  fields<AnthropicMessage>(
    'a message { role, content }',
    { role: only('user', 'assistant', 'system'), content: either(isList, list(block, 0, 1000), text()), id: idle() },
    ['role', 'content'],
  ),
  1,
  4096,
)

export interface AnthropicTool {
  type?: 'custom'
  name: string
  description?: string
  input_schema: object
  strict?: boolean
}

export const ANTHROPIC_TOOLS = list(
  byType<AnthropicTool>(
    'a tool { name, description, input_schema }',
    {
      custom: [
        {
          name,
          description: text(),
          input_schema: object,
          strict: boolean,
          eager_input_streaming: idle(boolean),
          input_examples: unsupported(),
          defer_loading: unsupported(false),
          allowed_callers: refused('["direct"]', (x) => Array.isArray(x) && x.every((one) => one === 'direct'), {
            type: 'array',
            items: { enum: ['direct'] },
          }),
          ...cached,
        },
        'name input_schema',
      ],
    },
    'custom',
  ),
  0,
  1000,
)

export interface AnthropicToolChoice {
  type: 'auto' | 'any' | 'none' | 'tool'
  name?: string
  disable_parallel_tool_use?: boolean
}

const CHOICE = [{ disable_parallel_tool_use: boolean }] as const
export const ANTHROPIC_TOOL_CHOICE = byType<AnthropicToolChoice>('an object with type', {
  auto: CHOICE,
  any: CHOICE,
  none: CHOICE,
  tool: [{ ...CHOICE[0], name }, 'name'],
})

export interface Thinking {
  type: 'enabled' | 'adaptive' | 'disabled'
  display?: 'summarized' | 'omitted'
}

const display = only('summarized', 'omitted')

export const THINKING = byType<Thinking>('an object with type', {
  enabled: [{ budget_tokens: idle(integer(0, 2147483647)), display }],
  adaptive: [{ display }],
  disabled: [{}],
})

export interface OutputConfig {
  effort?: string
  format?: { schema: boolean | Record<string, unknown> }
}

export const OUTPUT_CONFIG = fields<OutputConfig>('an object with effort and format', {
  effort: text(64),
  format: byType('an object with type', { json_schema: [{ schema: jsonSchema, name: idle(text()) }, 'schema'] }),
})

const EDIT = 'clear_thinking_20251015'
const isEdit = (x: unknown): boolean => isObject(x) && x.type === EDIT

/** Edits that leave earlier thinking out, which is what templates do. */
export const CONTEXT_MANAGEMENT = refused(
  `edits of type ${EDIT}`,
  (x) => isObject(x) && Array.isArray(x.edits) && x.edits.every(isEdit),
  {
    type: 'object',
    properties: {
      edits: { type: 'array', items: { type: 'object', properties: { type: { enum: [EDIT] } }, required: ['type'] } },
    },
    required: ['edits'],
  },
)

/** What Claude Code writes first differs in each request, and no prompt would be found in the cache. */
const BILLING = /^(x-anthropic-billing-header:.*?\bcch=)\w{5};/

/** Messages as chats have them: each result of a call is one of its own. */
export function chatMessages(
  system: string | TextBlock[] | undefined,
  given: readonly AnthropicMessage[],
): ApiMessage[] {
  const opening = system === undefined ? '' : textOf(system, (text) => text.replace(BILLING, '$1fffff;'))
  const messages: ApiMessage[] = opening === '' ? [] : [{ role: 'system', content: opening }]
  for (const { role, content } of given) {
    if (typeof content === 'string') messages.push({ role, content })
    else messages.push(...ofBlocks(role, content))
  }
  return messages
}

function ofBlocks(role: string, blocks: readonly ContentBlock[]): ApiMessage[] {
  const results = blocks.flatMap((block) =>
    block.type === 'tool_result'
      ? [{ role: 'tool', tool_call_id: block.tool_use_id, content: textOf(block.content ?? '') }]
      : [],
  )
  const texts = blocks.flatMap((block) => (block.type === 'text' ? [{ type: 'text' as const, text: block.text }] : []))
  const reasoning = blocks.map((block) => (block.type === 'thinking' ? block.thinking : '')).join('')
  const calls = blocks.flatMap((block) => {
    if (block.type !== 'tool_use') return []
    const { id, name, input } = block
    return [{ id, type: 'function', function: { name, arguments: JSON.stringify(input) } }]
  })
  const isSilent = texts.length === 0 && calls.length === 0 && reasoning === ''
  if (isSilent && results.length > 0) return results
  const message: ApiMessage = {
    role,
    content: texts.length > 0 ? texts : '',
    ...(reasoning && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
  return [...results, message]
}

function textOf(content: string | readonly TextBlock[], change = (text: string): string => text): string {
  const texts = typeof content === 'string' ? [content] : content.map(({ text }) => text)
  return texts.map(change).join('')
}
