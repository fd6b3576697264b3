/** From the fields of a request to the options of `generate`. */
import type { GenerateOptions, Model } from '../api.ts'
import { seedOfAnswer } from '../sampler/random.ts'
import { badRequest } from './errors.ts'
import type { ApiPrompt, GenerationBody } from './schemas.ts'

/** @throws ApiError for what only the model can tell to be wrong, and for fields that contradict each other */
export function generateOptions(body: GenerationBody, model: Model, maxTokens: number | undefined): GenerateOptions {
  if (body.stream_options && !body.stream) {
    throw badRequest('stream_options', 'stream_options is for streams only: set stream to true.', body.stream_options)
  }
  for (const id of Object.keys(body.logit_bias ?? {})) checkToken(Number(id), model, 'logit_bias')
  const { seed } = body
  const given: GenerateOptions = {
    maxTokens: body.max_tokens ?? maxTokens,
    stop: body.stop,
    ignoreEos: body.ignore_eos,
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    typicalP: body.typical_p,
    topNSigma: body.top_n_sigma,
    minKeep: body.min_keep,
    repeatPenalty: body.repeat_penalty,
    repeatLastN: body.repeat_last_n,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    dynatempRange: body.dynatemp_range,
    dynatempExponent: body.dynatemp_exponent,
    logitBias: body.logit_bias,
    seed: seed === -1 ? undefined : seed,
  } as GenerateOptions
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
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
