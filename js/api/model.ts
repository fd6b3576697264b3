/** The model as its caller sees it. */

import type { WorkerPool } from '../../workers/pool.ts'
import type { CallEvent, Generated, Opened } from '../../workers/protocol.ts'
import type { TemplateChoice } from '../chat/template.ts'
import { type ChatMessage, REASONING_FORMATS } from '../chat/types.ts'
import { AbortError, ArgumentError, TemplateError, throwIfAborted, UnsupportedError } from '../errors.ts'
import { measureImatrix } from '../imatrix/imatrix.ts'
import type { ImatrixOptions } from '../imatrix/types.ts'
import { poolingOf } from '../models/keys.ts'
import { measurePerplexity } from '../perplexity/perplexity.ts'
import type { PerplexityOptions, PerplexityResult } from '../perplexity/types.ts'
import { randomSeed, seedOfAnswer } from '../sampler/random.ts'
import type { GenerateRequest } from '../scheduler/generate.ts'
import { checkSignal } from '../source/check.ts'
import type { DetokenizeOptions, TokenizeOptions } from '../tokenizer/tokenizer.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts'
import { hasVocabulary } from '../tokenizer/vocabulary.ts'
import { underAny } from '../util/abort.ts'
import { expose, plain } from '../util/caller.ts'
import { checkOptions, checkTypes, invalid, type OptionNames, oneOf } from '../util/check.ts'
import { kindOf } from '../util/kind.ts'
import type { CriaWarning } from '../util/warn.ts'
import { type ChatHost, type Conversation, ModelChat } from './chat.ts'
import type { AnswerReader, TurnPrompt } from './chat-output.ts'
import { RunningGeneration } from './generation.ts'
import { CHAT_OPTIONS, type ResolvedGenerate, resolveGenerate } from './options.ts'
import { Heard, type RecoveringPool } from './recovery.ts'
import { runTools } from './run-tools.ts'
import { loadTemplates, templates } from './templates.ts'
import { PLAIN_TURN, turnOf } from './turn.ts'
import type {
  Chat,
  ChatDelta,
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
  RunnableTool,
  RunToolsOptions,
  ToolRun,
} from './types.ts'

const CREATE_CHAT_OPTIONS: OptionNames<CreateChatOptions> = { ...CHAT_OPTIONS, system: true, messages: true }
const SIGNAL: OptionNames<{ signal: unknown }> = { signal: true }
const LOGITS_OPTIONS: OptionNames<{ from: unknown; signal: unknown }> = { ...SIGNAL, from: true }
const EMBED_OPTIONS: OptionNames<EmbedOptions> = { ...SIGNAL, pooling: true, normalize: true }
/** Warnings about chats in the life of a model. */
const MOST_TOLD = 100

/** Of a generation: who gets its parts, and the conversation whose turn it is. */
interface Recipient {
  onPart: (delta: ChatDelta) => void
  conversation?: Conversation
}

/** A text, or ids as they are; of a chat, what renders it when its turn comes. */
type PromptInput = string | readonly number[] | (() => TurnPrompt)

export class CriaModel implements Model, ChatHost {
  /** Made when first needed, which for a large vocabulary takes a while: generation and chat tokenize in the leader. */
  private tokenizerMade: Tokenizer | undefined
  /** Warnings about chats that were given: each is told once. */
  private readonly told = new Set<string>()

  constructor(
    readonly info: ModelInfo,
    private readonly pool: RecoveringPool,
    private opened: Pick<Opened, 'metadata' | 'bosToken' | 'eosToken'>,
    readonly onWarning: (warning: CriaWarning) => void,
  ) {
    expose(this, 'Model', ['info'])
  }

  generate(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    return this.generation(prompt, options)
  }

  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation {
    // As they are now: it begins later.
    const [turns, settings] = plain([messages, options])
    return this.generation(() => this.render(turns, settings, settings.addGenerationPrompt), settings)
  }

  createChat(options: CreateChatOptions = {}): Chat {
    checkOptions(options, CREATE_CHAT_OPTIONS)
    return new ModelChat(this, plain(options))
  }

  runTools(messages: readonly ChatMessage[], tools: readonly RunnableTool[], options: RunToolsOptions = {}): ToolRun {
    return runTools(this, messages, tools, options)
  }

  applyTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checkOptions(options, CHAT_OPTIONS)
    return this.render(messages, options, options.addGenerationPrompt).text
  }

  render(messages: readonly ChatMessage[], options: ChatOptions, addGenerationPrompt: boolean | undefined): TurnPrompt {
    checkOptions(options, CHAT_OPTIONS)
    if (options.special === false) throw invalid('special', 'true in a chat', false)
    checkTypes(options, 'boolean', ['addGenerationPrompt', 'strict', 'parallelToolCalls', 'reasoning'])
    const { tools, continueFinalMessage, templateVariables, strict, reasoning, reasoningFormat } = options
    oneOf('reasoningFormat', reasoningFormat, REASONING_FORMATS, 'auto')
    const switched = reasoning === undefined ? {} : { enable_thinking: reasoning, thinking: reasoning }
    const variables = { ...switched, ...templateVariables }
    if (![undefined, true, false, 'content', 'reasoning_content'].includes(continueFinalMessage)) {
      throw invalid('continueFinalMessage', "true, false, 'content' or 'reasoning_content'", continueFinalMessage)
    }
    const { bosToken, eosToken } = this.withVocabulary()
    const { template, warning } = this.templateChoice(options)
    if (warning) this.tell(warning)
    const onDropped = (names: string[]): void => {
      const message = `The chat template leaves out ${names.join(', ')}: the model would not see it.`
      if (strict) throw new TemplateError('MESSAGE_DROPPED', message, names)
      this.tell({ code: 'MESSAGE_DROPPED', message })
    }
    const withoutReasoning = reasoning === false
    const rest = { tools, addGenerationPrompt, continueFinalMessage, variables, withoutReasoning, onDropped }
    return { template, ...templates(template).renderTurn({ template, messages, bosToken, eosToken, ...rest }) }
  }

  private tell(warning: CriaWarning): void {
    if (this.told.has(warning.message) || this.told.size > MOST_TOLD) return
    this.told.add(warning.message)
    this.onWarning(warning)
  }

  chatTemplate(options: ChatOptions = {}): string {
    checkOptions(options, CHAT_OPTIONS)
    return this.templateChoice(options).template
  }

  private templateChoice({ template, tools }: ChatOptions): TemplateChoice {
    const { metadata } = this.withVocabulary()
    const named = metadata.get('tokenizer.chat_template.tool_use')
    const toolUse = typeof named === 'string' ? named : undefined
    return templates().chooseTemplate({
      ggufTemplate: (tools?.length && toolUse) || this.info.chatTemplate || toolUse,
      requested: template,
      tokens: { has: (token) => (metadata.get('tokenizer.ggml.tokens') as string[]).includes(token) },
    })
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
    this.pool.checkOpen()
    if (hasVocabulary(this.opened.metadata)) return this.opened
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
    const { signal } = options
    const data = await this.pool.run('Computing logits', signal, (pool) => pool.logits(ids, from, signal))
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
    const request = { texts: list, pooling, normalize }
    return this.pool.run('The embedding', signal, (pool) => pool.embed(request, signal))
  }

  async perplexity(text: string | readonly number[], options: PerplexityOptions = {}): Promise<PerplexityResult> {
    return measurePerplexity(this, text, options)
  }

  async imatrix(text: string | readonly number[], options: ImatrixOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return measureImatrix(this, text, options, (ids) =>
      this.pool.run('The importance matrix', options.signal, (pool) => pool.activations(ids, options.signal)),
    )
  }

  async saveState(
    prompt: string | readonly number[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkOptions(options, SIGNAL)
    checkSignal(options.signal)
    const text = promptOf(prompt)
    const { signal } = options
    return this.pool.run('Saving the state', signal, (pool) => pool.saveState(text, signal))
  }

  async loadState(
    state: Uint8Array | ArrayBuffer,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ tokens: number; ids: number[] }> {
    checkOptions(options, SIGNAL)
    checkSignal(options.signal)
    const bytes = kindOf(state) === 'ArrayBuffer' ? new Uint8Array(state as ArrayBuffer) : state
    if (!ArrayBuffer.isView(bytes) || kindOf(bytes) !== 'Uint8Array')
      throw invalid('state', 'the bytes that saveState gave', state)
    const { signal } = options
    const ids = await this.pool.run('Loading the state', signal, (pool) => pool.loadState(bytes, signal))
    return { tokens: ids.length, ids }
  }

  async reset(prompt?: string | readonly number[]): Promise<void> {
    const text = prompt === undefined ? undefined : promptOf(prompt)
    await this.pool.run('The reset', undefined, (pool) => pool.reset(text))
  }

  async status(): Promise<ModelStatus> {
    return this.pool.run('The status', undefined, (pool) => pool.status())
  }

  async close(): Promise<void> {
    await this.pool.close()
    // Whoever still holds the model should not hold its vocabulary.
    this.opened = { ...this.opened, metadata: new Map() }
    this.tokenizerMade = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  generation(prompt: PromptInput, options: ChatOptions, conversation?: Conversation): RunningGeneration {
    const stopped = new AbortController()
    const [given, settings] = plain([prompt, options])
    return new RunningGeneration({
      run: async (onPart) => {
        const { vocabularySize, sampling } = this.info
        const request = resolveGenerate(settings, vocabularySize, sampling, typeof prompt === 'function')
        if (typeof prompt === 'function') await loadTemplates((settings as ChatOptions).template)
        const recipient = { onPart, ...(conversation && { conversation }) }
        const [first, ...others] = await this.runChoices(given, request, settings, stopped.signal, recipient)
        return others.length > 0 ? { ...first!, choices: [first!, ...others] } : first!
      },
      stop: () => stopped.abort(),
    })
  }

  /** `options.n` generations, of which the first is heard. The first that fails ends the others. */
  private async runChoices(
    prompt: PromptInput,
    request: ResolvedGenerate,
    options: ChatOptions,
    stopped: AbortSignal,
    recipient: Recipient,
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
        if (i === 0) return this.runGeneration(prompt, request, options, choice, { ...options, ...recipient })
        const { seed } = request.sampler
        const sampler = seed === undefined ? request.sampler : { ...request.sampler, seed: seedOfAnswer(seed, i) }
        return this.runGeneration(prompt, { ...request, sampler }, options, choice)
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
    given: PromptInput,
    resolved: ResolvedGenerate,
    options: ChatOptions,
    stopped: AbortController,
    listener: Pick<GenerateOptions, 'onPrompt' | 'onToken' | 'onDelta'> & Partial<Recipient> = {},
  ): Promise<GenerateResult> {
    // An error of a caller's callback ends the generation and is its error.
    let failure: { error: unknown } | undefined
    const heard = new Heard()
    let answer: AnswerReader | undefined
    const pass = (deltas: readonly ChatDelta[]): void => {
      for (const delta of deltas) {
        listener.onDelta?.(delta)
        listener.onPart?.(delta)
      }
    }
    const hear = (event: CallEvent, pool: WorkerPool): void => {
      if (failure || stopped.signal.aborted) return
      try {
        if (!heard.isNew(event)) return
        pool.advanced ||= heard.advanced
        if (event.event === 'prompt') listener.onPrompt?.({ done: event.done, total: event.total })
        if (event.event !== 'token') return
        const { id, text, logprobs } = event
        if (id >= 0) listener.onToken?.({ id, text, ...(logprobs && { logprobs }) })
        pass(answer!.push(text))
      } catch (error) {
        failure = { error }
        stopped.abort()
      }
    }
    try {
      const { signal } = stopped
      throwIfAborted(signal, 'Generation')
      let whole: GenerateRequest | undefined
      const turn = typeof given === 'function' ? given() : undefined
      const { request, reader } = turn ? await turnOf(turn, resolved, options) : PLAIN_TURN
      answer = reader()
      const all = { ...resolved, ...request }
      const call = (pool: WorkerPool): Promise<Generated> => {
        whole ??= turn
          ? this.withTurn(withSeed(all), turn.text, listener.conversation)
          : { ...withSeed(all), prompt: promptOf(given) }
        return pool.generate({ ...whole, sampled: heard.restart() }, signal, (event) => hear(event, pool))
      }
      const { result, history } = await this.pool.run('Generation', signal, call, heard.stuck)
      listener.conversation?.end(result.text, history)
      if (!failure) {
        pass(answer.end(result.finishReason === 'length'))
        return answer.result({ ...result, ...(result.logprobs && { logprobs: heard.logprobs }) })
      }
    } catch (error) {
      if (!failure) throw error
    }
    throw failure.error
  }

  private withTurn(request: ResolvedGenerate, text: string, conversation: Conversation | undefined): GenerateRequest {
    // A rendered template that begins with BOS must not get a second one.
    const bos = templates().beginsWithBos(text, this.opened.bosToken) && { bos: false }
    return { ...bos, ...request, ...(conversation?.begin(text) ?? { prompt: text }) }
  }
}

/** A generation that is run again draws the same numbers. */
function withSeed(request: ResolvedGenerate): ResolvedGenerate {
  return { ...request, sampler: { seed: randomSeed(), ...request.sampler } }
}

/** A text, or ids as a plain array. */
function promptOf(prompt: unknown): string | number[] {
  return typeof prompt === 'string' ? prompt : idsOf(prompt)
}

/** Token ids as a plain array; the engine checks their range. */
function idsOf(tokens: unknown): number[] {
  const list = Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && kindOf(tokens) !== 'DataView')
  const ids = list ? Array.from(tokens as ArrayLike<unknown>) : [undefined]
  const at = ids.findIndex((id) => typeof id !== 'number')
  if (at < 0) return ids as number[]
  const message = 'Token ids must be an array of numbers; a prompt may be a text instead.'
  throw new ArgumentError('INVALID_TOKENS', message, list ? ids[at] : tokens)
}
