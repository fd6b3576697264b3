/** A conversation that keeps its turns; each answer costs only the tokens that are new. */

import type { ChatMessage } from '../chat/types.ts'
import { AbortError, throwIfAborted } from '../errors.ts'
import type { InternalResult, Prompt } from '../scheduler/generate.ts'
import { checkSignal } from '../source/check.ts'
import { underAny } from '../util/abort.ts'
import { invalid } from '../util/check.ts'
import { Queue, untilAborted } from '../util/concurrency.ts'
import { RunningGeneration } from './generation.ts'
import type { CriaModel } from './model.ts'
import type { Chat, ChatOptions, GenerateResult, Generation } from './types.ts'

/** What the last turn left in the cache: its text and the ids that stand for it. */
interface Spoken {
  text: string
  ids: number[]
}

export class ModelChat implements Chat {
  private turns: ChatMessage[] = []
  private readonly opening: ChatMessage[]
  private spoken: Spoken | undefined
  /** A turn begins when the one before it is complete. */
  private readonly queue = new Queue()

  constructor(
    private readonly model: CriaModel,
    private readonly options: ChatOptions & { system?: string },
  ) {
    this.opening = options.system === undefined ? [] : [{ role: 'system', content: options.system }]
    this.reset()
  }

  get messages(): readonly ChatMessage[] {
    return this.turns
  }

  reset(): void {
    // A new list: an answer under way belongs to the old one.
    this.turns = [...this.opening]
    this.spoken = undefined
  }

  send(content: string, options: ChatOptions = {}): Generation {
    const { system: _, ...defaults } = this.options
    const all = { ...defaults, ...options }
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
            // Stopped while it ran: what was said so far joins the messages first.
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
    let rendered = ''
    let answer = ''
    const generation = this.model.generation(
      () => {
        rendered = this.model.render(turns, options, true)
        return this.prompt(rendered)
      },
      options,
      (result) => {
        if (turns === this.turns) this.spoken = spokenOf(rendered, result)
      },
    )
    try {
      for await (const text of generation) {
        answer += text
        onText(text)
      }
      turns.push({ role: 'assistant', content: answer })
      return await generation.result()
    } catch (error) {
      if (turns === this.turns) this.spoken = undefined
      // Stopped early: what was said stays. Failed before a word: as if it had not been asked.
      if (error instanceof AbortError && answer !== '') turns.push({ role: 'assistant', content: answer })
      else turns.pop()
      throw error
    }
  }

  /** Ids of the last turn and the text that goes on from there, where the rendering allows it; else the whole text. */
  private prompt(rendered: string): Prompt {
    const { spoken } = this
    if (!spoken || !rendered.startsWith(spoken.text)) return rendered
    return { ids: spoken.ids, text: rendered.slice(spoken.text.length) }
  }
}

function spokenOf(rendered: string, { text, said }: InternalResult): Spoken | undefined {
  return said && { text: rendered + text, ids: said }
}
