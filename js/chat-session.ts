/** A conversation that keeps its turns; each answer costs only the tokens that are new. */
import type { Chat, ChatMessage, ChatOptions, GenerateResult, Generation } from './api.ts'
import type { Prompt } from './engine/generate.ts'
import { AbortError } from './errors.ts'
import { RunningGeneration } from './generation.ts'
import type { CriaModel } from './model.ts'

/** What the last turn left in the cache: its text and the ids that stand for it. */
interface Spoken {
  text: string
  ids: number[]
}

export class ModelChat implements Chat {
  private readonly turns: ChatMessage[] = []
  private readonly opening: number
  private spoken: Spoken | undefined

  constructor(
    private readonly model: CriaModel,
    private readonly options: ChatOptions & { system?: string },
  ) {
    if (options.system !== undefined) this.turns.push({ role: 'system', content: options.system })
    this.opening = this.turns.length
  }

  get messages(): readonly ChatMessage[] {
    return this.turns
  }

  reset(): void {
    this.turns.length = this.opening
    this.spoken = undefined
  }

  send(content: string, options: ChatOptions = {}): Generation {
    const { system: _, ...defaults } = this.options
    const all = { ...defaults, ...options }
    const controller = new AbortController()
    const signal = all.signal ? AbortSignal.any([all.signal, controller.signal]) : controller.signal
    return new RunningGeneration({
      run: (onText) => this.answer(content, { ...all, signal }, onText),
      stop: () => controller.abort(),
    })
  }

  private async answer(content: string, options: ChatOptions, onText: (text: string) => void): Promise<GenerateResult> {
    const { template: _, tools: __, templateVariables: ___, ...generateOptions } = options
    this.turns.push({ role: 'user', content })
    let rendered = ''
    const ids: number[] = []
    let answer = ''
    let asked: Prompt = ''
    const generation = this.model.generation(
      () => {
        rendered = this.model.render(this.turns, options, true)
        asked = this.prompt(rendered)
        return asked
      },
      {
        ...generateOptions,
        special: true,
        onToken: (token) => {
          ids.push(token.id)
          options.onToken?.(token)
        },
      },
    )
    try {
      for await (const text of generation) {
        answer += text
        onText(text)
      }
      const result = await generation.result()
      this.remember(rendered, asked, answer, result)
      this.turns.push({ role: 'assistant', content: answer })
      return result
    } catch (error) {
      this.spoken = undefined
      // Stopped early: what was said stays. Failed before a word: as if it had not been asked.
      if (error instanceof AbortError && answer !== '') this.turns.push({ role: 'assistant', content: answer })
      else this.turns.pop()
      throw error
    }
  }

  /** Ids of the last turn and the text that goes on from there, where the rendering allows it; else the whole text. */
  private prompt(rendered: string): Prompt {
    const { spoken, model } = this
    // SentencePiece would put a space before a text that goes on.
    if (!spoken || model.tokenizer.kind !== 'bpe' || !rendered.startsWith(spoken.text)) return rendered
    return { ids: spoken.ids, text: rendered.slice(spoken.text.length) }
  }

  private remember(rendered: string, asked: Prompt, answer: string, result: GenerateResult): void {
    this.spoken = undefined
    const { tokenizer } = this.model
    if (tokenizer.kind !== 'bpe' || result.stop !== undefined) return
    const last = result.ids.at(-1)
    const ended = last !== undefined && tokenizer.isEndOfGeneration(last)
    const said = ended ? result.ids.slice(0, -1) : result.ids
    // Bytes that are no whole character would not come back the same.
    if (tokenizer.detokenize(said, { special: true }) !== answer) return
    const before =
      typeof asked === 'string'
        ? tokenizer.tokenize(asked, this.bosOption(asked))
        : [...(asked as Spoken).ids, ...tokenizer.tokenize((asked as Spoken).text, { bos: false })]
    this.spoken = { text: rendered + answer, ids: [...before, ...said] }
  }

  private bosOption(text: string): { bos?: boolean } {
    return this.model.beginsWithBos(text) ? { bos: false } : {}
  }
}
