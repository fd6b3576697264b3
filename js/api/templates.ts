/** The code of chat templates, which is imported when a model or a call needs it: a page that completes texts does without. */
import type * as Templates from '../chat/template.ts'
import { TemplateError } from '../errors.ts'
import type * as Output from './chat-output.ts'
import type { ChatOptions } from './types.ts'

let code: typeof Templates | undefined
let output: typeof Output | undefined

/** For places where nothing can be imported later on. */
export function provideTemplates(templates: typeof Templates, chatOutput: typeof Output): void {
  code = templates
  output = chatOutput
}

/** The code that reads what chats give, where there is more in it than content; undefined elsewhere. */
export async function outputOf(template: string, options: ChatOptions): Promise<typeof Output | undefined> {
  const { tools, toolChoice } = options
  if (!tools?.length && toolChoice === undefined && !REASONS.test(template)) return undefined
  output ??= await import('./chat-output.ts')
  return output
}

/** Of templates that may know reasoning, or formats of more than one part. */
const REASONS = /think|reason|<\|channel|inner_prefix|>>>all/i

/** Imports what rendering needs, with the filters that a template names, or all of them. */
export async function loadTemplates(source: unknown, all = false): Promise<void> {
  code ??= await import('../chat/template.ts')
  if (all || code.lacksFilters(String(source))) {
    const { provideRareFilters } = await import('../chat/rare-filters.ts')
    provideRareFilters()
  }
}

/**
 * Imports what a model that has been loaded should have at once: what the templates in its file need, and everything where
 * code is not fetched by a page.
 */
export async function loadTemplatesOf(metadata: ReadonlyMap<string, unknown>): Promise<void> {
  const sources = ['', '.tool_use'].flatMap((name) => metadata.get(`tokenizer.chat_template${name}`) ?? [])
  const isPage = /^https?:/.test(globalThis.location?.protocol ?? '')
  if (sources.length > 0 || !isPage) await loadTemplates(sources.join(), !isPage)
}

/**
 * @param source the template to render, if it is known
 * @throws TemplateError where its code has not been imported
 */
export function templates(source = ''): typeof Templates {
  if (code && !code.lacksFilters(source)) return code
  const what = code
    ? 'The template has filters whose code comes with the first chat that needs them: await a chat with this template before '
    : "The model's file has no chat template, so the code of chats comes with the first of them: await a chat before "
  throw new TemplateError('TEMPLATES_NOT_LOADED', `${what}applyTemplate or chatTemplate, which are synchronous.`)
}
