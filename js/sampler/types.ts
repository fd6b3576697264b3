/** The sampler's options, as callers give them. */

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
  /** Lets the temperature go this far up and down with the entropy; 0: off. Default 0. */
  dynatempRange?: number
  /** The power of the entropy's share that moves the temperature. Default 1. */
  dynatempExponent?: number
  /** Added to logits, by token id; -Infinity or false bans the token. */
  logitBias?: LogitBias
  /** 32 bits that fix every choice; default: random. */
  seed?: number
  /** topP, minP and typicalP leave at least this many tokens. Default 0. */
  minKeep?: number
}

type Bias = number | false
export type LogitBias = Readonly<Record<number | string, Bias>> | ReadonlyMap<number | string, Bias>
