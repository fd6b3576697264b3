/** What a caller may ask of the sampler, checked and put in order. */
import { invalid, type OptionNames } from '../util/check.ts'
import { kindOf } from '../util/kind.ts'
import { isXtc } from './chain.ts'
import { isDry, MOST_BREAKER_BYTES } from './dry.ts'
import { type ChainStep, type FeedbackStep, SAMPLERS, type SamplerName, type SamplerOptions } from './types.ts'

/** Texts at which DRY's repetitions end. */
export const BREAKERS: readonly string[] = ['\n', ':', '"', '*']

/** The names of all options. */
export const SAMPLER_OPTIONS: OptionNames<SamplerOptions> = {
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  typicalP: true,
  topNSigma: true,
  repeatPenalty: true,
  repeatLastN: true,
  frequencyPenalty: true,
  presencePenalty: true,
  dryMultiplier: true,
  dryBase: true,
  dryAllowedLength: true,
  dryPenaltyLastN: true,
  drySequenceBreakers: true,
  xtcProbability: true,
  xtcThreshold: true,
  mirostat: true,
  mirostatTau: true,
  mirostatEta: true,
  adaptiveTarget: true,
  adaptiveDecay: true,
  dynatempRange: true,
  dynatempExponent: true,
  logitBias: true,
  seed: true,
  minKeep: true,
  samplers: true,
}

/** Options checked, with their defaults. */
export interface SamplerSettings {
  /** Choose the most probable token; only `first` counts. */
  greedy: boolean
  bias: Extract<ChainStep, { type: 'logit_bias' }>
  penalties: Extract<ChainStep, { type: 'penalties' }>
  /** What is added to logits or taken off, and what follows it; all of it follows where `samplers` gives the order. */
  first: ChainStep[]
  cuts: ChainStep[]
  feedback: FeedbackStep | undefined
  /** Where DRY's repetitions end; undefined where it is off. */
  breakers: readonly string[] | undefined
  /** Whether XTC is on, and takes a random number a token. */
  chance: boolean
  seed: number | undefined
}

function number(name: string, value: unknown, fallback: number, low = -Infinity, high = Infinity): number {
  if (value === undefined) return fallback
  const fits = typeof value === 'number' && Number.isFinite(Math.fround(value)) && value >= low && value <= high
  if (fits) return value
  throw invalid(name, `a finite number${rangeOf(low, high)}`, value)
}

function rangeOf(low: number, high: number): string {
  if (low === -Infinity) return high === Infinity ? '' : ` of at most ${high}`
  return high === Infinity ? ` of at least ${low}` : ` from ${low} to ${high}`
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
  const links = linksOf(o)
  const { adaptive, mirostat } = feedbackOf(o)
  const breakers = resolveBreakers(o.drySequenceBreakers)
  const { samplers = SAMPLERS } = o
  const known = (name: unknown): boolean => (SAMPLERS as readonly unknown[]).includes(name)
  if (!Array.isArray(samplers) || !samplers.every(known)) {
    throw invalid('samplers', `a list of ${SAMPLERS.join(', ')}`, samplers)
  }
  const bias: SamplerSettings['bias'] = { type: 'logit_bias', bias: resolveBias(o.logitBias, vocabularySize) }
  const seed = o.seed === undefined ? undefined : integer('seed', o.seed, 0, 0, 4294967295)
  const off = { ...links.penalties, last_n: 0 }
  const greedy = links.temperature.t <= 0
  if (mirostat) {
    const cuts = [{ ...links.temperature, dynamic_range: 0 }]
    const without = { breakers: undefined, chance: false }
    return { greedy, bias, penalties: off, first: [bias], cuts, feedback: mirostat, ...without, seed }
  }
  const has = (name: SamplerName): boolean => samplers.includes(name)
  const chance = has('xtc') && isXtc(links.xtc)
  const first = o.samplers ? [] : [links.penalties, links.dry]
  const all = samplers.filter((name): name is keyof typeof links => name !== 'adaptive_p').map((name) => links[name])
  return {
    greedy: greedy && !o.samplers && !chance,
    bias,
    penalties: has('penalties') ? links.penalties : off,
    first: [bias, ...first],
    cuts: all.slice(first.length),
    feedback: has('adaptive_p') ? adaptive : undefined,
    breakers: has('dry') && isDry(links.dry) ? breakers : undefined,
    chance,
    seed,
  }
}

function linksOf(o: SamplerOptions) {
  const repeat = number('repeatPenalty', o.repeatPenalty, 1, 0)
  if (Math.fround(repeat) === 0) throw invalid('repeatPenalty', 'a number above 0', repeat)
  const min_keep = integer('minKeep', o.minKeep, 0, 0)
  return {
    penalties: {
      type: 'penalties',
      last_n: integer('repeatLastN', o.repeatLastN, 64, -1),
      repeat,
      frequency: number('frequencyPenalty', o.frequencyPenalty, 0, -1000, 1000),
      presence: number('presencePenalty', o.presencePenalty, 0, -1000, 1000),
    },
    dry: {
      type: 'dry',
      multiplier: number('dryMultiplier', o.dryMultiplier, 0, 0),
      base: number('dryBase', o.dryBase, 1.75, 1),
      allowed_length: integer('dryAllowedLength', o.dryAllowedLength, 2, 0),
      last_n: integer('dryPenaltyLastN', o.dryPenaltyLastN, 64, -1),
    },
    top_n_sigma: { type: 'top_n_sigma', n: number('topNSigma', o.topNSigma, -1) },
    top_k: { type: 'top_k', k: integer('topK', o.topK, 40, -1) },
    typ_p: { type: 'typical_p', p: number('typicalP', o.typicalP, 1, 0, 1), min_keep },
    top_p: { type: 'top_p', p: number('topP', o.topP, 0.95, 0, 1), min_keep },
    min_p: { type: 'min_p', p: number('minP', o.minP, 0.05, 0, 1), min_keep },
    xtc: {
      type: 'xtc',
      probability: number('xtcProbability', o.xtcProbability, 0, 0, 1),
      threshold: number('xtcThreshold', o.xtcThreshold, 0.1, 0, 1),
      min_keep,
    },
    temperature: {
      type: 'temperature',
      t: number('temperature', o.temperature, 0.8),
      dynamic_range: number('dynatempRange', o.dynatempRange, 0, 0),
      exponent: number('dynatempExponent', o.dynatempExponent, 1, 0),
    },
  } as const satisfies Partial<Record<SamplerName, ChainStep>>
}

/** Those that are on. */
function feedbackOf(o: SamplerOptions): { mirostat?: FeedbackStep; adaptive?: FeedbackStep } {
  const version = integer('mirostat', o.mirostat, 0, 0, 2)
  const tau = number('mirostatTau', o.mirostatTau, 5, 0)
  const eta = number('mirostatEta', o.mirostatEta, 0.1, 0)
  const target = number('adaptiveTarget', o.adaptiveTarget, -1, -Infinity, 1)
  const decay = number('adaptiveDecay', o.adaptiveDecay, 0.9, 0, 0.99)
  return {
    ...(version > 0 && { mirostat: { type: 'mirostat', version: version as 1 | 2, tau, eta } }),
    ...(target >= 0 && { adaptive: { type: 'adaptive_p', target, decay } }),
  }
}

function resolveBreakers(texts: unknown): readonly string[] {
  if (texts === undefined) return BREAKERS
  if (Array.isArray(texts) && texts.every(isBreaker)) return texts
  throw invalid('drySequenceBreakers', `a list of texts of 1 to ${MOST_BREAKER_BYTES} bytes of UTF-8`, texts)
}

/** Whether DRY can look for a text. */
export function isBreaker(text: unknown): boolean {
  if (typeof text !== 'string' || text === '') return false
  return new TextEncoder().encode(text).length <= MOST_BREAKER_BYTES
}
