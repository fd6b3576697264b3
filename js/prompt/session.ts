/** A session of the Prompt API: a conversation with a model. */
import type { ChatOptions, GenerateResult, Model } from '../api/types.ts'
import { ContextError, TemplateError, throwIfAborted } from '../errors.ts'
import { underAny, untilAborted } from '../util/abort.ts'
import { asDomException, domException } from './errors.ts'
import { constraintOf, inputOf, type PlainInput, type PlainMessage, type PromptSampling } from './input.ts'
import type { PromptOptions, PromptSamplingMode, PromptSession, PromptText, PromptTool } from './types.ts'

/** llama.cpp's, where neither a session nor the model's file says. */
export const DEFAULT_TOP_K = 40
export const DEFAULT_TEMPERATURE = 0.8
const OVERFLOW = 'contextoverflow'
const AS_IT_IS = { addGenerationPrompt: false, continueFinalMessage: false } as const

export interface SessionState {
  model: Model
  sampling: PromptSampling
  tools: readonly PromptTool[]
  /** Those it began with, which stay. */
  initial: readonly PlainMessage[]
  /** A list for each call so far. */
  turns: readonly (readonly PlainMessage[])[]
  usage: number
}

export class Session extends EventTarget implements PromptSession {
  private readonly ended = new AbortController()
  /** Settles when the calls so far have. */
  private last: Promise<unknown> = Promise.resolve()
  private handler: ((event: unknown) => void) | null = null

  constructor(private state: SessionState) {
    super()
    if (!state) throw new TypeError('Illegal constructor: LanguageModel.create() makes sessions.')
    this.addEventListener(OVERFLOW, (event) => this.handler?.call(this, event))
  }

  get contextUsage(): number {
    return this.state.usage
  }
  get contextWindow(): number {
    return this.state.model.info.context
  }
  get inputUsage(): number {
    return this.contextUsage
  }
  get inputQuota(): number {
    return this.contextWindow
  }
  get topK(): number {
    return this.state.sampling.topK ?? this.state.model.info.sampling.topK ?? DEFAULT_TOP_K
  }
  get temperature(): number {
    return this.state.sampling.temperature ?? this.state.model.info.sampling.temperature ?? DEFAULT_TEMPERATURE
  }
  get samplingMode(): PromptSamplingMode {
    return this.state.sampling.mode
  }
  get oncontextoverflow(): ((event: unknown) => void) | null {
    return this.handler
  }
  set oncontextoverflow(handler: ((event: unknown) => void) | null) {
    this.handler = typeof handler === 'function' ? handler : null
  }

  prompt(input: PromptText, options: PromptOptions = {}): Promise<string> {
    return this.inTurn(options.signal, (signal) => this.answer(input, options, signal, () => {}))
  }

  promptStreaming(input: PromptText, options: PromptOptions = {}): ReadableStream<string> {
    const left = new AbortController()
    return new ReadableStream<string>({
      start: (out) => {
        const write = (piece: string): void => {
          if (!left.signal.aborted) out.enqueue(piece)
        }
        this.inTurn(options.signal, (signal) => this.answer(input, options, signal, write), left.signal).then(
          () => out.close(),
          (error: unknown) => out.error(error),
        )
      },
      cancel: (reason) => left.abort(reason),
    })
  }

  async append(input: PromptText, options: { signal?: AbortSignal } = {}): Promise<undefined> {
    await this.inTurn(options.signal, async (signal) => {
      const { messages } = inputOf(input, this.hasInput)
      await this.withRoom(async (before) => {
        return { usage: await this.computed([...before, ...messages], signal), turn: messages }
      })
    })
  }

  async measureContextUsage(input: PromptText, options: PromptOptions = {}): Promise<number> {
    constraintOf(options)
    return this.guarded(options.signal, undefined, async () => {
      const { messages } = inputOf(input, this.hasInput)
      const turns = [...this.state.initial, ...this.state.turns.flat()]
      return Math.max(0, this.count([...turns, ...messages]) - this.count(turns))
    })
  }

  measureInputUsage(input: PromptText, options: PromptOptions = {}): Promise<number> {
    return this.measureContextUsage(input, options)
  }

  clone(options: { signal?: AbortSignal } = {}): Promise<PromptSession> {
    const Class = Object.getPrototypeOf(this).constructor as typeof Session
    return this.inTurn(options.signal, async () => new Class(this.state))
  }

  destroy(): undefined {
    this.end(domException('AbortError', 'The session was destroyed.'))
  }

  /** Ends it for a reason. @internal */
  end(reason: unknown): void {
    this.ended.abort(reason)
  }

  /** Computes what the session began with. @internal */
  async begin(signal: AbortSignal | undefined): Promise<void> {
    if (this.state.initial.length > 0) this.state.usage = await this.computed(this.state.initial, signal)
  }

  private get hasInput(): boolean {
    return this.state.initial.length > 0 || this.state.turns.length > 0
  }

  /** Runs work after the calls before it. Whoever gives up sooner waits no longer, and his work is not begun. */
  private inTurn<T>(
    asked: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    left?: AbortSignal,
  ): Promise<T> {
    const before = this.last
    const done = this.guarded(asked, left, async (signal) => {
      await untilAborted(before, signal, 'The call')
      return work(signal)
    })
    this.last = Promise.allSettled([before, done])
    return done
  }

  private async guarded<T>(
    asked: AbortSignal | undefined,
    left: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await underAny([this.ended.signal, asked, left], async (signal) => {
        throwIfAborted(signal, 'The call')
        return work(signal)
      })
    } catch (error) {
      throw asDomException(error, 'UnknownError', this.contextWindow)
    }
  }

  private async answer(
    text: PromptText,
    asked: PromptOptions,
    signal: AbortSignal,
    write: (piece: string) => void,
  ): Promise<string> {
    const constraint = constraintOf(asked)
    const input = inputOf(text, this.hasInput)
    const { result } = await this.withRoom(async (before, fits) => {
      const messages = [...before, ...input.messages]
      const generation = this.generation(messages, { ...constraint, signal }, input.prefix)
      for await (const delta of generation.deltas()) {
        fits()
        if (delta.content !== undefined) write(delta.content)
      }
      const result = await generation.result()
      const added =
        'messages' in result ? (result.messages as PlainMessage[]).slice(messages.length) : [answerOf(result)]
      return { result, usage: result.promptTokens + result.completionTokens, turn: turnOf(input, added) }
    })
    if (Object.keys(constraint).length > 0 && result.finishReason === 'length') {
      throw domException(
        'SyntaxError',
        'The answer was cut short by the end of the context, and does not fit the constraint.',
      )
    }
    return result.text
  }

  private generation(messages: readonly PlainMessage[], options: ChatOptions, prefix: boolean) {
    const { model, tools, sampling } = this.state
    const { topK, temperature } = sampling
    const all: ChatOptions = {
      ...options,
      ...(topK !== undefined && { topK }),
      ...(temperature !== undefined && { temperature }),
      ...(!prefix && { addGenerationPrompt: true, continueFinalMessage: false }),
    }
    if (tools.length === 0) return model.chat(messages, all)
    const runnable = tools.map(({ execute, ...tool }) => ({
      ...described(tool),
      execute: (args: Record<string, unknown>) => execute(args),
    }))
    return model.runTools(messages, runnable, all)
  }

  /**
   * Does work with the conversation so far; where that and what is new do not fit the context, without its oldest turns, of
   * which an event tells. `fits`: to be called when the prompt has been read.
   */
  private async withRoom<T extends { usage: number; turn: readonly PlainMessage[] }>(
    work: (before: readonly PlainMessage[], fits: () => void) => Promise<T>,
  ): Promise<T> {
    let { turns } = this.state
    let read = false
    const fits = (): void => {
      if (read) return
      read = true
      if (turns === this.state.turns) return
      this.state = { ...this.state, turns }
      this.dispatchEvent(new Event(OVERFLOW))
    }
    for (;;) {
      try {
        const done = await work([...this.state.initial, ...turns.flat()], fits)
        fits()
        this.state = { ...this.state, turns: [...turns, done.turn], usage: done.usage }
        return done
      } catch (error) {
        const fewer = read || !(error instanceof ContextError) ? undefined : withoutOldest(turns)
        if (!fewer) throw error
        turns = fewer
      }
    }
  }

  /** Computes messages, so that what follows finds them in the cache; resolves to their tokens. */
  private async computed(messages: readonly PlainMessage[], signal: AbortSignal | undefined): Promise<number> {
    const options = { ...AS_IT_IS, ...this.described, maxTokens: 0, ...(signal && { signal }) }
    try {
      return (await this.state.model.chat(messages, options).result()).promptTokens
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      return this.count(messages)
    }
  }

  /** Tokens of messages. */
  private count(messages: readonly PlainMessage[]): number {
    if (messages.length === 0) return 0
    const { model } = this.state
    try {
      return model.tokenize(model.applyTemplate(messages, { ...AS_IT_IS, ...this.described })).length
    } catch (error) {
      // Some templates render no conversation without a user, or two messages of one: their texts alone then.
      if (!(error instanceof TemplateError)) throw error
      return messages.reduce((sum, { content }) => sum + model.tokenize(content, { bos: false }).length, 0)
    }
  }

  private get described(): Pick<ChatOptions, 'tools'> {
    const { tools } = this.state
    return tools.length > 0 ? { tools: tools.map((tool) => ({ type: 'function', function: described(tool) })) } : {}
  }
}

function described({ name, description, inputSchema }: Omit<PromptTool, 'execute'>) {
  return { name, description, parameters: inputSchema }
}

function answerOf({ text, reasoning }: GenerateResult): PlainMessage {
  return { role: 'assistant', content: text, ...(reasoning !== undefined && { reasoning_content: reasoning }) }
}

/** A call's messages and the answer to them. */
function turnOf({ messages, prefix }: PlainInput, answers: readonly PlainMessage[]): PlainMessage[] {
  const [first, ...rest] = answers
  if (!prefix || !first) return [...messages, ...answers]
  return [...messages.slice(0, -1), { ...first, content: messages.at(-1)!.content + first.content }, ...rest]
}

/** Turns without the oldest; a system message stays. Undefined where there is nothing to leave out. */
function withoutOldest(turns: SessionState['turns']): SessionState['turns'] | undefined {
  const oldest = turns.findIndex((turn) => turn.some(({ role }) => role !== 'system'))
  if (oldest < 0) return undefined
  const kept = turns[oldest]!.filter(({ role }) => role === 'system')
  return [...turns.slice(0, oldest), ...(kept.length > 0 ? [kept] : []), ...turns.slice(oldest + 1)]
}
