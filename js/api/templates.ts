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

export async function loadTemplates(): Promise<void> {
  code ??= await import('../chat/template.ts')
}

/**
 * Whether a model that has been loaded should have the code at once: one whose file has a chat template, and any where code is
 * not fetched by a page.
 */
export function wantsTemplates(chatTemplate: unknown): boolean {
  return chatTemplate !== undefined || !/^https?:/.test(globalThis.location?.protocol ?? '')
}

/** @throws TemplateError where it has not been imported */
export function templates(): typeof Templates {
  if (code) return code
  const message =
    "The model's file has no chat template, so the code of chats comes with the first of them: await a chat before " +
    'applyTemplate or chatTemplate, which are synchronous.'
  throw new TemplateError('TEMPLATES_NOT_LOADED', message)
}
