/**
 * The specification of models of the Vercel AI SDK, version 4, as much as cria takes and gives: what it takes is wider than
 * there, what it gives is narrower, and so both fit without the package. tests/api/ai.test.ts holds that.
 * Source: @ai-sdk/provider, src/language-model/v4, src/embedding-model/v4, src/provider/v4.
 */

/** Of each provider, by its name. */
type OfProviders = Record<string, Record<string, unknown>>

/** What a call asked for that the model does otherwise, or not at all. */
export type SharedV4Warning =
  | { type: 'unsupported' | 'compatibility'; feature: string; details?: string }
  | { type: 'other'; message: string }

/** A part of a message; what a kind has beside its text is its own. */
export interface LanguageModelV4Part {
  type: string
  text?: string
  toolCallId?: string
  toolName?: string
  input?: unknown
  output?: LanguageModelV4ToolResultOutput
  mediaType?: string
  providerOptions?: OfProviders
}

export interface LanguageModelV4ToolResultOutput {
  type: string
  value?: unknown
  reason?: string
}

export interface LanguageModelV4Message {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: string | LanguageModelV4Part[]
  providerOptions?: OfProviders
}

export interface LanguageModelV4Tool {
  type: 'function' | 'provider'
  name: string
  description?: string
  inputSchema?: unknown
  inputExamples?: unknown[]
  providerOptions?: OfProviders
}

export interface LanguageModelV4CallOptions {
  prompt: LanguageModelV4Message[]
  maxOutputTokens?: number
  temperature?: number
  stopSequences?: string[]
  topP?: number
  topK?: number
  presencePenalty?: number
  frequencyPenalty?: number
  responseFormat?: { type: 'text' } | { type: 'json'; schema?: unknown; name?: string; description?: string }
  seed?: number
  tools?: LanguageModelV4Tool[]
  toolChoice?: { type: 'auto' | 'none' | 'required' } | { type: 'tool'; toolName: string }
  includeRawChunks?: boolean
  abortSignal?: AbortSignal
  headers?: Record<string, string | undefined>
  reasoning?: 'provider-default' | 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'
  providerOptions?: OfProviders
}

export interface LanguageModelV4ToolCall {
  type: 'tool-call'
  toolCallId: string
  toolName: string
  /** JSON. */
  input: string
}

export type LanguageModelV4Content = { type: 'text' | 'reasoning'; text: string } | LanguageModelV4ToolCall

export interface LanguageModelV4FinishReason {
  unified: 'stop' | 'length' | 'tool-calls' | 'error'
  /** As cria says it. */
  raw: string | undefined
}

/** Counts of tokens. */
export interface LanguageModelV4Usage {
  inputTokens: {
    total: number | undefined
    noCache: number | undefined
    cacheRead: number | undefined
    cacheWrite: undefined
  }
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined }
}

type JSONValue = null | string | number | boolean | JSONValue[] | { [key: string]: JSONValue | undefined }
/** `cria` has what an answer has beside the specification's fields. */
export type SharedV4ProviderMetadata = Record<'cria', { [key: string]: JSONValue | undefined }>

export interface LanguageModelV4GenerateResult {
  content: LanguageModelV4Content[]
  finishReason: LanguageModelV4FinishReason
  usage: LanguageModelV4Usage
  providerMetadata: SharedV4ProviderMetadata
  response: { modelId: string }
  warnings: SharedV4Warning[]
}

export type LanguageModelV4StreamPart =
  | { type: 'stream-start'; warnings: SharedV4Warning[] }
  | { type: 'response-metadata'; modelId: string }
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end' | 'tool-input-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; id: string; toolName: string }
  | LanguageModelV4ToolCall
  | { type: 'raw'; rawValue: unknown }
  | { type: 'error'; error: unknown }
  | {
      type: 'finish'
      usage: LanguageModelV4Usage
      finishReason: LanguageModelV4FinishReason
      providerMetadata?: SharedV4ProviderMetadata
    }

export interface LanguageModelV4 {
  readonly specificationVersion: 'v4'
  readonly provider: string
  readonly modelId: string
  /** None: files are not taken. */
  readonly supportedUrls: Record<string, RegExp[]>
  doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult>
  doStream(options: LanguageModelV4CallOptions): Promise<{ stream: ReadableStream<LanguageModelV4StreamPart> }>
}

export interface EmbeddingModelV4CallOptions {
  values: string[]
  dimensions?: number
  abortSignal?: AbortSignal
  headers?: Record<string, string | undefined>
  providerOptions?: OfProviders
}

export interface EmbeddingModelV4 {
  readonly specificationVersion: 'v4'
  readonly provider: string
  readonly modelId: string
  /** There is no limit. */
  readonly maxEmbeddingsPerCall: undefined
  readonly supportsParallelCalls: true
  doEmbed(
    options: EmbeddingModelV4CallOptions,
  ): Promise<{ embeddings: number[][]; usage: { tokens: number }; warnings: SharedV4Warning[] }>
}
