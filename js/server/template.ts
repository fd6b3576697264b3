/** What a request gives to the chat template, as llama-server takes it. */
import type { ChatOptions, Model } from '../api/types.ts'
import { variablesOf } from '../chat/llama-server.ts'
import { badRequest } from './errors.ts'
import type { Defaults } from './options.ts'

export interface ApiMessage {
  role: string
  content: string | { type: 'text'; text: string }[]
  [name: string]: unknown
}

export interface TemplateBody {
  messages: ApiMessage[]
  tools?: unknown[]
  functions?: Record<string, unknown>[]
  add_generation_prompt?: boolean
  continue_final_message?: boolean | 'content' | 'reasoning_content'
  chat_template_kwargs?: Record<string, unknown>
  reasoning_effort?: string
}

/** Of the server. */
type Settings = Pick<Defaults, 'template' | 'templateVariables' | 'prefillAssistant'>

/** @throws ApiError where the request says two things at once */
export function templateOptions(
  body: TemplateBody,
  model: Model,
  { template, templateVariables, prefillAssistant = true }: Settings,
): ChatOptions {
  const { reasoning_effort: effort } = body
  const tools = toolsOf(body)
  const given = { ...templateVariables, ...body.chat_template_kwargs }
  if (typeof given.enable_thinking === 'string') {
    const message = 'chat_template_kwargs.enable_thinking must be true or false.'
    throw badRequest('chat_template_kwargs.enable_thinking', message, given.enable_thinking)
  }
  const { reasoning_effort: _, ...others } = given
  const reasoning =
    effort === 'none'
      ? { enable_thinking: false, ...others }
      : { ...given, ...(effort && { reasoning_effort: effort }) }
  const chosen = { ...(tools && { tools }), ...(template !== undefined && { template }) }
  return {
    ...endOf(body, prefillAssistant),
    ...chosen,
    templateVariables: variablesOf(model.chatTemplate(chosen), reasoning),
  }
}

/** Tools, those of OpenAI's first API among them. */
function toolsOf({ tools, functions }: TemplateBody): unknown[] | undefined {
  if (functions === undefined) return tools
  if (tools !== undefined) throw badRequest('functions', 'functions and tools exclude each other.', functions)
  return functions.map((one) => ({ type: 'function', function: one }))
}

/** The prompt of a request, without the BOS that the tokenizer adds to it. */
export function renderedPrompt(body: TemplateBody, model: Model, settings: Settings): string {
  const prompt = model.applyTemplate(body.messages, templateOptions(body, model, settings))
  const bos = model.applyTemplate([{ role: 'user', content: '' }], { template: '{{ bos_token }}' })
  const added = bos !== '' && prompt.startsWith(bos) && model.tokenize('').length > 0
  return added ? prompt.slice(bos.length) : prompt
}

/** As in llama-server, `prefill` continues a last message of the assistant whether or not the request says so. */
function endOf(
  body: TemplateBody,
  prefill: boolean,
): Pick<ChatOptions, 'addGenerationPrompt' | 'continueFinalMessage'> {
  const { messages, add_generation_prompt: opened, continue_final_message: asked } = body
  const [before, last] = [messages.at(-2), messages.at(-1)]
  const isAnswer = last?.role === 'assistant'
  const name = asked ? 'continue_final_message' : 'messages'
  if (asked && opened) {
    const message = 'add_generation_prompt begins an answer, continue_final_message goes on with one: give one of them.'
    throw badRequest(name, message, asked)
  }
  if (asked && !isAnswer) {
    throw badRequest(name, 'continue_final_message needs a last message of the assistant.', asked)
  }
  const continued = isAnswer && (Boolean(asked) || prefill)
  if (continued && Array.isArray(last.tool_calls)) {
    throw badRequest(name, 'An assistant message with tool calls cannot be continued: its results are missing.')
  }
  if (continued && !asked && before?.role === 'assistant') {
    throw badRequest(name, 'The last two messages are the assistant’s: only one can be continued.')
  }
  return continued ? { continueFinalMessage: asked || true } : { addGenerationPrompt: opened ?? true }
}

/** The ids of a request's prompt. */
export function promptIds(body: TemplateBody, model: Model, settings: Settings): number[] {
  const ids = model.tokenize(model.applyTemplate(body.messages, templateOptions(body, model, settings)))
  const { bos } = model.tokenizer
  // A template that writes BOS gets no second one.
  return ids[0] === bos && ids[1] === bos ? ids.slice(1) : ids
}
