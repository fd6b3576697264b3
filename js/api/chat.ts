/** A conversation that keeps its turns; each answer costs only the tokens that are new. */

import { AbortError, throwIfAborted } from '../errors.ts'
import type { GenerateResult } from '../scheduler/types.ts'
import { checkSignal } from '../source/check.ts'
import { underAny, untilAborted } from '../util/abort.ts'
import { expose, plain } from '../util/caller.ts'
import { invalid } from '../util/check.ts'
import { Queue } from '../util/concurrency.ts'
import { RunningGeneration } from './generation.ts'
import type { Chat, ChatMessage, ChatOptions, GenerateOptions, Generation } from './types.ts'

/** The model, as far as a conversation needs it. */
export interface ChatHost {
  /** The text of messages, with or without what opens an answer. */
  render(messages: readonly ChatMessage[], options: ChatOptions, addGenerationPrompt: boolean): string
  /** Generates from a text that is made when its turn comes. `conversation`: see GenerateRequest. */
  generation(prompt: () => string, options: GenerateOptions, conversation: number): RunningGeneration
}

/** Conversations so far. */
let conversations = 0

export class ModelChat implements Chat {
  private turns: ChatMessage[] = []
  private readonly opening: ChatMessage[]
  private readonly number = conversations++
  /** A turn begins when the one before it is complete. */
  private readonly queue = new Queue()

  constructor(
    private readonly host: ChatHost,
    private readonly options: ChatOptions & { system?: string },
  ) {
    this.opening = options.system === undefined ? [] : [{ role: 'system', content: options.system }]
    this.reset()
    expose(this, 'Chat')
  }

  get messages(): readonly ChatMessage[] {
    // A copy: stores freeze what they are given.
    return [...this.turns]
  }

  reset(): void {
    // A new list: an answer under way belongs to the old one.
    this.turns = [...this.opening]
  }

  send(content: string, options: ChatOptions = {}): Generation {
    const { system: _, ...defaults } = this.options
    const all = { ...defaults, ...plain(options) }
    const stopped = new AbortController()
    return new RunningGeneration({
      run: async (onText) => {
        checkSignal(all.signal)
        // The prompt would become part of the assistant's turn.
        if (all.echo) throw invalid('echo', 'false in a conversation', all.echo)
        return underAny([all.signal, stopped.signal], async (signal) => {
          let begun = false
          const turn = this.queue.run(() => {
            begun = true
            return this.answer(content, { ...all, signal }, onText)
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

  private async answer(content: string, options: ChatOptions, onText: (text: string) => void): Promise<GenerateResult> {
    throwIfAborted(options.signal, 'Generation')
    const { turns } = this
    turns.push({ role: 'user', content })
    let answer = ''
    const generation = this.host.generation(() => this.host.render(turns, options, true), options, this.number)
    try {
      for await (const text of generation) {
        answer += text
        onText(text)
      }
      turns.push({ role: 'assistant', content: answer })
      return await generation.result()
    } catch (error) {
      // Stopped early: the partial answer stays. Failed before a word: the question goes too.
      if (error instanceof AbortError && answer !== '') turns.push({ role: 'assistant', content: answer })
      else turns.pop()
      throw error
    }
  }
}
