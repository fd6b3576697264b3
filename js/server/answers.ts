/** What endpoints answer, as JSON Schemas for `/openapi.json`. Fields may be added; those that are here stay. */
import type { JsonSchema } from './rules.ts'
import { defaultSettings } from './settings.ts'

const TEXT = { type: 'string' }
const NUMBER = { type: 'number' }
const COUNT = { type: 'integer', minimum: 0 }
const BOOLEAN = { type: 'boolean' }
const NULL = { type: 'null' }

/** What the document calls a schema. */
const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })
const any = (...schemas: JsonSchema[]): JsonSchema => ({ anyOf: schemas })
const one = (...values: (string | boolean)[]): JsonSchema => ({ enum: values })
const map = (additionalProperties: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties })
const all = (schema: JsonSchema, names: string): Record<string, JsonSchema> =>
  Object.fromEntries(names.split(' ').map((name) => [name, schema]))

function object(fields: Record<string, JsonSchema>, more: Record<string, JsonSchema> = {}): JsonSchema {
  return { type: 'object', properties: { ...fields, ...more }, required: Object.keys(fields) }
}

/** Of a value's kind. */
function kind(value: unknown): JsonSchema {
  return Array.isArray(value) ? { type: 'array' } : { type: typeof value }
}

const settings = Object.fromEntries(Object.entries(defaultSettings({})).map(([name, value]) => [name, kind(value)]))

const head = (type: string): Record<string, JsonSchema> => ({
  id: TEXT,
  object: one(type),
  created: COUNT,
  model: TEXT,
  system_fingerprint: TEXT,
})
const endOf = { timings: ref('Timings') }
const ending = { ...endOf, usage: any(ref('Usage'), NULL), prompt_progress: ref('PromptProgress') }
const reason = one('stop', 'length')
const chatReason = one('stop', 'length', 'tool_calls', 'function_call')
const called = { name: TEXT, arguments: TEXT }
const call = object({ id: TEXT, type: one('function'), function: object(called) })
const callDelta = object({ index: COUNT, function: object({}, called) }, { id: TEXT, type: one('function') })
const logprob = { token: TEXT, logprob: NUMBER, bytes: list(COUNT) }
const chatLogprobs = any(
  object({ content: list(object({ ...logprob, top_logprobs: list(object(logprob)) })), refusal: NULL }),
  NULL,
)
const nativeToken = { id: COUNT, token: TEXT, bytes: list(COUNT) }
const textChoice = {
  index: COUNT,
  text: TEXT,
  logprobs: any(
    object({
      tokens: list(TEXT),
      token_logprobs: list(any(NUMBER, NULL)),
      top_logprobs: list(any(map(NUMBER), NULL)),
      text_offset: list(COUNT),
    }),
    NULL,
  ),
}
const nativePart = {
  index: COUNT,
  content: TEXT,
  tokens: list(COUNT),
  stop: BOOLEAN,
  id_slot: COUNT,
  tokens_predicted: COUNT,
  tokens_evaluated: COUNT,
}
const probabilities = {
  completion_probabilities: any(
    list(object({ ...nativeToken, logprob: NUMBER, top_logprobs: list(object({ ...nativeToken, logprob: NUMBER })) })),
    list(object({ ...nativeToken, prob: NUMBER, top_probs: list(object({ ...nativeToken, prob: NUMBER })) })),
  ),
}

const messageEnd = {
  stop_reason: any(one('end_turn', 'max_tokens', 'stop_sequence', 'tool_use'), NULL),
  stop_sequence: any(TEXT, NULL),
}

/** By the names that the document gives them. */
export const SHAPES: Readonly<Record<string, JsonSchema>> = {
  Error: object({
    error: object(
      { message: TEXT, type: TEXT, param: any(TEXT, NULL), code: TEXT },
      { n_prompt_tokens: COUNT, n_ctx: COUNT },
    ),
  }),
  Usage: object(
    { ...all(COUNT, 'prompt_tokens total_tokens') },
    { completion_tokens: COUNT, prompt_tokens_details: object({ cached_tokens: COUNT }) },
  ),
  Timings: object(
    all(
      NUMBER,
      'cache_n prompt_n prompt_ms prompt_per_token_ms prompt_per_second predicted_n predicted_ms predicted_per_token_ms predicted_per_second',
    ),
  ),
  PromptProgress: object(all(COUNT, 'total cache processed time_ms')),
  Settings: object(settings, { logit_bias: list(object({ token: COUNT, bias: any(NUMBER, NULL) })), stop: list(TEXT) }),
  ChatCompletion: object(
    {
      ...head('chat.completion'),
      choices: list(
        object({
          index: COUNT,
          message: object(
            { role: one('assistant'), content: any(TEXT, NULL), refusal: NULL },
            { reasoning_content: TEXT, tool_calls: list(call), function_call: object(called) },
          ),
          logprobs: chatLogprobs,
          finish_reason: chatReason,
        }),
      ),
      usage: ref('Usage'),
    },
    { ...endOf, __verbose: ref('NativeCompletion') },
  ),
  ResponseItem: object(
    { id: TEXT, type: one('message', 'reasoning', 'function_call', 'function_call_output') },
    {
      ...all(TEXT, 'role call_id name arguments'),
      status: one('in_progress', 'completed', 'incomplete'),
      content: list(ref('ResponsePart')),
      output: any(TEXT, list(ref('ResponsePart'))),
      summary: list(ref('ResponsePart')),
    },
  ),
  ResponsePart: object(
    { type: one('input_text', 'output_text', 'reasoning_text', 'summary_text', 'text'), text: TEXT },
    {
      annotations: list({ type: 'object' }),
      logprobs: list(object({ ...logprob, top_logprobs: list(object(logprob)) })),
    },
  ),
  Response: object(
    {
      ...all(TEXT, 'id model'),
      object: one('response'),
      created_at: COUNT,
      status: one('completed', 'incomplete', 'in_progress', 'failed'),
      output: list(ref('ResponseItem')),
      usage: any(
        object({
          ...all(COUNT, 'input_tokens output_tokens total_tokens'),
          input_tokens_details: object({ cached_tokens: COUNT }),
          output_tokens_details: object({ reasoning_tokens: COUNT }),
        }),
        NULL,
      ),
      error: any(object(all(TEXT, 'code message')), NULL),
      incomplete_details: any(object({ reason: one('max_output_tokens') }), NULL),
      ...all(any(TEXT, NULL), 'instructions previous_response_id'),
      max_output_tokens: any({ type: 'integer' }, NULL),
      metadata: { type: 'object' },
      ...all(BOOLEAN, 'background parallel_tool_calls store'),
      ...all(NUMBER, 'temperature top_p'),
      ...all({}, 'reasoning text tool_choice tools'),
      top_logprobs: COUNT,
      truncation: one('disabled'),
    },
    { completed_at: COUNT, ...endOf, __verbose: ref('NativeCompletion') },
  ),
  ResponseEvent: object(
    { type: TEXT, sequence_number: COUNT },
    {
      response: ref('Response'),
      item: ref('ResponseItem'),
      part: ref('ResponsePart'),
      ...all(COUNT, 'output_index content_index'),
      ...all(TEXT, 'item_id delta text arguments name'),
      logprobs: list({}),
      ...endOf,
      prompt_progress: ref('PromptProgress'),
    },
  ),
  ResponseItems: object({
    object: one('list'),
    data: list(ref('ResponseItem')),
    ...all(any(TEXT, NULL), 'first_id last_id'),
    has_more: BOOLEAN,
  }),
  DeletedResponse: object({ id: TEXT, object: one('response'), deleted: one(true) }),
  Message: object({
    ...all(TEXT, 'id model'),
    type: one('message'),
    role: one('assistant'),
    content: list(ref('MessageBlock')),
    ...messageEnd,
    usage: ref('MessageUsage'),
  }),
  MessageBlock: object(
    { type: one('text', 'thinking', 'tool_use') },
    { ...all(TEXT, 'text thinking signature id name'), input: {} },
  ),
  MessageUsage: object(all(COUNT, 'input_tokens output_tokens cache_creation_input_tokens cache_read_input_tokens')),
  MessageEvent: object(
    { type: TEXT },
    {
      message: ref('Message'),
      index: COUNT,
      content_block: ref('MessageBlock'),
      delta: any(object(messageEnd), object({ type: TEXT }, all(TEXT, 'text thinking partial_json signature'))),
      usage: ref('MessageUsage'),
    },
  ),
  MessageError: object({
    type: one('error'),
    error: object({ ...all(TEXT, 'type message'), details: object({ error_code: TEXT, param: any(TEXT, NULL) }) }),
  }),
  MessageTokens: object({ input_tokens: COUNT }),
  ChatCompletionChunk: object(
    {
      ...head('chat.completion.chunk'),
      choices: list(
        object({
          index: COUNT,
          delta: object(
            {},
            {
              role: one('assistant'),
              content: any(TEXT, NULL),
              reasoning_content: TEXT,
              tool_calls: list(callDelta),
              function_call: object({}, called),
            },
          ),
          logprobs: chatLogprobs,
          finish_reason: any(chatReason, NULL),
        }),
      ),
    },
    ending,
  ),
  Completion: object(
    {
      ...head('text_completion'),
      choices: list(object({ ...textChoice, finish_reason: reason })),
      usage: ref('Usage'),
    },
    { ...endOf, __verbose: ref('NativeCompletion') },
  ),
  CompletionChunk: object(
    {
      ...head('text_completion'),
      choices: list(object({ ...textChoice, finish_reason: any(reason, NULL) })),
    },
    ending,
  ),
  NativeCompletion: {
    ...object(
      {},
      {
        ...nativePart,
        ...all(TEXT, 'model prompt stopping_word'),
        ...all(BOOLEAN, 'has_new_line truncated'),
        generation_settings: ref('Settings'),
        stop_type: one('limit', 'eos', 'word'),
        tokens_cached: COUNT,
        timings: ref('Timings'),
        ...probabilities,
      },
    ),
    // Of response_fields, one within another.
    patternProperties: { '/': {} },
    description: 'All of these fields, or those of `response_fields`.',
  },
  NativeChunk: object(nativePart, { ...endOf, ...probabilities, prompt_progress: ref('PromptProgress') }),
  Embeddings: object({
    object: one('list'),
    data: list(object({ object: one('embedding'), index: COUNT, embedding: any(list(NUMBER), TEXT) })),
    model: TEXT,
    usage: ref('Usage'),
  }),
  NativeEmbeddings: list(object({ index: COUNT, embedding: list(list(NUMBER)) })),
  Tokens: object({ tokens: any(list(COUNT), list(object({ id: COUNT, piece: any(TEXT, list(COUNT)) }))) }),
  Text: object({ content: TEXT }),
  Prompt: object({ prompt: TEXT }),
  InputTokens: object({ input_tokens: COUNT, object: one('response.input_tokens') }),
  Health: object({ status: one('ok') }),
  Model: object({
    ...all(TEXT, 'id owned_by'),
    object: one('model'),
    created: COUNT,
    ...all(list(TEXT), 'aliases tags'),
    meta: object({ ...all(COUNT, 'n_vocab n_ctx n_ctx_train n_embd n_params size'), ftype: TEXT }),
  }),
  Models: object({ object: one('list'), data: list(ref('Model')) }),
  Props: object({
    default_generation_settings: object({ n_ctx: COUNT, params: ref('Settings') }),
    total_slots: COUNT,
    ...all(TEXT, 'model_alias model_path model_ftype chat_template bos_token eos_token build_info'),
    ...all(BOOLEAN, 'endpoint_slots endpoint_props endpoint_metrics is_sleeping'),
    chat_template_caps: map(BOOLEAN),
    modalities: object(all(BOOLEAN, 'vision video audio')),
  }),
  Slots: list(
    object(
      { ...all(COUNT, 'id n_ctx'), ...all(BOOLEAN, 'speculative is_processing') },
      {
        ...all(COUNT, 'id_task n_prompt_tokens n_prompt_tokens_processed n_prompt_tokens_cache'),
        params: ref('Settings'),
        next_token: list(object({ has_next_token: BOOLEAN, n_remain: { type: 'integer' }, n_decoded: COUNT })),
      },
    ),
  ),
}

export interface AnswerShape {
  whole: JsonSchema
  /** What an event of a stream holds. */
  event?: JsonSchema
  /** What the last one has in its place. */
  last?: string
}

const saved = { id_slot: COUNT, filename: TEXT }
const native = {
  whole: any(ref('NativeCompletion'), list(ref('NativeCompletion'))),
  event: any(ref('NativeChunk'), ref('NativeCompletion'), ref('Error')),
}

/** What each endpoint answers with status 200; in text where there is none. */
export const ANSWERS = {
  chat: { whole: ref('ChatCompletion'), event: any(ref('ChatCompletionChunk'), ref('Error')), last: '[DONE]' },
  responses: { whole: ref('Response'), event: ref('ResponseEvent') },
  messages: { whole: ref('Message'), event: any(ref('MessageEvent'), ref('MessageError')) },
  completions: { whole: ref('Completion'), event: any(ref('CompletionChunk'), ref('Error')), last: '[DONE]' },
  embeddings: { whole: ref('Embeddings') },
  native,
  infill: native,
  nativeEmbeddings: { whole: ref('NativeEmbeddings') },
  tokenize: { whole: ref('Tokens') },
  detokenize: { whole: ref('Text') },
  applyTemplate: { whole: ref('Prompt') },
  inputTokens: { whole: ref('InputTokens') },
  responseTokens: { whole: ref('InputTokens') },
  countTokens: { whole: ref('MessageTokens') },
  response: { whole: ref('Response') },
  responseItems: { whole: ref('ResponseItems') },
  deletedResponse: { whole: ref('DeletedResponse') },
  health: { whole: ref('Health') },
  models: { whole: ref('Models') },
  model: { whole: ref('Model') },
  props: { whole: ref('Props') },
  slots: { whole: ref('Slots') },
  slotAction: {
    whole: any(
      object({ ...saved, n_saved: COUNT, n_written: COUNT, timings: object({ save_ms: NUMBER }) }),
      object({ ...saved, n_restored: COUNT, n_read: COUNT, timings: object({ restore_ms: NUMBER }) }),
      object({ id_slot: COUNT, n_erased: COUNT }),
    ),
  },
  openapi: { whole: { type: 'object' } },
} satisfies Record<string, AnswerShape>
