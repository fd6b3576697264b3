/** The sampler's options, as callers give them, and the links of its chain. */

/** The links of the chain that options put in an order, in their usual one. Source: llama.cpp. */
export const SAMPLERS = [
  'penalties',
  'dry',
  'top_n_sigma',
  'top_k',
  'typ_p',
  'top_p',
  'min_p',
  'xtc',
  'temperature',
  'adaptive_p',
] as const
export type SamplerName = (typeof SAMPLERS)[number]

/** How the next token is chosen. Names, order and defaults are llama.cpp's; every number acts as float32. */
export interface SamplerOptions {
  /** Divides the logits: below 1 surer, above 1 wilder; ≤ 0: always the most probable token. Default 0.8. */
  temperature?: number
  /** Only the k most probable tokens; 0 or -1: all. Default 40. */
  topK?: number
  /** Only the most probable tokens that hold this probability together; 1: all. Default 0.95. */
  topP?: number
  /** Only tokens with at least this share of the best token's probability; 0: all. Default 0.05. */
  minP?: number
  /** Only tokens nearest the expected information that hold this probability together; 1: all. Default 1. */
  typicalP?: number
  /** Only tokens within n standard deviations of the largest logit; ≤ 0: all. Default -1. */
  topNSigma?: number
  /** The logit of a token seen lately is divided by this (multiplied where negative); 1: off. Default 1. */
  repeatPenalty?: number
  /** How many of the last tokens the penalties regard; 0: none, -1: all. Default 64. */
  repeatLastN?: number
  /** Taken off a token's logit for each time it was seen lately; -1000..1000. Default 0. */
  frequencyPenalty?: number
  /** Taken off a token's logit if it was seen lately; -1000..1000. Default 0. */
  presencePenalty?: number
  /**
   * DRY (“don't repeat yourself”): a token that would go on with a repetition of n tokens loses `dryMultiplier` ·
   * `dryBase`^(n − `dryAllowedLength`), where n is `dryAllowedLength` or more; 0: off. Default 0.
   */
  dryMultiplier?: number
  /** At least 1. Default 1.75. */
  dryBase?: number
  /** How long a repetition may be for nothing. Default 2. */
  dryAllowedLength?: number
  /** In how many of the last tokens repetitions are looked for; 0: none, -1: all. Default 64. */
  dryPenaltyLastN?: number
  /** Texts at which repetitions end, of 1 to 40 bytes of UTF-8 each. Default a line end, `:`, `"` and `*`. */
  drySequenceBreakers?: readonly string[]
  /**
   * XTC (“exclude top choices”): with this probability at each token, of those with a probability of `xtcThreshold` or
   * more only the least probable one is left; 0: off. Default 0.
   */
  xtcProbability?: number
  /** Above 0.5 XTC is off. Default 0.1. */
  xtcThreshold?: number
  /**
   * Mirostat, version 1 or 2, cuts so that the tokens' surprise stays near `mirostatTau`. It replaces all other samplers
   * but `logitBias` and `temperature`, whatever `samplers` says; 0: off. Default 0.
   */
  mirostat?: 0 | 1 | 2
  /** The surprise to hold, in bits. Default 5. */
  mirostatTau?: number
  /** How fast Mirostat learns from a token. Default 0.1. */
  mirostatEta?: number
  /**
   * Adaptive-p, the last sampler, favours tokens whose probability is such that the average over tokens is this, at most
   * 1; below 0: off. Default -1.
   */
  adaptiveTarget?: number
  /** How slowly adaptive-p forgets: it averages over some 1 / (1 − decay) tokens; 0 to 0.99. Default 0.9. */
  adaptiveDecay?: number
  /** Lets the temperature go this far up and down with the entropy; 0: off. Default 0. */
  dynatempRange?: number
  /** The power of the entropy's share that moves the temperature. Default 1. */
  dynatempExponent?: number
  /** Added to logits, by token id; -Infinity or false bans the token. */
  logitBias?: LogitBias
  /** 32 bits that fix every choice; default: random. */
  seed?: number
  /** topP, minP, typicalP and XTC leave at least this many tokens. Default 0. */
  minKeep?: number
  /**
   * The samplers in the order that they take, by llama.cpp's names; one that is left out is off. Default `penalties`,
   * `dry`, `top_n_sigma`, `top_k`, `typ_p`, `top_p`, `min_p`, `xtc`, `temperature`, `adaptive_p`; the last one is last
   * wherever it stands.
   */
  samplers?: readonly SamplerName[]
}

type Bias = number | false
export type LogitBias = Readonly<Record<number | string, Bias>> | ReadonlyMap<number | string, Bias>

/** A link and its parameters, in llama.cpp's words. */
export type ChainStep =
  /** Added to the logits; -Infinity bans. */
  | { type: 'logit_bias'; bias: ReadonlyMap<number, number> }
  /** On the tokens among the last `last_n` (-1: all): logit ÷ or × `repeat`, then − count·frequency − presence. */
  | { type: 'penalties'; last_n: number; repeat: number; frequency: number; presence: number }
  /**
   * On tokens that go on with what is among the last `last_n` (-1: all) a second time: by n tokens of `allowed_length` or
   * more, logit − `multiplier`·`base`^(n − `allowed_length`). p-e-w, text-generation-webui #5677
   */
  | { type: 'dry'; multiplier: number; base: number; allowed_length: number; last_n: number }
  /** Masks logits below max − n·σ. n ≤ 0: off. Tang et al., https://arxiv.org/abs/2411.07641 */
  | { type: 'top_n_sigma'; n: number }
  /** The k best. k ≤ 0: off. */
  | { type: 'top_k'; k: number }
  /** Those nearest the entropy that hold more than p together. p ≥ 1: off. Meister et al., arXiv 2202.00666 */
  | { type: 'typical_p'; p: number; min_keep?: number }
  /** The best that hold p together. p ≥ 1: off. Holtzman et al., arXiv 1904.09751 */
  | { type: 'top_p'; p: number; min_keep?: number }
  /** Those of at least p times the best one's probability. p ≤ 0: off. Nguyen et al., arXiv 2407.01082 */
  | { type: 'min_p'; p: number; min_keep?: number }
  /**
   * Drops the most probable ones down to the last of at least `threshold`, with this probability. p-e-w,
   * text-generation-webui #6335
   */
  | { type: 'xtc'; probability: number; threshold: number; min_keep?: number }
  /**
   * Divides the logits by t; t ≤ 0 keeps the best alone. With a `dynamic_range` r > 0 the temperature goes from t − r
   * to t + r by the entropy's share of the possible, to the power of `exponent` (1).
   */
  | { type: 'temperature'; t: number; dynamic_range?: number; exponent?: number }

/** What ends the chain and learns from each draw, in llama.cpp's words. */
export type FeedbackStep =
  /** Cuts at a surprise that it moves until the mean is `tau`, by `eta` a token. Basu et al., arXiv 2007.14966 */
  | { type: 'mirostat'; version: 1 | 2; tau: number; eta: number }
  /** Favours tokens near a probability, so that the mean is `target`. llama.cpp #17927 */
  | { type: 'adaptive_p'; target: number; decay: number }

/** What tokens may be, beside their probability. */
export interface Constraint {
  allows(id: number): boolean
  /** Bit id & 31 of word id >> 5: whether a token is allowed. */
  mask(): Uint32Array
}
