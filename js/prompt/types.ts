/** Chrome's Prompt API as cria has it. Source: https://webmachinelearning.github.io/prompt-api/, draft of June 2026. */
import type { Model, Progress } from '../api/types.ts'

export type PromptRole = 'system' | 'user' | 'assistant'

export interface PromptMessage {
  role: PromptRole
  content: string | readonly { type: string; value: unknown }[]
  /** Of the last message, the assistant's: the answer goes on with it. */
  prefix?: boolean
}

/** A text is a user's message. */
export type PromptText = string | readonly PromptMessage[]

export type PromptSamplingMode = 'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative'

/** `type`: `text` is all that models of cria take and give, beside `tool-call` and `tool-response`. */
export interface PromptExpected {
  type: string
  languages?: readonly string[]
}

export interface PromptTool {
  name: string
  description: string
  /** A JSON Schema of an object. */
  inputSchema: object
  /** Called with the arguments; what it resolves to is shown to the model. */
  execute(args: Record<string, unknown>): unknown
}

export interface PromptCoreOptions {
  /** Both are the draft's old way to set sampling; without `samplingMode`. */
  topK?: number
  temperature?: number
  samplingMode?: PromptSamplingMode
  expectedInputs?: readonly PromptExpected[]
  expectedOutputs?: readonly PromptExpected[]
  tools?: readonly PromptTool[]
}

export interface PromptCreateOptions extends PromptCoreOptions {
  /** Ends the making of the session, and later the session. */
  signal?: AbortSignal
  /** Called with what fires `downloadprogress` events, whose `loaded` goes from 0 to 1. */
  monitor?: (monitor: EventTarget) => void
  initialPrompts?: readonly PromptMessage[]
}

export interface PromptOptions {
  /** A JSON Schema or a RegExp, which the answer fits. */
  responseConstraint?: object
  /** Makes no difference: the constraint is no part of the prompt. */
  omitResponseConstraintInput?: boolean
  signal?: AbortSignal
}

/** A conversation. Calls run one after another; their errors are DOMExceptions of the draft's names. */
export interface PromptSession extends EventTarget {
  prompt(input: PromptText, options?: PromptOptions): Promise<string>
  promptStreaming(input: PromptText, options?: PromptOptions): ReadableStream<string>
  /** Puts messages into the conversation, and computes them, without an answer. */
  append(input: PromptText, options?: { signal?: AbortSignal }): Promise<undefined>
  /** Tokens that an input would take. */
  measureContextUsage(input: PromptText, options?: PromptOptions): Promise<number>
  /** Tokens of the conversation, and most there can be. */
  readonly contextUsage: number
  readonly contextWindow: number
  /** Old turns were dropped, as the context was full. */
  oncontextoverflow: ((event: unknown) => void) | null
  /** Older names of the three above. */
  measureInputUsage(input: PromptText, options?: PromptOptions): Promise<number>
  readonly inputUsage: number
  readonly inputQuota: number
  readonly topK: number
  readonly temperature: number
  readonly samplingMode: PromptSamplingMode
  clone(options?: { signal?: AbortSignal }): Promise<PromptSession>
  /** Ends what is under way, and the session. The model stays. */
  destroy(): undefined
}

export type PromptAvailability = 'unavailable' | 'downloadable' | 'downloading' | 'available'

/** What pages find as `LanguageModel`. */
export interface PromptApi {
  create(options?: PromptCreateOptions): Promise<PromptSession>
  availability(options?: PromptCoreOptions): Promise<PromptAvailability>
  params(): Promise<{ defaultTopK: number; maxTopK: number; defaultTemperature: number; maxTemperature: number }>
}

/**
 * A model, or what will be one: a promise, or a function that is called when the first session is made:
 * `({ onProgress }) => load(url, { onProgress, grammars: true })`.
 */
export type PromptModel =
  | Model
  | PromiseLike<Model>
  | ((options: { onProgress: (progress: Progress) => void }) => Model | PromiseLike<Model>)
