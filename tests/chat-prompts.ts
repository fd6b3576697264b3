/** Conversations, templates, and the prompts that llama-server makes of them, by their hashes. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { variablesOf } from '../js/chat/llama-server.ts'
import { type RenderOptions, renderChat } from '../js/chat/template.ts'
import { shared } from './shared.ts'

/** What `/apply-template` takes. */
export interface TemplateRequest {
  messages: { role: string }[]
  tools?: unknown[]
  add_generation_prompt?: boolean
  continue_final_message?: boolean | 'content' | 'reasoning_content'
  chat_template_kwargs?: Record<string, unknown>
}

interface Conversation extends Omit<TemplateRequest, 'tools'> {
  id: string
  tools?: string[]
}

/** Seconds: the time of the references. */
export const NOW = 1741944893
export const BOS = '<s>'
export const EOS = '</s>'
export const PROMPTS = new URL('fixtures/chat/llama-prompts.txt', import.meta.url)
const CONVERSATIONS = new URL('fixtures/chat/conversations.json', import.meta.url)
/** llama-server has these from its clock. */
const DATES = { date_string: '14 Mar 2025', datetime: 'Mar 14 2025' }

export function requests(): Map<string, TemplateRequest> {
  const { tools, conversations } = JSON.parse(readFileSync(CONVERSATIONS, 'utf8')) as {
    tools: Record<string, unknown>
    conversations: Conversation[]
  }
  return new Map(
    conversations.map(({ id, tools: names, chat_template_kwargs: variables, ...request }) => [
      id,
      {
        ...request,
        ...(names && { tools: names.map((name) => tools[name]!) }),
        chat_template_kwargs: { ...DATES, ...variables },
      },
    ]),
  )
}

/** The templates of the shared vectors, by name; each text once. */
export function templates(): Map<string, string> {
  const lines = readFileSync(shared('vectors', 'jinja', 'templates.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
  const files = readdirSync(shared('vectors', 'tools')).filter((name) => name.endsWith('.json'))
  const all = [...lines, ...files.map((name) => readFileSync(shared('vectors', 'tools', name), 'utf8'))]
  const byText = new Map<string, string>()
  for (const text of all) {
    const { name, template } = JSON.parse(text) as { name: string; template: string }
    if (!byText.has(template)) byText.set(template, name)
  }
  return new Map(Array.from(byText, ([template, name]) => [name, template]))
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** A request's prompt by cria, as its server makes it; undefined where it fails. */
export function promptOf(template: string, request: TemplateRequest): string | undefined {
  const { messages, tools, chat_template_kwargs: variables, add_generation_prompt: opened } = request
  const prefilled = messages.at(-1)!.role === 'assistant'
  const asked = request.continue_final_message ?? prefilled
  const options: RenderOptions = {
    template,
    messages,
    tools,
    bosToken: BOS,
    eosToken: EOS,
    variables: variablesOf(template, variables),
    now: new Date(NOW * 1000),
    ...(asked ? { continueFinalMessage: asked } : { addGenerationPrompt: opened }),
  }
  try {
    return renderChat(options)
  } catch {
    return undefined
  }
}
