/** An answer as the parts that it is made of, as they come: reasoning, text, calls of tools. */
import type { ChatDelta, SampledLogprobs } from '../api/types.ts'
import type { Piece } from './run.ts'

export interface AnswerPart {
  kind: 'reasoning' | 'text' | 'call'
  /** What there is of it so far; of a call its arguments. */
  text: string
  /** Of the tokens of a text, where they were asked for. */
  logprobs: SampledLogprobs[]
  /** Of a call. */
  id: string
  name: string
}

/** The events of a part; `index`: its place among all. */
export interface PartEvents {
  open(part: AnswerPart, index: number): object[]
  delta(part: AnswerPart, index: number, text: string, logprobs: SampledLogprobs[]): object[]
  /** @param isCut it would have gone on */
  close(part: AnswerPart, index: number, isCut: boolean): object[]
}

/** One part ends where the next begins. */
export class AnswerParts {
  readonly all: AnswerPart[] = []
  private callIndex = -1

  constructor(private readonly events: PartEvents) {}

  /** The events of a piece of the answer; after its last one there is at least one part. */
  add({ delta = {}, logprobs, result }: Pick<Piece, 'delta' | 'logprobs' | 'result'>): object[] {
    const { reasoning, content, toolCall } = delta
    const isText = content !== undefined || (logprobs.length > 0 && this.last?.kind === 'text')
    const said = [
      ...(reasoning ? this.append('reasoning', reasoning) : []),
      ...(isText && (content || logprobs.length > 0) ? this.append('text', content ?? '', logprobs) : []),
      ...(toolCall ? this.call(toolCall) : []),
    ]
    if (!result) return said
    if (!this.last) said.push(...this.begin('text'))
    return [...said, ...this.close(result.finishReason === 'length')]
  }

  private get last(): AnswerPart | undefined {
    return this.all.at(-1)
  }

  private append(kind: AnswerPart['kind'], text: string, logprobs: SampledLogprobs[] = []): object[] {
    const begun = this.last?.kind === kind ? [] : this.begin(kind)
    const part = this.last!
    part.text += text
    part.logprobs.push(...logprobs)
    return [...begun, ...this.events.delta(part, this.all.length - 1, text, logprobs)]
  }

  private call({ index, id = '', name = '', arguments: text }: NonNullable<ChatDelta['toolCall']>): object[] {
    const isNext = index !== this.callIndex
    this.callIndex = index
    return [...(isNext ? this.begin('call', id, name) : []), ...(text ? this.append('call', text) : [])]
  }

  private begin(kind: AnswerPart['kind'], id = '', name = ''): object[] {
    const closed = this.close(false)
    const part: AnswerPart = { kind, text: '', logprobs: [], id, name }
    this.all.push(part)
    return [...closed, ...this.events.open(part, this.all.length - 1)]
  }

  private close(isCut: boolean): object[] {
    return this.last ? this.events.close(this.last, this.all.length - 1, isCut) : []
  }
}
