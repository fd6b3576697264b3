/** What llama-server reports of templates, and the variables that it and llama.cpp's other programs hand to them. */
import { probeCalls, user } from './caps.ts'
import { compile } from './compiled.ts'
import { strftime } from './strftime.ts'

export interface TemplateReport {
  supports_string_content: boolean
  supports_typed_content: boolean
  supports_tools: boolean
  supports_tool_calls: boolean
  /** Several calls in one message. */
  supports_parallel_tool_calls: boolean
  supports_system_role: boolean
  /** Writes reasoning of earlier turns. */
  supports_preserve_reasoning: boolean
  supports_reasoning_effort: boolean
  supports_object_arguments: boolean
}

/** Variables by which templates are asked to write the reasoning of earlier turns, or not to. */
const reasoningVariables = (preserved: boolean): Record<string, boolean> => ({
  preserve_thinking: preserved,
  clear_thinking: !preserved,
  truncate_history_thinking: !preserved,
  drop_thinking: !preserved,
})

/**
 * A template's variables: those that are given, and llama.cpp's where they are not. Thinking, where the template knows it, and
 * the reasoning of earlier turns are on, and the date is today's. Throws TemplateError where the template is no valid Jinja.
 * Source: llama.cpp, common/chat.cpp, common/jinja/caps.cpp.
 */
export function variablesOf(
  template: string,
  given: Record<string, unknown> = {},
  now = new Date(),
): Record<string, unknown> {
  const { family, reasoning } = compile(template)
  const { think, answer } = family ?? reasoning()
  const { preserve_reasoning: preserved = true, reasoning_effort: effort } = given
  return {
    date_string: strftime(now, '%d %b %Y'),
    datetime: strftime(now, '%b %d %Y'),
    enable_thinking: Boolean(think || answer),
    preserve_reasoning: true,
    ...(typeof preserved === 'boolean' && reasoningVariables(preserved)),
    ...(typeof effort === 'string' && { reasoning_strength: effort }),
    ...given,
  }
}

const REASON = '<REASONING_CONTENT_PLACEHOLDER>'
const answer = (reasoning: string) => ({ role: 'assistant', content: 'Message', reasoning_content: reasoning })

/** What a template can do. Throws TemplateError where it is no valid Jinja. Source of the probes: llama.cpp, common/jinja/caps.cpp. */
export function reportOf(source: string): TemplateReport {
  const { caps, probe } = compile(source)
  const { tools, calls, objects, system, text, parts } = caps()
  const parallel = probeCalls(probe, objects ? { arg: 'value' } : '{"arg": "value"}', 'called', 'second')
  const talk = [user('Message'), answer(REASON), user('Message'), answer('Reasoning'), user('Message')]
  const preserved = probe(talk, { enable_thinking: true, ...reasoningVariables(true) })
  const effort = (level: string) =>
    probe([user('Message')], { enable_thinking: true, reasoning_effort: level, reasoning_strength: level })
  return {
    supports_string_content: text,
    supports_typed_content: parts,
    supports_tools: tools,
    supports_tool_calls: calls,
    supports_parallel_tool_calls: parallel.includes('second'),
    supports_system_role: system,
    supports_preserve_reasoning: preserved?.includes(REASON) ?? false,
    supports_reasoning_effort: new Set(['none', 'low', 'high', 'max'].map(effort)).size > 1,
    supports_object_arguments: objects,
  }
}
