/** A conversation that keeps its turns; each answer costs only the tokens that are new. */

import { AbortError, ContextError, throwIfAborted } from '../errors.ts'
import type { GenerateResult } from '../scheduler/types.ts'
import { checkSignal } from '../source/check.ts'
import { underAny, untilAborted } from '../util/abort.ts'
import { expose, plain } from '../util/caller.ts'
import { invalid } from '../util/check.ts'
import { Queue } from '../util/concurrency.ts'
import type { CriaWarning } from '../util/warn.ts'
import type { TurnPrompt } from './chat-output.ts'
import { RunningGeneration } from './generation.ts'
import type { Chat, ChatDelta, ChatMessage, ChatOptions, CreateChatOptions, Generation } from './types.ts'

/** The model, as far as a conversation needs it. */
export interface ChatHost {
  /** The text of messages, with or without what opens an answer. */
  render(messages: readonly ChatMessage[], options: ChatOptions, addGenerationPrompt: boolean): TurnPrompt
  /** Generates from a text that is made when its turn comes. */
  generation(prompt: () => TurnPrompt, options: ChatOptions, conversation: Conversation): RunningGeneration
  readonly onWarning: (warning: CriaWarning) => void
}

/** The ids of the turns so far, which their text might not tokenize to. */
export class Conversation {
  private text = ''
  private ids: readonly number[] = []

  /** Begins a turn: what its text adds to the ids so far, where it goes on from them. A turn that fails forgets them. */
  begin(text: string): { prompt: string; history: readonly number[] } {
    const known = this.ids.length > 0 && text.startsWith(this.text)
    const turn = known ? { prompt: text.slice(this.text.length), history: this.ids } : { prompt: text, history: [] }
    this.text = text
    this.ids = []
    return turn
  }

  /** `ids`: those of the conversation with the answer, where another turn may continue them. */
  end(answer: string, ids: readonly number[] = []): void {
    this.text += answer
    this.ids = ids
  }
}

export class ModelChat implements Chat {
  private readonly options: ChatOptions
  private turns: ChatMessage[]
  private readonly opening: ChatMessage[]
  /** Turns behind the opening that a context shift has dropped from the prompt. */
  private dropped = 0
  private readonly conversation = new Conversation()
  /** A turn begins when the one before it is complete. */
  private readonly queue = new Queue()

  constructor(
    private readonly host: ChatHost,
    { system, messages = [], ...options }: CreateChatOptions,
  ) {
    if (!Array.isArray(messages)) throw invalid('messages', 'an array of {role, content}', messages)
    this.options = options
    this.turns = [...(system === undefined ? [] : [{ role: 'system', content: system }]), ...messages]
    const begun = this.turns.findIndex((message) => message?.role !== 'system')
    this.opening = this.turns.slice(0, begun < 0 ? undefined : begun)
    expose(this, 'Chat')
  }

  get messages(): readonly ChatMessage[] {
    // A copy: stores freeze what they are given.
    return [...this.turns]
  }

  reset(): void {
    // A new list: an answer under way belongs to the old one.
    this.turns = [...this.opening]
    this.dropped = 0
  }

  send(content: string | readonly ChatMessage[], options: ChatOptions = {}): Generation {
    const turns = Array.isArray(content) ? plain([...content]) : [{ role: 'user', content } as ChatMessage]
    const all = { ...this.options, ...plain(options) }
    const stopped = new AbortController()
    return new RunningGeneration({
      run: async (onPart) => {
        checkSignal(all.signal)
        // The prompt would become part of the assistant's turn.
        if (all.echo) throw invalid('echo', 'false in a conversation', all.echo)
        return underAny([all.signal, stopped.signal], async (signal) => {
          let begun = false
          const turn = this.queue.run(() => {
            begun = true
            return this.answer(turns, { ...all, signal }, onPart)
          })
          try {
            return await untilAborted(turn, signal, 'Generation')
          } catch (error) {
            // Stopped while it ran: the partial answer joins the messages first.
            if (begun) return turn
            throw error
          }
        })
      },
      stop: () => stopped.abort(),
    })
  }

  private async answer(
    sent: readonly ChatMessage[],
    options: ChatOptions,
    onPart: (delta: ChatDelta) => void,
  ): Promise<GenerateResult> {
    throwIfAborted(options.signal, 'Generation')
    const { turns } = this
    turns.push(...sent)
    let answer = ''
    const hear = (delta: ChatDelta): void => {
      answer += delta.content ?? ''
      onPart(delta)
    }
    try {
      const result = await this.generate(turns, options, hear)
      turns.push(messageOf(result))
      return result
    } catch (error) {
      // Stopped early: the partial answer stays. Failed before a word: the question goes too.
      if (error instanceof AbortError && answer !== '') turns.push({ role: 'assistant', content: answer })
      else turns.splice(-sent.length, sent.length)
      throw error
    }
  }

  /** Generates an answer; with `contextShift` a conversation that outgrows the context goes on without its older half. */
  private async generate(
    turns: readonly ChatMessage[],
    options: ChatOptions,
    onPart: (delta: ChatDelta) => void,
  ): Promise<GenerateResult> {
    for (;;) {
      const kept = [...this.opening, ...turns.slice(this.opening.length + this.dropped)]
      const generation = this.host.generation(() => this.host.render(kept, options, true), options, this.conversation)
      try {
        for await (const delta of generation.deltas()) onPart(delta)
        return await generation.result()
      } catch (error) {
        const first = this.opening.length
        const questions = kept.flatMap(({ role }, i) => (role === 'user' && i > first ? [i - first] : []))
        if (!(error instanceof ContextError) || !options.contextShift || questions.length === 0) throw error
        this.dropped += questions[questions.length >> 1]!
        const message = `The conversation is longer than the context: it goes on without its first ${this.dropped} messages.`
        this.host.onWarning({ code: 'CONTEXT_SHIFTED', message })
      }
    }
  }
}

/** The message that an answer is. */
export function messageOf({ text, reasoning, toolCalls }: GenerateResult): ChatMessage {
  const calls = toolCalls?.map(({ id, ...called }) => ({ id, type: 'function', function: called }))
  return {
    role: 'assistant',
    content: text,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(calls && { tool_calls: calls }),
  }
}
