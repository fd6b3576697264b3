/** The public shapes: what `load`, `generate`, `chat` and their kin take and give. No code runs here. */
import type { ChatMessage, ReasoningFormat, ToolChoice } from '../chat/types.ts'
import type { KvType } from '../engine/kv.ts'
import type { Isa, IsaReason } from '../engine/wasm-build.ts'
import type { CriaError } from '../errors.ts'
import type { Overrides } from '../gguf/overrides.ts'
import type { Metadata, TensorInfo } from '../gguf/types.ts'
import type { ImatrixOptions } from '../imatrix/types.ts'
import type { ModelConfig } from '../models/config.ts'
import type { PerplexityOptions, PerplexityResult } from '../perplexity/types.ts'
import type { SamplerOptions } from '../sampler/types.ts'
import type {
  Embeddings,
  GenerateResult,
  GenerateSettings,
  Pooling,
  SampledLogprobs,
  SchedulerStatus,
} from '../scheduler/types.ts'
import type { SourceOptions } from '../source/types.ts'
import type { DetokenizeOptions, TokenizeOptions, Tokenizer } from '../tokenizer/tokenizer.ts'
import type { CriaWarning } from '../util/warn.ts'

export type { ChatMessage } from '../chat/types.ts'
export type { KvType } from '../engine/kv.ts'
export type { IsaReason } from '../engine/wasm-build.ts'
export type { ImatrixOptions } from '../imatrix/types.ts'
export type { PerplexityOptions, PerplexityResult } from '../perplexity/types.ts'
export type {
  Embeddings,
  FinishReason,
  GenerateResult,
  SampledLogprobs,
  SchedulerStatus as ModelStatus,
  TokenLogprob,
  ToolCall,
} from '../scheduler/types.ts'
export type { ModelInput, ModelPart } from '../source/types.ts'
export type { DetokenizeOptions, TokenizeOptions } from '../tokenizer/tokenizer.ts'
export type { CriaWarning } from '../util/warn.ts'

export interface Progress {
  /**
   * `header` and `ready` are reported once each, with 0 and all bytes done; `weights` again and again, and so is `download`
   * before them, of a file that `cache` keeps.
   */
  phase: 'download' | 'header' | 'weights' | 'ready'
  /** Bytes done and bytes in all, of the current phase. */
  done: number
  total: number
}

export interface LoadOptions extends SourceOptions {
  /** Worker threads. `'auto'` (default): one for each core, at most 16; one where memory cannot be shared. */
  threads?: 'auto' | number
  /** Context length in tokens, or `'trained'`: the one the model was trained for; default min(trained, 4096). */
  context?: number | 'trained'
  /** Element type of the KV cache; default `'f16'`. */
  kv?: KvType
  /**
   * Tokens of the KV cache, which running generations share and which keeps finished ones for later hits; default, and at
   * least: the context.
   */
  kvTokens?: number
  /** Most generations at once; more wait. Default 16. */
  parallel?: number
  /** Tokens of a prefill pass; default 64. Never changes a bit of the result. */
  batch?: number
  /**
   * Most bytes of one wasm memory; a larger model is spread over several. The first is larger where the embedding and the
   * output head, which it holds, are. Default 4 GiB, the most there can be.
   */
  maxSegmentBytes?: number
  /** The wasm build; default `'auto'`: see {@link IsaReason}. Never changes a bit of the result. */
  isa?: 'auto' | Isa
  /**
   * One of cria's wasm files as a module that is compiled already, where none can be read or compiled: edge functions import
   * it (`import wasm from 'cria/relaxed.wasm'`). Default: the file beside the code that fits the runtime and `isa`.
   */
  wasm?: WebAssembly.Module
  /**
   * Run inside the calling thread, without workers; `false`: never. Default: where there are none (edge functions, service
   * workers) or none can start, of which `onWarning` hears (`NO_WORKERS`).
   */
  inProcess?: boolean
  /**
   * The folder that holds the workers, leader.js and thread.js, if it is not the one that cria's module came from: a URL, or
   * a path relative to the page (in Node, to the working directory). In browsers it is the package's dist/web/, in Node
   * dist/ itself, with the rest of dist/ around it.
   */
  workerUrl?: string | URL
  /**
   * Have what `schema`, `json`, `grammar` and `regex` of a generation need, which is code that others need not download.
   * Pages with workers alone have to say so; everywhere else it comes when it is needed. Default false.
   */
  grammars?: boolean
  /**
   * Keep what `http(s):` and `hf:` inputs name in the store of models, and read it from there: see `cria/store`. The input may
   * then be `hf:owner/repo[:QUANT]`, too. A download that was interrupted goes on where it ended; what is there is loaded
   * without a request. Where there is no store, or no room in it, the model is streamed, of which `onWarning` hears
   * (`STORE_ABSENT`, `STORE_FULL`, `STORE_UNUSABLE`). Default false.
   */
  cache?: boolean
  onProgress?: (progress: Progress) => void
  /** Metadata in place of the file's, by key: `{ 'tokenizer.ggml.add_bos_token': false }`. */
  overrides?: Overrides
  signal?: AbortSignal
}

export interface GenerateOptions extends SamplerOptions, GenerateSettings {
  /**
   * Number of answers to generate side by side, after one prefill. `choices` of the result has all of them; iteration and
   * callbacks see the first. With `seed`, each answer has the next one. Default 1.
   */
  n?: number
  /**
   * A JSON Schema: the text is a value that it allows, which `json` of the result has. Properties come in the order in which
   * the schema names them. Of `schema`, `json`, `grammar` and `regex` there may be one. What the prompt says is up to the
   * caller: a model that knows what is wanted writes it better. See docs/GRAMMARS.md.
   */
  schema?: unknown
  /** The text is JSON of any kind. */
  json?: boolean
  /** A grammar in llama.cpp's notation (GBNF), of which the text is a sentence. */
  grammar?: string
  /** A regular expression of ECMAScript, which the whole text matches. */
  regex?: string
  /** With `schema` or `json`: no blanks between the parts; default false: as the model likes. */
  compact?: boolean
  /** Called for each part of the output, just before iteration sees its content. */
  onDelta?: (delta: ChatDelta) => void
  /** Called for each token as it is sampled, before its text is out. */
  onToken?: (token: { id: number; text: string; logprobs?: SampledLogprobs }) => void
  /** Called during prefill: tokens done (cache hits among them; the first time these alone) and in all. */
  onPrompt?: (progress: { done: number; total: number }) => void
  signal?: AbortSignal
}

/** A part of an output: content, reasoning, or what a call of a tool grows by. */
export interface ChatDelta {
  content?: string
  reasoning?: string
  /** `id` and `name` come with the first part of a call, `arguments` piece by piece. `index`: which call it is. */
  toolCall?: { index: number; id?: string; name?: string; arguments: string }
}

/**
 * A running generation: iterate over it for pieces of text, or await `result()`. It begins with the first of either.
 * Every loop over it has all its text from the beginning; leaving one early stops the generation, whose result then
 * rejects with AbortError.
 */
export interface Generation extends AsyncIterable<string> {
  /** All parts of a chat's output, in the order of the model: reasoning and calls too, which iteration leaves out. */
  deltas(): AsyncIterable<ChatDelta>
  /** Resolves when generation ends; rejects with what went wrong. Need not be preceded by iterating. */
  result(): Promise<GenerateResult>
}

export interface ChatOptions extends GenerateOptions {
  /** A chat template in Jinja, or the name of a built-in one (`chatml`, `llama2`); default: the GGUF's. */
  template?: string
  /**
   * Tools in OpenAI's form: `{ type: 'function', function: { name, description, parameters } }`. Calls are in `toolCalls` of the
   * result; their arguments fit the `parameters`.
   */
  tools?: unknown[]
  /** Whether tools are called: as the model likes (default), never, one or several, or the named one, once. */
  toolChoice?: ToolChoice
  /**
   * Whether an answer may call several tools, or one several times; default: where the template can write that, unless
   * `toolChoice` names a tool.
   */
  parallelToolCalls?: boolean
  /** Whether the model thinks before it answers, where its template or its format has a way to switch that. */
  reasoning?: boolean
  /**
   * `none`: reasoning stays in the content, with its marks; `deepseek` and `auto` (default): it is apart. As in llama.cpp.
   */
  reasoningFormat?: ReasoningFormat
  /** End with what opens the assistant's answer; default true, unless a message is continued. */
  addGenerationPrompt?: boolean
  /**
   * Go on with the last message, which is the assistant's: with its content or its reasoning, or (`true`) with its reasoning
   * where it has no content. Default: true where the last message is the assistant's, without tool calls, and
   * `addGenerationPrompt` is not given.
   */
  continueFinalMessage?: boolean | 'content' | 'reasoning_content'
  /** Fail (`MESSAGE_DROPPED`) where the template leaves out a message, calls or tools; default: warn. */
  strict?: boolean
  /** Further variables for the template. */
  templateVariables?: Record<string, unknown>
}

/** A tool that `runTools` can run: in OpenAI's form, or without the wrapping. */
export type RunnableTool = (
  | { type?: string; function: { name: string; description?: string; parameters?: unknown } }
  | { name: string; description?: string; parameters?: unknown }
) & {
  /** Called with the arguments, which fit `parameters`; what it returns is shown to the model, as JSON if it is no text. */
  execute(args: Record<string, unknown>, call: { id: string; signal: AbortSignal }): unknown
}

export interface RunToolsOptions extends Omit<ChatOptions, 'tools'> {
  /** Most answers that call tools; default 10. */
  maxRounds?: number
}

/** The last answer, and the conversation with it. */
export interface ToolRunResult extends GenerateResult {
  messages: ChatMessage[]
}

/** As {@link Generation}: all answers one after another. */
export interface ToolRun extends Generation {
  result(): Promise<ToolRunResult>
}

export interface CreateChatOptions extends ChatOptions {
  /** The system message, before all others. */
  system?: string
  /** A conversation so far, to go on with; its answers need not be this model's. */
  messages?: readonly ChatMessage[]
}

export interface Chat {
  readonly messages: readonly ChatMessage[]
  /** Sends a user's turn, or messages (results of tools); the answer joins the messages when it is complete (or stopped early). */
  send(content: string | readonly ChatMessage[], options?: ChatOptions): Generation
  /** Forgets all turns but the system messages that come first. */
  reset(): void
}

export interface ModelInfo {
  name: string
  architecture: string
  /** Of most matrices: `Q4_0` … */
  type: string
  parameters: number
  fileBytes: number
  /** Context in use, and the one the model was trained for, in tokens. */
  context: number
  trainedContext: number
  layers: number
  embeddingLength: number
  vocabularySize: number
  threads: number
  /** Most generations that run at once. */
  parallel: number
  isa: Isa
  isaReason: IsaReason
  shared: boolean
  kv: KvType
  /** Bytes of wasm memory: all, and of it the KV cache. */
  memoryBytes: number
  kvBytes: number
  chatTemplate: string | undefined
  /** What the file says of sampling (`general.sampling.*`): the defaults of a generation's options. */
  sampling: SamplerOptions
}

/** The result of `inspect`: a file by its header alone. */
export interface Inspection {
  /** Version of the GGUF format. */
  version: number
  fileBytes: number
  metadata: Metadata
  tensors: readonly TensorInfo[]
  /** Why cria cannot run it: then `config` and `memory` are absent. */
  problem?: CriaError
  /** What is wrong with it and does not keep it from running. */
  warnings: readonly CriaWarning[]
  /** What it says of sampling: the defaults of a generation's options. */
  sampling: SamplerOptions
  config?: ModelConfig
  /** Weights, and those that take part in one token: fewer where there are experts. */
  parameters?: { total: number; active: number }
  /** Bytes at a context of `context` tokens. `total`: whole wasm pages. */
  memory?: {
    context: number
    kvType: KvType
    weights: number
    kv: number
    buffers: number
    total: number
    segments: number
  }
}

export interface InspectOptions extends SourceOptions {
  context?: number | 'trained'
  kvTokens?: number
  parallel?: number
  kv?: KvType
  /** As for `load`, but for `'auto'`: one for each core, at most 16. */
  threads?: 'auto' | number
  batch?: number
  /** Most bytes of one wasm memory, as for `load`. */
  maxSegmentBytes?: number
  /** Metadata in place of the file's, as for `load`. */
  overrides?: Overrides
  signal?: AbortSignal
}

export interface EmbedOptions {
  /** Whose state a text's is: the mean of all its tokens', or its last one's; default: as the file says, else the mean. */
  pooling?: Pooling
  /** Scale embeddings to length 1; default true. */
  normalize?: boolean
  signal?: AbortSignal
}

/** Calls may run side by side: one pass over the weights serves all, and each gives the bits that it gives alone. */
export interface Model extends AsyncDisposable {
  readonly info: ModelInfo
  /** Starts at position 0 with the prompt (text, or token ids as they are), reusing the longest cached prefix. */
  generate(prompt: string | readonly number[], options?: GenerateOptions): Generation
  /** Renders messages with the chat template and generates an answer. Keeps no turns. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation
  createChat(options?: CreateChatOptions): Chat
  /**
   * Chats, runs the tools that the answer calls, and goes on with what they return, until an answer calls none. `toolChoice` is that of
   * the first answer. What a tool throws ends the run.
   * @throws ToolError after `maxRounds` answers that call tools
   */
  runTools(messages: readonly ChatMessage[], tools: readonly RunnableTool[], options?: RunToolsOptions): ToolRun
  /** The text that `chat` would send. */
  applyTemplate(messages: readonly ChatMessage[], options?: ChatOptions): string
  /** The Jinja of the template that `chat` renders: the one in the options, the file's, or the built-in in its place. */
  chatTemplate(options?: ChatOptions): string
  /** The tokenizer of the model's file. @throws UnsupportedError where the file has no vocabulary */
  readonly tokenizer: Tokenizer
  tokenize(text: string | Uint8Array, options?: TokenizeOptions): number[]
  detokenize(ids: readonly number[], options?: DetokenizeOptions): string
  /** The bytes that a token adds to a text; they may end within a character. */
  tokenBytes(id: number, options?: DetokenizeOptions): Uint8Array
  /** Logits after each token, or after those at `from` and later: `data` is [n - from, vocab], row by row. */
  logits(
    tokens: readonly number[],
    options?: { from?: number; signal?: AbortSignal },
  ): Promise<{ data: Float32Array; shape: [number, number] }>
  /** The perplexity of a text, by llama-perplexity's protocol: over the later half of each chunk. */
  perplexity(text: string | readonly number[], options?: PerplexityOptions): Promise<PerplexityResult>
  /**
   * An importance matrix for `quantize`, by llama-imatrix's protocol: the bytes of a file, the same ones everywhere.
   * @throws as `perplexity`, NumericError
   */
  imatrix(text: string | readonly number[], options?: ImatrixOptions): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Embeds texts (or token ids as they are): the hidden states behind the last norm, pooled.
   * @throws ArgumentError, ContextError (a text longer than the context), AbortError, NumericError
   */
  embed(texts: string | readonly (string | readonly number[])[], options?: EmbedOptions): Promise<Embeddings>
  /**
   * What the cache holds of a text (or token ids as they are), which is computed where it is not there: bytes to keep, the
   * same ones in every runtime. They hold the text.
   * @throws ArgumentError, ContextError, AbortError
   */
  saveState(prompt: string | readonly number[], options?: { signal?: AbortSignal }): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Puts a saved text back into the cache, where prompts that begin with it find it.
   * @throws FormatError (damaged), UnsupportedError (of another version), ArgumentError (of another model or KV type),
   *   ContextError, MemoryError (all pages are in use), AbortError
   */
  loadState(
    state: Uint8Array | ArrayBuffer,
    options?: { signal?: AbortSignal },
  ): Promise<{ tokens: number; ids: number[] }>
  /**
   * Drops all cached prefixes, or those of a text (or token ids as they are) alone: from its end back to where it is in use or
   * another text goes on.
   * @throws ArgumentError
   */
  reset(prompt?: string | readonly number[]): Promise<void>
  status(): Promise<SchedulerStatus>
  /** Ends the workers and frees the memory; pending calls reject with ClosedError. Safe to call twice. */
  close(): Promise<void>
}
