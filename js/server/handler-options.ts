/** Options of `createHandler`. */
import type { EmbedOptions } from '../api/types.ts'
import { REASONING_FORMATS, type ReasoningFormat } from '../chat/types.ts'
import { checkObject, checkOptions, checkTypes, invalid, type OptionNames, oneOf } from '../util/check.ts'
import type { GenerationDefaults } from './defaults.ts'
import type { ModelCard, RequestLog, ResponseStoreLimits, SlotStore } from './types.ts'

export interface HandlerOptions {
  /** Keys of which requests must bring one, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`; `/health` needs none. Default: none. */
  apiKeys?: readonly string[]
  /**
   * Origins whose pages may use it, `'*'` for all, `'localhost'` for those of this machine; default: none, and requests of pages
   * from elsewhere are refused.
   */
  cors?: string | readonly string[]
  /** Most bytes of a request's body; default 4 MiB. */
  bodyLimit?: number
  /** Requests of one model that are under way at once; default: as many as it runs generations at once. */
  parallel?: number
  /** Requests of one model that may wait for their turn; more are answered 429. Default 64. */
  queue?: number
  /** Milliseconds that a request may take, its body and waiting included; then it ends with 504. Default 600000. */
  timeout?: number
  /** Most tokens of an answer where a request does not say; default: to the end of the context. */
  maxTokens?: number
  /** Chat template in Jinja, or the name of a built-in one; default: the model's. */
  template?: string
  /** Whether a last message of the assistant is continued where a request does not say. Default true. */
  prefillAssistant?: boolean
  /** Where reasoning goes, where a request does not say: as `reasoningFormat` of a chat. */
  reasoningFormat?: ReasoningFormat
  /** Further variables for the template; a request's `chat_template_kwargs` count more. */
  templateVariables?: Record<string, unknown>
  /** How tokens are chosen and where a text ends, where a request does not say: `{ temperature: 0.2, stop: ['\n'] }`. */
  defaults?: GenerationDefaults
  /** How embeddings are made. */
  embeddings?: Pick<EmbedOptions, 'pooling' | 'normalize'>
  /** What clients are told of a model beside its name, by that name: aliases, tags, path. */
  about?: Readonly<Record<string, ModelCard>>
  /** Whether a single model answers to its own names alone. Default false: clients send the names of OpenAI's models. */
  strictModel?: boolean
  /** Seconds of silence after which a stream gets a comment, so that no proxy gives it up; 0 or -1: none. Default 5. */
  ssePingInterval?: number
  /** Whether `/slots` tells what is computed. Default true. */
  slots?: boolean
  /** Where `POST /slots/{id}` keeps what slots computed; default: nowhere, and it answers 501. */
  slotStore?: SlotStore
  /**
   * How many answers of `/v1/responses` are kept for requests that go on from them, those used last: `count`, default 1000,
   * and `bytes` of their JSON, default 32 MiB.
   */
  storedResponses?: ResponseStoreLimits
  /** Whether answers have `__verbose` where a request does not say: the prompt as the model read it, the settings. Default false. */
  verbose?: boolean
  /** Called when a request has been answered to its end. */
  onRequest?: (request: RequestLog) => void
  /** Called with errors whose details clients do not get; default: `console.error`. */
  onError?: (error: unknown) => void
}

const OPTIONS: OptionNames<HandlerOptions> = {
  apiKeys: true,
  cors: true,
  bodyLimit: true,
  parallel: true,
  queue: true,
  timeout: true,
  maxTokens: true,
  template: true,
  prefillAssistant: true,
  reasoningFormat: true,
  templateVariables: true,
  defaults: true,
  embeddings: true,
  about: true,
  strictModel: true,
  ssePingInterval: true,
  slots: true,
  slotStore: true,
  storedResponses: true,
  verbose: true,
  onRequest: true,
  onError: true,
}
const DEFAULTS = {
  bodyLimit: 4194304,
  queue: 64,
  timeout: 600_000,
  ssePingInterval: 5,
  strictModel: false,
  slots: true,
}

export type ResolvedOptions = HandlerOptions & typeof DEFAULTS

/**
 * @param names the models'
 * @throws ArgumentError INVALID_OPTION
 */
export function resolveOptions(options: HandlerOptions, names: readonly string[]): ResolvedOptions {
  checkOptions(options, OPTIONS)
  checkTypes(options, 'string', ['template'])
  checkTypes(options, 'function', ['onRequest', 'onError'])
  oneOf('reasoningFormat', options.reasoningFormat, REASONING_FORMATS, 'auto')
  checkTypes(options, 'boolean', ['strictModel', 'slots', 'verbose', 'prefillAssistant'])
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const resolved: ResolvedOptions = { ...DEFAULTS, ...Object.fromEntries(given) }
  for (const [name, least] of [
    ['bodyLimit', 1],
    ['parallel', 1],
    ['queue', 0],
    ['timeout', 1],
    ['maxTokens', 0],
    ['ssePingInterval', -1],
  ] as const) {
    const value = resolved[name]
    const whole = Number.isInteger(value) && value! >= least && value! <= 2147483647
    if (value !== undefined && !whole) throw invalid(name, `a whole number from ${least} to 2147483647`, value)
  }
  const { apiKeys, cors, about = {}, defaults = {} } = resolved
  if (apiKeys !== undefined && !(texts(apiKeys) && apiKeys.every(Boolean))) {
    throw invalid('apiKeys', 'a list of texts that are not empty', apiKeys)
  }
  if (cors !== undefined && typeof cors !== 'string' && !texts(cors)) {
    throw invalid('cors', 'an origin or a list of them', cors)
  }
  const { slotStore } = resolved
  if (slotStore !== undefined && ![slotStore?.save, slotStore?.load].every((one) => typeof one === 'function')) {
    throw invalid('slotStore', 'an object with the functions save and load', slotStore)
  }
  const { storedResponses = {} } = resolved
  checkObject(storedResponses)
  checkOptions(storedResponses, { count: true, bytes: true })
  for (const [name, value] of Object.entries(storedResponses)) {
    if (!(Number.isInteger(value ?? 0) && (value ?? 0) >= 0)) {
      throw invalid(`storedResponses.${name}`, 'a whole number of at least 0', value)
    }
  }
  for (const value of [resolved.templateVariables, resolved.embeddings]) if (value !== undefined) checkObject(value)
  checkObject(defaults)
  checkObject(about)
  for (const [name, card] of Object.entries(about)) {
    if (!names.includes(name)) throw invalid('about', `given for ${names.join(', ')}`, name)
    checkCard(card)
  }
  return resolved
}

function checkCard(card: ModelCard): void {
  checkObject(card)
  checkTypes(card, 'string', ['path'])
  for (const list of [card.aliases, card.tags]) {
    if (list !== undefined && !texts(list)) throw invalid('about', 'lists of texts by model', list)
  }
}

function texts(x: unknown): boolean {
  return Array.isArray(x) && x.every((one) => typeof one === 'string')
}
