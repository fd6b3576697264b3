/**
 * What clients may send, endpoint by endpoint. Nothing reaches a model unchecked, and no field is passed over in silence: what
 * is not named here is refused as unknown, what would change the output and is not supported, by its name.
 */
import * as v from 'valibot'
import type { TokenizeBody } from './native.ts'
import {
  after,
  boolean,
  either,
  type FieldRule,
  fields,
  integer,
  isObject,
  list,
  listOf,
  number,
  object,
  only,
  text,
} from './rules.ts'
import type { ApiMessage, TemplateBody } from './template.ts'

const MOST = 2147483647

export interface Endpoint<T = unknown> {
  method: 'GET' | 'POST'
  path: string
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

function endpoint<T>(
  path: string,
  parts: Partial<Pick<Endpoint, 'takes' | 'required' | 'idle' | 'refused'>>,
): Endpoint<T> {
  const { takes = {}, required = [], idle = {}, refused = {} } = parts
  const body = fields<T>('a JSON object', { ...takes, ...idle, ...refused }, required)
  return { method: 'POST', path, takes, required, idle, refused, body }
}

export const UNSUPPORTED = 'is not supported'

/** A field of OpenAI's or llama-server's that is not supported, and the values of it that ask for nothing. */
function unsupported(...nothing: (string | number | boolean)[]): FieldRule {
  const words = nothing.map((value) => JSON.stringify(value)).join(' or ')
  const empty = (x: unknown): boolean =>
    nothing.includes(x as string) || (typeof x === 'object' && x !== null && Object.keys(x).length === 0)
  return v.custom(empty, `${UNSUPPORTED}${words ? `, but for ${words}` : ''}`)
}

const isTokenId = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0
const tokenIds = listOf<number>('token ids', MOST, isTokenId)

const bias = (x: unknown): boolean => typeof x === 'number' && x >= -100 && x <= 100
const logitBias: FieldRule<Record<string, number>> = v.custom<Record<string, number>>(
  (x) => isObject(x) && Object.entries(x).every(([id, value]) => /^(0|[1-9]\d{0,6})$/.test(id) && bias(value)),
  'must be an object of token ids and numbers from -100 to 100',
)

const stop = text(1000, 1)

const streamOptions = fields<{ include_usage?: boolean }>('an object with include_usage', {
  include_usage: boolean,
  include_obfuscation: boolean,
})

/** How tokens are chosen: OpenAI's names, and llama-server's for the rest. */
export const SAMPLING = {
  temperature: number(0, 2),
  top_p: number(0, 1),
  top_k: integer(-1, MOST),
  min_p: number(0, 1),
  typical_p: number(0, 1),
  top_n_sigma: number(-1, 100),
  min_keep: integer(0, MOST),
  repeat_penalty: number(0.01, 100),
  repeat_last_n: integer(-1, MOST),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  dynatemp_range: number(0, 100),
  dynatemp_exponent: number(0, 100),
  logit_bias: logitBias,
  seed: integer(-1, 4294967295),
}

const GENERATION = {
  model: text(),
  stream: boolean,
  stream_options: streamOptions,
  n: integer(1, 128),
  max_tokens: integer(0, MOST),
  stop: either((x) => Array.isArray(x), list(stop, 0, 16), stop),
  ignore_eos: boolean,
  ...SAMPLING,
}

/** Of the client's own bookkeeping, or of a service's. */
const IDLE = {
  user: text(),
  metadata: object,
  store: boolean,
  service_tier: text(),
  safety_identifier: text(),
  prompt_cache_key: text(),
  prompt_cache_retention: text(),
  cache_prompt: boolean,
}

const UNSUPPORTED_SAMPLING = {
  grammar: unsupported(''),
  json_schema: unsupported(),
  samplers: unsupported(),
  mirostat: unsupported(0),
  xtc_probability: unsupported(0),
  dry_multiplier: unsupported(0),
  n_probs: unsupported(0),
  min_tokens: unsupported(0),
  lora: unsupported(),
}

const textPart = fields<{ type: 'text'; text: string }>(
  'a part { type: "text", text }',
  { type: only('text'), text: text() },
  ['type', 'text'],
)

const toolCall = fields(
  'a call { id, type: "function", function: { name, arguments } }',
  {
    id: text(),
    type: only('function'),
    function: fields(
      'an object with name and arguments',
      {
        name: text(undefined, 1),
        arguments: either(isObject, object, text()),
      },
      ['name', 'arguments'],
    ),
    index: integer(0, MOST),
  },
  ['type', 'function'],
)

const tool = fields(
  'a tool { type: "function", function: { name, description, parameters } }',
  {
    type: only('function'),
    function: fields(
      'an object with name',
      {
        name: text(undefined, 1),
        description: text(),
        parameters: object,
        strict: boolean,
      },
      ['name'],
    ),
  },
  ['type', 'function'],
)

/** Content that is null is an empty text, and so is that which calls stand in place of. */
function withContent(message: unknown): unknown {
  if (!isObject(message)) return message
  const { content, tool_calls: calls } = message
  const silent = content === null || (content === undefined && Array.isArray(calls) && calls.length > 0)
  return silent ? { ...message, content: '' } : message
}

const message = after(
  withContent,
  fields<ApiMessage>(
    'a message { role, content }',
    {
      role: only('system', 'developer', 'user', 'assistant', 'tool'),
      content: either((x) => Array.isArray(x), list(textPart, 0, 1000), text()),
      name: text(64, 1),
      reasoning_content: text(),
      tool_calls: list(toolCall, 0, 1000),
      tool_call_id: text(),
      refusal: unsupported(''),
      annotations: unsupported(),
      audio: unsupported(),
      function_call: unsupported(),
    },
    ['role', 'content'],
  ),
)

const CHAT = {
  messages: list(message, 1, 4096),
  add_generation_prompt: boolean,
  continue_final_message: either((x) => typeof x === 'string', only('content', 'reasoning_content'), boolean),
  chat_template_kwargs: object,
  reasoning_effort: text(64),
}

/** What both generating endpoints take, as it is when it has been checked. */
export interface GenerationBody {
  model?: string
  stream?: boolean
  stream_options?: { include_usage?: boolean }
  n?: number
  max_tokens?: number
  stop?: string | string[]
  ignore_eos?: boolean
  temperature?: number
  top_p?: number
  top_k?: number
  min_p?: number
  typical_p?: number
  top_n_sigma?: number
  min_keep?: number
  repeat_penalty?: number
  repeat_last_n?: number
  frequency_penalty?: number
  presence_penalty?: number
  dynatemp_range?: number
  dynatemp_exponent?: number
  logit_bias?: Record<string, number>
  seed?: number
}

export interface ChatBody extends GenerationBody, TemplateBody {
  max_completion_tokens?: number
  logprobs?: boolean
  top_logprobs?: number
}

/** One text or list of token ids, or several. */
export type ApiPrompt = string | number[] | (string | number[])[]

export interface CompletionBody extends GenerationBody {
  prompt: ApiPrompt
  echo?: boolean
  logprobs?: number
}

export interface EmbeddingsBody {
  input: ApiPrompt
  model?: string
  encoding_format?: 'float' | 'base64'
}

function isPrompt(x: unknown): boolean {
  return typeof x === 'string' || (Array.isArray(x) && x.length > 0 && x.every(isTokenId))
}

function prompts(most: number): FieldRule<ApiPrompt> {
  return v.custom<ApiPrompt>(
    (x) => isPrompt(x) || (Array.isArray(x) && x.length > 0 && x.length <= most && x.every(isPrompt)),
    `must be a text, a list of token ids, or a list of 1 to ${most} of them`,
  )
}

export const ENDPOINTS = {
  chat: endpoint<ChatBody>('/v1/chat/completions', {
    takes: {
      ...CHAT,
      ...GENERATION,
      max_completion_tokens: integer(0, MOST),
      logprobs: boolean,
      top_logprobs: integer(0, 20),
    },
    required: ['messages'],
    idle: { ...IDLE, prediction: object, parallel_tool_calls: boolean },
    refused: {
      ...UNSUPPORTED_SAMPLING,
      tools: unsupported(),
      tool_choice: unsupported('none', 'auto'),
      functions: unsupported(),
      function_call: unsupported('none', 'auto'),
      response_format: v.custom(
        (x) => isObject(x) && x.type === 'text' && Object.keys(x).length === 1,
        `${UNSUPPORTED}, but for {"type":"text"}`,
      ),
      modalities: v.custom(
        (x) => Array.isArray(x) && x.length === 1 && x[0] === 'text',
        `${UNSUPPORTED}, but for ["text"]`,
      ),
      audio: unsupported(),
      verbosity: unsupported(),
      web_search_options: unsupported(),
    },
  }),
  completions: endpoint<CompletionBody>('/v1/completions', {
    takes: { prompt: prompts(64), ...GENERATION, echo: boolean, logprobs: integer(0, 20) },
    required: ['prompt'],
    idle: IDLE,
    refused: { ...UNSUPPORTED_SAMPLING, suffix: unsupported(''), best_of: unsupported(1) },
  }),
  embeddings: endpoint<EmbeddingsBody>('/v1/embeddings', {
    takes: { input: prompts(2048), model: text(), encoding_format: only('float', 'base64') },
    required: ['input'],
    idle: { user: text() },
    refused: { dimensions: unsupported() },
  }),
  tokenize: endpoint<TokenizeBody>('/tokenize', {
    takes: { content: text(), model: text(), add_special: boolean, parse_special: boolean, with_pieces: boolean },
    required: ['content'],
  }),
  detokenize: endpoint<{ tokens: number[]; model?: string }>('/detokenize', {
    takes: { tokens: tokenIds, model: text() },
    required: ['tokens'],
  }),
  applyTemplate: endpoint<TemplateBody & { model?: string }>('/apply-template', {
    takes: { ...CHAT, tools: list(tool, 0, 1000), model: text() },
    required: ['messages'],
  }),
} satisfies Record<string, Endpoint>
