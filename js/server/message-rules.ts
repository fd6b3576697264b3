/** Messages of a conversation as clients send them. */
import {
  after,
  anything,
  boolean,
  either,
  type Faults,
  type FieldRule,
  fields,
  idle,
  integer,
  isObject,
  type JsonSchema,
  list,
  object,
  only,
  orNone,
  orNull,
  text,
  unsupported,
} from './rules.ts'
import type { ApiMessage } from './template.ts'

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

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const
const name = text(undefined, 1)
const CALL = { name, arguments: either(isObject, object, text()) }
const CALL_WORDS = 'an object with name and arguments'
const CALLED = fields(CALL_WORDS, { ...CALL, parsed_arguments: idle() }, ['name', 'arguments'])
const FIRST_CALL = fields(CALL_WORDS, CALL, ['name'])

const toolCall = fields(
  'a call { id, type: "function", function: { name, arguments } }',
  {
    id: text(),
    type: only('function'),
    function: CALLED,
    index: integer(0, Number.MAX_SAFE_INTEGER),
  },
  ['type', 'function'],
)

const DESCRIBED = { name, description: text(), parameters: object }

const tool = fields(
  'a tool { type: "function", function: { name, description, parameters } }',
  {
    type: only('function'),
    function: fields('an object with name', { ...DESCRIBED, strict: boolean }, ['name']),
  },
  ['type', 'function'],
)

export const TOOLS = list(tool, 0, 1000)

const described = fields('a function { name, description, parameters }', DESCRIBED, ['name'])
/** Of OpenAI's first API. */
export const FUNCTIONS = list(described, 0, 1000)

const named = fields<{ name: string }>('an object with name', { name }, ['name'])
const chosen = fields<{ type: 'function'; function: { name: string } }>(
  'a choice { type: "function", function: { name } }',
  { type: only('function'), function: named },
  ['type', 'function'],
)

export const TOOL_CHOICE = either(isObject, chosen, only('none', 'auto', 'required'))
export const FUNCTION_CALL = either(isObject, named, only('none', 'auto'))

/** The id of a call that has none: the functions of OpenAI's first API. Nine letters, as Mistral's templates want. */
const FUNCTION_ID = 'function0'

/** A call of a function, and its result, as those of a tool. */
function asTool({ function_call: call, ...message }: ApiMessage): ApiMessage {
  if (message.role === 'function') return { ...message, role: 'tool', tool_call_id: FUNCTION_ID }
  if (call === undefined) return message
  const called = { arguments: '{}', ...(call as object) }
  const calls = (message.tool_calls ?? []) as unknown[]
  return { ...message, tool_calls: [...calls, { id: FUNCTION_ID, type: 'function', function: called }] }
}

/** Content that is null is an empty text, and so is that which calls stand in place of. */
function withContent(message: unknown): unknown {
  if (!isObject(message)) return message
  const { content, tool_calls: calls, function_call: call } = message
  const isCall = (Array.isArray(calls) && calls.length > 0) || isObject(call)
  const silent = content === null || (content === undefined && isCall)
  return silent ? { ...message, content: '' } : message
}

const content = either((x) => Array.isArray(x), list(textPart, 0, 1000), text())

const whole = fields<ApiMessage>(
  'a message { role, content }',
  {
    role: only(...ROLES),
    content,
    name: orNone('', text(64)),
    reasoning_content: text(),
    tool_calls: list(toolCall, 0, 1000),
    tool_call_id: text(),
    id: idle(text()),
    cache_control: idle(object),
    created: idle(integer(0, Number.MAX_SAFE_INTEGER)),
    created_at: idle(anything),
    timestamp: idle(anything),
    metadata: idle(object),
    parsed: idle(),
    refusal: unsupported(''),
    reasoning: unsupported(''),
    reasoning_details: unsupported(),
    thinking_blocks: unsupported(),
    annotations: unsupported(),
    audio: unsupported(),
    images: unsupported(),
    function_call: FIRST_CALL,
    prefix: unsupported(false),
    partial: unsupported(false),
    provider_specific_fields: unsupported(),
  },
  ['role', 'content'],
)

const read = after(withContent, whole, {
  ...whole.schema,
  properties: { ...(whole.schema.properties as JsonSchema), content: orNull(content.schema) },
  required: ['role'],
  anyOf: [
    { required: ['content'] },
    { required: ['tool_calls'], properties: { tool_calls: { type: 'array', minItems: 1 } } },
    { required: ['function_call'], properties: { function_call: { type: 'object' } } },
  ],
})

const message: FieldRule<ApiMessage> = {
  ...read,
  read(value, path, faults) {
    const found = read.read(value, path, faults)
    return found && asTool(found)
  },
}

export const MESSAGES = list(message, 1, 4096)
