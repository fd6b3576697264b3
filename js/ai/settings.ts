/** From the options of a call of the AI SDK to those of a chat. */
import { CHAT_OPTIONS } from '../api/options.ts'
import type { ChatOptions, Model } from '../api/types.ts'
import type { ToolChoice } from '../chat/types.ts'
import { checkOptions, invalid, type OptionNames } from '../util/check.ts'
import type { LanguageModelV4CallOptions, LanguageModelV4Tool, SharedV4Warning } from './specification.ts'

/** `providerOptions.cria` of a call: options of `model.chat`, but for those that calls have themselves. */
export type CriaProviderOptions = Omit<ChatOptions, 'n' | 'signal' | 'tools' | 'toolChoice'>

const { n: _n, signal: _signal, tools: _tools, toolChoice: _toolChoice, ...PROVIDER_OPTIONS } = CHAT_OPTIONS
/** Options of `model.chat` that are none of a call's, and what is there in their place. */
const ELSEWHERE: Record<string, string> = {
  n: 'absent: each call has one answer',
  signal: 'given to the call, as abortSignal',
  tools: 'given to the call',
  toolChoice: 'given to the call',
}
/** The levels that chat templates know. */
const EFFORTS = { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'high', max: 'high' } as const

/**
 * @param warnings gets what the model cannot do
 * @throws ArgumentError INVALID_OPTION for provider options that there are not
 */
export function chatOptionsOf(
  call: LanguageModelV4CallOptions,
  model: Model,
  warnings: SharedV4Warning[],
): ChatOptions {
  warnOfHeaders(call.headers, warnings)
  const given = {
    temperature: call.temperature,
    topP: call.topP,
    topK: call.topK,
    seed: call.seed,
    stop: call.stopSequences,
    presencePenalty: call.presencePenalty,
    frequencyPenalty: call.frequencyPenalty,
    maxTokens: call.maxOutputTokens,
    ...formatOf(call.responseFormat, warnings),
    ...toolsOf(call, warnings),
  }
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const options: ChatOptions = {
    ...chosen,
    ...providerOptionsOf<CriaProviderOptions>(call.providerOptions?.cria, PROVIDER_OPTIONS),
  }
  return { ...reasoningOf(call.reasoning, model, options, warnings), ...options }
}

/** Options of cria's own, checked by name; their values are checked where they are used. @throws ArgumentError INVALID_OPTION */
export function providerOptionsOf<T extends object>(given: unknown, names: OptionNames<T>): T {
  if (given === undefined) return {} as T
  checkOptions(given, { ...names, ...ELSEWHERE })
  for (const [name, value] of Object.entries(given as object)) {
    const place = Object.hasOwn(names, name) ? undefined : ELSEWHERE[name]
    if (place && value !== undefined) throw invalid(`providerOptions.cria.${name}`, place, value)
  }
  return given as T
}

/** The SDK's own header goes with each call; nothing is sent. */
export function warnOfHeaders(headers: object | undefined, warnings: SharedV4Warning[]): void {
  const names = Object.keys(headers ?? {}).filter((name) => name.toLowerCase() !== 'user-agent')
  if (names.length === 0) return
  warnings.push({ type: 'unsupported', feature: 'headers', details: `No request is sent: ${names.join(', ')}.` })
}

function formatOf(
  format: LanguageModelV4CallOptions['responseFormat'],
  warnings: SharedV4Warning[],
): Pick<ChatOptions, 'schema' | 'json'> {
  if (format?.type !== 'json') return {}
  for (const name of ['name', 'description'] as const) {
    if (format[name] === undefined) continue
    const details = 'The prompt stays as it is: say there what is wanted.'
    warnings.push({ type: 'unsupported', feature: `responseFormat.${name}`, details })
  }
  return format.schema === undefined ? { json: true } : { schema: format.schema }
}

function toolsOf(
  { tools = [], toolChoice }: LanguageModelV4CallOptions,
  warnings: SharedV4Warning[],
): Pick<ChatOptions, 'tools' | 'toolChoice'> {
  const functions = tools.filter(({ type, name }) => {
    if (type !== 'function') warnings.push({ type: 'unsupported', feature: `provider-defined tool ${name}` })
    return type === 'function'
  })
  for (const { name, inputExamples, providerOptions } of functions) {
    if (inputExamples?.length) warnings.push({ type: 'unsupported', feature: `inputExamples of the tool ${name}` })
    if (providerOptions?.cria)
      warnings.push({ type: 'unsupported', feature: `providerOptions.cria of the tool ${name}` })
  }
  const choice: ToolChoice | undefined = toolChoice?.type === 'tool' ? { name: toolChoice.toolName } : toolChoice?.type
  return {
    ...(functions.length > 0 && { tools: functions.map(described) }),
    ...(choice && { toolChoice: choice }),
  }
}

function described({ name, description, inputSchema: parameters }: LanguageModelV4Tool): object {
  return { type: 'function', function: { name, ...(description !== undefined && { description }), parameters } }
}

function reasoningOf(
  asked: LanguageModelV4CallOptions['reasoning'] = 'provider-default',
  model: Model,
  options: ChatOptions,
  warnings: SharedV4Warning[],
): Pick<ChatOptions, 'reasoning' | 'templateVariables'> {
  if (asked === 'provider-default') return {}
  if (asked === 'none') return { reasoning: false }
  if (!model.chatTemplate(options).includes('reasoning_effort')) {
    const details = 'The model’s chat template has no levels of reasoning: it reasons as it does.'
    warnings.push({ type: 'unsupported', feature: `reasoning ${asked}`, details })
    return { reasoning: true }
  }
  const effort = EFFORTS[asked]
  if (effort !== asked) {
    warnings.push({ type: 'compatibility', feature: `reasoning ${asked}`, details: `Taken as ${effort}.` })
  }
  return { reasoning: true, templateVariables: { reasoning_effort: effort } }
}
