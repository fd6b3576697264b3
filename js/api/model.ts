/** The model as its caller sees it. */

import type { WorkerPool } from '../../workers/pool.ts'
import type { CallEvent, Opened } from '../../workers/protocol.ts'
import { beginsWithBos, chooseTemplate, renderChat } from '../chat/template.ts'
import type { ChatMessage } from '../chat/types.ts'
import { AbortError, ArgumentError, ClosedError, throwIfAborted, UnsupportedError } from '../errors.ts'
import { measureImatrix } from '../imatrix/imatrix.ts'
import type { ImatrixOptions } from '../imatrix/types.ts'
import { poolingOf } from '../models/keys.ts'
import { measurePerplexity } from '../perplexity/perplexity.ts'
import type { PerplexityOptions, PerplexityResult } from '../perplexity/types.ts'
import { seedOfAnswer } from '../sampler/random.ts'
import type { GenerateRequest } from '../scheduler/generate.ts'
import { checkSignal } from '../source/check.ts'
import type { DetokenizeOptions, TokenizeOptions } from '../tokenizer/tokenizer.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts'
import { underAny, untilAborted } from '../util/abort.ts'
import { checkOptions, checkTypes, invalid, type OptionNames } from '../util/check.ts'
import type { CriaWarning } from '../util/warn.ts'
import { type ChatHost, ModelChat } from './chat.ts'
import { RunningGeneration } from './generation.ts'
import { CHAT_OPTIONS, type ResolvedGenerate, resolveGenerate } from './options.ts'
import type {
  Chat,
  ChatOptions,
  CreateChatOptions,
  Embeddings,
  EmbedOptions,
  GenerateOptions,
  GenerateResult,
  Generation,
  Model,
  ModelInfo,
  ModelStatus,
} from './types.ts'

const CREATE_CHAT_OPTIONS: OptionNames<CreateChatOptions> = { ...CHAT_OPTIONS, system: true, messages: true }
const SIGNAL: OptionNames<{ signal: unknown }> = { signal: true }
const LOGITS_OPTIONS: OptionNames<{ from: unknown; signal: unknown }> = { ...SIGNAL, from: true }
const EMBED_OPTIONS: OptionNames<EmbedOptions> = { ...SIGNAL, pooling: true, normalize: true }

export class CriaModel implements Model, ChatHost {
  /** Made when first needed, which for a large vocabulary takes a while: generation and chat tokenize in the leader. */
  private tokenizerMade: Tokenizer | undefined
  private readonly closing = new AbortController()
  /** The next pool, while the model is loaded again. */
  private reloading: Promise<WorkerPool> | undefined
  private warned = false

  /** `reload`: makes another pool after the death of a worker; absent where the model cannot be loaded again. */
  constructor(
    readonly info: ModelInfo,
    private pool: WorkerPool,
    private opened: Pick<Opened, 'metadata' | 'bosToken' | 'eosToken'>,
    readonly onWarning: (warning: CriaWarning) => void,
    private readonly reload?: (signal: AbortSignal) => Promise<WorkerPool>,
  ) {}

  generate(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    return this.generation(prompt, options)
  }

  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation {
    return this.generation(() => this.applyTemplate(messages, options), options)
  }

  createChat(options: CreateChatOptions = {}): Chat {
    checkOptions(options, CREATE_CHAT_OPTIONS)
    return new ModelChat(this, options)
  }

  applyTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    return this.render(messages, options, true)
  }

  render(messages: readonly ChatMessage[], options: ChatOptions, addGenerationPrompt: boolean): string {
    checkOptions(options, CHAT_OPTIONS)
    if (options.special === false) throw invalid('special', 'true in a chat', false)
    const { metadata, bosToken, eosToken } = this.withVocabulary()
    const named = metadata.get('tokenizer.chat_template.tool_use')
    const toolUse = typeof named === 'string' ? named : undefined
    const { template, warning } = chooseTemplate({
      ggufTemplate: (options.tools?.length && toolUse) || this.info.chatTemplate || toolUse,
      ...(options.template !== undefined && { requested: options.template }),
      tokens: this.templateVocabulary(),
    })
    if (warning && !this.warned) this.onWarning(warning)
    if (warning) this.warned = true
    return renderChat({
      template,
      messages,
      bosToken,
      eosToken,
      addGenerationPrompt,
      ...(options.tools && { tools: options.tools }),
      ...(options.templateVariables && { variables: options.templateVariables }),
    })
  }

  private templateVocabulary(): { has(token: string): boolean; model?: string } {
    const { metadata } = this.opened
    const model = metadata.get('tokenizer.ggml.model')
    const has = (token: string): boolean => (metadata.get('tokenizer.ggml.tokens') as string[]).includes(token)
    return { has, ...(typeof model === 'string' && { model }) }
  }

  tokenize(text: string | Uint8Array, options: TokenizeOptions = {}): number[] {
    return this.tokenizer.tokenize(text, options)
  }

  detokenize(ids: readonly number[], options: DetokenizeOptions = {}): string {
    return this.tokenizer.detokenize(idsOf(ids), options)
  }

  tokenBytes(id: number, options: DetokenizeOptions = {}): Uint8Array {
    return this.tokenizer.tokenBytes(id, options)
  }

  get tokenizer(): Tokenizer {
    const { metadata } = this.withVocabulary()
    this.tokenizerMade ??= createTokenizer(metadata)
    return this.tokenizerMade
  }

  private withVocabulary(): typeof this.opened {
    this.checkOpen()
    if (this.opened.metadata.has('tokenizer.ggml.model')) return this.opened
    throw new UnsupportedError('NO_TOKENIZER', 'The model’s file has no vocabulary: only token ids can be used.')
  }

  async logits(
    tokens: readonly number[],
    options: { from?: number; signal?: AbortSignal } = {},
  ): Promise<{ data: Float32Array; shape: [number, number] }> {
    checkOptions(options, LOGITS_OPTIONS)
    checkSignal(options.signal)
    const { from = 0 } = options
    const ids = idsOf(tokens)
    if (!Number.isInteger(from) || from < 0 || from > ids.length) {
      throw invalid('from', `a whole number from 0 to ${ids.length}`, from)
    }
    const pool = await this.working('Computing logits', options.signal)
    const data = await pool.logits(ids, from, options.signal)
    return { data, shape: [ids.length - from, this.info.vocabularySize] }
  }

  async embed(
    texts: string | readonly (string | readonly number[])[],
    options: EmbedOptions = {},
  ): Promise<Embeddings> {
    checkOptions(options, EMBED_OPTIONS)
    const { pooling = poolingOf(this.opened.metadata), normalize = true, signal } = options
    checkSignal(signal)
    checkTypes(options, 'boolean', ['normalize'])
    if (pooling !== 'mean' && pooling !== 'last') throw invalid('pooling', 'mean or last', pooling)
    if (typeof texts !== 'string' && !Array.isArray(texts)) throw invalid('texts', 'a text or a list of texts', texts)
    const list = (typeof texts === 'string' ? [texts] : (texts as unknown[])).map(promptOf)
    const pool = await this.working('The embedding', signal)
    return pool.embed({ texts: list, pooling, normalize }, signal)
  }

  async perplexity(text: string | readonly number[], options: PerplexityOptions = {}): Promise<PerplexityResult> {
    return measurePerplexity(this, text, options)
  }

  async imatrix(text: string | readonly number[], options: ImatrixOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return measureImatrix(this, text, options, async (ids) => {
      const pool = await this.working('The importance matrix', options.signal)
      return pool.activations(ids, options.signal)
    })
  }

  async saveState(
    prompt: string | readonly number[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkOptions(options, SIGNAL)
    checkSignal(options.signal)
    const text = promptOf(prompt)
    const pool = await this.working('Saving the state', options.signal)
    return pool.saveState(text, options.signal)
  }

  async loadState(
    state: Uint8Array | ArrayBuffer,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ tokens: number }> {
    checkOptions(options, SIGNAL)
    checkSignal(options.signal)
    const bytes = state instanceof ArrayBuffer ? new Uint8Array(state) : state
    if (!(bytes instanceof Uint8Array)) throw invalid('state', 'the bytes that saveState gave', state)
    const pool = await this.working('Loading the state', options.signal)
    return { tokens: await pool.loadState(bytes, options.signal) }
  }

  async reset(): Promise<void> {
    const pool = await this.working('The reset')
    await pool.reset()
  }

  async status(): Promise<ModelStatus> {
    const pool = await this.working('The status')
    return pool.status()
  }

  async close(): Promise<void> {
    this.closing.abort()
    await this.pool.close(closedError())
    await this.reloading?.catch(() => {})
    // Whoever still holds the model should not hold its vocabulary.
    this.opened = { ...this.opened, metadata: new Map() }
    this.tokenizerMade = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private checkOpen(): void {
    if (this.closing.signal.aborted) throw closedError()
  }

  /** The pool; where a worker of it died, the one that takes its place, which all calls wait for. */
  private async working(what: string, signal?: AbortSignal): Promise<WorkerPool> {
    this.checkOpen()
    const { pool, reload } = this
    if (!pool.dead || !reload) return pool
    this.reloading ??= this.replace(pool, reload).finally(() => {
      this.reloading = undefined
    })
    return untilAborted(this.reloading, signal, what)
  }

  private async replace(dead: WorkerPool, reload: (signal: AbortSignal) => Promise<WorkerPool>): Promise<WorkerPool> {
    // Its memory goes before there is another.
    await dead.close(closedError())
    try {
      const pool = await reload(this.closing.signal)
      if (!this.closing.signal.aborted) {
        this.pool = pool
        return pool
      }
      await pool.close(closedError())
    } catch (error) {
      this.checkOpen()
      throw error
    }
    throw closedError()
  }

  generation(
    prompt: string | readonly number[] | (() => string),
    options: GenerateOptions,
    conversation?: number,
  ): RunningGeneration {
    const stopped = new AbortController()
    return new RunningGeneration({
      run: async (onText) => {
        const resolved = resolveGenerate(options, this.info.vocabularySize, typeof prompt === 'function')
        const request = { ...resolved, ...(conversation !== undefined && { conversation }) }
        const [first, ...others] = await this.runChoices(prompt, request, options, stopped.signal, onText)
        return others.length > 0 ? { ...first!, choices: [first!, ...others] } : first!
      },
      stop: () => stopped.abort(),
    })
  }

  /** `options.n` generations, of which the first is heard. The first that fails ends the others. */
  private async runChoices(
    prompt: string | readonly number[] | (() => string),
    request: ResolvedGenerate,
    options: GenerateOptions,
    stopped: AbortSignal,
    onText: (text: string) => void,
  ): Promise<GenerateResult[]> {
    // A signal for each: one for all would have more listeners than Node takes for no leak.
    const choices = Array.from({ length: options.n ?? 1 }, () => new AbortController())
    const end = (reason?: unknown): void => {
      for (const choice of choices) choice.abort(reason)
    }
    return underAny([options.signal, stopped], async (signal) => {
      signal.addEventListener('abort', () => end(signal.reason))
      if (signal.aborted) end(signal.reason)
      const all = choices.map((choice, i) => {
        if (i === 0) return this.runGeneration(prompt, request, choice, { ...options, onText })
        const { conversation: _, ...other } = request
        const { seed } = request.sampler
        const sampler = seed === undefined ? request.sampler : { ...request.sampler, seed: seedOfAnswer(seed, i) }
        return this.runGeneration(prompt, { ...other, sampler }, choice)
      })
      try {
        return await Promise.all(all)
      } catch (error) {
        end()
        // The others reject with the abort that follows: the error is the one that failed first.
        const failed = (await Promise.allSettled(all)).filter((one) => one.status === 'rejected')
        throw failed.find(({ reason }) => !(reason instanceof AbortError))?.reason ?? error
      }
    })
  }

  private async runGeneration(
    prompt: string | readonly number[] | (() => string),
    request: ResolvedGenerate,
    stopped: AbortController,
    listener: Pick<GenerateOptions, 'onPrompt' | 'onToken'> & { onText?: (text: string) => void } = {},
  ): Promise<GenerateResult> {
    // An error of a caller's callback ends the generation and is its error.
    let failure: { error: unknown } | undefined
    const hear = (event: CallEvent): void => {
      if (failure || stopped.signal.aborted) return
      try {
        if (event.event === 'prompt') listener.onPrompt?.({ done: event.done, total: event.total })
        if (event.event !== 'token') return
        const { id, text, logprobs } = event
        if (id >= 0) listener.onToken?.({ id, text, ...(logprobs && { logprobs }) })
        listener.onText?.(text)
      } catch (error) {
        failure = { error }
        stopped.abort()
      }
    }
    try {
      const { signal } = stopped
      throwIfAborted(signal, 'Generation')
      const pool = await this.working('Generation', signal)
      const result = await pool.generate(this.withPrompt(request, prompt), signal, hear)
      if (!failure) return result
    } catch (error) {
      if (!failure) throw error
    }
    throw failure.error
  }

  private withPrompt(request: ResolvedGenerate, prompt: string | readonly number[] | (() => string)): GenerateRequest {
    if (typeof prompt !== 'function') return { ...request, prompt: promptOf(prompt) }
    const rendered = prompt()
    // A rendered template that begins with BOS must not get a second one.
    return { ...(beginsWithBos(rendered, this.opened.bosToken) && { bos: false }), ...request, prompt: rendered }
  }
}

function closedError(): ClosedError {
  return new ClosedError('CLOSED', 'The model was closed; load it again to use it.')
}

/** A text, or ids as a plain array. */
function promptOf(prompt: unknown): string | number[] {
  return typeof prompt === 'string' ? prompt : idsOf(prompt)
}

/** Token ids as a plain array; the engine checks their range. */
function idsOf(tokens: unknown): number[] {
  const list = Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && !(tokens instanceof DataView))
  const ids = list ? Array.from(tokens as ArrayLike<unknown>) : [undefined]
  const at = ids.findIndex((id) => typeof id !== 'number')
  if (at < 0) return ids as number[]
  const message = 'Token ids must be an array of numbers; a prompt may be a text instead.'
  throw new ArgumentError('INVALID_TOKENS', message, list ? ids[at] : tokens)
}
