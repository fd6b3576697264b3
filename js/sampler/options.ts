/** What a caller may ask of the sampler, checked and put in order. */
import { invalid } from '../util/check.ts'
import { kindOf } from '../util/kind.ts'
import { type ChainStep, SAMPLERS, type SamplerName, type SamplerOptions } from './types.ts'

/** Options checked, with their defaults. */
export interface SamplerSettings {
  /** Choose the most probable token; only bias and penalties count. */
  greedy: boolean
  bias: Extract<ChainStep, { type: 'logit_bias' }>
  penalties: Extract<ChainStep, { type: 'penalties' }>
  /** What follows them, in llama.cpp's order or, where `ordered`, in that of the option; then penalties are among them. */
  cuts: ChainStep[]
  ordered: boolean
  seed: number | undefined
}

function number(name: string, value: unknown, fallback: number, low = -Infinity, high = Infinity): number {
  if (value === undefined) return fallback
  const fits = typeof value === 'number' && Number.isFinite(Math.fround(value)) && value >= low && value <= high
  if (fits) return value
  const range = high < Infinity ? ` from ${low} to ${high}` : low > -Infinity ? ` of at least ${low}` : ''
  throw invalid(name, `a finite number${range}`, value)
}

function integer(name: string, value: unknown, fallback: number, low: number, high = 2147483647): number {
  if (value === undefined) return fallback
  if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return value as number
  throw invalid(name, `an integer from ${low} to ${high}`, value)
}

/** Token ids and what to add to their logits, checked; false becomes -Infinity. */
export function resolveBias(logitBias: unknown, vocabularySize: number): Map<number, number> {
  const out = new Map<number, number>()
  if (logitBias === undefined) return out
  if (typeof logitBias !== 'object' || logitBias === null || Array.isArray(logitBias)) {
    throw invalid('logitBias', 'an object or a Map of token ids and numbers', logitBias)
  }
  const entries = kindOf(logitBias) === 'Map' ? (logitBias as Map<unknown, unknown>) : Object.entries(logitBias)
  for (const [key, value] of entries) {
    const id = typeof key === 'number' || (typeof key === 'string' && /^[0-9]+$/.test(key)) ? Number(key) : -1
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw invalid('logitBias', `given for token ids from 0 to ${vocabularySize - 1}`, key)
    }
    if (value === false || value === -Infinity) out.set(id, -Infinity)
    else out.set(id, number(`logitBias[${id}]`, value ?? null, 0))
  }
  return out
}

/** Checks options; ArgumentError names the option at fault and carries its value. */
export function resolve(options: SamplerOptions, vocabularySize: number): SamplerSettings {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object', options)
  const o = options
  const repeat = number('repeatPenalty', o.repeatPenalty, 1, 0)
  if (Math.fround(repeat) === 0) throw invalid('repeatPenalty', 'a number above 0', repeat)
  const t = number('temperature', o.temperature, 0.8)
  const min_keep = integer('minKeep', o.minKeep, 0, 0)
  const penalties: SamplerSettings['penalties'] = {
    type: 'penalties',
    last_n: integer('repeatLastN', o.repeatLastN, 64, -1),
    repeat,
    frequency: number('frequencyPenalty', o.frequencyPenalty, 0, -1000, 1000),
    presence: number('presencePenalty', o.presencePenalty, 0, -1000, 1000),
  }
  const cuts: Record<Exclude<SamplerName, 'penalties'>, ChainStep> = {
    top_n_sigma: { type: 'top_n_sigma', n: number('topNSigma', o.topNSigma, -1) },
    top_k: { type: 'top_k', k: integer('topK', o.topK, 40, -1) },
    typ_p: { type: 'typical_p', p: number('typicalP', o.typicalP, 1, 0, 1), min_keep },
    top_p: { type: 'top_p', p: number('topP', o.topP, 0.95, 0, 1), min_keep },
    min_p: { type: 'min_p', p: number('minP', o.minP, 0.05, 0, 1), min_keep },
    temperature: {
      type: 'temperature',
      t,
      dynamic_range: number('dynatempRange', o.dynatempRange, 0, 0),
      exponent: number('dynatempExponent', o.dynatempExponent, 1, 0),
    },
  }
  const { samplers } = o
  const links = { penalties, ...cuts }
  if (samplers !== undefined && !(Array.isArray(samplers) && samplers.every((name) => Object.hasOwn(links, name)))) {
    throw invalid('samplers', `a list of ${SAMPLERS.join(', ')}`, samplers)
  }
  return {
    greedy: t <= 0 && !samplers,
    bias: { type: 'logit_bias', bias: resolveBias(o.logitBias, vocabularySize) },
    penalties: samplers?.includes('penalties') === false ? { ...penalties, last_n: 0 } : penalties,
    cuts: samplers?.map((name: SamplerName) => links[name]) ?? Object.values(cuts),
    ordered: samplers !== undefined,
    seed: o.seed === undefined ? undefined : integer('seed', o.seed, 0, 0, 4294967295),
  }
}
