/** Who answers: a model in this page, or the server that the page came from. */
import type { ChatMessage, GenerateOptions, Model, SampledLogprobs } from '../js/api/types.ts'
import type { TokenChoice } from './conversation.ts'
import type { Settings } from './settings.ts'

export interface AnswerDelta {
  readonly content?: string
  readonly reasoning?: string
}

export interface AnswerRequest {
  /** From the system's, if there is one, to the one that is answered. */
  readonly messages: readonly ChatMessage[]
  readonly settings: Settings
  readonly signal: AbortSignal
  onDelta(delta: AnswerDelta): void
  /** Called for each token, with its alternatives where the settings ask for them. */
  onToken(choice?: TokenChoice): void
}

export interface AnswerEnd {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly tokensPerSecond: number
  readonly seed?: number
  /** The context or the most tokens were reached. */
  readonly cut: boolean
}

export interface Backend {
  readonly name: string
  /** Tokens that a conversation may have. */
  readonly context: number
  /** False of models that go on with a text and know no turns. */
  readonly chats: boolean
  /** Where and how it runs, in a line. */
  readonly how: string
  answer(request: AnswerRequest): Promise<AnswerEnd>
  close(): Promise<void>
}

/** Most alternatives of a token that are kept. */
export const ALTERNATIVES = 5

/** A model in this page's workers. */
export function modelBackend(model: Model): Backend {
  const { info } = model
  const threads = info.threads === 1 ? '1 thread' : `${info.threads} threads`
  return {
    name: info.name || 'Model',
    context: info.context,
    chats: info.chatTemplate !== undefined,
    how: `In this page: ${info.type}, ${threads}`,
    async answer({ messages, settings, signal, onDelta, onToken }) {
      const options: GenerateOptions = {
        ...samplingOf(settings),
        signal,
        ...(settings.alternatives && { logprobs: true, topLogprobs: ALTERNATIVES }),
        onToken: ({ logprobs }) => onToken(logprobs && choiceOf(logprobs)),
      }
      const reasoning = settings.reasoning === 'auto' ? {} : { reasoning: settings.reasoning === 'on' }
      const generation =
        info.chatTemplate === undefined
          ? model.generate(textOf(messages), options)
          : model.chat(messages, { ...options, ...reasoning })
      for await (const { content, reasoning } of generation.deltas()) {
        onDelta({ ...(content && { content }), ...(reasoning && { reasoning }) })
      }
      const { promptTokens, completionTokens, timings, seed, finishReason } = await generation.result()
      const { tokensPerSecond } = timings
      return { promptTokens, completionTokens, tokensPerSecond, seed, cut: finishReason === 'length' }
    },
    close: () => model.close(),
  }
}

/** The sampler's part of the settings, by cria's names. */
export function samplingOf(settings: Settings): GenerateOptions {
  const { temperature, topK, topP, minP, repeatPenalty, maxTokens, seed } = settings
  const given = Object.entries({ temperature, topK, topP, minP, repeatPenalty, maxTokens, seed })
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

/** One text of all messages, for models that know no turns. */
export function textOf(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => String(content ?? '').trim()).join('\n')
}

function choiceOf({ text, logprob, top }: SampledLogprobs): TokenChoice {
  const others = top.map((other) => ({ text: other.text, probability: Math.exp(other.logprob) }))
  return { text, probability: Math.exp(logprob), others }
}
