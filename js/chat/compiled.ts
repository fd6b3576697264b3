/** Templates, read once, with what rendering finds out about them. */
import { ArgumentError, TemplateError } from '../errors.ts'
import { capsOf, EMPTY, type RenderProbe, type TemplateCaps } from './caps.ts'
import { type ReasoningMarks, reasoningMarks } from './continue.ts'
import { familyOf, type TemplateFamily } from './families.ts'
import { readTemplate } from './jinja/template.ts'
import { JinjaError } from './jinja/values.ts'
import { contentFor, type Message } from './messages.ts'
import { strftime } from './strftime.ts'

export interface ChatTemplate {
  source: string
  family: TemplateFamily | undefined
  /** Found when they are first asked for. */
  caps(): TemplateCaps
  reasoning(): ReasoningMarks
  probe: RenderProbe
  /** The text for some variables. Throws TemplateError. */
  render(variables: Record<string, unknown>, now?: Date): string
}

function chatTemplate(source: string): ChatTemplate {
  const text = source.replace(REFUSAL, '{%- if false %}')
  const read = failing('is no valid Jinja', 'TEMPLATE_SYNTAX', source, () => readTemplate(text))
  const render = (variables: Record<string, unknown>, now = new Date()) => {
    const given = {
      raise_exception: (reason: unknown) => {
        throw new TemplateError('TEMPLATE_RAISED', `The chat template refused the messages: ${reason}`, reason)
      },
      strftime_now: (format: string) => strftime(now, format),
      ...variables,
    }
    return failing('failed', 'TEMPLATE_FAILED', source, () => read.render(given))
  }
  const probe: RenderProbe = (messages, variables) => {
    const none = { bos_token: '', eos_token: '', tools: [], add_generation_prompt: true, ...EMPTY }
    try {
      return render({ ...none, ...variables, messages })
    } catch (error) {
      if (error instanceof TemplateError) return undefined
      throw error
    }
  }
  const caps = once(() => capsOf(probe))
  const reasoning = once(() => {
    const fitted: RenderProbe = (messages, variables) =>
      probe(
        messages.map((message) => contentFor(message as Message, caps())),
        variables,
      )
    return reasoningMarks(source, fitted)
  })
  return { source, family: familyOf(source), caps, reasoning, probe, render }
}

function once<T>(find: () => T): () => T {
  let found: T | undefined
  return () => {
    found ??= find()
    return found
  }
}

function failing<T>(what: string, code: string, source: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof TemplateError) throw error
    const line = error instanceof JinjaError ? ` in line ${error.line}` : ''
    const reason = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
    const message = `The chat template ${what}${line}: ${reason}. Give another with the option template.`
    throw new TemplateError(code, message, source, { cause: error })
  }
}

/** A condition by which templates of Mistral's refuse empty messages, which they write well; llama.cpp takes it out too. */
const REFUSAL = /\{%- if \(message\['content'\] is none or .*?\['tool_calls'\]\|length == 0\) %\}/g

/** The templates used last; a model has one, a server's clients may send others. */
const compiled = new Map<string, ChatTemplate>()
const COMPILED_MOST = 16

export function compile(source: string): ChatTemplate {
  const known = compiled.get(source)
  if (known) return known
  if (typeof source !== 'string') {
    throw new ArgumentError('INVALID_TEMPLATE', 'A chat template must be a text in Jinja.', source)
  }
  const template = chatTemplate(source)
  if (compiled.size >= COMPILED_MOST) compiled.delete(compiled.keys().next().value!)
  compiled.set(source, template)
  return template
}
