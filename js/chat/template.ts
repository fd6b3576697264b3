/** From messages to the text a chat model was trained on: Jinja templates, rendered as transformers renders them. */
import { ArgumentError, TemplateError } from '../errors.ts'
import type { CriaWarning } from '../util/warn.ts'
import { BUILTIN_TEMPLATES } from './builtin-templates.ts'
import { EMPTY } from './caps.ts'
import { type ChatTemplate, compile } from './compiled.ts'
import { type Continued, continuation } from './continue.ts'
import { droppedFrom } from './dropped.ts'
import { fit } from './fit.ts'
import { checkMessages, checkTools, type Message } from './messages.ts'

export { lacksFilters, provideFilters } from './jinja/filters.ts'

export interface RenderOptions {
  /** Jinja text. */
  template: string
  /** `{role, content, …}`; content a string or OpenAI's parts of type text. */
  messages: readonly unknown[]
  bosToken?: string | undefined
  eosToken?: string | undefined
  /** End with what opens the assistant's answer; default true, unless a message is continued. */
  addGenerationPrompt?: boolean | undefined
  /** Leave the last message open, so that generation goes on in its content or its reasoning; default: see renderChat. */
  continueFinalMessage?: boolean | Continued | undefined
  /** Tools as the template takes them: JSON schemas of functions, mostly. */
  tools?: readonly unknown[] | undefined
  /** Further variables: `date_string`, `enable_thinking` … They win over bos_token and eos_token. */
  variables?: Record<string, unknown> | undefined
  /** What `strftime_now` takes for now; default: now. */
  now?: Date
  /** Close reasoning that the template begins, whatever its variables say. */
  withoutReasoning?: boolean | undefined
  /** Called with what the template leaves out: `messages[2].content (tool)`, `messages[1].tool_calls`, `tools`. */
  onDropped?: ((names: string[]) => void) | undefined
}

/**
 * Renders messages with a template, which they are fitted to first: js/chat/fit.ts. Variables are as transformers'
 * apply_chat_template has them (`tools` and `documents` are none where not given). Where neither `addGenerationPrompt` nor
 * `continueFinalMessage` is given, a last message of the assistant is continued, as llama-server does. Throws ArgumentError for
 * malformed messages, TemplateError where the template is wrong or refuses the messages.
 */
export function renderChat(options: RenderOptions): string {
  return renderTurn(options).text
}

/** A prompt, and what it has of the turn that is generated. */
export interface RenderedTurn {
  text: string
  /** What opens the assistant's message, with the part of it that is continued. */
  opening(): string
}

/** As {@link renderChat}. */
export function renderTurn(options: RenderOptions): RenderedTurn {
  const template = compile(options.template)
  const messages = checkMessages(options.messages)
  const tools = checkTools(options.tools)
  const { part, opened, shown } = endOf(messages, options)
  const write = (list: readonly Message[], open: boolean) => writeAs(template, list, tools, options, open)
  const plain = write(shown, opened)
  if (options.onDropped) {
    const names = droppedFrom(plain, shown, tools, template.caps(), (list) => write(list, opened))
    if (names.length > 0) options.onDropped(names)
  }
  if (!part) {
    const text = options.withoutReasoning ? closed(plain, template) : plain
    return { text, opening: () => (opened ? behindCommon(text, write(shown, false)) : '') }
  }
  const continued = continuation(messages.at(-1)!, part, template, behindCommon(write(shown, true), plain))
  return { text: plain + continued, opening: () => continued }
}

/** A prompt whose reasoning is over, and empty. */
function closed(prompt: string, template: ChatTemplate): string {
  const { think = '', answer = '' } = template.family ?? template.reasoning()
  const begun = prompt.trimEnd()
  return think.trim() && answer.trim() && begun.endsWith(think.trim()) ? `${begun}\n\n${answer.trim()}\n\n` : prompt
}

/** The end of a text behind what it has in common with another one. */
function behindCommon(text: string, other: string): string {
  let at = 0
  while (at < text.length && text[at] === other[at]) at++
  return text.slice(at)
}

/** How the text ends: with messages alone, with what opens an answer, or with a message that goes on. */
function endOf(
  messages: Message[],
  { addGenerationPrompt: opened, continueFinalMessage: asked }: RenderOptions,
): { shown: Message[]; opened: boolean; part?: Continued } {
  const last = messages.at(-1)
  const isAnswer = last?.role === 'assistant' && !last.tool_calls
  if (asked && (opened || !isAnswer)) {
    const message =
      'continueFinalMessage needs a last message of the assistant without tool calls, and no addGenerationPrompt.'
    throw new ArgumentError('INVALID_OPTION', message, asked)
  }
  if (!isAnswer || !(asked ?? opened === undefined)) return { shown: messages, opened: opened ?? true }
  if (!asked && messages.at(-2)?.role === 'assistant') {
    const message = 'The assistant has the last two messages: give continueFinalMessage or addGenerationPrompt.'
    throw new ArgumentError('INVALID_MESSAGES', message, messages)
  }
  const shown = messages.slice(0, -1)
  const { content, reasoning_content: reasoning } = last
  // Nothing to go on with: an answer begins.
  if (!content.length && !reasoning) return { shown, opened: true }
  const part = typeof asked === 'string' ? asked : content.length ? 'content' : 'reasoning_content'
  return { shown, opened: false, part }
}

/** The text of messages; `open`: with what opens an answer. */
function writeAs(
  template: ChatTemplate,
  messages: readonly Message[],
  tools: unknown[] | undefined,
  { bosToken = '', eosToken = '', variables, now }: RenderOptions,
  open: boolean,
): string {
  const given = {
    bos_token: bosToken,
    eos_token: eosToken,
    documents: null,
    ...variables,
    messages: fit(messages, template),
    tools: tools ?? variables?.tools ?? null,
    add_generation_prompt: open,
  }
  try {
    return template.render(given, now)
  } catch (error) {
    if (!(error instanceof TemplateError) || error.code !== 'TEMPLATE_FAILED') throw error
    // Templates for tools alone walk tools where there are none, and Firefunction's needs variables of its own.
    try {
      return template.render({ ...EMPTY, ...given, tools: given.tools ?? [] }, now)
    } catch {
      throw error
    }
  }
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
