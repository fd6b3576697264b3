/** The fields of all generating endpoints: OpenAI's names, and llama-server's for the rest. */
import { MOST_CONTEXT } from '../engine/context.ts'
import { MOST_BREAKER_BYTES } from '../sampler/dry.ts'
import { isBreaker } from '../sampler/options.ts'
import type { SamplerName } from '../sampler/types.ts'
import {
  anything,
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
  number,
  object,
  orNone,
  rule,
  text,
  unsupported,
} from './rules.ts'
import { samplers } from './samplers.ts'

export const MOST = 2147483647

type FieldRules = Record<string, FieldRule>

const TOKEN_ID = /^(0|[1-9]\d{0,6})$/
const bias = (x: unknown): boolean => typeof x === 'number' && x >= -100 && x <= 100
const logitBias: FieldRule<Record<string, number>> = rule(
  'an object of token ids and numbers from -100 to 100',
  (x) => isObject(x) && Object.entries(x).every(([id, value]) => TOKEN_ID.test(id) && bias(value)),
  {
    type: 'object',
    propertyNames: { pattern: TOKEN_ID.source },
    additionalProperties: { type: 'number', minimum: -100, maximum: 100 },
  },
)

const stop = text(1000, 1)

const streamOptions = fields<{ include_usage?: boolean }>('an object with include_usage', {
  include_usage: boolean,
  include_obfuscation: idle(boolean),
  continuous_usage_stats: unsupported(false),
})

const maxTokens = orNone(-1, integer(-1, MOST))

export const jsonSchema: FieldRule<boolean | Record<string, unknown>> = rule(
  'a JSON Schema: an object, true or false',
  (x) => isObject(x) || typeof x === 'boolean',
  { type: ['object', 'boolean'] },
)

/** Of less than 1 is the default, as in llama-server. */
const dryBase: FieldRule<number> = (() => {
  const base = number(-MOST, MOST)
  return {
    ...base,
    read: (value, path, faults) => {
      const read = base.read(value, path, faults)
      return read !== undefined && read < 1 ? undefined : read
    },
  }
})()

const breakers = listOf<string>(`texts of 1 to ${MOST_BREAKER_BYTES} bytes of UTF-8`, 100, isBreaker, {
  type: 'string',
  minLength: 1,
  maxLength: MOST_BREAKER_BYTES,
})

/** How tokens are chosen. */
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
  dry_multiplier: number(0, 100),
  dry_base: dryBase,
  dry_allowed_length: integer(0, MOST),
  dry_penalty_last_n: integer(-1, MOST),
  dry_sequence_breakers: breakers,
  xtc_probability: number(0, 1),
  xtc_threshold: number(0, 1),
  mirostat: integer(0, 2),
  mirostat_tau: number(0, 100),
  mirostat_eta: number(0, 100),
  adaptive_target: number(-MOST, 1),
  adaptive_decay: number(0, 0.99),
  logit_bias: logitBias,
  seed: orNone(-1, integer(-1, 4294967295)),
}

/** A field of llama-server's logit_bias: a token id, or a text, all of whose tokens are meant. */
const biased = (x: unknown): boolean => typeof x === 'string' || (Number.isInteger(x) && (x as number) >= 0)
const anyBias = (x: unknown): boolean => typeof x === 'number' || x === false
const ANY_BIAS = { anyOf: [{ type: 'number' }, { enum: [false] }] }
const BIASED = { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }] }

export type NativeBias = [id: number | string, bias: number | false][]

/** As llama-server's own endpoints take it. */
const nativeBias: FieldRule<Record<string, number | false> | NativeBias> = rule(
  'an object of token ids or texts and numbers or false, or a list of such pairs',
  (x) =>
    Array.isArray(x)
      ? x.every((pair) => Array.isArray(pair) && pair.length === 2 && biased(pair[0]) && anyBias(pair[1]))
      : isObject(x) && Object.values(x).every(anyBias),
  {
    anyOf: [
      { type: 'array', items: { type: 'array', prefixItems: [BIASED, ANY_BIAS], minItems: 2, maxItems: 2 } },
      { type: 'object', additionalProperties: ANY_BIAS },
    ],
  },
)

/** llama.cpp's ranges are wider than OpenAI's. */
export const NATIVE_SAMPLING = {
  ...SAMPLING,
  temperature: number(0, MOST),
  frequency_penalty: number(-1000, 1000),
  presence_penalty: number(-1000, 1000),
  logit_bias: nativeBias,
}

/** What a stream tells beside its text. */
const STREAMING = {
  stream: boolean,
  timings_per_token: boolean,
  return_progress: boolean,
  sse_ping_interval: integer(-1, MOST),
}

export const GENERATION = {
  model: text(),
  ...STREAMING,
  stream_options: streamOptions,
  n: integer(1, 128),
  max_tokens: maxTokens,
  min_tokens: integer(0, MOST_CONTEXT),
  n_predict: maxTokens,
  stop: either((x) => Array.isArray(x), list(stop, 0, 16), stop),
  ignore_eos: boolean,
  ...SAMPLING,
  samplers,
  grammar: orNone('', text()),
  json_schema: jsonSchema,
  n_keep: integer(-1, MOST),
  num_ctx: byModel('ContextLength', integer(0, MOST)),
  verbose: boolean,
}

/**
 * Accepted, and without any effect: of the client's own bookkeeping or of a service's, of where and how fast something is
 * computed, or of what is off.
 */
export const IDLE: FieldRules = {
  ...idleFields(text(), 'user service_tier safety_identifier prompt_cache_key prompt_cache_retention'),
  ...idleFields(object, 'metadata'),
  ...idleFields(boolean, 'store cache_prompt return_tokens backend_sampling'),
  ...idleFields(integer(-1, MOST), 'id_slot n_cache_reuse'),
  ...idleFields(text(), 'chat_id session_id conversation_id message_id parent_id request_id trace_id'),
  ...idleFields(anything, 'keep_alive provider route usage'),
}

function idleFields(rule: FieldRule, names: string): FieldRules {
  return Object.fromEntries(names.split(' ').map((name) => [name, idle(rule)]))
}

/** What llama-server and other servers have and cria has not, with the values that ask for nothing. */
export const REFUSED: FieldRules = {
  grammar_lazy: unsupported(false),
  grammar_triggers: unsupported(),
  preserved_tokens: unsupported(),
  mirostat_mode: unsupported(0),
  post_sampling_probs: unsupported(false),
  t_max_predict_ms: unsupported(0, -1),
  n_indent: unsupported(0),
  n_discard: unsupported(0),
  lora: unsupported(),
  best_of: unsupported(1),
  use_beam_search: unsupported(false),
  num_beams: unsupported(1),
  length_penalty: unsupported(1),
  early_stopping: unsupported(false),
  repetition_penalty: unsupported(1),
  encoder_repetition_penalty: unsupported(1),
  no_repeat_ngram_size: unsupported(0),
  stop_token_ids: unsupported(),
  include_stop_str_in_output: unsupported(false),
  skip_special_tokens: unsupported(true),
  spaces_between_special_tokens: unsupported(true),
  bad_words: unsupported(),
  logits_processors: unsupported(),
  do_sample: unsupported(true),
  min_length: unsupported(0),
  ban_eos_token: unsupported(false),
  temperature_last: unsupported(false),
  dynamic_temperature: unsupported(false),
  guidance_scale: unsupported(1),
  negative_prompt: unsupported(''),
  penalty_alpha: unsupported(0),
  epsilon_cutoff: unsupported(0),
  eta_cutoff: unsupported(0),
  smoothing_factor: unsupported(0),
  smoothing_curve: unsupported(1),
  tfs: unsupported(1),
  tfs_z: unsupported(1),
  top_a: unsupported(0),
  options: unsupported(),
  transforms: unsupported(),
  plugins: unsupported(),
}

/** What all generating endpoints take, as it is when it has been checked. */
/** What `response_format` asks for: a value of a schema. */
export interface ResponseFormat {
  readonly schema: boolean | Record<string, unknown>
}

export interface GenerationBody {
  model?: string
  stream?: boolean
  timings_per_token?: boolean
  return_progress?: boolean
  sse_ping_interval?: number
  stream_options?: { include_usage?: boolean }
  n?: number
  max_tokens?: number
  min_tokens?: number
  max_completion_tokens?: number
  n_predict?: number
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
  dry_multiplier?: number
  dry_base?: number
  dry_allowed_length?: number
  dry_penalty_last_n?: number
  dry_sequence_breakers?: string[]
  xtc_probability?: number
  xtc_threshold?: number
  mirostat?: 0 | 1 | 2
  mirostat_tau?: number
  mirostat_eta?: number
  adaptive_target?: number
  adaptive_decay?: number
  logit_bias?: Record<string, number | false> | NativeBias
  seed?: number
  samplers?: SamplerName[]
  grammar?: string
  json_schema?: boolean | Record<string, unknown>
  response_format?: ResponseFormat
  n_keep?: number
  num_ctx?: number
  verbose?: boolean
}
