/**
 * Formats of which llama.cpp knows more than their templates show: what opens reasoning and answer of a message that goes on, and
 * how reasoning is handed to the template. Source: llama.cpp, common/chat.cpp and common/parsers.
 */
import type { Message } from './messages.ts'

export interface TemplateFamily {
  /** What opens the assistant's message. */
  open: string
  /** What opens reasoning; absent where there is none. */
  think?: string | undefined
  /** What stands between reasoning and answer. */
  answer?: string | undefined
  /** Changes messages that fit the template already. */
  fit?: ((message: Message) => Message) | undefined
}

/** Reasoning under another name. */
const named = (message: Message): Message =>
  message.reasoning_content ? { ...message, thinking: message.reasoning_content } : message

/** Reasoning of the assistant and of the system as a part. */
function asPart(message: Message): Message {
  const { reasoning_content: reasoning, ...others } = message
  const { role, content } = message
  if (role !== 'system' && role !== 'assistant') return message
  const texts = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  const parts = reasoning ? [{ type: 'thinking', thinking: reasoning }, ...texts] : texts
  return { ...others, content: parts as Message['content'] }
}

type Row = [marks: string, open: string, think?: string, answer?: string, fit?: TemplateFamily['fit']]

/** The mark of gpt-oss, whose templates know the role `developer`. */
export const GPT_OSS = '<|channel|>'
const CHATML = '<|im_start|>assistant\n'

/** By texts that a template has, parted by blanks; the first that fits counts. */
const FAMILIES: readonly Row[] = [
  // Ministral 3, Magistral, Devstral; Mistral Small 3.2
  ['[SYSTEM_PROMPT] [TOOL_CALLS] [CALL_ID]', ''],
  ['[SYSTEM_PROMPT] [TOOL_CALLS] [ARGS]', '', '[THINK]', '[/THINK]', asPart],
  // gpt-oss, Functionary 3.2
  [
    GPT_OSS,
    '<|start|>assistant',
    '<|channel|>analysis<|message|>',
    '<|end|><|start|>assistant<|channel|>final<|message|>',
    named,
  ],
  ['>>>all >>>${recipient', '<|start_header_id|>assistant<|end_header_id|>\n\n>>>all\n'],
  // LFM2, LFM2.5
  ['<|tool_list_start|>', CHATML, '<think>', '</think>', named],
  ['List of tools:', CHATML, '<think>', '</think>', named],
  // Gemma 4
  ["'<|tool_call>call:'", '<|turn>model\n', '<|channel>thought\n', '<channel|>'],
  // Qwen3.5, Nemotron 3, StepFun
  ['<tool_call> <function= <think>', CHATML, '<think>\n', '\n</think>\n\n'],
]

/** Whether some texts, parted by blanks, all stand in a template. */
export function hasMarks(source: string, marks: string): boolean {
  return marks.split(' ').every((mark) => source.includes(mark))
}

/** The family of a template, if it is of one. */
export function familyOf(source: string): TemplateFamily | undefined {
  const row = FAMILIES.find(([marks]) => hasMarks(source, marks))
  if (!row) return undefined
  const [, open, think, answer, fit] = row
  return { open, think, answer, fit }
}
