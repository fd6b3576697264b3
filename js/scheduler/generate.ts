/** Prompt in, tokens out: what one generation does with what the engine computes for it. */

import { PAGE } from '../../assembly/layout.ts'
import type { Engine } from '../engine/engine.ts'
import { ContextError, GrammarError, UnsupportedError } from '../errors.ts'
import type { GrammarSource, GrammarState } from '../grammar/grammar.ts'
import type { ModelConfig } from '../models/config.ts'
import { certainLogprobs, logprobsOf } from '../sampler/logprobs.ts'
import { type Constraint, Sampler, type SamplerOptions } from '../sampler/sampler.ts'
import { StopMatcher } from '../sampler/stop.ts'
import { markTokens } from '../tokenizer/marks.ts'
import type { StreamDecoder, Tokenizer } from '../tokenizer/tokenizer.ts'
import { clearBit } from '../util/bits.ts'
import type { Task } from './scheduler.ts'
import type { FinishReason, GenerateResult, GenerateSettings, SampledLogprobs, TokenLogprob } from './types.ts'

/** A text, or ids as they are. */
export type Prompt = string | readonly number[]

const NOTHING_FITS = 'Nothing fits the grammar after the text so far: no token can come next.'

/** A generation as the leader is asked for it: plain data. */
export interface GenerateRequest extends GenerateSettings {
  prompt: Prompt
  sampler: SamplerOptions
  /** Of a conversation's turn: the ids of the turns before, which the prompt's text follows. */
  history?: readonly number[]
  /** The ids that were sampled until a worker died, and that the generation goes on after. */
  sampled?: readonly number[]
  /** What the text has to be. */
  grammar?: GrammarSource
  /** Texts of control tokens that are part of the text. */
  marks?: readonly string[]
}

export interface GenerateEvents {
  onPrompt(done: number, total: number): void
  onToken(id: number, text: string, logprobs?: SampledLogprobs): void
}

/**
 * The ids of a prompt, after those of the turns before.
 * @throws UnsupportedError where a text meets a model without a vocabulary
 */
export function promptIds(
  tokenizer: Tokenizer | undefined,
  { prompt, special, bos, history = [] }: Pick<GenerateRequest, 'prompt' | 'special' | 'bos' | 'history'>,
): number[] {
  if (typeof prompt !== 'string') return [...prompt]
  if (!tokenizer) {
    throw new UnsupportedError('NO_TOKENIZER', 'The model’s file has no vocabulary; give token ids instead of a text.')
  }
  const options = { ...(special !== undefined && { special }), ...(bos !== undefined && { bos }) }
  if (history.length === 0) return tokenizer.tokenize(prompt, options)
  return [...history, ...tokenizer.tokenize(prompt, { ...options, bos: false })]
}

/** One generation: its prompt, what was sampled so far, and the text of that. */
export class GenerateTask implements Task {
  readonly output = 'logits'
  readonly ids: number[]
  readonly priority: number
  readonly shift?: Task['shift']
  private readonly prompt: readonly number[]
  private cachedTokens = 0
  private readonly vocabulary: number
  private readonly sampler: Sampler
  private readonly text: TextStream
  private readonly out: number[] = []
  private readonly logprobs: SampledLogprobs[] | undefined
  private finishReason: FinishReason = 'length'
  private start = 0
  private prompted = 0
  /** Tokens sampled before, which prefill computes with the prompt. */
  private readonly sampled: readonly number[]
  /** Tokens that have to come next, by the grammar. */
  private forced: number[] = []

  /** @throws UnsupportedError: see promptIds and noBreakers; ArgumentError for sampler options out of range */
  constructor(
    private readonly engine: Engine,
    private readonly tokenizer: Tokenizer | undefined,
    private readonly request: GenerateRequest,
    private readonly events: GenerateEvents,
    private readonly grammar?: GrammarState,
  ) {
    this.prompt = promptIds(tokenizer, request)
    this.ids = [...this.prompt]
    if (request.contextShift) {
      checkShift(engine.config)
      this.shift = shiftOf(this.ids, engine.context, tokenizer?.bos, request.keep)
    }
    this.priority = request.priority ?? 0
    if (!tokenizer && request.sampler.drySequenceBreakers?.length) throw noBreakers()
    this.vocabulary = Math.min(engine.config.vocabSize, tokenizer?.vocabularySize ?? engine.config.vocabSize)
    this.sampler = new Sampler(request.sampler, this.vocabulary, {
      ...(tokenizer && { banned: tokenizer.banned(request.ignoreEos), vocabulary: tokenizer }),
    })
    // After nothing but BOS the text begins anew: without the space that SentencePiece puts before its first word. What a grammar
    // constrains is all of it.
    const continued = grammar !== undefined || !(this.ids.length === 1 && this.ids[0] === tokenizer?.bos)
    const { showSpecial = false, marks } = request
    const shown = marks && tokenizer ? new Set(markTokens(tokenizer, marks).keys()) : undefined
    this.text = new TextStream(tokenizer?.stream({ continued, special: showSpecial }, shown), request.stop)
    this.logprobs = request.logprobs ? [] : undefined
    for (const id of this.ids) if (id < this.vocabulary) this.sampler.accept(id)
    // The last one is sampled again, which proves that all is as it was; so are those after a context shift, and all of them
    // where the sampler learns from logits.
    const known = this.sampler.replayable ? (request.sampled ?? []) : []
    this.sampled = known.slice(0, -1).slice(0, Math.max(0, engine.context - this.ids.length))
    for (const id of this.sampled) this.read(id)
    this.ids.push(...this.sampled)
  }

  get wanted(): number {
    return this.ids.length - 1
  }

  begin(cached: number): void {
    this.cachedTokens = cached
    this.start = performance.now()
    this.progress(cached)
    if (this.request.echo) this.events.onToken(-1, this.text.echo(this.promptText()))
    for (const id of this.sampled) {
      this.out.push(id)
      this.events.onToken(id, this.text.push(id))
    }
  }

  private promptText(): string {
    const { prompt } = this.request
    if (typeof prompt === 'string') return prompt
    return this.tokenizer?.detokenize(this.prompt, { special: true }) ?? ''
  }

  progress(done: number): void {
    this.events.onPrompt(Math.min(done, this.prompt.length), this.prompt.length)
  }

  /** Goes on by a token that was sampled before, or was forced. */
  private read(id: number): void {
    const wasForced = this.forced.shift() !== undefined
    this.sampler.skip(id)
    this.grammar?.accept(id)
    if (!wasForced) this.forced = this.grammar?.forced() ?? []
  }

  /** Samples the next token; those that are forced after it come at once. @throws NumericError unless all logits are finite */
  take(_: number, row: Float32Array): boolean {
    const { request, sampler, out, grammar } = this
    if (out.length === this.sampled.length) this.prompted = performance.now()
    if (request.maxTokens === 0) return true
    const logits = row.subarray(0, this.vocabulary)
    if (this.forced.length === 0) {
      const id = sampler.sample(logits, this.constraint())
      if (id === undefined) {
        if (grammar?.complete === false) throw new GrammarError('GRAMMAR_EMPTY', NOTHING_FITS, this.text.generated)
        return this.end()
      }
      this.logprobs?.push(this.logprobsOf(logits, id))
      sampler.accept(id)
      grammar?.accept(id)
      if (this.add(id)) return true
      this.forced = grammar?.forced() ?? []
      // The probability of a forced token is known with the logits before it alone.
      if (this.logprobs) return false
    }
    for (const id of this.forced.splice(0, this.logprobs ? 1 : this.forced.length)) {
      this.logprobs?.push(this.logprobsOf(logits, id, true))
      sampler.skip(id)
      grammar?.accept(id)
      if (this.add(id)) return true
    }
    return false
  }

  /** What the next token may be. */
  private constraint(): Constraint | undefined {
    const { tokenizer, grammar, request, out } = this
    if (!tokenizer || out.length >= (request.minTokens ?? 0)) return grammar
    return {
      allows: (id) => !tokenizer.isEndOfGeneration(id) && (grammar?.allows(id) ?? true),
      mask: () => {
        const mask = grammar?.mask() ?? new Uint32Array(Math.ceil(this.vocabulary / 32)).fill(0xffffffff)
        for (const id of tokenizer.banned(true)) clearBit(mask, id)
        return mask
      },
    }
  }

  /** Appends a token. true where it is the last. */
  private add(id: number): boolean {
    const { request, tokenizer, out } = this
    out.push(id)
    const ended = tokenizer?.isEndOfGeneration(id) === true
    this.events.onToken(id, ended ? '' : this.text.push(id), this.logprobs?.at(-1))
    if (ended || this.text.stopped !== undefined || this.grammar?.final) return this.end()
    if (out.length === request.maxTokens || (!this.shift && this.ids.length === this.engine.context)) return true
    this.ids.push(id)
    return false
  }

  private end(): true {
    this.finishReason = 'stop'
    return true
  }

  /** @param forced it was not sampled: it alone was left to draw from */
  private logprobsOf(logits: Float32Array, id: number, forced = false): SampledLogprobs {
    const { topLogprobs = 0, postSamplingProbs } = this.request
    if (!postSamplingProbs) return describe(this.tokenizer, logprobsOf(logits, id, topLogprobs))
    const found = forced ? certainLogprobs(id, topLogprobs) : this.sampler.lastLogprobs(id, topLogprobs)
    return describe(this.tokenizer, found)
  }

  /** The result, once the task is over. */
  result(): GenerateResult {
    const { text, out, logprobs, prompt, start, prompted } = this
    const promptTokens = prompt.length
    const cachedTokens = Math.min(this.cachedTokens, promptTokens)
    const known = this.sampled.length
    const rest = text.flush()
    if (rest) this.events.onToken(-1, rest)
    if (text.stopped !== undefined) this.finishReason = 'stop'
    const generated = performance.now() - prompted
    const json = this.json()
    return {
      text: text.all,
      ...(json !== undefined && { json }),
      ids: out,
      ...(logprobs && { logprobs }),
      finishReason: this.finishReason,
      ...(text.stopped !== undefined && { stop: text.stopped }),
      promptTokens,
      cachedTokens,
      completionTokens: out.length,
      seed: this.sampler.seed,
      timings: timingsOf(prompted - start, generated, promptTokens + known - this.cachedTokens, out.length - known),
    }
  }

  /** The value that the text is, where it was to be JSON and is whole. */
  private json(): unknown {
    const { jsonSchema, json } = this.request.grammar ?? {}
    if ((jsonSchema === undefined && !json) || !this.grammar?.complete) return undefined
    return JSON.parse(this.text.generated)
  }

  /** The ids of a conversation, of which there is a result, as its next turn may continue them. */
  history(): number[] | undefined {
    const { tokenizer, text, out, request } = this
    if (!request.history) return undefined
    // SentencePiece would put a space before a text that goes on.
    if (tokenizer?.kind !== 'bpe' || text.stopped !== undefined) return undefined
    const last = out.at(-1)
    const ids = last !== undefined && tokenizer.isEndOfGeneration(last) ? out.slice(0, -1) : out
    // Bytes that are no whole character would not come back the same.
    if (tokenizer.detokenize(ids, { special: true }) !== text.all) return undefined
    return [...this.prompt, ...ids]
  }
}

/** How a full context goes on. @throws ContextError where nothing would be left to give up. */
/** Keys are shifted by a rotation back, which undoes no norm after the first. */
function checkShift({ architecture, headNorm }: ModelConfig): void {
  if (headNorm !== 'after') return
  const message = `The context of a ${architecture} model cannot be shifted: its keys are normed after the rotation. Leave contextShift out, or load the model with a larger context.`
  throw new UnsupportedError('UNSUPPORTED_SHIFT', message, architecture)
}

function shiftOf(ids: number[], context: number, bos: number | undefined, keep = 0): NonNullable<Task['shift']> {
  const kept = Math.max(keep < 0 ? ids.length : Math.min(keep, ids.length), ids[0] === bos ? 1 : 0)
  const least = (Math.ceil(kept / PAGE) + 2) * PAGE
  if (context < least) {
    const message = `To keep ${kept} tokens while the context shifts it must hold ${least}, and it holds ${context}. Keep fewer, or load the model with a larger context.`
    throw new ContextError('CONTEXT_EXCEEDED', message, context)
  }
  return { keep: kept, drop: (from, count) => void ids.splice(from, count) }
}

function noBreakers(): UnsupportedError {
  const message = 'The model’s file has no vocabulary to find drySequenceBreakers in; leave them out, or give none: [].'
  return new UnsupportedError('NO_TOKENIZER', message)
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
  /** Characters that were there before. */
  private echoed = 0
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

  get generated(): string {
    return this.all.slice(this.echoed)
  }

  /** Text that is there before, and that no stop text ends. */
  echo(text: string): string {
    this.all += text
    this.echoed = this.all.length
    return text
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
