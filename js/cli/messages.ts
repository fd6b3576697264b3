/** The flags of chat templates, and the messages of a single turn. */
import type { ChatOptions, Model } from '../api/types.ts'
import { variablesOf } from '../chat/llama-server.ts'
import { type ChatMessage, REASONING_FORMATS } from '../chat/types.ts'
import { choice, either, or, single, text, UsageError, type Values } from './flags.ts'
import { readText, shown, withoutLineEnd } from './terminal.ts'

export const TEMPLATE_FLAGS = {
  chatTemplate: or(
    'LLAMA_ARG_CHAT_TEMPLATE',
    text('--chat-template', 'NAME|JINJA', "built-in format or Jinja; default: the model's template"),
  ),
  chatTemplateFile: or('LLAMA_ARG_CHAT_TEMPLATE_FILE', text('--chat-template-file', 'FILE', 'file with the template')),
  chatTemplateKwargs: or(
    'LLAMA_ARG_CHAT_TEMPLATE_KWARGS',
    single('--chat-template-kwargs', 'JSON', 'variables of the template, as a JSON object', readObject),
  ),
  reasoning: or(
    'LLAMA_ARG_REASONING',
    single(
      '-rea --reasoning',
      'on|off|auto',
      "the template's enable_thinking; default: auto, as the template has it",
      readSwitch,
    ),
  ),
  reasoningFormat: or(
    'LLAMA_ARG_THINK',
    choice(
      '--reasoning-format',
      REASONING_FORMATS,
      'none: reasoning stays in the answer, with its marks; the others: it is apart; default: auto',
    ),
  ),
  reasoningEffort: or(
    'LLAMA_ARG_REASONING_EFFORT',
    text('--reasoning-effort', 'LEVEL', "the template's reasoning_effort: low, medium, high …; default: as it has it"),
  ),
  reasoningPreserve: or(
    'LLAMA_ARG_REASONING_PRESERVE',
    either('--reasoning-preserve', '--no-reasoning-preserve', "the template's preserve_reasoning"),
  ),
}

export const CHAT_FLAGS = {
  systemPrompt: text('-sys --system-prompt', 'TEXT', 'system message'),
  systemPromptFile: text('-sysf --system-prompt-file', 'FILE', 'file with the system message'),
  ...TEMPLATE_FLAGS,
}

function readObject(given: string, name: string): Record<string, unknown> {
  try {
    const value = JSON.parse(given)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {}
  throw new UsageError(`${name} takes a JSON object, as in '{"enable_thinking": false}', not ${JSON.stringify(given)}.`)
}

function readSwitch(given: string, name: string): boolean | 'auto' {
  if (['on', 'enabled', 'true', '1'].includes(given)) return true
  if (['off', 'disabled', 'false', '0'].includes(given)) return false
  if (given === 'auto' || given === '-1') return 'auto'
  throw new UsageError(`${name} takes on, off or auto, not ${JSON.stringify(given)}.`)
}

/** The template and its variables. */
export async function templateOptions(
  values: Values<typeof TEMPLATE_FLAGS>,
  signal: AbortSignal,
): Promise<Pick<ChatOptions, 'template' | 'templateVariables' | 'reasoningFormat'>> {
  const { chatTemplate, chatTemplateFile, chatTemplateKwargs, reasoning, reasoningEffort, reasoningPreserve } = values
  if (chatTemplate !== undefined && chatTemplateFile !== undefined) {
    throw new UsageError('Give --chat-template or --chat-template-file, not both.')
  }
  const template = chatTemplateFile === undefined ? chatTemplate : shown(await readText(chatTemplateFile, signal))
  const variables = {
    ...chatTemplateKwargs,
    ...(typeof reasoning === 'boolean' && { enable_thinking: reasoning }),
    ...(reasoningEffort !== undefined && reasoningEffort !== 'default' && { reasoning_effort: reasoningEffort }),
    ...(reasoningPreserve !== undefined && { preserve_reasoning: reasoningPreserve }),
  }
  return {
    ...(template !== undefined && { template }),
    ...(values.reasoningFormat && { reasoningFormat: values.reasoningFormat }),
    ...(Object.keys(variables).length > 0 && { templateVariables: variables }),
  }
}

export async function chatOptions(
  values: Values<typeof CHAT_FLAGS>,
  signal: AbortSignal,
): Promise<ChatOptions & { system?: string }> {
  const { systemPrompt, systemPromptFile } = values
  if (systemPrompt !== undefined && systemPromptFile !== undefined) {
    throw new UsageError('Give --system-prompt or --system-prompt-file, not both.')
  }
  // llama.cpp drops the file's last line end.
  const system =
    systemPromptFile === undefined ? systemPrompt : shown(withoutLineEnd(await readText(systemPromptFile, signal)))
  return { ...(system !== undefined && { system }), ...(await templateOptions(values, signal)) }
}

/** With llama.cpp's variables for the template that a model has then: thinking, the date. */
export function withVariables(chat: ChatOptions, model: Model): ChatOptions {
  const { template, templateVariables } = chat
  const source = model.chatTemplate(template === undefined ? {} : { template })
  return { ...chat, templateVariables: variablesOf(source, templateVariables) }
}

/** The messages of a single turn. */
export function oneTurn(prompt: string, system: string | undefined): ChatMessage[] {
  return [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: prompt }]
}
