/** Messages of the API, whose options go by the names of flags on the command line. */

/** Options of the API, and the flags that give their values. */
export const FLAG_OF: Readonly<Record<string, string>> = {
  context: '--ctx-size',
  kvTokens: '--ctx-size',
  kv: '--kv',
  threads: '--threads',
  batch: '--batch-size',
  isa: '--isa',
  parallel: '--parallel',
  headers: '--header',
  token: '--hf-token',
  sha256: '--sha256',
  overrides: '--override-kv',
  maxTokens: '--predict',
  stop: '--reverse-prompt',
  ignoreEos: '--ignore-eos',
  contextShift: '--context-shift',
  keep: '--keep',
  showSpecial: '--special',
  seed: '--seed',
  grammar: '--grammar',
  schema: '--json-schema',
  temperature: '--temp',
  topK: '--top-k',
  topP: '--top-p',
  minP: '--min-p',
  typicalP: '--typical',
  topNSigma: '--top-nsigma',
  repeatPenalty: '--repeat-penalty',
  repeatLastN: '--repeat-last-n',
  frequencyPenalty: '--frequency-penalty',
  presencePenalty: '--presence-penalty',
  dryMultiplier: '--dry-multiplier',
  dryBase: '--dry-base',
  dryAllowedLength: '--dry-allowed-length',
  dryPenaltyLastN: '--dry-penalty-last-n',
  drySequenceBreakers: '--dry-sequence-breaker',
  xtcProbability: '--xtc-probability',
  xtcThreshold: '--xtc-threshold',
  mirostat: '--mirostat',
  mirostatTau: '--mirostat-ent',
  mirostatEta: '--mirostat-lr',
  adaptiveTarget: '--adaptive-target',
  adaptiveDecay: '--adaptive-decay',
  dynatempRange: '--dynatemp-range',
  dynatempExponent: '--dynatemp-exp',
  logitBias: '--logit-bias',
  system: '--system-prompt',
  template: '--chat-template',
  templateVariables: '--chat-template-kwargs',
  chunks: '--chunks',
  stride: '--ppl-stride',
  processOutput: '--process-output',
  outputTensorType: '--output-tensor-type',
  tokenEmbeddingType: '--token-embedding-type',
  tensorTypes: '--tensor-type',
  imatrix: '--imatrix',
  allowRequantize: '--allow-requantize',
  apiKeys: '--api-key',
  cors: '--cors-origins',
  queue: '--queue',
  timeout: '--timeout',
}

const NAMES = Object.keys(FLAG_OF)
const ANY = NAMES.join('|')
/** `the option template`, `the option headers or token`. */
const NAMED = new RegExp(`(?:the )?option (${ANY})\\b(?: or (${ANY})\\b)?`, 'g')
/** `kv: 'f16'`, `threads: 1 or 'auto'`. */
const VALUED = new RegExp(`\\b(${ANY}): '?([\\w-]+)'?(?: or '?([\\w-]+)'?)?`, 'g')
/** `(imatrix, --imatrix)`. */
const BOTH = new RegExp(`\\((?:${ANY}), (--[\\w-]+)\\)`, 'g')
/** At the beginning, where an argument is at fault. */
const FIRST = new RegExp(`^(${ANY})(?=[\\[ ])`)
/** Names that are no words. */
const CAMEL = new RegExp(`\\b(${NAMES.filter((name) => /[A-Z]/.test(name)).join('|')})\\b`, 'g')

/** The message with flags in the place of options. */
export function inFlags(message: string): string {
  const flag = (name: string): string => FLAG_OF[name]!
  return message
    .replace(BOTH, '($1)')
    .replace(NAMED, (_, first: string, second?: string) => (second ? `${flag(first)} or ${flag(second)}` : flag(first)))
    .replace(VALUED, (_, name: string, value: string, or?: string) => `${flag(name)} ${value}${or ? ` or ${or}` : ''}`)
    .replace(FIRST, (name) => flag(name))
    .replace(CAMEL, (name) => flag(name))
    .replace(/\b(larger|shorter|smaller) context\b/g, '$1 context (--ctx-size)')
}
