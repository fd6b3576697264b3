/** From the fields of a request to the options of `generate`. */
import type { GenerateOptions, Model } from '../api/types.ts'
import { seedOfAnswer } from '../sampler/random.ts'
import { camelCase } from '../util/check.ts'
import type { Defaults } from './defaults.ts'
import { badRequest } from './errors.ts'
import { type ApiPrompt, type GenerationBody, SAMPLING } from './schemas.ts'

/** Fields that are options of `generate`, whose names are in camel case. */
const SHARED = ['max_tokens', 'stop', 'ignore_eos', ...Object.keys(SAMPLING)] as (keyof GenerationBody)[]

/** @throws ApiError for what only the model can tell to be wrong, and for fields that contradict each other */
export function generateOptions(
  body: GenerationBody,
  model: Model,
  { maxTokens, defaults = {} }: Defaults,
): GenerateOptions {
  if (body.stream_options && !body.stream) {
    throw badRequest('stream_options', 'stream_options is for streams only: set stream to true.', body.stream_options)
  }
  for (const id of Object.keys(body.logit_bias ?? {})) checkToken(Number(id), model, 'logit_bias')
  const { seed, max_tokens = maxTokens } = body
  const given: GenerationBody = { ...body, max_tokens, seed: seed === -1 ? undefined : seed } as GenerationBody
  const options = SHARED.map((name) => [camelCase(name), given[name]])
  return { ...defaults, ...Object.fromEntries(options.filter(([, value]) => value !== undefined)) }
}

/** Options of the i-th choice: with a seed, each has one of its own. */
export function choiceOptions(options: GenerateOptions, i: number): GenerateOptions {
  return options.seed === undefined ? options : { ...options, seed: seedOfAnswer(options.seed, i) }
}

/** One text or list of ids each. `param`: the field that holds them. */
export function promptsOf(prompt: ApiPrompt, model: Model, param: string): (string | number[])[] {
  const single = typeof prompt === 'string' || typeof prompt[0] === 'number'
  const prompts = (single ? [prompt] : prompt) as (string | number[])[]
  for (const ids of prompts) if (typeof ids !== 'string') for (const id of ids) checkToken(id, model, param)
  return prompts
}

export function checkToken(id: number, { info }: Model, param: string): void {
  if (id < info.vocabularySize) return
  throw badRequest(param, `${param}: there is no token ${id}; ids are 0 to ${info.vocabularySize - 1}.`, id)
}
