/** The flags of generation that commands share, with llama.cpp's names, and what the façade calls their values. */
import type { GenerateOptions, LoadOptions } from '../api/types.ts'
import { MOST_CONTEXT } from '../engine/context.ts'
import { KV_TYPES, type KvType } from '../engine/kv.ts'
import { randomSeed } from '../sampler/sampler.ts'
import type { SamplerName } from '../sampler/types.ts'
import { readSamplers, samplersFromLetters } from '../server/samplers.ts'
import {
  choice,
  either,
  integer,
  list,
  number,
  or,
  readBias,
  single,
  texts,
  threads,
  toggle,
  UsageError,
  type Values,
} from './flags.ts'
import { say } from './terminal.ts'

/** Larger passes are no faster. */
export const MOST_BATCH = 512

export const LOAD_FLAGS = {
  ctxSize: or(
    'LLAMA_ARG_CTX_SIZE',
    integer('-c --ctx-size', 'context in tokens; 0: as trained; default: min(trained, 4096)', 0, MOST_CONTEXT),
  ),
  kv: choice('--kv', KV_TYPES, 'type of the KV cache, keys and values; default: f16'),
  cacheTypeK: or('LLAMA_ARG_CACHE_TYPE_K', choice('-ctk --cache-type-k', KV_TYPES, 'as --kv')),
  cacheTypeV: or('LLAMA_ARG_CACHE_TYPE_V', choice('-ctv --cache-type-v', KV_TYPES, 'as --kv; keys have the same')),
  threads: or('LLAMA_ARG_THREADS', threads('threads; default: auto, one for each core, at most 16')),
  batchSize: or(
    'LLAMA_ARG_BATCH',
    integer('-b --batch-size', 'tokens of a prefill pass, at most 512; default: 64; never changes the text', 1),
  ),
  isa: choice('--isa', ['auto', 'simd', 'relaxed'], 'wasm build; default: auto; never changes the text'),
}

export const GENERATE_FLAGS = {
  predict: or(
    'LLAMA_ARG_N_PREDICT',
    integer(
      '-n --predict --n-predict',
      'most tokens to generate; -1: no limit; -2: to the end of the context; default: -1',
      -2,
    ),
  ),
  reversePrompt: texts('-r --reverse-prompt', 'TEXT', 'stop before this text; repeatable'),
  ignoreEos: toggle('--ignore-eos', 'ban end-of-generation tokens'),
  contextShift: or(
    'LLAMA_ARG_CONTEXT_SHIFT',
    either('--context-shift', '--no-context-shift', 'drop the older half of a full context and continue; default: no'),
  ),
  keep: integer(
    '--keep',
    'prompt tokens that a context shift keeps, by 64; -1: all; default: 0, BOS',
    -1,
    MOST_CONTEXT,
  ),
  special: toggle('-sp --special', 'write special tokens too, except the one that ends the text'),
}

export const SAMPLING_FLAGS = {
  samplers: single('--samplers', 'NAME;…', 'samplers that are on, in llama.cpp’s order; default: all', (text, name) =>
    samplersOf(name, () => readSamplers(text.split(';'))),
  ),
  samplerSeq: single(
    '--sampler-seq --sampling-seq',
    'LETTERS',
    'as --samplers, a letter each: edskypmxta',
    (text, name) => samplersOf(name, () => samplersFromLetters(text)),
  ),
  seed: integer('-s --seed', 'seed of the sampler; default: -1, random', -1, 4294967295),
  temp: or('LLAMA_ARG_TEMPERATURE', number('--temp --temperature', 'temperature; 0: greedy; default: 0.8')),
  topK: or('LLAMA_ARG_TOP_K', integer('--top-k', 'keep the k most probable tokens; 0: all; default: 40', -1)),
  topP: or(
    'LLAMA_ARG_TOP_P',
    number('--top-p', 'keep the most probable tokens up to this sum; 1: all; default: 0.95', 0, 1),
  ),
  minP: or(
    'LLAMA_ARG_MIN_P',
    number('--min-p', "keep tokens with this share of the best's probability; default: 0.05", 0, 1),
  ),
  typical: number('--typical --typical-p', 'locally typical sampling; 1: off; default: 1', 0, 1),
  topNSigma: number(
    '--top-nsigma --top-n-sigma',
    'keep logits within n standard deviations of the best; default: -1, off',
  ),
  repeatPenalty: or(
    'LLAMA_ARG_REPEAT_PENALTY',
    number('--repeat-penalty', "divisor of recent tokens' logits; 1: off; default: 1", 1e-45),
  ),
  repeatLastN: integer('--repeat-last-n', 'tokens that count as recent; 0: none, -1: all; default: 64', -1),
  frequencyPenalty: or(
    'LLAMA_ARG_FREQUENCY_PENALTY',
    number('--frequency-penalty', 'penalty for each recent occurrence; default: 0', -1000, 1000),
  ),
  presencePenalty: or(
    'LLAMA_ARG_PRESENCE_PENALTY',
    number('--presence-penalty', 'penalty for any recent occurrence; default: 0', -1000, 1000),
  ),
  dryMultiplier: number(
    '--dry-multiplier',
    'DRY: what a token loses that goes on with a repetition; default: 0, off',
    0,
  ),
  dryBase: number('--dry-base', 'DRY: factor for each token more of it; below 1: the default, 1.75'),
  dryAllowedLength: integer('--dry-allowed-length', 'DRY: tokens of a repetition that cost nothing yet; default: 2', 0),
  dryPenaltyLastN: integer(
    '--dry-penalty-last-n',
    'DRY: tokens in which repetitions are looked for; 0: none, -1: all; default: 64',
    -1,
  ),
  drySequenceBreaker: texts(
    '--dry-sequence-breaker',
    'TEXT',
    'DRY: repetitions end at this text; none: at no text; repeatable; default: line ends, : " *',
  ),
  xtcProbability: number('--xtc-probability', 'XTC: how often the best tokens are left out; default: 0, off', 0, 1),
  xtcThreshold: number(
    '--xtc-threshold',
    'XTC: the probability from which they are, but for the last; above 0.5: off; default: 0.1',
    0,
    1,
  ),
  mirostat: integer('--mirostat', 'Mirostat 1 or 2 in place of all samplers but --temp; default: 0, off', 0, 2),
  mirostatLr: number('--mirostat-lr', 'Mirostat: how fast it learns, eta; default: 0.1', 0),
  mirostatEnt: number('--mirostat-ent', 'Mirostat: surprise to hold, tau, in bits; default: 5', 0),
  adaptiveTarget: number(
    '--adaptive-target',
    'adaptive-p: average probability of the tokens to hold; below 0: off; default: -1',
    -Infinity,
    1,
  ),
  adaptiveDecay: number('--adaptive-decay', 'adaptive-p: how slowly it forgets; default: 0.9', 0, 0.99),
  dynatempRange: number('--dynatemp-range', 'range of the temperature, which follows the entropy; default: 0', 0),
  dynatempExp: number('--dynatemp-exp', 'exponent of the entropy; default: 1', 0),
  logitBias: list('-l --logit-bias', 'ID(+/-)BIAS', '15043+1 favours a token, 15043-inf bans it', readBias),
}

export const OTHER_FLAGS = {
  verbose: toggle('-v --verbose --log-verbose', 'print model, seed and speed to stderr, and stacks of errors'),
  help: toggle('-h --help --usage', 'this help'),
}

function samplersOf(name: string, read: () => SamplerName[]): SamplerName[] {
  try {
    return read()
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`)
  }
}

export function loadOptions(values: Values<typeof LOAD_FLAGS>): LoadOptions {
  const { ctxSize, threads, batchSize, isa } = values
  const kv = kvOf(values)
  return {
    ...(ctxSize !== undefined && { context: ctxSize || 'trained' }),
    ...(kv && { kv }),
    ...(threads !== undefined && { threads }),
    ...(batchSize !== undefined && { batch: Math.min(batchSize, MOST_BATCH) }),
    ...(isa && { isa }),
  }
}

/** @throws UsageError for keys and values of different types */
export function kvOf({
  kv,
  cacheTypeK,
  cacheTypeV,
}: Values<Pick<typeof LOAD_FLAGS, 'kv' | 'cacheTypeK' | 'cacheTypeV'>>): KvType | undefined {
  const given = Object.entries({ '--kv': kv, '-ctk': cacheTypeK, '-ctv': cacheTypeV }).flatMap(([name, type]) =>
    type === undefined ? [] : [{ name, type }],
  )
  const [first, ...more] = given
  const other = more.find(({ type }) => type !== first!.type)
  if (other) {
    const both = `${first!.name} ${first!.type} and ${other.name} ${other.type}`
    throw new UsageError(`The KV cache has one type for keys and values: ${both} cannot be together.`)
  }
  if (first && given.length === 1 && kv === undefined && first.type !== 'f16') {
    const rest = first.name === '-ctk' ? '-ctv' : '-ctk'
    say(
      `cria: note: the KV cache has one type for keys and values: ${first.name} ${first.type} is ${rest} ${first.type} too.`,
    )
  }
  return first?.type
}

/** Options of the façade, and the flags that give their values. */
const FLAGS_OF = {
  stop: 'reversePrompt',
  ignoreEos: 'ignoreEos',
  contextShift: 'contextShift',
  keep: 'keep',
  showSpecial: 'special',
  temperature: 'temp',
  topK: 'topK',
  topP: 'topP',
  minP: 'minP',
  typicalP: 'typical',
  topNSigma: 'topNSigma',
  repeatPenalty: 'repeatPenalty',
  repeatLastN: 'repeatLastN',
  frequencyPenalty: 'frequencyPenalty',
  presencePenalty: 'presencePenalty',
  dryMultiplier: 'dryMultiplier',
  dryAllowedLength: 'dryAllowedLength',
  dryPenaltyLastN: 'dryPenaltyLastN',
  xtcProbability: 'xtcProbability',
  xtcThreshold: 'xtcThreshold',
  mirostat: 'mirostat',
  mirostatTau: 'mirostatEnt',
  mirostatEta: 'mirostatLr',
  adaptiveTarget: 'adaptiveTarget',
  adaptiveDecay: 'adaptiveDecay',
  dynatempRange: 'dynatempRange',
  dynatempExponent: 'dynatempExp',
  logitBias: 'logitBias',
} as const satisfies Partial<Record<keyof GenerateOptions, keyof typeof GENERATE_FLAGS | keyof typeof SAMPLING_FLAGS>>

type Given = Values<typeof GENERATE_FLAGS & typeof SAMPLING_FLAGS>

/** The options that the flags give; without a seed where it is left to chance. */
export function givenOptions(values: Given): GenerateOptions {
  const { predict = -1, seed = -1, logitBias, samplers, samplerSeq, dryBase = 0, drySequenceBreaker: breakers } = values
  if (samplers && samplerSeq) throw new UsageError('Give --samplers or --sampler-seq, not both.')
  const entries = Object.entries(FLAGS_OF).map(([option, flag]) => [option, values[flag]])
  const given: GenerateOptions = Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  if (logitBias) given.logitBias = new Map(logitBias)
  // As in llama.cpp, a smaller one is none.
  if (dryBase >= 1) given.dryBase = dryBase
  // As in llama.cpp, `none` takes back those before it.
  if (breakers) given.drySequenceBreakers = breakers.slice(breakers.lastIndexOf('none') + 1)
  if (predict >= 0) given.maxTokens = predict
  // As in llama.cpp, -2 ends at the context.
  if (predict === -2) given.contextShift = false
  // As in llama.cpp, -1 is a number of 32 bits.
  if (seed >= 0 && seed !== 4294967295) given.seed = seed
  const on = samplers ?? samplerSeq
  return { ...given, ...(on && { samplers: on }) }
}

/** The seed is drawn here where none is given, so that `--verbose` prints it. */
export function generateOptions(values: Given): GenerateOptions & { seed: number } {
  const given = givenOptions(values)
  return { ...given, seed: given.seed ?? randomSeed() }
}
