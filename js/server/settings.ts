/** `generation_settings`, as llama-server reports them: what is in effect, under its names. */
import type { GenerateOptions, Model } from '../api/types.ts'
import { BREAKERS } from '../sampler/options.ts'
import { SAMPLERS } from '../sampler/types.ts'
import type { GenerationBody } from './generation-fields.ts'

/** llama.cpp's defaults, which are cria's. */
const SAMPLING = {
  temperature: 0.8,
  dynatempRange: 0,
  dynatempExponent: 1,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  topNSigma: -1,
  typicalP: 1,
  repeatLastN: 64,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  dryMultiplier: 0,
  dryBase: 1.75,
  dryAllowedLength: 2,
  dryPenaltyLastN: 64,
  drySequenceBreakers: BREAKERS,
  xtcProbability: 0,
  xtcThreshold: 0.1,
  mirostat: 0,
  mirostatTau: 5,
  mirostatEta: 0.1,
  adaptiveTarget: -1,
  adaptiveDecay: 0.9,
  minKeep: 0,
} satisfies GenerateOptions

/** What cria has not is off. */
const ABSENT = {
  n_discard: 0,
  backend_sampling: false,
  lora: [],
}

/** Of `/props`, where there is no request. */
export function defaultSettings(options: GenerateOptions): object {
  const most = options.maxTokens ?? -1
  return {
    seed: options.seed ?? 4294967295,
    ...sampling(options),
    max_tokens: most,
    n_predict: most,
    n_keep: options.keep ?? 0,
    ignore_eos: options.ignoreEos ?? false,
    stream: false,
    n_probs: 0,
    post_sampling_probs: options.postSamplingProbs ?? false,
    samplers: options.samplers ?? SAMPLERS,
    timings_per_token: false,
    grammar: options.grammar ?? '',
    ...ABSENT,
  }
}

export function generationSettings(options: GenerateOptions, body: GenerationBody, model: Model): object {
  return {
    ...defaultSettings({ ...model.info.sampling, ...options }),
    stop: [options.stop ?? []].flat(),
    stream: body.stream ?? false,
    logit_bias: biases(options, model),
    n_probs: options.topLogprobs ?? 0,
    samplers: options.samplers ?? SAMPLERS,
    timings_per_token: body.timings_per_token ?? false,
  }
}

function sampling(options: GenerateOptions): object {
  const all = { ...SAMPLING, ...options }
  const names = Object.keys(SAMPLING) as (keyof typeof SAMPLING)[]
  return Object.fromEntries(names.map((name) => [snakeCase(name), all[name]]))
}

/** JSON writes minus infinity as null, as llama-server does. */
function biases({ logitBias, ignoreEos }: GenerateOptions, model: Model): object[] {
  const given = logitBias instanceof Map ? [...logitBias] : Object.entries(logitBias ?? {})
  const ids = Array.from({ length: ignoreEos ? model.info.vocabularySize : 0 }, (_, id) => id)
  const ends = ids.filter((id) => model.tokenizer.isEndOfGeneration(id)).map((id) => [id, false] as const)
  return [...given, ...ends].map(([id, bias]) => ({ bias: bias === false ? -Infinity : bias, token: Number(id) }))
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
