/** What callers of the Prompt API give, checked, as messages and options of a chat. */
import type { ChatOptions } from '../api/types.ts'
import { kindOf } from '../util/kind.ts'
import { domException } from './errors.ts'
import type { PromptCoreOptions, PromptMessage, PromptOptions, PromptSamplingMode, PromptText } from './types.ts'

/** A message of a conversation. */
export interface PlainMessage {
  role: string
  content: string
  [key: string]: unknown
}

/** Messages, and whether the answer goes on with the last one. */
export interface PlainInput {
  messages: PlainMessage[]
  prefix: boolean
}

const ROLES: readonly unknown[] = ['system', 'user', 'assistant']
/** Temperatures; `balanced` is the model's own. */
const MODES: Record<PromptSamplingMode, number | undefined> = {
  'most-predictable': 0,
  predictable: 0.4,
  balanced: undefined,
  creative: 1,
  'most-creative': 1.3,
}
export const MAX_TEMPERATURE = 2

/**
 * The draft's "validate and canonicalize a prompt".
 *
 * @param hasInput something came before: then there can be no system message
 * @throws TypeError, DOMException
 */
export function inputOf(input: PromptText, hasInput: boolean): PlainInput {
  if (!Array.isArray(input)) return { messages: [{ role: 'user', content: String(input) }], prefix: false }
  const list = input as readonly PromptMessage[]
  if (list.length === 0) return { messages: [{ role: 'user', content: '' }], prefix: false }
  const messages = list.map((message, i): PlainMessage => {
    const { role, content, prefix = false } = message ?? {}
    if (!ROLES.includes(role)) throw new TypeError(`role must be system, user or assistant, not ${String(role)}.`)
    if (prefix && role !== 'assistant') throw domException('SyntaxError', 'prefix is for a message of the assistant.')
    if (prefix && i < list.length - 1) throw domException('SyntaxError', 'prefix is for the last message.')
    if (role === 'system' && (hasInput || i > 0)) {
      throw new TypeError('A system message must be the first of a conversation.')
    }
    return { role, content: contentOf(content) }
  })
  return { messages, prefix: list.at(-1)!.prefix === true }
}

/** Texts are joined without anything in between. */
function contentOf(content: PromptMessage['content']): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw new TypeError('content must be a text or a list of { type, value }.')
  return content
    .map(({ type, value }: { type: unknown; value: unknown }) => {
      if (type !== 'text')
        throw domException(
          'NotSupportedError',
          `Content of the type ${String(type)} is not supported: the model takes text.`,
        )
      if (typeof value !== 'string') throw new TypeError('The value of a text must be a string.')
      return value
    })
    .join('')
}

/** @throws TypeError, DOMException NotSupportedError for a flag that changes what an expression means */
export function constraintOf({
  responseConstraint: constraint,
  omitResponseConstraintInput: omit = false,
}: PromptOptions): Pick<ChatOptions, 'schema' | 'regex'> {
  if (constraint === undefined || constraint === null) {
    if (omit) throw new TypeError('omitResponseConstraintInput needs a responseConstraint.')
    return {}
  }
  if (kindOf(constraint) === 'RegExp') {
    const { source, flags } = constraint as RegExp
    const odd = /[ims]/.exec(flags)
    if (odd) throw domException('NotSupportedError', `The flag ${odd[0]} of a responseConstraint is not supported.`)
    return { regex: source }
  }
  if (typeof constraint === 'object' && !Array.isArray(constraint)) return { schema: constraint }
  throw new TypeError('responseConstraint must be a JSON Schema or a RegExp.')
}

/** How a session draws. */
export interface PromptSampling {
  topK: number | undefined
  temperature: number | undefined
  mode: PromptSamplingMode
}

/** @throws TypeError, RangeError */
export function samplingOf({ topK, temperature, samplingMode }: PromptCoreOptions, maxTopK: number): PromptSampling {
  if (samplingMode !== undefined && !Object.hasOwn(MODES, samplingMode)) {
    throw new TypeError(`samplingMode must be ${Object.keys(MODES).join(', ')}, not ${String(samplingMode)}.`)
  }
  const isRaw = topK !== undefined || temperature !== undefined
  if (isRaw && samplingMode !== undefined) throw new TypeError('samplingMode excludes topK and temperature.')
  if (topK !== undefined && !(topK >= 1)) throw new RangeError(`topK must be at least 1, not ${topK}.`)
  if (temperature !== undefined && !(temperature >= 0)) {
    throw new RangeError(`temperature must be at least 0, not ${temperature}.`)
  }
  const mode = samplingMode ?? 'balanced'
  return {
    topK: topK === undefined ? undefined : Math.floor(Math.min(topK, maxTopK)),
    temperature: temperature === undefined ? MODES[mode] : Math.min(temperature, MAX_TEMPERATURE),
    mode,
  }
}

/** Whether a model of text can take and give that. @throws TypeError, RangeError for a malformed tag of a language */
export function isSupported({ expectedInputs = [], expectedOutputs = [] }: PromptCoreOptions): boolean {
  for (const { languages = [] } of [...expectedInputs, ...expectedOutputs]) Intl.getCanonicalLocales([...languages])
  return (
    expectedInputs.every(({ type }) => type === 'text' || type === 'tool-response') &&
    expectedOutputs.every(({ type }) => type === 'text' || type === 'tool-call')
  )
}
