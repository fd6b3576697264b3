/** From messages to the text a chat model was trained on: Jinja templates, rendered as transformers renders them. */
import { ArgumentError, TemplateError } from '../errors.ts'
import type { CriaWarning } from '../util/warn.ts'
import { BUILTIN_TEMPLATES } from './builtin-templates.ts'
import { type JinjaTemplate, readTemplate } from './jinja/template.ts'
import { JinjaError } from './jinja/values.ts'
import { strftime } from './strftime.ts'

export interface RenderOptions {
  /** Jinja text. */
  template: string
  /** `{role, content, …}`; content a string or OpenAI's parts of type text. */
  messages: readonly unknown[]
  bosToken?: string
  eosToken?: string
  /** End with what opens the assistant's answer; default true. */
  addGenerationPrompt?: boolean
  /** Tools as the template takes them: JSON schemas of functions, mostly. */
  tools?: readonly unknown[]
  /** Further variables: `date_string`, `enable_thinking` … They win over bos_token and eos_token. */
  variables?: Record<string, unknown>
  /** What `strftime_now` takes for now; default: now. */
  now?: Date
}

/**
 * Renders messages with a template, as transformers' apply_chat_template does (trim_blocks, lstrip_blocks; the globals
 * raise_exception, strftime_now, range; `tools` and `documents` are none where not given). Throws ArgumentError for
 * malformed messages, TemplateError where the template is wrong or refuses the messages.
 */
export function renderChat(options: RenderOptions): string {
  const { template, bosToken = '', eosToken = '', addGenerationPrompt = true, tools, variables, now } = options
  if (tools !== undefined && tools !== null && !Array.isArray(tools)) {
    throw new ArgumentError('INVALID_TOOLS', 'tools must be an array of tool descriptions.', tools)
  }
  const values: Record<string, unknown> = {
    raise_exception: (reason: unknown) => {
      throw new TemplateError('TEMPLATE_RAISED', `The chat template refused the messages: ${reason}`, reason)
    },
    strftime_now: (format: string) => strftime(now ?? new Date(), format),
    bos_token: bosToken,
    eos_token: eosToken,
    documents: null,
    ...variables,
    messages: checkMessages(options.messages),
    tools: tools ?? variables?.tools ?? null,
    add_generation_prompt: addGenerationPrompt,
  }
  const read = compile(template)
  try {
    return read.render(values)
  } catch (error) {
    if (error instanceof TemplateError) throw error
    const message = `The chat template failed${reasonOf(error)} Give another with the option template.`
    throw new TemplateError('TEMPLATE_FAILED', message, template, { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error)
  const line = error instanceof JinjaError ? ` in line ${error.line}` : ''
  return `${line}: ${reason}${reason.endsWith('.') ? '' : '.'}`
}

/** The templates used last; a model has one, a server's clients may send others. */
const compiled = new Map<string, JinjaTemplate>()
const COMPILED_MOST = 16

function compile(template: string): JinjaTemplate {
  const known = compiled.get(template)
  if (known) return known
  if (typeof template !== 'string') {
    throw new ArgumentError('INVALID_TEMPLATE', 'A chat template must be a text in Jinja.', template)
  }
  let read: JinjaTemplate
  try {
    read = readTemplate(template)
  } catch (error) {
    const message = `The chat template is no valid Jinja${reasonOf(error)} Give another with the option template.`
    throw new TemplateError('TEMPLATE_SYNTAX', message, template, { cause: error })
  }
  if (compiled.size >= COMPILED_MOST) compiled.delete(compiled.keys().next().value!)
  compiled.set(template, read)
  return read
}

type Message = Record<string, unknown> & { role: string; content?: string | null }

/**
 * Checks messages and joins text parts, with a line break between two as llama.cpp does. Only a message with tool calls
 * may do without content.
 */
function checkMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages)) {
    throw new ArgumentError('INVALID_MESSAGES', 'messages must be an array of {role, content}.', messages)
  }
  return messages.map((message: unknown, i) => {
    if (typeof message !== 'object' || message === null || Array.isArray(message)) {
      throw new ArgumentError('INVALID_MESSAGES', `messages[${i}] must be an object {role, content}.`, message)
    }
    const { role, content, tool_calls: toolCalls } = message as Record<string, unknown>
    if (typeof role !== 'string' || role === '') {
      const text = `messages[${i}].role must be a text: "system", "user", "assistant" …`
      throw new ArgumentError('INVALID_MESSAGES', text, role)
    }
    const mayBeEmpty = Array.isArray(toolCalls) && toolCalls.length > 0
    if ((content === null || content === undefined) && mayBeEmpty) return message as Message
    return { ...message, role, content: textOf(content, `messages[${i}].content`) }
  })
}

function textOf(content: unknown, name: string): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) {
    const message = `${name} must be a text or an array of parts {type: "text", text}.`
    throw new ArgumentError('INVALID_MESSAGES', message, content)
  }
  const texts = content.map((part: unknown, i) => {
    const { type, text } = (part ?? {}) as Record<string, unknown>
    if (type === 'text' && typeof text === 'string') return text
    const message = `${name}[${i}] must be a part {type: "text", text}: other kinds are not supported.`
    throw new ArgumentError('INVALID_MESSAGES', message, part)
  })
  return texts.join('\n')
}

/** What the choice of a fallback wants to know of the tokenizer: a Set or Map of its tokens will do. */
export interface TemplateVocabulary {
  has(token: string): boolean
}

export interface TemplateChoice {
  template: string
  /** From the model's file, by a built-in's name, the caller's own text, or a guess. */
  source: 'gguf' | 'named' | 'given' | 'fallback'
  warning?: CriaWarning
}

const JINJA = /\{\{|\{%/

/**
 * Chooses the chat template: the one requested (a built-in's name, or Jinja), else the model's own, else the built-in
 * whose tokens the vocabulary has, or ChatML as llama-server, with a warning. Throws ArgumentError where the requested one is neither name nor Jinja.
 */
export function chooseTemplate(options: {
  ggufTemplate?: string | undefined
  requested?: string | undefined
  tokens?: TemplateVocabulary | undefined
}): TemplateChoice {
  const { ggufTemplate, requested, tokens } = options
  if (requested !== undefined) {
    const named = BUILTIN_TEMPLATES.get(requested)
    if (named !== undefined) return { template: named, source: 'named' }
    if (typeof requested === 'string' && JINJA.test(requested)) return { template: requested, source: 'given' }
    const names = [...BUILTIN_TEMPLATES.keys()].join(', ')
    const message = `template must be a text in Jinja or one of ${names}, not ${JSON.stringify(requested)}.`
    throw new ArgumentError('INVALID_TEMPLATE', message, requested)
  }
  if (ggufTemplate && JINJA.test(ggufTemplate)) return { template: ggufTemplate, source: 'gguf' }
  // Mistral's own format is converted with a name in the template's place.
  const meant = BUILTIN_TEMPLATES.get(ggufTemplate ?? '')
  if (meant !== undefined) return { template: meant, source: 'named' }
  const name = fallbackFor(tokens)
  const message =
    `The model has no chat template and may not be a chat model: its messages are written in the format ${name}. ` +
    'Give the right one with the option template.'
  return {
    template: BUILTIN_TEMPLATES.get(name)!,
    source: 'fallback',
    warning: { code: 'NO_CHAT_TEMPLATE', message },
  }
}

/** The format whose tokens the vocabulary has. A vocabulary with no format's gets llama-server's default. */
function fallbackFor(tokens: TemplateVocabulary | undefined): string {
  return MARKS.find(([marks]) => marks.split(' ').every((mark) => tokens?.has(mark)))?.[1] ?? 'chatml'
}

/** Formats by the tokens that they need, parted by spaces; the first that fits counts. */
const MARKS = [
  ['<｜User｜> <｜Assistant｜>', 'deepseek3'],
  ['<|im_start|> <|im_sep|>', 'phi4'],
  ['<|im_start|> <end_of_utterance>', 'smolvlm'],
  ['<|im_start|>', 'chatml'],
  ['<|start_header_id|>', 'llama3'],
  ['<|header_start|>', 'llama4'],
  ['[SYSTEM_PROMPT]', 'mistral-v7-tekken'],
  ['[INST]', 'mistral'],
  ['<start_of_turn>', 'gemma'],
  ['<|start_of_role|>', 'granite'],
  ['[|assistant|] [|tool|]', 'exaone4'],
  ['[|assistant|]', 'exaone3'],
  ['<seed:bos>', 'seed_oss'],
  ['<｜hy_User｜>', 'hunyuan-dense'],
  ['[gMASK] <sop>', 'chatglm4'],
  ['<|start|> <|channel|>', 'gpt-oss'],
  ['<|START_OF_TURN_TOKEN|>', 'command-r'],
  ['<|assistant|> <|end|>', 'phi3'],
  ['<用户>', 'minicpm'],
] as const

/** Whether a rendered text begins with BOS already: tokenize it without adding another. */
export function beginsWithBos(text: string, bosToken: string | undefined): boolean {
  return bosToken !== undefined && bosToken !== '' && text.startsWith(bosToken)
}
