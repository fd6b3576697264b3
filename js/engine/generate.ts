/** Prompt in, tokens out: the loop around the engine that one generation is. */
import type { FinishReason, GenerateResult, SampledLogprobs, TokenLogprob } from '../api.ts'
import { UnsupportedError } from '../errors.ts'
import { logprobsOf } from '../sampler/logprobs.ts'
import { Sampler, type SamplerOptions } from '../sampler/sampler.ts'
import { StopMatcher } from '../sampler/stop.ts'
import type { StreamDecoder, Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Breathe, Engine } from './engine.ts'

/** A text, ids as they are, or ids that a text continues. */
export type Prompt = string | readonly number[] | { ids: readonly number[]; text: string }

export interface GenerateRequest {
  prompt: Prompt
  sampler: SamplerOptions
  maxTokens?: number
  stop?: string | string[]
  special?: boolean
  bos?: boolean
  ignoreEos?: boolean
  showSpecial?: boolean
  logprobs?: boolean
  topLogprobs?: number
}

export interface GenerateEvents {
  onPrompt(done: number, total: number): void
  onToken(id: number, text: string, logprobs?: SampledLogprobs): void
}

export type InternalResult = GenerateResult & { promptIds: number[] }

/** The ids of a prompt. @throws UnsupportedError where a text meets a model without a vocabulary. */
export function promptIds(tokenizer: Tokenizer | undefined, request: GenerateRequest): number[] {
  const { prompt, special, bos } = request
  if (Array.isArray(prompt)) return [...prompt]
  if (!tokenizer) {
    throw new UnsupportedError('NO_TOKENIZER', 'The model’s file has no vocabulary; give token ids instead of a text.')
  }
  const options = { ...(special !== undefined && { special }), ...(bos !== undefined && { bos }) }
  if (typeof prompt === 'string') return tokenizer.tokenize(prompt, options)
  const { ids, text } = prompt as { ids: readonly number[]; text: string }
  return [...ids, ...tokenizer.tokenize(text, { ...options, bos: false })]
}

/** Runs one generation. Errors: those of Engine.begin, Engine.feed, Engine.logits and the sampler's. */
export async function generate(
  engine: Engine,
  tokenizer: Tokenizer | undefined,
  request: GenerateRequest,
  events: GenerateEvents,
  breathe?: Breathe,
): Promise<InternalResult> {
  const { showSpecial = false, topLogprobs = 0 } = request
  const ids = promptIds(tokenizer, request)
  const vocabulary = Math.min(engine.config.vocabulary, tokenizer?.vocabularySize ?? engine.config.vocabulary)
  const sampler = new Sampler(request.sampler, vocabulary)
  // After nothing but BOS the text begins anew: without the space that SentencePiece puts before its first word.
  const continued = !(ids.length === 1 && ids[0] === tokenizer?.bos)
  const text = new TextStream(tokenizer?.stream({ continued, special: showSpecial }), request.stop)
  const cachedTokens = engine.begin(ids)
  for (const id of ids) if (id < vocabulary) sampler.accept(id)

  const start = performance.now()
  let rows = await engine.feed(ids.slice(cachedTokens), (done) => events.onPrompt(cachedTokens + done, ids.length))
  const prompted = performance.now()

  const out: number[] = []
  const told: SampledLogprobs[] | undefined = request.logprobs ? [] : undefined
  const most = request.maxTokens ?? Number.POSITIVE_INFINITY
  let finishReason: FinishReason = 'length'
  while (out.length < most) {
    const logits = engine.logits(rows - 1, 1).subarray(0, vocabulary)
    const id = sampler.sample(logits)
    out.push(id)
    told?.push(describe(tokenizer, logprobsOf(logits, id, topLogprobs)))
    sampler.accept(id)
    const ended = !request.ignoreEos && tokenizer?.isEndOfGeneration(id) === true
    events.onToken(id, ended ? '' : text.push(id), told?.at(-1))
    if (ended || text.stopped !== undefined) {
      finishReason = 'stop'
      break
    }
    if (out.length === most || engine.position === engine.context) break
    if (breathe) await breathe()
    rows = await engine.feed([id])
  }
  const rest = text.flush()
  if (rest) events.onToken(-1, rest)
  if (text.stopped !== undefined) finishReason = 'stop'
  return {
    text: text.all,
    ids: out,
    ...(told && { logprobs: told }),
    finishReason,
    ...(text.stopped !== undefined && { stop: text.stopped }),
    promptTokens: ids.length,
    cachedTokens,
    completionTokens: out.length,
    seed: sampler.seed,
    timings: timingsOf(prompted - start, performance.now() - prompted, ids.length - cachedTokens, out.length),
    promptIds: ids,
  }
}

/** Ids and their logprobs, the chosen one first, with their texts. */
function describe(
  tokenizer: Tokenizer | undefined,
  logprobs: readonly [id: number, logprob: number][],
): SampledLogprobs {
  const [chosen, ...top] = logprobs.map(([id, logprob]): TokenLogprob => {
    const bytes = tokenizer?.tokenBytes(id, { special: true }) ?? new Uint8Array()
    return { id, text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), bytes, logprob }
  })
  return { ...chosen!, top }
}

/** From milliseconds and tokens, of the prompt and of what was generated. */
function timingsOf(prompt: number, generate: number, read: number, generated: number): GenerateResult['timings'] {
  return {
    prompt,
    generate,
    promptPerSecond: perSecond(read, prompt),
    tokensPerSecond: perSecond(generated, generate),
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (1000 * count) / milliseconds : 0
}

/** Ids → text that may be shown: whole characters, up to a stop text. */
class TextStream {
  all = ''
  private readonly matcher: StopMatcher

  constructor(
    private readonly decoder: StreamDecoder | undefined,
    stop: string | string[] = [],
  ) {
    this.matcher = new StopMatcher(typeof stop === 'string' ? [stop] : stop)
  }

  get stopped(): string | undefined {
    return this.matcher.stopped
  }

  push(id: number): string {
    const { text } = this.matcher.push(this.decoder?.push(id) ?? '')
    this.all += text
    return text
  }

  flush(): string {
    const last = this.stopped === undefined ? this.matcher.push(this.decoder?.flush() ?? '').text : ''
    const text = last + this.matcher.flush()
    this.all += text
    return text
  }
}
