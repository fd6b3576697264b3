/** What callers ask of a scheduler and get from it. */

/** The settings of a generation beside its sampler's. */
export interface GenerateSettings {
  /** Most tokens to generate; default: until an end-of-generation token or the end of the context. */
  maxTokens?: number
  /** Tokens before which no end-of-generation token is sampled; default 0. A stop text or a whole grammar still ends. */
  minTokens?: number
  /** Texts that end generation; they are not part of the output. */
  stop?: string | string[]
  /** Parse special tokens in the prompt (`<|im_start|>` …); default true, and always so in a chat. */
  special?: boolean
  /** Put the beginning-of-sequence token first; default: as the model's metadata says. */
  bos?: boolean
  /** Ban end-of-generation tokens: their logits become -Infinity; default false. */
  ignoreEos?: boolean
  /** Write special tokens (`<tool_call>` …) into the text, but for the one that ends generation; default false. */
  showSpecial?: boolean
  /** Report the probability of each token: `logprobs` of the result and of `onToken`; default false. */
  logprobs?: boolean
  /** With `logprobs`: the number of most probable tokens at each position, 0 (default) to 20. */
  topLogprobs?: number
  /**
   * With `logprobs`: those of the draw, after bias, penalties, cuts and temperature, in place of the model's; of fewer tokens
   * than `topLogprobs` where fewer were left. Default false.
   */
  postSamplingProbs?: boolean
  /**
   * Context shift: a full context drops its older half and goes on, as in llama.cpp. What follows differs from what a longer
   * context, or prefill anew, would give; nothing else in cria does. Default false: the generation ends.
   */
  contextShift?: boolean
  /** With `contextShift`: tokens of the prompt that stay, -1 for all of it; rounded up to 64. BOS stays. Default 0. */
  keep?: number
  /** Put the prompt's text before the generated one; default false, and always so in `createChat`. */
  echo?: boolean
  /** Higher priorities are admitted first, equal ones in the order they came; default 0. */
  priority?: number
}

/**
 * A candidate for a position. `logprob`: the natural logarithm of its probability as the model has it, before
 * bias, penalties, cuts and temperature; after them with `postSamplingProbs`. `bytes`: what it adds to the text; they may end within a character.
 */
export interface TokenLogprob {
  id: number
  /** Special tokens are written out; bytes that are no whole character become U+FFFD. */
  text: string
  bytes: Uint8Array
  logprob: number
}

/** The chosen token, and the most probable ones at its position, the best first. */
export interface SampledLogprobs extends TokenLogprob {
  top: TokenLogprob[]
}

/**
 * `stop`: an end-of-generation token or a stop text. `length`: `maxTokens` or the end of the context. `tool_calls`: as `stop`,
 * in a chat whose answer calls tools.
 */
export type FinishReason = 'stop' | 'length' | 'tool_calls'

/** A call of a tool. `arguments`: JSON that fits the tool's parameters, unless the answer was cut. */
export interface ToolCall {
  id: string
  name: string
  arguments: string
}

export interface GenerateResult {
  /** Of a chat, the content alone: neither reasoning nor calls. */
  text: string
  /** What the model thought before it answered, where its chat template has a place for that. */
  reasoning?: string
  /** The tools that the answer calls. */
  toolCalls?: ToolCall[]
  /** The value of the text, where a `schema` or `json` asked for one and the text is whole; undefined for one cut short. */
  json?: unknown
  /** The ids generated, the end-of-generation token included. */
  ids: number[]
  /** One for each of `ids`, where `logprobs` asked for them. */
  logprobs?: SampledLogprobs[]
  finishReason: FinishReason
  /** With `n` above 1: all answers, of which this one is the first. */
  choices?: GenerateResult[]
  /** The stop text that was met. */
  stop?: string
  promptTokens: number
  /** Of the prompt's tokens, those whose keys and values were already cached. */
  cachedTokens: number
  completionTokens: number
  /** The seed in use, given or drawn: with it and the same options the text comes again. */
  seed: number
  /** Milliseconds. */
  timings: { prompt: number; generate: number; promptPerSecond: number; tokensPerSecond: number }
}

export type Pooling = 'mean' | 'last'

/** For each text, f32[embeddingLength] and how many tokens it has. */
export interface Embeddings {
  embeddings: Float32Array[]
  tokens: number[]
}

/** Counts of pages: `total` is the sum of the others. */
export interface PageCounts {
  total: number
  free: number
  /** Held by nobody, and findable. */
  cached: number
  used: number
}

/** The load of a model. Pages hold 64 tokens each. */
export interface SchedulerStatus {
  /** Sequences under way, and those that wait for a slot. */
  running: number
  waiting: number
  /** Pages of the KV cache: `used` by what is under way, `cached` to be found again, `free`. */
  kvPages: PageCounts
  /** Passes so far, and the sequences in them, summed. */
  passes: { total: number; sequences: number }
}
