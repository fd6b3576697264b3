/** The model as its caller sees it. */
import type {
  Chat,
  ChatMessage,
  ChatOptions,
  CriaWarning,
  DetokenizeOptions,
  GenerateOptions,
  GenerateResult,
  Generation,
  Model,
  ModelInfo,
  TokenizeOptions,
} from './api.ts'
import { beginsWithBos, chooseTemplate, renderChat } from './chat/template.ts'
import { ModelChat } from './chat-session.ts'
import type { Crew } from './crew.ts'
import type { GenerateRequest, InternalResult, Prompt } from './engine/generate.ts'
import type { LeaderEvent } from './engine/leader.ts'
import { AbortError, ClosedError, UnsupportedError } from './errors.ts'
import { RunningGeneration } from './generation.ts'
import type { Metadata } from './gguf/types.ts'
import { createTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts'

export class CriaModel implements Model {
  /** Made when first needed: generation tokenizes in the leader. */
  private tokenizerMade: Tokenizer | undefined
  /** Ends when the call that came last is done: calls wait for each other. */
  private turn: Promise<unknown> = Promise.resolve()
  private closed = false
  private warned = false

  constructor(
    readonly info: ModelInfo,
    private readonly crew: Crew,
    private readonly metadata: Metadata,
    private readonly onWarning: (warning: CriaWarning) => void,
  ) {}

  generate(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    return this.generation(prompt, options)
  }

  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation {
    return this.generation(() => this.applyTemplate(messages, options), chatOptions(options))
  }

  createChat(options: ChatOptions & { system?: string } = {}): Chat {
    return new ModelChat(this, options)
  }

  applyTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    return this.render(messages, options, true)
  }

  /** The text of messages, with or without what opens an answer. */
  render(messages: readonly ChatMessage[], options: ChatOptions, addGenerationPrompt: boolean): string {
    const tokenizer = this.tokenizer
    const { template, warning } = chooseTemplate({
      ...(this.info.chatTemplate !== undefined && { ggufTemplate: this.info.chatTemplate }),
      ...(options.template !== undefined && { requested: options.template }),
      tokens: this.templateVocabulary(),
    })
    if (warning && !this.warned) this.onWarning(warning)
    if (warning) this.warned = true
    const text = (id: number | undefined): string => (id === undefined ? '' : tokenizer.tokenText(id))
    return renderChat({
      template,
      messages,
      bosToken: text(tokenizer.bos),
      eosToken: text(tokenizer.eos),
      addGenerationPrompt,
      ...(options.tools && { tools: options.tools }),
      ...(options.templateVariables && { variables: options.templateVariables }),
    })
  }

  private templateVocabulary(): { has(token: string): boolean; model?: string } {
    const tokens = this.metadata.get('tokenizer.ggml.tokens')
    const model = this.metadata.get('tokenizer.ggml.model')
    const has = (token: string): boolean => Array.isArray(tokens) && (tokens as string[]).includes(token)
    return { has, ...(typeof model === 'string' && { model }) }
  }

  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    return this.tokenizer.tokenize(text, options)
  }

  detokenize(ids: readonly number[], options: DetokenizeOptions = {}): string {
    return this.tokenizer.detokenize(ids, options)
  }

  get tokenizer(): Tokenizer {
    this.checkOpen()
    if (!this.tokenizerMade) {
      if (!this.metadata.has('tokenizer.ggml.model')) {
        throw new UnsupportedError('NO_TOKENIZER', 'The model’s file has no vocabulary: only token ids can be used.')
      }
      this.tokenizerMade = createTokenizer(this.metadata)
    }
    return this.tokenizerMade
  }

  async logits(
    tokens: readonly number[],
    options: { signal?: AbortSignal } = {},
  ): Promise<{ data: Float32Array; shape: [number, number] }> {
    const data = await this.exclusive('Computing logits', options.signal, () => this.crew.logits([...tokens]))
    return { data, shape: [tokens.length, this.info.vocabularySize] }
  }

  async reset(): Promise<void> {
    await this.exclusive('The reset', undefined, () => this.crew.reset())
  }

  async close(): Promise<void> {
    this.closed = true
    await this.crew.close(new ClosedError('CLOSED', 'The model was closed; load it again to use it.'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private checkOpen(): void {
    if (this.closed) throw new ClosedError('CLOSED', 'The model was closed; load it again to use it.')
  }

  /** A generation from a prompt, or from one that is made when its turn comes. */
  generation(prompt: Prompt | (() => Prompt), options: GenerateOptions): RunningGeneration {
    const stopped = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, stopped.signal]) : stopped.signal
    return new RunningGeneration({
      run: (onText) => this.runGeneration(prompt, options, signal, onText),
      stop: () => stopped.abort(),
    })
  }

  private async runGeneration(
    prompt: Prompt | (() => Prompt),
    options: GenerateOptions,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<GenerateResult> {
    const { maxTokens, stop, special, bos, ignoreEos, onToken, onPrompt, signal: _, ...sampler } = options
    const result = await this.exclusive('Generation', signal, () => {
      const given = typeof prompt === 'function' ? prompt() : prompt
      const request: GenerateRequest = {
        prompt: given,
        sampler,
        ...(maxTokens !== undefined && { maxTokens }),
        ...(stop !== undefined && { stop }),
        ...(special !== undefined && { special }),
        ...(ignoreEos !== undefined && { ignoreEos }),
        ...bosOf(bos, typeof prompt === 'function' && typeof given === 'string' && this.beginsWithBos(given)),
      }
      this.crew.listen((event: LeaderEvent) => {
        if (event.event === 'prompt') onPrompt?.({ done: event.done, total: event.total })
        if (event.event !== 'token') return
        if (event.id >= 0) onToken?.({ id: event.id, text: event.text })
        onText(event.text)
      })
      return this.crew.generate(request)
    })
    return publicResult(result)
  }

  /** A rendered template that begins with BOS must not get a second one. */
  beginsWithBos(text: string): boolean {
    const { bos } = this.tokenizer
    return bos !== undefined && beginsWithBos(text, this.tokenizer.tokenText(bos))
  }

  /** Runs a call of the crew's when those before it are done; an abort while waiting or running rejects at once. */
  private async exclusive<T>(what: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const before = this.turn
    let done!: () => void
    this.turn = new Promise<void>((resolve) => {
      done = resolve
    })
    try {
      await untilAborted(before, signal, what)
      this.checkOpen()
      if (signal?.aborted) throw new AbortError(what, signal.reason)
      return await this.abortable(what, signal, run)
    } finally {
      // Those behind wait for those before, even where this one gave up waiting.
      void before.then(done)
    }
  }

  private async abortable<T>(what: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const abort = (): void => this.crew.abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await run()
    } catch (error) {
      throw error instanceof AbortError ? new AbortError(what, signal?.reason) : error
    } finally {
      signal?.removeEventListener('abort', abort)
      if (signal?.aborted) await this.crew.clear()
    }
  }
}

function chatOptions(options: ChatOptions): GenerateOptions {
  const { template: _, tools: __, templateVariables: ___, ...rest } = options
  return { ...rest, special: true }
}

function bosOf(asked: boolean | undefined, present: boolean): { bos?: boolean } {
  if (asked !== undefined) return { bos: asked }
  return present ? { bos: false } : {}
}

function publicResult({ promptIds: _, ...result }: InternalResult): GenerateResult {
  return result
}

/** Waits for a promise that never rejects, but no longer than the signal allows. */
async function untilAborted(promise: Promise<unknown>, signal: AbortSignal | undefined, what: string): Promise<void> {
  if (!signal) {
    await promise
    return
  }
  let abort!: () => void
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new AbortError(what, signal.reason))
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    if (signal.aborted) abort()
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
