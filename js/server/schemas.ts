/**
 * What clients may send, endpoint by endpoint. Nothing reaches a model unchecked, and no field is passed over in silence: what
 * is not named here is refused as unknown, what would change the output and is not supported, by its name.
 */
import { REASONING_FORMATS, type ReasoningFormat } from '../chat/types.ts'
import {
  ANTHROPIC_MESSAGES,
  ANTHROPIC_TOOL_CHOICE,
  ANTHROPIC_TOOLS,
  type AnthropicMessage,
  type AnthropicTool,
  type AnthropicToolChoice,
  CONTEXT_MANAGEMENT,
  OUTPUT_CONFIG,
  type OutputConfig,
  SYSTEM,
  THINKING,
  type Thinking,
} from './anthropic-rules.ts'
import {
  GENERATION,
  type GenerationBody,
  IDLE,
  jsonSchema,
  MOST,
  NATIVE_SAMPLING,
  REFUSED,
  type ResponseFormat,
  SAMPLING,
} from './generation-fields.ts'
import { FUNCTION_CALL, FUNCTIONS, MESSAGES, TOOL_CHOICE, TOOLS } from './message-rules.ts'
import { type ApiPrompt, isTokenId, MIXED, type NativePrompt, nativePrompts, prompts, TOKEN_ID } from './prompts.ts'
import {
  type ChatItem,
  FLAT_TOOL_CHOICE,
  FLAT_TOOLS,
  type FlatTool,
  type FlatToolChoice,
  INCLUDE,
  ITEMS,
  REASONING,
  TEXT,
  type TextFormat,
} from './response-rules.ts'
import {
  boolean,
  byModel,
  either,
  type FieldRule,
  fields,
  idle,
  integer,
  isObject,
  list,
  listOf,
  object,
  oneAtLeast,
  only,
  onlyBeside,
  refused,
  rule,
  text,
  unsupported,
} from './rules.ts'
import type { TemplateBody } from './template.ts'

export { SAMPLING }

export interface Endpoint<T = unknown> {
  method: 'GET' | 'POST'
  path: string
  /** Its other addresses. */
  also: readonly string[]
  /** What it takes in its body, and what it does with each. */
  takes: Record<string, FieldRule>
  required: readonly string[]
  /** Accepted, and without any effect here. */
  idle: Record<string, FieldRule>
  /** Not supported; only values that ask for nothing are let through. */
  refused: Record<string, FieldRule>
  /** All of these. */
  body: FieldRule<T>
}

/** @param refine adds rules of several fields together */
function endpoint<T>(
  [path, ...also]: [string, ...string[]],
  parts: Partial<Pick<Endpoint, 'takes' | 'required' | 'idle' | 'refused'>>,
  refine: (body: FieldRule<T>) => FieldRule<T> = (body) => body,
): Endpoint<T> {
  const { takes = {}, required = [], idle = {}, refused = {} } = parts
  const body = refine(fields<T>('a JSON object', { ...refused, ...idle, ...takes }, required))
  return { method: 'POST', path, also, takes, required, idle, refused, body }
}

function without(rules: Record<string, FieldRule>, names: string): Record<string, FieldRule> {
  const left = names.split(' ')
  return Object.fromEntries(Object.entries(rules).filter(([name]) => !left.includes(name)))
}

/** Rules whose fields have no effect where nothing is generated. */
function unused(rules: Record<string, FieldRule>): Record<string, FieldRule> {
  return Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, idle(rule)]))
}

function generating<T>(body: FieldRule<T>): FieldRule<T> {
  return onlyBeside('stream_options', 'stream', 'is for streams only: set stream to true', [], body)
}

function chatting<T>(body: FieldRule<T>): FieldRule<T> {
  return onlyBeside('top_logprobs', 'logprobs', 'needs logprobs: set it to true', [0], generating(body))
}

const tokenIds = listOf<number>('token ids', MOST, isTokenId, TOKEN_ID)

/** A choice of tools: a word, or one of them by name. */
type Chosen<T> = 'none' | 'auto' | 'required' | T

export interface ChatBody extends GenerationBody, TemplateBody {
  logprobs?: boolean
  top_logprobs?: number
  tool_choice?: Chosen<{ type: 'function'; function: { name: string } }>
  parallel_tool_calls?: boolean
  /** Tools and their choice in OpenAI's first API. */
  functions?: Record<string, unknown>[]
  function_call?: Exclude<Chosen<{ name: string }>, 'required'>
  reasoning_format?: ReasoningFormat
  n_probs?: number
}

/** What makes a prompt of `/v1/responses`. */
interface ResponsePrompt extends Omit<TemplateBody, 'messages' | 'tools'> {
  input: string | ChatItem[]
  instructions?: string
  previous_response_id?: string
  reasoning?: { effort?: string }
  tools?: FlatTool[]
  tool_choice?: FlatToolChoice
  parallel_tool_calls?: boolean
}

export interface ResponseBody extends ResponsePrompt, GenerationBody {
  text?: { format?: TextFormat }
  max_output_tokens?: number
  top_logprobs?: number
  include?: string[]
  metadata?: Record<string, unknown>
  store?: boolean
}

/** What makes a prompt of `/v1/messages`. */
export interface AnthropicPrompt {
  model?: string
  messages: AnthropicMessage[]
  system?: string | { type: 'text'; text: string }[]
  tools?: AnthropicTool[]
  tool_choice?: AnthropicToolChoice
  thinking?: Thinking
  output_config?: OutputConfig
  chat_template_kwargs?: Record<string, unknown>
}

export interface AnthropicBody extends AnthropicPrompt, Omit<GenerationBody, 'stop' | 'stream_options' | 'n'> {
  stop_sequences?: string[]
}

export interface CompletionBody extends GenerationBody {
  prompt: ApiPrompt
  echo?: boolean
  logprobs?: number
  n_probs?: number
}

/** Of llama-server's own endpoint. */
export interface NativeBody extends GenerationBody {
  prompt: NativePrompt
  n_cmpl?: number
  n_probs?: number
  post_sampling_probs?: boolean
  id_slot?: number
  return_tokens?: boolean
  response_fields?: string[]
}

export interface InfillBody extends Omit<NativeBody, 'prompt'> {
  input_prefix: string
  input_suffix: string
  input_extra?: { text: string; filename?: string }[]
  prompt?: string
}

export interface EmbeddingsBody {
  input: ApiPrompt
  model?: string
  encoding_format?: 'float' | 'base64'
  dimensions?: number
}

export interface NativeEmbeddingsBody {
  input?: NativePrompt
  content?: NativePrompt
  model?: string
  embd_normalize?: -1 | 2
}

export interface TokenizeBody {
  model?: string
  content: string | (string | number)[]
  add_special?: boolean
  parse_special?: boolean
  with_pieces?: boolean
}

const CHAT = {
  messages: MESSAGES,
  add_generation_prompt: boolean,
  continue_final_message: either<'content' | 'reasoning_content', boolean>(
    (x) => typeof x === 'string',
    only('content', 'reasoning_content'),
    boolean,
  ),
  chat_template_kwargs: object,
  reasoning_effort: text(64),
}
const FORMATS: Readonly<Record<string, FieldRule<ResponseFormat>>> = {
  text: fields('an object with type', { type: only('text') }, ['type']),
  json_object: fields('an object with type', { type: only('json_object'), schema: jsonSchema }, ['type']),
  json_schema: fields(
    'an object with type and json_schema',
    {
      type: only('json_schema'),
      json_schema: fields(
        'an object with a schema',
        { name: idle(text()), description: idle(text()), schema: jsonSchema, strict: idle(boolean) },
        ['schema'],
      ),
    },
    ['type', 'json_schema'],
  ),
}
/** OpenAI's three, of which `text` asks for nothing; the schema of JSON as llama-server takes it. */
const responseFormat: FieldRule<ResponseFormat> = {
  words:
    '`{ type }`: `text`, `json_object` (with a `schema`, if you like) or `json_schema` (with `json_schema.schema`)',
  schema: { anyOf: Object.values(FORMATS).map(({ schema }) => schema) },
  read(value, path, faults) {
    if (!isObject(value)) return faults.add('invalid', path, 'must be an object with type', value)
    const { type } = value
    const format = typeof type === 'string' && Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined
    if (!format) return faults.add('invalid', `${path}.type`, 'must be "text" or "json_object" or "json_schema"', type)
    const read = format.read(value, path, faults) as
      | (Partial<ResponseFormat> & { json_schema?: ResponseFormat })
      | undefined
    if (type === 'text' || !read) return undefined
    return read.json_schema ?? { schema: read.schema ?? { type: 'object' } }
  },
}
const CHAT_GENERATION = {
  ...GENERATION,
  response_format: responseFormat,
  max_completion_tokens: GENERATION.max_tokens,
  logprobs: boolean,
  top_logprobs: integer(0, 20),
  tools: TOOLS,
  tool_choice: TOOL_CHOICE,
  parallel_tool_calls: boolean,
  functions: FUNCTIONS,
  function_call: FUNCTION_CALL,
  reasoning_format: only(...REASONING_FORMATS),
  n_probs: integer(0, 20),
}
const CHAT_IDLE = { ...IDLE, prediction: idle(object) }
const CHAT_REFUSED = {
  ...REFUSED,
  modalities: refused('["text"]', (x) => Array.isArray(x) && x.length === 1 && x[0] === 'text', {
    enum: [['text']],
  }),
  audio: unsupported(),
  verbosity: unsupported('medium'),
  web_search_options: unsupported(),
  reasoning: unsupported(),
  reasoning_budget_tokens: unsupported(-1),
  thinking_budget_tokens: unsupported(-1),
  reasoning_control: unsupported(false),
  echo: unsupported(false),
  documents: unsupported(),
}
const NATIVE = {
  ...GENERATION,
  ...NATIVE_SAMPLING,
  max_completion_tokens: GENERATION.max_tokens,
  n_cmpl: GENERATION.n,
  n_probs: integer(0, 20),
  post_sampling_probs: boolean,
  id_slot: integer(-1, MOST),
  return_tokens: boolean,
  response_fields: list(text(100), 0, 100),
}
const { id_slot: _, return_tokens: __, ...NATIVE_IDLE } = IDLE
const { post_sampling_probs: ___, ...NATIVE_REFUSED } = REFUSED

/** All that chats take beside their messages, where nothing is generated: then any context will do. */
const NOT_GENERATED = unused(without({ ...CHAT_GENERATION, num_ctx: integer(0, MOST) }, 'model tools functions'))
const RENDERED = {
  takes: { ...CHAT, tools: TOOLS, functions: FUNCTIONS, model: text() },
  required: ['messages'],
  idle: { ...CHAT_IDLE, ...NOT_GENERATED },
  refused: CHAT_REFUSED,
}

const RESPONSE_PROMPT = {
  ...without(CHAT, 'messages'),
  input: ITEMS,
  instructions: text(),
  previous_response_id: text(),
  reasoning: REASONING,
  tools: FLAT_TOOLS,
  tool_choice: FLAT_TOOL_CHOICE,
  parallel_tool_calls: boolean,
}
const RESPONSE = {
  ...without(CHAT_GENERATION, 'n logprobs tools tool_choice parallel_tool_calls functions function_call'),
  text: TEXT,
  max_output_tokens: GENERATION.max_tokens,
  include: INCLUDE,
  metadata: object,
  store: boolean,
}
const RESPONSE_IDLE = {
  ...without(IDLE, 'metadata store'),
  prompt_cache_options: idle(object),
  max_tool_calls: idle(integer(0, MOST)),
}
const RESPONSE_REFUSED = {
  ...without(CHAT_REFUSED, 'reasoning'),
  n: unsupported(1),
  background: unsupported(false),
  conversation: unsupported(),
  context_management: unsupported(),
  moderation: unsupported(),
  prompt: unsupported(),
  truncation: unsupported('disabled'),
}

const ANTHROPIC_PROMPT = {
  model: text(),
  messages: ANTHROPIC_MESSAGES,
  system: SYSTEM,
  tools: ANTHROPIC_TOOLS,
  tool_choice: ANTHROPIC_TOOL_CHOICE,
  thinking: THINKING,
  output_config: OUTPUT_CONFIG,
  chat_template_kwargs: object,
}
const ANTHROPIC = {
  max_tokens: GENERATION.max_tokens,
  stop_sequences: list(text(1000, 1), 0, 16),
  stream: boolean,
  ...SAMPLING,
  samplers: GENERATION.samplers,
  min_tokens: GENERATION.min_tokens,
  ignore_eos: boolean,
  sse_ping_interval: GENERATION.sse_ping_interval,
}
const ANTHROPIC_IDLE = {
  metadata: idle(object),
  cache_control: idle(object),
  service_tier: idle(text()),
  inference_geo: idle(text()),
  speed: idle(text()),
  user_profile_id: idle(text()),
  workspace_id: idle(text()),
}
const ANTHROPIC_REFUSED = {
  container: unsupported(),
  mcp_servers: unsupported(),
  diagnostics: unsupported(),
  context_management: CONTEXT_MANAGEMENT,
}

const extra = fields<{ text: string; filename?: string }>(
  '{ "filename": text, "text": text }',
  { text: text(), filename: text(1000) },
  ['text'],
)

export const ENDPOINTS = {
  chat: endpoint<ChatBody>(
    ['/v1/chat/completions', '/chat/completions'],
    {
      takes: { ...CHAT, ...CHAT_GENERATION },
      required: ['messages'],
      idle: CHAT_IDLE,
      refused: CHAT_REFUSED,
    },
    chatting,
  ),
  responses: endpoint<ResponseBody>(
    ['/v1/responses', '/responses'],
    {
      takes: { ...RESPONSE_PROMPT, ...RESPONSE },
      required: ['input'],
      idle: RESPONSE_IDLE,
      refused: RESPONSE_REFUSED,
    },
    generating,
  ),
  messages: endpoint<AnthropicBody>(['/v1/messages', '/messages'], {
    takes: { ...ANTHROPIC_PROMPT, ...ANTHROPIC },
    required: ['messages'],
    idle: ANTHROPIC_IDLE,
    refused: ANTHROPIC_REFUSED,
  }),
  completions: endpoint<CompletionBody>(
    ['/v1/completions'],
    {
      takes: { prompt: prompts(64), ...GENERATION, echo: boolean, logprobs: integer(0, 20), n_probs: integer(0, 20) },
      required: ['prompt'],
      idle: IDLE,
      refused: { ...REFUSED, suffix: unsupported('') },
    },
    generating,
  ),
  embeddings: endpoint<EmbeddingsBody>(['/v1/embeddings'], {
    takes: {
      input: prompts(2048),
      model: text(),
      encoding_format: only('float', 'base64'),
      dimensions: byModel('EmbeddingLength', integer(1, MOST)),
    },
    required: ['input'],
    idle: { user: idle(text()) },
  }),
  native: endpoint<NativeBody>(
    ['/completion', '/completions'],
    {
      takes: { prompt: nativePrompts(64), ...NATIVE },
      required: ['prompt'],
      idle: NATIVE_IDLE,
      refused: NATIVE_REFUSED,
    },
    generating,
  ),
  infill: endpoint<InfillBody>(
    ['/infill'],
    {
      takes: {
        input_prefix: text(),
        input_suffix: text(),
        input_extra: list(extra, 0, 1000),
        prompt: text(),
        ...NATIVE,
      },
      required: ['input_prefix', 'input_suffix'],
      idle: NATIVE_IDLE,
      refused: NATIVE_REFUSED,
    },
    generating,
  ),
  nativeEmbeddings: endpoint<NativeEmbeddingsBody>(
    ['/embedding', '/embeddings'],
    {
      takes: {
        content: nativePrompts(2048),
        input: nativePrompts(2048),
        model: text(),
        embd_normalize: only(-1, 2),
      },
      idle: { user: idle(text()) },
      refused: { encoding_format: unsupported('float') },
    },
    (body) => oneAtLeast(['content', 'input'], body),
  ),
  tokenize: endpoint<TokenizeBody>(['/tokenize'], {
    takes: {
      content: either<(string | number)[], string>((x) => Array.isArray(x), mixed(), text()),
      model: text(),
      add_special: boolean,
      parse_special: boolean,
      with_pieces: boolean,
    },
    required: ['content'],
  }),
  detokenize: endpoint<{ tokens: number[]; model?: string }>(['/detokenize'], {
    takes: { tokens: tokenIds, model: text() },
    required: ['tokens'],
  }),
  applyTemplate: endpoint<ChatBody>(['/apply-template'], RENDERED),
  inputTokens: endpoint<ChatBody>(['/v1/chat/completions/input_tokens', '/chat/completions/input_tokens'], RENDERED),
  responseTokens: endpoint<ResponseBody>(['/v1/responses/input_tokens', '/responses/input_tokens'], {
    takes: { ...RESPONSE_PROMPT, model: text() },
    required: ['input'],
    idle: { ...RESPONSE_IDLE, ...unused({ ...RESPONSE, num_ctx: integer(0, MOST) }) },
    refused: RESPONSE_REFUSED,
  }),
  countTokens: endpoint<AnthropicPrompt>(['/v1/messages/count_tokens', '/messages/count_tokens'], {
    takes: ANTHROPIC_PROMPT,
    required: ['messages'],
    idle: { ...ANTHROPIC_IDLE, ...unused(ANTHROPIC) },
    refused: ANTHROPIC_REFUSED,
  }),
} satisfies Record<string, Endpoint>

function mixed(): FieldRule<(string | number)[]> {
  const one = (x: unknown): boolean => isTokenId(x) || typeof x === 'string'
  const holds = (x: unknown): boolean => Array.isArray(x) && x.length > 0 && x.every(one) && x.some(isTokenId)
  return rule('a list of token ids and texts', holds, MIXED)
}
