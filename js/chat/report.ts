/** What a template can do, in llama.cpp's words, as llama-server's `/props` reports it. */
import { probeCalls, user } from './caps.ts'
import { compile } from './compiled.ts'

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
export const reasoningVariables = (preserved: boolean): Record<string, boolean> => ({
  preserve_thinking: preserved,
  clear_thinking: !preserved,
  truncate_history_thinking: !preserved,
  drop_thinking: !preserved,
})

const REASON = '<REASONING_CONTENT_PLACEHOLDER>'
const answer = (reasoning: string) => ({ role: 'assistant', content: 'Message', reasoning_content: reasoning })

/** Throws TemplateError where the template is no valid Jinja. Source of the probes: llama.cpp, common/jinja/caps.cpp. */
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
    supports_preserve_reasoning: preserved.includes(REASON),
    supports_reasoning_effort: new Set(['none', 'low', 'high', 'max'].map(effort)).size > 1,
    supports_object_arguments: objects,
  }
}
