/** From the fields of a request to the options of `generate`. */
import type { GenerateOptions, Model } from '../api/types.ts'
import type { ReasoningFormat } from '../chat/types.ts'
import { seedOfAnswer } from '../sampler/random.ts'
import { camelCase } from '../util/check.ts'
import type { GenerationDefaults } from './defaults.ts'
import { badRequest } from './errors.ts'
import { type GenerationBody, SAMPLING } from './generation-fields.ts'
import { checkToken } from './prompts.ts'

/** What holds where a request sets nothing. */
export interface Defaults {
  maxTokens?: number
  template?: string
  prefillAssistant?: boolean
  reasoningFormat?: ReasoningFormat
  templateVariables?: Record<string, unknown>
  defaults?: GenerationDefaults
  verbose?: boolean
}

/** Fields that are options of `generate`, whose names are in camel case. */
const SHARED = ['stop', 'ignore_eos', 'min_tokens', ...Object.keys(SAMPLING)] as (keyof GenerationBody)[]

/** @throws ApiError for what only the model can tell to be wrong, and for fields that contradict each other */
export function generateOptions(body: GenerationBody, model: Model, settings: Defaults): GenerateOptions {
  const { num_ctx: numCtx = 0, logit_bias: bias, samplers, n_keep: keep } = body
  const { context } = model.info
  if (numCtx > context) {
    const message = `num_ctx is at most ${context} here, the context that the model was loaded with.`
    throw badRequest('num_ctx', message, numCtx, 'unsupported_parameter')
  }
  const given = SHARED.map((name) => [camelCase(name), body[name]]).filter(([, value]) => value !== undefined)
  const { defaults = {}, maxTokens: most } = settings
  const maxTokens = body.n_predict ?? body.max_completion_tokens ?? body.max_tokens ?? most
  return {
    ...defaults,
    ...Object.fromEntries(given),
    ...(samplers !== undefined && { samplers }),
    ...(bias && { logitBias: logitBias(bias, model) }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(keep !== undefined && defaults.contextShift && { keep }),
    ...constraint(body),
  }
}

/** Fields that say what the text has to be: one of them. */
export function constraintField(body: GenerationBody): 'response_format' | 'json_schema' | 'grammar' | undefined {
  const given = (['response_format', 'json_schema', 'grammar'] as const).filter((name) => body[name] !== undefined)
  const [first, second] = given
  if (second) throw badRequest(second, `${second} and ${first} exclude each other: each says what the text has to be.`)
  return first
}

/** The field of a request's tools, if it has any. */
export function toolsField(body: { tools?: readonly unknown[]; functions?: readonly unknown[] }): string | undefined {
  return body.tools?.length ? 'tools' : body.functions?.length ? 'functions' : undefined
}

function constraint(body: GenerationBody): Pick<GenerateOptions, 'schema' | 'grammar'> {
  switch (constraintField(body)) {
    case 'grammar':
      return { grammar: body.grammar! }
    case 'json_schema':
      return { schema: body.json_schema }
    case 'response_format':
      return { schema: body.response_format!.schema }
    default:
      return {}
  }
}

/** Biases by token id: a text stands for all its tokens. Those of one token add up, and false bans whatever is added. */
function logitBias(bias: NonNullable<GenerationBody['logit_bias']>, model: Model): Map<number, number> {
  const out = new Map<number, number>()
  for (const [key, value] of Array.isArray(bias) ? bias : Object.entries(bias)) {
    const id = typeof key === 'string' && /^\d+$/.test(key) ? Number(key) : key
    const ids = typeof id === 'number' ? [id] : model.tokenize(id, { bos: false, special: false })
    for (const one of ids) {
      checkToken(one, model, 'logit_bias')
      out.set(one, (out.get(one) ?? 0) + (value === false ? -Infinity : value))
    }
  }
  return out
}

/** Options of the i-th choice: with a seed, each has one of its own. */
export function choiceOptions(options: GenerateOptions, i: number): GenerateOptions {
  return options.seed === undefined ? options : { ...options, seed: seedOfAnswer(options.seed, i) }
}
